"""Decoding: what it accepts, what it refuses, and that it never does anything else."""

import copy
import json
import random
import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loyalty.decisions import Code
from loyalty.facts import Award, Cause, Line, MemberUpdate, Purchase, Return, ReturnLine, Tender
from schemas.decode import Anonymous, DecodeCode, Decoded, Known, Undecodable, decode, examine
from schemas.envelope import EVENT_BYTES_MAX, TOPIC_OF_TYPE
from schemas.refusals import MESSAGE_CHARS_MAX
from tests.schemas.examples import GOOD, Good

GOOD_BY_NAME = {good.name: good for good in GOOD}
each_good = pytest.mark.parametrize("good", GOOD, ids=lambda good: f"{good.event_type}: {good.name}")
a_good_one = st.sampled_from(GOOD)


def purchase(**changes: Any) -> dict[str, Any]:
    """The first good sale, with fields of `data` replaced."""
    event = copy.deepcopy(GOOD_BY_NAME["a sale with two lines, paid by card, with tax"].event)
    event["data"].update(changes)
    return event


def fact(event: dict[str, Any]) -> Any:
    decoded = decode(orjson.dumps(event))
    assert isinstance(decoded, Known), decoded
    return decoded.fact


def refused(raw: bytes | None, **options: Any) -> tuple[str, str]:
    decoded = decode(raw, **options)
    assert isinstance(decoded, Undecodable), decoded
    assert decoded == examine(raw, **options)
    return decoded.code, decoded.message


# ---------------------------------------------------------------- what comes out


def test_a_sale_becomes_a_purchase() -> None:
    event = GOOD_BY_NAME["weighed goods, own attributes, the store's time zone, points and cash"].event
    got = fact(event)
    assert got == Purchase(
        cause=Cause("/pos/store-7", "7-88", "loyalty.purchase.v1"),
        member="käthe@example.org",
        time_us=1_774_747_800_250_000,
        body=got.body,
        content=got.content,
        transaction_id="7-88",
        store_id="7",
        channel="app",
        currency="JPY",
        lines=(Line("1", "TEA", "tea", "", 345_000, 1200),),
        tenders=(Tender("points", "", 200), Tender("cash", "", 1300)),
        tax_minor=0,
        shipping_minor=250,
        tip_minor=50,
        store_zone="Europe/Berlin",
        attributes={"table": "terrace", "guests": 4, "preorder": True},
    )


def test_a_blind_return_has_no_transaction() -> None:
    got = fact(GOOD_BY_NAME["a blind return names no purchase"].event)
    assert isinstance(got, Return)
    assert (got.transaction_id, got.lines[1]) == ("", ReturnLine("2", 250_000, 120))


def test_absent_segments_differ_from_no_segments() -> None:
    left_alone = fact(GOOD_BY_NAME["a birthday without a year, on the leap day"].event)
    taken_away = fact(GOOD_BY_NAME["all segments are taken away"].event)
    joined = fact(GOOD_BY_NAME["someone joins"].event)
    assert isinstance(left_alone, MemberUpdate)
    assert (left_alone.segments, taken_away.segments, joined.segments) == (None, (), ("newsletter", "student"))


def test_an_award_names_the_event_that_gave_it() -> None:
    got = fact(GOOD_BY_NAME["the referrer's part of a referral"].event)
    assert isinstance(got, Award)
    assert got.cause == Cause("/referrals", "ref-5-qualified", "loyalty.referral.v1")
    assert got.message_id == "5f2b0a5c3d1e4f60718293a4b5c6d7e8"


def test_an_anonymous_sale_is_a_result_of_its_own() -> None:
    event = purchase()
    del event["subject"]
    assert decode(orjson.dumps(event)) == Anonymous(
        Cause("/pos/store-12", "12-3-000123", "loyalty.purchase.v1"),
        1_795_274_100_000_000,
    )


def test_an_anonymous_sale_must_be_valid() -> None:
    event = purchase(currency="usd")
    del event["subject"]
    assert refused(orjson.dumps(event))[0] == DecodeCode.INVALID_EVENT


def test_an_unknown_type_is_told_what_others_may_send_and_nothing_that_only_accounts_do() -> None:
    event = GOOD_BY_NAME["a sale with two lines, paid by card, with tax"].event | {"type": "loyalty.transfer.v2"}
    decoded = decode(orjson.dumps(event))
    assert isinstance(decoded, Undecodable)
    named = set(re.findall(r"loyalty[a-z.]+v1", decoded.message))
    assert {"loyalty.purchase.v1", "loyalty.stock.v1", "loyalty.transfer.requested.v1"} <= named
    assert not {name for name in named if TOPIC_OF_TYPE[name] == "inbox"}


@each_good
def test_the_inbox_takes_every_type(good: Good) -> None:
    assert not isinstance(decode(good.raw, topic="inbox"), Undecodable)


