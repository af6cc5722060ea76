"""The fast path: what it takes, what it leaves to `examine`, and that the two never differ."""

import copy
import functools
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Literal, NotRequired

import orjson
import pytest
from pydantic import Field
from typing_extensions import TypedDict

import schemas.decode as decoding
from loyalty.facts import Purchase
from schemas.decode import Anonymous, Decoded, Known, Undecodable, decode, examine
from schemas.fast import reader_of
from schemas.rows import Row
from tests.schemas.examples import GOOD, Good

each_good = pytest.mark.parametrize("good", GOOD, ids=lambda good: f"{good.event_type}: {good.name}")
FIRST = {good.event_type: good.event for good in reversed(GOOD)}
SALE = FIRST["loyalty.purchase.v1"]
RAW = orjson.dumps(SALE)


def at_once(raw: bytes) -> Decoded:
    """Decode, and fail if the careful path had to help; what comes out is what the careful path says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "examine", lambda *_, **__: pytest.fail(f"the careful path was taken for {raw!r}"))
        decoded = decode(raw)
    assert decoded == examine(raw)
    return decoded


def compact(event: Any) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def with_sku(sku: str) -> dict[str, Any]:
    event: dict[str, Any] = copy.deepcopy(SALE)
    event["data"]["lines"][0]["sku"] = sku
    return event


# ---------------------------------------------------------------- what is quick


@pytest.mark.parametrize(
    "write",
    [
        compact,
        lambda event: json.dumps(event).encode(),
        lambda event: json.dumps(event, sort_keys=True).encode(),
        lambda event: json.dumps(event, indent=2, ensure_ascii=False).encode(),
        lambda event: json.dumps(event, separators=(",", " : "), ensure_ascii=False).encode(),
        lambda event: b"\r\n\t " + compact(event) + b"\n",
    ],
    ids=["compact", "spaced and escaped", "sorted", "indented", "space before colons", "space around"],
)
@pytest.mark.parametrize(
    "sku",
    ["SKU-9", "Käsekuchen", "Молоко 3,2 %", "抹茶", "🥐", "5 € ½ kg \u00a0", "a/b"],
    ids=["plain", "umlaut", "cyrillic", "japanese", "emoji", "latin signs", "slash"],
)
def test_the_way_of_writing_and_the_script_are_no_reason_to_be_slow(write: Callable[[Any], bytes], sku: str) -> None:
    raw = write(with_sku(sku))
    got = at_once(raw)
    assert isinstance(got, Known)
    assert isinstance(got.fact, Purchase)
    assert [line.sku for line in got.fact.lines] == [sku, "SKU-4"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"/pos/store-12"', r'"\/pos\/store-12"'),
        ('"/pos/store-12"', '"https://pos.example:8443/store-12"'),
        ('"member-42"', '"urn:member:42"'),
        ('"SKU-9"', '"Tea: green"'),
        ('"SKU-9"', r'"the \"good\" one"'),
        ('"SKU-9"', r'"a\u0020b\u00a0c"'),
        ('"house"', '""'),
        ('"tax_minor":131,"shipping_minor":0,', '"tax_minor":131,'),
        ('"label":"house-card",', ""),
        ('"category":"bakery",', ""),
        ("2026-11-21T10:15:00-05:00", "2026-11-21T15:15:00.123Z"),
        ("2026-11-21T10:15:00-05:00", "2026-11-21t15:15:00z"),
        ('"datacontenttype":"application/json",', '"datacontenttype":null,"traceparent":null,'),
    ],
)
def test_what_is_common_takes_the_fast_path(old: str, new: str) -> None:
    raw = RAW.replace(old.encode(), new.encode())
    assert isinstance(at_once(raw), Known)


def test_each_field_that_may_be_left_out_may_be_left_out_quickly() -> None:
    taken: set[str] = set()
    for good in GOOD:
        for place, name in names_with_places(good.event):
            event = copy.deepcopy(good.event)
            inner: Any = event
            for step in place:
                inner = inner[step]
            del inner[name]
            if not isinstance(examine(orjson.dumps(event)), Undecodable):
                at_once(orjson.dumps(event))
                taken.add(name)
    assert {"category", "brand", "label", "tenders", "store_zone", "segments", "birthday", "subject"} <= taken


def names_with_places(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, below in inner:
        if isinstance(step, str):
            yield place, step
        yield from names_with_places(below, (*place, step))


# ---------------------------------------------------------------- traps

TRAPS = [
    # Names.
    ('"tax_minor":131', '"tax_minor":131,"tax_minor":131', "duplicate_key"),
    ('"tax_minor":131', r'"tax_minor":131,"tax\u005fminor":131', "duplicate_key"),
    ('"sku":"SKU-9"', '"sku":"SKU-9","sku":"SKU-9"', "duplicate_key"),
    ('"sku":"SKU-4"', '"sku":"SKU-4","brand":"a","brand":"b"', "duplicate_key"),
    ('"sku":"SKU-9"', '"sku":"SKU-9","sku" :"SKU-9"', "duplicate_key"),
    ('"sku":"SKU-9"', '"sku":"SKU-8:","sku":"SKU-9"', "duplicate_key"),
    ('"type":"card"', '"type":"card","type":"loyalty.purchase.v1"', "duplicate_key"),
    ('"type":"loyalty.purchase.v1"', '"type":"loyalty.return.v1","type":"loyalty.purchase.v1"', "duplicate_key"),
    (
        '"time":"2026-11-21T10:15:00-05:00"',
        r'"time":"2026-11-21T10\u003a15\u003a00-05:00","id":"x","id":"y"',
        "duplicate_key",
    ),
    ('"tax_minor":131', '"tax_minor":131,"attributes":{"a":1,"a":1}', "duplicate_key"),
    ('"tax_minor":131', '"tax_minor":131,"attributes":{"a:":1,"b":":"}', "known"),
    # Numbers.
    ("1190", "1190.0", "invalid_event"),
    ("1190", "119e1", "invalid_event"),
    ("1190", "true", "invalid_event"),
    ("1190", '"1190"', "invalid_event"),
    ("1190", "01190", "not_json"),
    ("1190", "+1190", "not_json"),
    ("1190", "1" * 5000, "invalid_event"),
    ('"tip_minor":0', '"tip_minor":-0', "known"),
    ('"tip_minor":0', '"tip_minor":-1', "invalid_event"),
    ('"tip_minor":0', '"tip_minor":1000000000001', "invalid_event"),
    ('"tip_minor":0', '"tip_minor":null', "invalid_event"),
    ('"tax_minor":131', '"tax_minor":131,"attributes":{"a":-9007199254740991,"b":9007199254740991}', "known"),
    ('"tax_minor":131', '"tax_minor":131,"attributes":{"a":9007199254740992}', "invalid_event"),
    ('"tax_minor":131', '"tax_minor":131,"attributes":{"a":1.0}', "invalid_event"),
    ('"tax_minor":131', '"tax_minor":131,"attributes":{"a":null}', "invalid_event"),
    ('"tax_minor":131', '"tax_minor":131,"attributes":{"a":true,"b":"","c":0}', "known"),
    ('"tax_minor":131', '"tax_minor":131,"attributes":{"":1}', "invalid_event"),
    # Texts.
    ("SKU-9", "é" * 128, "known"),
    ("SKU-9", "é" * 129, "invalid_event"),
    ("SKU-9", "🥐" * 128, "known"),
    ("SKU-9", r"\ud83e\udd50" * 128, "known"),
    ("SKU-9", r"\ud83e\udd50" * 129, "invalid_event"),
    ("SKU-9", r"\ud83e", "not_utf8"),
    ("SKU-9", r"\udd50\ud83e", "not_utf8"),
    ("SKU-9", r"\ud83e\ud83e\udd50", "not_utf8"),
    ("SKU-9", r"a\nb", "invalid_event"),
    ("SKU-9", r"a\\nb", "known"),
    ("SKU-9", r"\u0000", "invalid_event"),
    ("SKU-9", r"\u001F", "invalid_event"),
    ("SKU-9", r"\u007F", "invalid_event"),
    ("SKU-9", r"\u0085", "invalid_event"),
    ("SKU-9", r"\u009f", "invalid_event"),
    ("SKU-9", r"\u00a0", "known"),
    ("SKU-9", "\x7f", "invalid_event"),
    ("SKU-9", "\x80", "invalid_event"),
    ("SKU-9", "\x9f", "invalid_event"),
    ("SKU-9", "\xa0", "known"),
    ("SKU-9", "\u2028", "known"),
    ("SKU-9", " ", "known"),
    ("SKU-9", "", "invalid_event"),
    ("SKU-9", "\t", "not_json"),
    ('"tax_minor":131', r'"tax_minor":131,"attributes":{"a":"x\ny\u0000"}', "known"),
    ('"tax_minor":131', '"tax_minor":131,"attributes":{"a\x85":1}', "invalid_event"),
    # Times, quantities, zones.
    ("10:15:00-05:00", "10:15:00-05:00\\n", "invalid_event"),
    ("10:15:00-05:00", "24:00:00-05:00", "invalid_event"),
    ("10:15:00-05:00", "10:15:00-24:00", "invalid_event"),
    ("10:15:00-05:00", "10:15:00-05", "invalid_event"),
    ("10:15:00-05:00", "10:15:00,5-05:00", "invalid_event"),
    ("10:15:00-05:00", "10:15:00.1234567Z", "invalid_event"),
    ("10:15:00-05:00", "10:15:00", "invalid_event"),
    ("10:15:00-05:00", "10:15:60Z", "invalid_event"),
    ("2026-11-21T10", "2026-W47-6T10", "invalid_event"),
    ("2026-11-21T10", "2026-11-21 10", "invalid_event"),
    ("2026-11-21T10", "2026-02-30T10", "invalid_event"),
    ("2026-11-21T10", "٢٠٢٦-11-21T10", "invalid_event"),
    ('"quantity":"2"', '"quantity":"2\\n"', "invalid_event"),
    ('"quantity":"2"', '"quantity":" 2"', "invalid_event"),
    ('"quantity":"2"', '"quantity":"02"', "invalid_event"),
    ('"quantity":"2"', '"quantity":"٢"', "invalid_event"),
    ('"quantity":"2"', '"quantity":"2."', "invalid_event"),
    ('"quantity":"2"', '"quantity":"1_0"', "invalid_event"),
    ('"quantity":"2"', '"quantity":"1e3"', "invalid_event"),
    ('"quantity":"2"', '"quantity":2', "invalid_event"),
    ('"tip_minor":0', '"tip_minor":0,"store_zone":"Europe/Berlin\\n"', "invalid_event"),
    ('"tip_minor":0', '"tip_minor":0,"store_zone":"Europe/Köln"', "invalid_event"),
    ('"tip_minor":0', '"tip_minor":0,"store_zone":""', "known"),
    # The envelope, null and absence, bytes around.
    ('"subject":"member-42",', '"subject":null,', "anonymous"),
    ('"subject":"member-42",', "", "anonymous"),
    ('"subject":"member-42"', '"subject":""', "invalid_event"),
    ('"specversion":"1.0"', '"specversion":1.0', "wrong_specversion"),
    ('"application/json"', '"application/json; charset=utf-8"', "known"),
    ('"application/json"', '"text/json"', "wrong_content_type"),
    ('"brand":"house"', '"brand":null', "invalid_event"),
    ('"channel":"store"', '"channel":"Store"', "invalid_event"),
    ('"currency":"USD"', '"currency":"XAU"', "invalid_event"),
    ('{"specversion"', '\ufeff{"specversion"', "byte_order_mark"),
    ('"tip_minor":0}}', '"tip_minor":0}}\x00', "not_json"),
    ('"tip_minor":0}}', '"tip_minor":0}}\xa0', "not_json"),
    ('"tip_minor":0}}', '"tip_minor":0,}}', "not_json"),
    ('"tip_minor":0}}', '"tip_minor":0}', "not_json"),
    ('"tip_minor":0', '"tip_minor":0,"deep":' + "[" * 90_000 + "]" * 90_000, "too_deep"),
]


@pytest.mark.parametrize(("old", "new", "outcome"), TRAPS, ids=lambda text: repr(text)[:40])
def test_traps(old: str, new: str, outcome: str) -> None:
    raw = RAW.replace(old.encode(), new.encode(), 1)
    assert raw != RAW
    got = decode(raw)
    assert got == examine(raw)
    assert (got.code if isinstance(got, Undecodable) else type(got).__name__.lower()) == outcome


@pytest.mark.parametrize("wrong", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"])
@pytest.mark.parametrize("place", [b"SKU-9", b"tip_minor", b"member-42"])
def test_what_is_not_utf8_is_refused_wherever_it_stands(wrong: bytes, place: bytes) -> None:
    raw = RAW.replace(place, wrong, 1)
    assert decode(raw) == examine(raw)
    assert decode(raw).code == "not_utf8"  # type: ignore[union-attr]


# ---------------------------------------------------------------- tens of thousands of wounds

TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9.eE+]+|[{}\[\],:]|true|false|null')
STRANGE = [
    *(b"0", b"-0", b"-1", b"1.0", b"1e2", b"5", b"6", b"1000000000000", b"1000000000001", b"9007199254740992"),
    *(b"18446744073709551616", b"9" * 120, b"true", b"false", b"null", b"NaN", b"{}", b"[]", b"[1]", b'{"a":1}'),
    *(b'""', b'"a"', b'":"', b'" :"', b'"\\u0041"', b'"\\n"', b'"\\u0085"', b'"\\ud800"', b'"\\/"', b'"\\":"'),
    *(b'"\x7f"', '"\x85"'.encode(), '"ä"'.encode(), '"я"'.encode(), '"🥐"'.encode(), b'"\xff"', b'"\x01"'),
    *(b'"1"', b'"0.5"', b'"0.50"', b'"1.1234567"', b'"02-29"', b'"02-30"', b'"1999-02-29"', b'"2000-02-29"'),
    *(b'"2026-11-21T10:15:00Z"', b'"2026-11-21T10:15:00.5+01:00"', b'"2026-11-21"', b'"1.0"', b'"USD"', b'"store"'),
    *(b'"' + b"x" * 128 + b'"', b'"' + b"x" * 129 + b'"', '"{}"'.format("ä" * 256).encode(), b'"' + b"x" * 257 + b'"'),
    *(b'"id":"x",', b'"type":"loyalty.return.v1",', b'"attributes":{"a":1},', b'"amount_minor":1,', b'"brand":"",'),
    *(b" ", b"\n", b",", b":", b"{", b"}", b"]", b'"loyalty.share.v1"', b'"loyalty.purchase.v1"'),
]


@functools.lru_cache(maxsize=16)  # Most wounds are the first, of the same few bytes.
def spans_of(raw: bytes) -> Sequence[tuple[int, int]]:
    return [found.span() for found in TOKENS.finditer(raw)]


def wounded(raw: bytes, chance: random.Random) -> bytes:
    """Replace, repeat, remove or insert tokens."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        spans = spans_of(raw)
        if not spans:
            break
        start, end = chance.choice(spans)
        match chance.randrange(7):
            case 0:
                raw = raw[:start] + raw[end:]
            case 1:
                raw = raw[:start] + chance.choice(STRANGE) + raw[start:]
            case 2:
                until = chance.choice(spans)[1]
                raw = raw[:start] + raw[start:until] + raw[start:]
            case _:
                raw = raw[:start] + chance.choice(STRANGE) + raw[end:]
    return raw


@each_good
def test_wounds_give_the_same_value_on_both_paths(good: Good) -> None:
    chance = random.Random(good.name)
    known = 0
    spaced = json.dumps(good.event, ensure_ascii=False).encode()
    for number in range(800):
        raw = wounded(good.raw if number % 2 else spaced, chance)
        strict = bool(number % 3)
        decoded = decode(raw, strict=strict)
        assert decoded == examine(raw, strict=strict), raw
        known += isinstance(decoded, Known | Anonymous)
    assert 16 < known < 784


# ---------------------------------------------------------------- no drift


class _Data(TypedDict):
    amount: NotRequired[Annotated[int, Field(multiple_of=5)]]


class _Event(TypedDict):
    type: Literal["x"]
    data: _Data


def test_a_bound_that_the_fast_path_cannot_hold_stops_the_import() -> None:
    with pytest.raises(TypeError, match=r"multipleOf.*teach schemas/fast.py"):
        reader_of(_Event)


def test_rows_have_names_of_their_own() -> None:
    names = [row.__name__ for row in Row.__subclasses__()]
    assert len(names) == len(set(names))
    assert set(names) == {"LineData", "TenderData", "ReturnLineData"}
