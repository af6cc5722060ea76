"""Reads schemas/examples: complete good events, and bad ones as the first good one with one thing wrong."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from ruamel.yaml import YAML

FOLDER = Path(__file__).parents[2] / "schemas" / "examples"


class Good(NamedTuple):
    event_type: str
    name: str
    event: dict[str, Any]
    anonymous: bool

    @property
    def raw(self) -> bytes:
        return orjson.dumps(self.event)


class Bad(NamedTuple):
    event_type: str
    name: str
    raw: bytes
    topic: str | None
    strict: bool
    code: str
    says: str


def _at(event: Any, path: str) -> tuple[Any, str | int]:
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in way:
        event = event[step]
    return event, last


def _spoiled(event: dict[str, Any], case: Mapping[str, Any]) -> bytes:
    if "raw" in case:
        return str(case["raw"]).encode()
    event = copy.deepcopy(event)
    for path, value in case.get("set", {}).items():
        place, last = _at(event, path)
        if isinstance(place, list) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    if "remove" in case:
        place, last = _at(event, case["remove"])
        del place[last]
    raw = orjson.dumps(event)
    if "swap" in case:
        old, new = (piece.encode() for piece in case["swap"])
        if old not in raw:
            raise ValueError(f"{case['name']}: {old!r} is not in the event")
        raw = raw.replace(old, new, 1)
    return raw


def _load() -> tuple[list[Good], list[Bad]]:
    goods: list[Good] = []
    bads: list[Bad] = []
    for path in sorted(FOLDER.glob("*.yaml")):
        event_type = path.stem
        cases = YAML(typ="safe").load(path)
        goods += [Good(event_type, each["name"], each["event"], each.get("anonymous", False)) for each in cases["good"]]
        first = cases["good"][0]["event"]
        bads += [
            Bad(
                event_type,
                each["name"],
                _spoiled(first, each),
                each.get("topic"),
                each.get("strict", False),
                each["code"],
                each["says"],
            )
            for each in cases["bad"]
        ]
    return goods, bads


GOOD, BAD = _load()