@each_good
@pytest.mark.parametrize("topic", sorted({*TOPIC_OF_TYPE.values(), "ledger"} - {"inbox"}))
def test_a_type_is_taken_on_its_own_topic_alone(good: Good, topic: str) -> None:
    wrong = isinstance(decode(good.raw, topic=topic), Undecodable)
    assert wrong == (topic != TOPIC_OF_TYPE[good.event_type])


@each_good
def test_a_compact_good_event_takes_the_fast_path(good: Good, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, **__: object) -> Decoded:
        raise AssertionError("the careful path was taken")

    monkeypatch.setattr("schemas.decode.examine", slow)
    for raw in (good.raw, json.dumps(good.event, ensure_ascii=False).encode()):
        assert isinstance(decode(raw, topic=TOPIC_OF_TYPE[good.event_type], strict=True), Known | Anonymous)


# ---------------------------------------------------------------- unknown fields


def test_unknown_fields_are_ignored_and_named() -> None:
    event = purchase(lines=[{**line, "colour": "red"} for line in purchase()["data"]["lines"]], note={"a": [1.5]})
    event["partitionkey"] = "x"
    got = decode(orjson.dumps(event))
    assert isinstance(got, Known)
    assert got.unknown_fields == ("data.lines[].colour", "data.note", "partitionkey")
    assert got.fact == fact(purchase())


def test_unknown_fields_are_named_up_to_a_bound() -> None:
    got = decode(orjson.dumps(purchase() | {f"x{n:03}" + "y" * 500: n for n in range(200)}))
    assert isinstance(got, Known)
    assert len(got.unknown_fields) == 32
    assert max(map(len, got.unknown_fields)) == 64


def test_attributes_of_the_envelope_that_others_read_are_known() -> None:
    event = {**purchase(), "dataschema": "https://example.org/s", "traceparent": "00-ab-cd-01", "tracestate": None}
    assert isinstance(decode(orjson.dumps(event), strict=True), Known)


# ---------------------------------------------------------------- hostile bytes


@pytest.mark.parametrize(
    ("raw", "code", "says"),
    [
        (None, "empty", "the record has no value"),
        (b" " * (EVENT_BYTES_MAX + 1), "empty", "the record has no value"),
        (b"x" * (EVENT_BYTES_MAX + 1), "too_large", "has 262145 bytes; send at most 262144"),
        (b"\xff\xfe{\x00}\x00", "not_utf8", "byte 0 (0xff) is not UTF-8"),
        (b'{"id":"\xc3"}', "not_utf8", "byte 7 (0xc3)"),
        (b'{"id":"\xed\xa0\x80"}', "not_utf8", "byte 7 (0xed)"),
        (b"[" * 100_000, "too_deep", "more than 16 deep"),
        (b'{"a":' * 40_000 + b"1" + b"}" * 40_000, "too_deep", "more than 16 deep"),
        (b'{"a":' * 17 + b"1" + b"}" * 17, "too_deep", "more than 16 deep"),
        (b'{"a":' * 16 + b"1" + b"}" * 16, "wrong_specversion", "specversion is missing"),
        (b'"' + b'\\"' * 130_000, "not_json", "Unterminated string"),
        (b"[" * 400 + b'"' * 200_000, "too_deep", "more than 16 deep"),
        (b'{"a":"' + b"[" * 400 + b'"}', "wrong_specversion", "specversion is missing"),
        (b"9" * 200_000, "invalid_event", "a number has 200000 characters"),
        (b"1." + b"9" * 200_000, "invalid_event", "a number has 200002 characters"),
        (b'{"a":1e99999}', "wrong_specversion", "specversion is missing"),
        (b'{"a":"\x01"}', "not_json", "Invalid control character"),
        (b"{'a':1}", "not_json", "in double quotes"),
        (b'{"a":1,}', "not_json", "the event is not JSON"),
        (b'{"a":0x10}', "not_json", "the event is not JSON"),
        (b"\x00", "not_json", "the event is not JSON"),
    ],
    ids=lambda value: None if value is None else repr(value)[:40],
)
def test_hostile_bytes(raw: bytes | None, code: str, says: str) -> None:
    got_code, message = refused(raw)
    assert got_code == code
    assert says in message


def test_the_largest_basket_fits_and_one_line_more_does_not() -> None:
    def basket(lines: int) -> bytes:
        rows = [{"line_id": str(n), "sku": "S" * 128, "quantity": "1", "amount_minor": 1} for n in range(lines)]
        return orjson.dumps(purchase(lines=rows, tenders=[], tax_minor=0))

    assert isinstance(decode(basket(1000)), Known)
    code, message = refused(basket(1001))
    assert (code, "data.lines is a list of 1001" in message) == (DecodeCode.INVALID_EVENT, True)


