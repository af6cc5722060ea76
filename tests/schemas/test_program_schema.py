"""The JSON Schema of programs: what is committed is what the models say, and it agrees with the loader."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas.program_load import parse_program
from schemas.program_schema import FILE, main, text
from schemas.program_source import ProgramError, parse_source
from tests.schemas.program_texts import CLUB, PROGRAMS, SHIPPED, club


@pytest.fixture(scope="module")
def schema() -> Mapping[str, Any]:
    made: Mapping[str, Any] = json.loads(FILE.read_text("utf-8"))
    return made


def test_the_committed_file_is_what_the_models_say() -> None:
    assert FILE.read_text("utf-8") == text(), "run python -m schemas.program_schema"
    assert main(["--check"]) == 0
    assert main(["--what"]) == 2


def test_it_is_a_json_schema(schema: Mapping[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_programs_satisfy_it_and_point_to_it(name: str, schema: Mapping[str, Any]) -> None:
    content = (PROGRAMS / f"{name}.yaml").read_text("utf-8")
    assert list(Draft202012Validator(schema).iter_errors(parse_source(content, name).tree)) == []
    assert content.startswith("# yaml-language-server: $schema=../../schemas/json/program.schema.json\n")
    assert (PROGRAMS / "../../schemas/json/program.schema.json").resolve() == FILE.resolve()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("money: USD", "mony: USD"),
        ("money: USD", "money: usd"),
        ("program: club", "program: Our Club"),
        ("on: review", "on: reviews"),
        ("on: purchase", "on: purchase\n    when: {min_rating: 3}"),
        ("on: purchase", "on: purchase\n    when: {weekdays: [monday]}"),
        ("on: purchase", "on: purchase\n    when: {hours: 7-10}"),
        ("on: review", "on: review\n    multiplied: yes"),
        ("on: review", "on: review\n    at_most: 5"),
        ("factor: 2", "factor: -1"),
    ],
)
def test_an_editor_sees_the_same_mistakes(old: str, new: str, schema: Mapping[str, Any]) -> None:
    validator = Draft202012Validator(schema)
    assert list(validator.iter_errors(parse_source(CLUB, "club").tree)) == []
    assert list(validator.iter_errors(parse_source(club(old, new), "club").tree)) != []
    with pytest.raises(ProgramError):
        parse_program(club(old, new))


def test_every_key_is_described_or_says_it_by_its_name(schema: Mapping[str, Any]) -> None:
    undescribed = {
        name
        for block in [schema, *schema["$defs"].values()]
        for name, key in block.get("properties", {}).items()
        if "description" not in key and "$ref" not in key
    }
    assert undescribed <= {
        *("id", "on", "give", "points", "awards", "categories", "skus", "brands", "min_rating", "networks", "levels")
    }


def test_no_key_takes_null() -> None:
    assert "null" not in FILE.read_text("utf-8")
