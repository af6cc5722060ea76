"""What goes out satisfies its model, is the same every time, and an award comes back as it went."""

from collections.abc import Callable
from typing import Any

import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from loyalty.decisions import BalanceChange, Entry, Posting, TierChange
from loyalty.facts import Award, Cause
from schemas.decode import Known, decode
from schemas.encode import encode_balance, encode_entry, encode_tier
from schemas.jsonschema import OUTPUTS, schema_of
from schemas.messages import encode_message

CAUSE = Cause("/pos/store-12", "12-3-000123", "loyalty.purchase.v1")
AT_US = 1_795_274_100_000_000
RECORDED_US = AT_US + 123_456

ENTRY = Entry(
    entry_id="e1",
    kind="earn",
    reason="purchase",
    member="member-42",
    program="coffee-club",
    version="2026-01",
    digest="0123456789abcdef",
    cause=CAUSE,
    time_us=AT_US,
    recorded_at_us=RECORDED_US,
    sequence=7,
    postings=(
        Posting("issued", "points", -23, "base", ""),
        Posting("member", "points", 23, "base", "lot-1"),
    ),
    steps=({"rule": "base", "lines": ["1", "2"], "amount_minor": 2380, "forfeit": 0},),
)
BALANCE = BalanceChange(
    change_id="b1",
    member="member-42",
    program="coffee-club",
    currency="points",
    available=123,
    pending=0,
    delta=23,
    balances={"stamps": (4, 1), "points": (123, 0)},
    cause=CAUSE,
    time_us=AT_US,
    recorded_at_us=RECORDED_US,
    sequence=7,
)
TIER = TierChange(
    change_id="t1",
    member="member-42",
    program="coffee-club",
    from_tier=None,
    to_tier="silver",
    reason="threshold",
    benefits={"free_shipping": False, "discount_bps": 1000},
    valid_until_us=AT_US,
    progress={"next": "gold", "qualifying": 400, "from": 1000, "missing": 600},
    cause=CAUSE,
    time_us=AT_US,
    recorded_at_us=RECORDED_US,
    sequence=1,
)


def test_an_entry_on_the_wire() -> None:
    assert orjson.loads(encode_entry(ENTRY)) == {
        "specversion": "1.0",
        "id": "e1",
        "source": "/loyalty/coffee-club",
        "type": "loyalty.ledger.entry.v1",
        "time": "2026-11-21T15:15:00Z",
        "subject": "member-42",
        "datacontenttype": "application/json",
        "data": {
            "entry_id": "e1",
            "kind": "earn",
            "reason": "purchase",
            "program": "coffee-club",
            "version": "2026-01",
            "digest": "0123456789abcdef",
            "cause": {"source": "/pos/store-12", "id": "12-3-000123", "type": "loyalty.purchase.v1"},
            "effective_time": "2026-11-21T15:15:00Z",
            "recorded_at": "2026-11-21T15:15:00.123456Z",
            "member_sequence": 7,
            "postings": [
                {"account": "issued", "currency": "points", "amount": -23, "rule": "base", "lot": ""},
                {"account": "member", "currency": "points", "amount": 23, "rule": "base", "lot": "lot-1"},
            ],
            "steps": [{"amount_minor": 2380, "forfeit": 0, "lines": ["1", "2"], "rule": "base"}],
        },
    }


def test_a_balance_on_the_wire() -> None:
    event = orjson.loads(encode_balance(BALANCE))
    assert (event["id"], event["time"], event["subject"]) == ("b1", "2026-11-21T15:15:00Z", "member-42")
    assert event["data"] == {
        "program": "coffee-club",
        "currency": "points",
        "available": 123,
        "pending": 0,
        "delta": 23,
        "balances": {"points": {"available": 123, "pending": 0}, "stamps": {"available": 4, "pending": 1}},
        "cause": {"source": "/pos/store-12", "id": "12-3-000123", "type": "loyalty.purchase.v1"},
        "recorded_at": "2026-11-21T15:15:00.123456Z",
        "sequence": 7,
    }


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (TIER, {"from": None, "to": "silver", "valid_until": "2026-11-21T15:15:00Z"}),
        (TIER._replace(from_tier="bronze", valid_until_us=None), {"from": "bronze", "valid_until": None}),
        (TIER._replace(progress={}), {"progress": {}}),
    ],
)
def test_a_tier_on_the_wire(change: TierChange, part: dict[str, Any]) -> None:
    data = orjson.loads(encode_tier(change))["data"]
    assert {name: data[name] for name in part} == part
    assert set(data) == {
        "program", "from", "to", "reason", "benefits", "valid_until", "progress", "cause", "recorded_at", "sequence",
    }  # fmt: skip


