"""The digests: what leaves them alone, what changes them, and what they are."""

import copy
import json
import random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decode import Known, decode
from tests.schemas.examples import GOOD, Good

MEMBERS = [good for good in GOOD if not good.anonymous]
FIRST = {good.event_type: good for good in reversed(MEMBERS)}


def digests(event: dict[str, Any]) -> tuple[str, str]:
    decoded = decode(orjson.dumps(event))
    assert isinstance(decoded, Known), decoded
    return decoded.fact.body.hex(), decoded.fact.content.hex()


# The digests lie in the accounts of members. When a row fails, duplicates of older events are no longer recognised:
# do not change the row, change the code back.
@pytest.mark.parametrize(
    ("event_type", "body", "content"),
    [
        ("loyalty.award.v1", "49a145a58f0d46ca", "6f6eed3b92dbdb9d"),
        ("loyalty.engagement.v1", "0346f5313ef9403c", "51534d96942cb748"),
        ("loyalty.member.v1", "601b9474eb21e433", "351cde37e3fa3f64"),
        ("loyalty.purchase.v1", "0537772d552e1cd2", "ec7a9542d9c0ab83"),
        ("loyalty.referral.v1", "4124a65ec4773f7e", "ef80f8698ff2e729"),
        ("loyalty.return.v1", "18ff66462671fde5", "f2941606ae6eb829"),
        ("loyalty.review.v1", "f17974dad61742a6", "ee91232d3bb45e4e"),
        ("loyalty.share.v1", "0bfbb6fb7b848cf8", "61daf5ff781c6118"),
    ],
)
def test_the_digests_of_the_first_example_never_change(event_type: str, body: str, content: str) -> None:
    assert digests(FIRST[event_type].event) == (body, content)


def shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        names = list(value)
        chance.shuffle(names)
        return {name: shuffled(value[name], chance) for name in names}
    return [shuffled(item, chance) for item in value] if isinstance(value, list) else value


@given(st.sampled_from(MEMBERS), st.integers(min_value=0), st.booleans())
def test_the_order_of_fields_and_unknown_fields_change_nothing(good: Good, seed: int, strange: bool) -> None:
    event = shuffled(good.event, random.Random(seed))
    if strange:
        event["data"]["stranger"] = {"a": 1}
    assert digests(event) == digests(good.event)


PURCHASE = FIRST["loyalty.purchase.v1"].event


def changed(event: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    event = copy.deepcopy(event)
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = event
    for step in way:
        place = place[step]
    place[last] = value
    return event


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.lines.0.quantity", "2.000"),
        ("data.lines.1.brand", ""),
        ("data.store_zone", ""),
        ("data.attributes", {}),
        ("time", "2026-11-21T15:15:00.000Z"),
        ("id", "another delivery"),
        ("source", "/pos/backup"),
        ("datacontenttype", "application/json; charset=utf-8"),
    ],
)
def test_another_way_to_say_the_same_is_the_same(path: str, value: Any) -> None:
    assert digests(changed(PURCHASE, path, value)) == digests(PURCHASE)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("subject", "member-43"),
        ("data.transaction_id", "12-3-000124"),
        ("data.store_id", "13"),
        ("data.channel", "app"),
        ("data.currency", "EUR"),
        ("data.lines.0.line_id", "3"),
        ("data.lines.0.sku", "SKU-8"),
        ("data.lines.0.category", ""),
        ("data.lines.0.brand", "guest"),
        ("data.lines.0.quantity", "2.000001"),
        ("data.tenders", []),
        ("data.tenders.0.type", "cash"),
        ("data.tenders.0.label", ""),
        ("data.store_zone", "Europe/Berlin"),
        ("data.attributes", {"a": 0}),
        ("data.attributes", {"a": False}),
        ("data.attributes", {"a": ""}),
    ],
)
def test_another_content_has_other_digests(path: str, value: Any) -> None:
    body, content = digests(PURCHASE)
    other_body, other_content = digests(changed(PURCHASE, path, value))
    assert other_body != body
    assert other_content != content


def test_attributes_are_told_apart_by_type() -> None:
    values = [0, 1, False, True, "", "0", "1", "true"]
    assert len({digests(changed(PURCHASE, "data.attributes", {"a": value})) for value in values}) == len(values)


@pytest.mark.parametrize("good", MEMBERS, ids=lambda good: f"{good.event_type}: {good.name}")
def test_another_time_changes_the_body_alone(good: Good) -> None:
    body, content = digests(good.event)
    other_body, other_content = digests(changed(good.event, "time", "2025-01-01T00:00:00.000001Z"))
    assert (other_body != body, other_content == content) == (True, True)


def test_amounts_swapped_between_fields_are_another_content() -> None:
    taxed = {"tax_minor": 7, "tip_minor": 0, "tenders": []}
    tipped = {"tax_minor": 0, "tip_minor": 7, "tenders": []}
    one, other = ({**PURCHASE, "data": {**PURCHASE["data"], **change}} for change in (taxed, tipped))
    assert digests(one)[1] != digests(other)[1]


def test_the_order_of_segments_means_nothing_and_their_absence_something() -> None:
    event = FIRST["loyalty.member.v1"].event
    same = changed(event, "data.segments", ["newsletter", "student", "newsletter"])
    assert digests(same) == digests(event)
    none = json.loads(json.dumps(event))
    del none["data"]["segments"]
    assert digests(none)[1] != digests(changed(event, "data.segments", []))[1]