def test_a_code_of_the_decoder_is_no_code_of_the_engine() -> None:
    assert {str(code) for code in DecodeCode}.isdisjoint({str(code) for code in Code})


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\r", "  ", " \n"], ids=repr)
def test_white_space_before_a_colon_hides_no_repeated_name(space: str) -> None:
    """One name more than is kept, one `":` fewer than names: the two must not cancel out."""
    once = b'"amount_minor":1190'
    twice = once + b',"amount_minor"' + space.encode() + b":1190"
    raw = orjson.dumps(purchase())
    assert refused(raw.replace(once, twice))[0] == DecodeCode.DUPLICATE_KEY


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\r"], ids=repr)
def test_white_space_before_a_colon_hides_no_unknown_field(space: str) -> None:
    raw = orjson.dumps(purchase()).replace(b'"data":{', b'"data":{"stranger"' + space.encode() + b":1,")
    decoded = decode(raw)
    assert isinstance(decoded, Known)
    assert decoded.unknown_fields == ("data.stranger",)


def test_texts_that_look_like_names_are_texts() -> None:
    event = purchase(store_id=":", attributes={":a": '":', '"': ": ", "b": ':"x":1'})
    assert fact(event).attributes == event["data"]["attributes"]
    assert decode(orjson.dumps(event), strict=True) == examine(orjson.dumps(event), strict=True)


# ---------------------------------------------------------------- properties

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def sane(decoded: Decoded) -> None:
    """Hold a result to its promises, and the fast path to the careful one."""
    assert isinstance(decoded, Known | Anonymous | Undecodable)
    if isinstance(decoded, Undecodable):
        assert isinstance(decoded.code, DecodeCode)
        assert 0 < len(decoded.message) <= MESSAGE_CHARS_MAX
        assert "\n" not in decoded.message
        decoded.message.encode()


@given(st.binary(max_size=400), st.sampled_from([None, *sorted(TOPIC_OF_TYPE.values())]), st.booleans())
def test_any_bytes_give_a_value(raw: bytes, topic: str | None, strict: bool) -> None:
    decoded = decode(raw, topic=topic, strict=strict)
    sane(decoded)
    assert decoded == examine(raw, topic=topic, strict=strict)


PIECES = [
    *(b'"', b":", b",", b"{", b"}", b"[", b"]", b"\\", b" ", b"\n", b"\t", b"-", b"e5", b"1.0", b"9" * 30),
    *(b'":', b'" :', b'"a":1,', b'"id":"x",', b'"data":{},', b"null", b"true", b"NaN"),
    *(b"\xff", b"\xc2\x85", b"\\u0000", b"\\ud800"),
]


@given(a_good_one, st.integers(min_value=0), st.integers(1, 4), st.booleans())
@settings(max_examples=1500)
def test_mutated_events_give_the_same_value_on_both_paths(good: Good, seed: int, wounds: int, strict: bool) -> None:
    chance = random.Random(seed)
    raw = good.raw
    for _ in range(wounds):
        at, until = sorted((chance.randrange(len(raw) + 1), chance.randrange(len(raw) + 1)))
        match chance.randrange(5):
            case 0:
                raw = raw[:at] + chance.choice(PIECES) + raw[at:]
            case 1:
                raw = raw[:at] + chance.choice(PIECES) + raw[min(at + 1, len(raw)) :]
            case 2:
                raw = raw[:at] + raw[at + chance.randrange(1, 4) :]
            case 3:
                raw = raw[:at] + raw[at:until] + raw[at:]
            case _:
                raw = raw[:until]
    decoded = decode(raw, strict=strict)
    sane(decoded)
    assert decoded == examine(raw, strict=strict)


@given(a_good_one, st.data())
@settings(max_examples=600)
def test_any_value_in_any_place_gives_the_same_value_on_both_paths(good: Good, data: st.DataObject) -> None:
    event = copy.deepcopy(good.event)
    place = data.draw(st.sampled_from(list(containers(event))))
    key = data.draw(st.sampled_from(sorted(place)) | st.text(max_size=6)) if isinstance(place, dict) else 0
    place[key] = data.draw(json_values)
    for raw in (json.dumps(event).encode(), json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")):
        decoded = decode(raw)
        sane(decoded)
        assert decoded == examine(raw)


@given(a_good_one, st.data())
@settings(max_examples=400)
def test_a_name_twice_in_any_object_is_refused(good: Good, data: st.DataObject) -> None:
    event = copy.deepcopy(good.event)
    objects = [each for each in containers(event) if isinstance(each, dict) and each]
    place = data.draw(st.sampled_from(objects))
    name = data.draw(st.sampled_from(sorted(place)))
    again = data.draw(st.just(place[name]) | json_values)
    marker = "\x00again"
    place[marker] = again
    separators = data.draw(st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : "), ("\n,\t", "\r:")]))
    text = json.dumps(event, separators=separators).replace(json.dumps(marker), json.dumps(name))
    code, message = refused(text.encode())
    assert code == DecodeCode.DUPLICATE_KEY
    assert f'"{name}"' in message


def containers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from containers(inner)
    elif isinstance(value, list):
        if value:
            yield value
        for inner in value:
            yield from containers(inner)