ENCODED: list[tuple[str, bytes]] = [
    ("loyalty.ledger.entry.v1", encode_entry(ENTRY)),
    ("loyalty.ledger.entry.v1", encode_entry(ENTRY._replace(postings=(), steps=()))),
    ("loyalty.balance.changed.v1", encode_balance(BALANCE)),
    ("loyalty.balance.changed.v1", encode_balance(BALANCE._replace(available=-5, balances={}))),
    ("loyalty.tier.changed.v1", encode_tier(TIER)),
    ("loyalty.tier.changed.v1", encode_tier(TIER._replace(from_tier="bronze", valid_until_us=None, progress={}))),
]


@pytest.mark.parametrize(("event_type", "raw"), ENCODED)
def test_bytes_satisfy_the_model_and_the_json_schema(event_type: str, raw: bytes) -> None:
    TypeAdapter(OUTPUTS[event_type]).validate_json(raw)
    jsonschema.validate(orjson.loads(raw), schema_of(event_type), cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(("event_type", "raw"), ENCODED)
def test_the_models_refuse_what_is_missing_or_too_much(event_type: str, raw: bytes) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(OUTPUTS[event_type])
    event = orjson.loads(raw)
    for part in (event, event["data"]):
        for name in list(part):
            value = part.pop(name)
            with pytest.raises(ValidationError):
                adapter.validate_json(orjson.dumps(event))
            part[name] = value
        part["stranger"] = 1
        with pytest.raises(ValidationError):
            adapter.validate_json(orjson.dumps(event))
        del part["stranger"]


def test_the_model_refuses_postings_that_do_not_sum_to_zero() -> None:
    raw = encode_entry(ENTRY._replace(postings=ENTRY.postings[:1]))
    with pytest.raises(ValidationError, match="do not sum to zero"):
        TypeAdapter(OUTPUTS["loyalty.ledger.entry.v1"]).validate_json(raw)


def backwards(value: Any) -> Any:
    return {name: backwards(value[name]) for name in reversed(value)} if isinstance(value, dict) else value


@pytest.mark.parametrize(
    ("encode", "value", "again"),
    [
        (encode_entry, ENTRY, ENTRY._replace(steps=tuple(backwards(step) for step in ENTRY.steps))),
        (encode_balance, BALANCE, BALANCE._replace(balances=backwards(BALANCE.balances))),
        (encode_tier, TIER, TIER._replace(benefits=backwards(TIER.benefits), progress=backwards(TIER.progress))),
    ],
)
def test_the_order_of_free_maps_changes_no_byte(encode: Callable[[Any], bytes], value: Any, again: Any) -> None:
    assert encode(value) == encode(again)


def test_an_integer_beyond_64_bits_is_refused_and_not_rounded() -> None:
    with pytest.raises(TypeError, match="64-bit"):
        encode_balance(BALANCE._replace(available=2**64))


ids = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=128)


@given(
    st.builds(
        Award,
        cause=st.builds(Cause, ids, ids, ids),
        member=ids,
        time_us=st.integers(0, 253_402_300_799_999_999),
        body=st.just(b""),
        content=st.just(b""),
        message_id=ids,
        from_member=ids,
        rule=ids,
        version=ids,
    ),
)
def test_an_award_comes_back_as_it_went(award: Award) -> None:
    decoded = decode(encode_message(award), topic="inbox", strict=True)
    assert isinstance(decoded, Known)
    assert decoded.fact._replace(body=b"", content=b"") == award
