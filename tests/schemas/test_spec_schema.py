"""The JSON Schema of spec files: what is committed is what the models say, it agrees with the loader, and the guide."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas.program_load import parse_program
from schemas.program_schema import SPEC_FILE, spec_text
from schemas.program_source import ProgramError, parse_source
from schemas.spec_load import parse_spec
from tests.schemas.program_texts import CLUB, PROGRAMS, SHIPPED

GUIDE = (Path(__file__).parents[2] / "docs" / "spec-files.md").read_text("utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
STEPS = "cases: [{name: a, when: [{purchase: tea 1.00}, {review: a}], then: {points: 1}}]"


@pytest.fixture(scope="module")
def schema() -> Mapping[str, Any]:
    made: Mapping[str, Any] = json.loads(SPEC_FILE.read_text("utf-8"))
    return made


def test_the_committed_file_is_what_the_models_say(schema: Mapping[str, Any]) -> None:
    assert SPEC_FILE.read_text("utf-8") == spec_text(), "run python -m schemas.program_schema"
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_specs_satisfy_it_and_point_to_it(name: str, schema: Mapping[str, Any]) -> None:
    content = (PROGRAMS / f"{name}.spec.yaml").read_text("utf-8")
    assert list(Draft202012Validator(schema).iter_errors(parse_source(content, name).tree)) == []
    assert content.startswith("# yaml-language-server: $schema=../../schemas/json/spec.schema.json\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("purchase: tea", "purchse: tea"),
        ("tea 1.00}", "tea 1.00, return: all}"),
        ("review: a", "review: a, rating: 6"),
        ("review: a", "review: a, colour: red"),
        ("points: 1", "points: many"),
        ("then: {points: 1}", "given: {}"),
        ("points: 1", "members: {ben: 3}"),
    ],
)
def test_an_editor_sees_the_same_mistakes(old: str, new: str, schema: Mapping[str, Any]) -> None:
    assert old in STEPS
    validator, text = Draft202012Validator(schema), STEPS.replace(old, new)
    assert list(validator.iter_errors(parse_source(STEPS, "s").tree)) == []
    assert list(validator.iter_errors(parse_source(text, "s").tree)) != []
    with pytest.raises(ProgramError):
        parse_spec(text, parse_program(CLUB))


def _keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for inner in value.values() for key in _keys(inner)}
    return {key for inner in value for key in _keys(inner)} if isinstance(value, list) else set()


def test_the_guide_shows_every_key(schema: Mapping[str, Any]) -> None:
    known = {name for block in [schema, *schema["$defs"].values()] for name in block.get("properties", {})}
    shown = {key for example in EXAMPLES for key in _keys(parse_source(example, "guide").tree)}
    # In the text: a list of files, a figure that the example of every step cannot show, two long forms of a line.
    assert known - shown <= {"versions", "price", "sku", "brand"}
    assert all(f"{word}" in GUIDE for word in ("versions:", "brand=", "sku="))
