"""The JSON Schemas of program and spec files: `python -m schemas.program_schema` makes them, `--check` compares.

They come from the models. Editors read them for completion and for the descriptions; `loyalty check` says more than
they can.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from schemas.program import program_json_schema
from schemas.spec import spec_json_schema

FOLDER = Path(__file__).parent / "json"
FILE = FOLDER / "program.schema.json"
SPEC_FILE = FOLDER / "spec.schema.json"


def text() -> str:
    """What the file of programs has to hold."""
    return _text(program_json_schema())


def spec_text() -> str:
    """What the file of specs has to hold."""
    return _text(spec_json_schema())


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(_readable(schema, top=True), indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the files, or with `--check` compare them. Returns 0, 1 for drift, or 2 for wrong usage."""
    wanted = {FILE: text(), SPEC_FILE: spec_text()}
    if arguments == ["--check"]:
        differing = [path for path, told in wanted.items() if not path.exists() or path.read_text("utf-8") != told]
        for path in differing:
            sys.stderr.write(f"{path.name} is not what the models say; run python -m schemas.program_schema\n")
        return 1 if differing else 0
    if arguments:
        sys.stderr.write("usage: python -m schemas.program_schema [--check]\n")
        return 2
    FOLDER.mkdir(exist_ok=True)
    for path, told in wanted.items():
        path.write_text(told, "utf-8")
    return 0


def _readable(schema: Any, *, top: bool = False) -> Any:
    """Drop the titles of keys, which only repeat their names, and null, which no key takes."""
    if isinstance(schema, list):
        return [_readable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        name: _readable(value)
        for name, value in schema.items()
        if (top or name != "title" or not isinstance(value, str))
        and not (name == "default" and isinstance(value, dict | None))
    }
    choices = kept.get("anyOf", [])
    if {"type": "null"} in choices:
        others = [choice for choice in choices if choice != {"type": "null"}]
        kept.pop("anyOf")
        kept = {**others[0], **kept} if len(others) == 1 else {"anyOf": others, **kept}
    return kept


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
