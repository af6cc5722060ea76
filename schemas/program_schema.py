"""The JSON Schema of a program file: `python -m schemas.program_schema` makes it from the models, `--check` compares.

Editors read it for completion and for the descriptions; `loyalty check` says more than it can.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from schemas.program import program_json_schema

FILE = Path(__file__).parent / "json" / "program.schema.json"


def text() -> str:
    """What the file has to hold."""
    return json.dumps(_readable(program_json_schema(), top=True), indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the file, or with `--check` compare it. Returns 0, 1 for drift, or 2 for wrong usage."""
    if arguments == ["--check"]:
        if FILE.exists() and FILE.read_text("utf-8") == text():
            return 0
        sys.stderr.write(f"{FILE.name} is not what the models say; run python -m schemas.program_schema\n")
        return 1
    if arguments:
        sys.stderr.write("usage: python -m schemas.program_schema [--check]\n")
        return 2
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(text(), "utf-8")
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
