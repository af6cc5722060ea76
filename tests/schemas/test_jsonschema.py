"""The committed JSON Schemas are what the models say."""

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from schemas.decode import CONTRACTS
from schemas.envelope import TOPIC_OF_OUTPUT, TOPIC_OF_TYPE
from schemas.jsonschema import OUTPUTS, drift, main, schema_of

EVERY_TYPE = sorted([*CONTRACTS, *OUTPUTS])


def test_no_drift() -> None:
    assert drift() == [], "run python -m schemas.jsonschema"
    assert main(["--check"]) == 0


def test_drift_is_seen(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("schemas.jsonschema.FOLDER", tmp_path)
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0
    changed = tmp_path / "loyalty.purchase.v1.schema.json"
    changed.write_text(changed.read_text().replace("A sale.", "A sale!"))
    (tmp_path / "loyalty.gone.v1.schema.json").write_text("{}")
    assert drift() == ["loyalty.gone.v1.schema.json", "loyalty.purchase.v1.schema.json"]
    assert main(["--check"]) == 1
    assert "loyalty.gone.v1.schema.json is not what the models say" in capsys.readouterr().err
    assert main(["--chekc"]) == 2


@pytest.mark.parametrize("event_type", EVERY_TYPE)
def test_a_schema_is_valid_itself(event_type: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema_of(event_type))


@pytest.mark.parametrize("event_type", EVERY_TYPE)
def test_every_field_is_described(event_type: str) -> None:
    bare = [name for name, field in _properties(schema_of(event_type)) if not field.get("description")]
    assert bare == []


def test_every_type_has_a_topic_and_every_topic_a_contract() -> None:
    assert set(TOPIC_OF_TYPE) == set(CONTRACTS)
    assert set(TOPIC_OF_OUTPUT) == set(OUTPUTS)


def _properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in (schema, *schema.get("$defs", {}).values()):
        yield from part.get("properties", {}).items()
