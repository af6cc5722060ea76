"""JSON Schemas of every event, made from the models: `python -m schemas.jsonschema` writes them, `--check` compares.

They are documentation for senders and readers in any language. What spans several fields (tenders that add up,
line ids that are unique), days that do not exist, and whole numbers written with a point (1190.0, an integer to
JSON Schema) are refused by `decode` alone.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from schemas.decode import CONTRACTS
from schemas.envelope import TOPIC_OF_OUTPUT, TOPIC_OF_TYPE
from schemas.outputs import (
    BalanceChangedEvent,
    LedgerEntryEvent,
    NoticeEvent,
    RedemptionChangedEvent,
    RewardOrderEvent,
    TierChangedEvent,
)

FOLDER = Path(__file__).parent / "json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

OUTPUTS: dict[str, type] = {
    "loyalty.ledger.entry.v1": LedgerEntryEvent,
    "loyalty.balance.changed.v1": BalanceChangedEvent,
    "loyalty.tier.changed.v1": TierChangedEvent,
    "loyalty.notice.v1": NoticeEvent,
    "loyalty.redemption.changed.v1": RedemptionChangedEvent,
    "loyalty.reward.order.v1": RewardOrderEvent,
}
"""Outbound event type -> model."""


def schema_of(event_type: str) -> dict[str, Any]:
    """Return the JSON Schema of an inbound or outbound event type. Raises `KeyError` for any other."""
    inbound = event_type in CONTRACTS
    model = CONTRACTS[event_type].model if inbound else OUTPUTS[event_type]
    topic = TOPIC_OF_TYPE[event_type] if inbound else TOPIC_OF_OUTPUT[event_type]
    made = TypeAdapter(model).json_schema(by_alias=True)
    return {
        "$schema": DIALECT,
        "$id": f"{event_type}.schema.json",
        **_readable(made),
        "title": event_type,
        "description": f"{made['description']} Topic: {topic}.",
    }


def files() -> Iterator[tuple[Path, str]]:
    """Yield each schema file's path and what it has to hold."""
    for event_type in sorted([*CONTRACTS, *OUTPUTS]):
        text = json.dumps(schema_of(event_type), indent=2, ensure_ascii=False) + "\n"
        yield FOLDER / f"{event_type}.schema.json", text


def drift() -> list[str]:
    """Name the files that differ from the models, are missing, or belong to no model."""
    wanted = dict(files())
    differing = [path.name for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    strangers = [path.name for path in FOLDER.glob("loyalty.*.schema.json") if path not in wanted]
    return sorted(differing + strangers)


def main(arguments: Sequence[str]) -> int:
    """Write the files, or with `--check` compare them. Returns 0, 1 for drift, or 2 for wrong usage."""
    if arguments == ["--check"]:
        differing = drift()
        for name in differing:
            sys.stderr.write(f"schemas/json/{name} is not what the models say; run python -m schemas.jsonschema\n")
        return 1 if differing else 0
    if arguments:
        sys.stderr.write("usage: python -m schemas.jsonschema [--check]\n")
        return 2
    FOLDER.mkdir(exist_ok=True)
    for path, text in files():
        path.write_text(text)
        sys.stdout.write(f"{path.name}\n")
    return 0


def _readable(schema: Any) -> Any:
    """Drop the titles, which only repeat the names, and every ban on unknown fields: readers ignore them."""
    if isinstance(schema, dict):
        return {
            name: _readable(value)
            for name, value in schema.items()
            if not (name == "title" and isinstance(value, str)) and not (name == "additionalProperties" and not value)
        }
    return [_readable(item) for item in schema] if isinstance(schema, list) else schema


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
