"""The author's guide is true: each of its examples loads, and each key of a program has an example."""

import re
from pathlib import Path
from typing import Any

import pytest

from schemas.program_load import parse_program
from schemas.program_schema import text
from schemas.program_source import parse_source

GUIDE = (Path(__file__).parents[2] / "docs" / "programs.md").read_text("utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
HEAD = {
    "program": "program: guide\n",
    "version": 'version: "1"\n',
    "effective_from": "effective_from: 2026-01-01\n",
    "zone": "zone: UTC\n",
    "money": "money: EUR\n",
    "points": "points: {points: {name: Points}}\n",
}


def _completed(example: str) -> str:
    """The example with the lines of a head that it leaves out."""
    present = parse_source(example, "guide").tree
    return example + "".join(line for key, line in HEAD.items() if key not in present)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_loads(example: str) -> None:
    assert parse_program(_completed(example)).zone is not None


def _keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for inner in value.values() for key in _keys(inner)}
    return {key for inner in value for key in _keys(inner)} if isinstance(value, list) else set()


def test_every_key_has_an_example() -> None:
    schema = parse_source(text(), "schema").tree  # JSON is YAML.
    known = {name for block in [schema, *schema["$defs"].values()] for name in block.get("properties", {})}
    shown = {key for example in EXAMPLES for key in _keys(parse_source(example, "guide").tree)}
    assert known - shown <= {"spend_includes"}
    assert "spend_includes" in GUIDE
