"""What strangers, broken clients and bad disks send: a seeded generator that reads as a table of kinds.

Each kind says what must become of it:
  a code      a dead letter with that code, with the original bytes, key and headers
  COUNTED     a valid event in odd clothes: decided for its member, once
  IGNORED     valid, and of no account: an anonymous sale, or one worth nothing
  AS_DECODED  a mutation, of which nobody knows what it is: refused as its bytes say, or decided for some member

No kind touches a member or an id of another: each attack has a number that it puts into both.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import orjson

from tests.integration.engine_events import Message, event, sale
from workers.records import partition_of
from workers.topic_words import INPUTS

COUNTED: Final = "counted"
IGNORED: Final = "ignored"
AS_DECODED: Final = "as decoded"

KIB: Final = 1_024
LIMIT_BYTES: Final = 256 * KIB
HEAVY_COPIES: Final = 12
"""How many there are of each kind of 50 KiB and more; of the others there are as many as fill the number asked for."""


class Attack(NamedTuple):
    """One hostile record and what must become of it. `event_id` names the event that it was made from."""

    kind: str
    expected: str
    event_id: str
    message: Message


class Target(NamedTuple):
    """What an attack is made of: a number of its own, and luck. `name` keeps mutants apart, who may change numbers."""

    name: str
    number: int
    chance: random.Random
    partitions: int

    @property
    def id(self) -> str:
        return f"{self.name}-{self.number}"

    @property
    def member(self) -> str:
        return f"member-of-{self.id}"

    @property
    def sale(self) -> dict[str, Any]:
        return sale(self.id, self.member)

    def message(self, value: bytes | None, word: str = "purchases", **more: Any) -> Message:
        return Message(word, **({"key": self.member.encode(), "value": value} | more))


Make = Callable[[Target], Message]


# ------------------------------------------------------------------ ways to spoil a record
def raw(value: bytes | None, word: str = "purchases") -> Make:
    """These bytes."""
    return lambda target: target.message(value, word)


def around(before: bytes, after: bytes = b"") -> Make:
    """A good sale with bytes around it."""
    return lambda target: target.message(before + orjson.dumps(target.sale) + after)


def swapped(old: bytes, new: bytes) -> Make:
    """A good sale in whose bytes `old` became `new`."""

    def make(target: Target) -> Message:
        good = orjson.dumps(target.sale)
        assert old in good, old
        return target.message(good.replace(old, new, 1))

    return make


def recoded(encoding: str) -> Make:
    """A good sale with an umlaut, in another encoding."""
    return lambda target: target.message(
        orjson.dumps(target.sale).decode().replace("flour", "m\u00fcsli").encode(encoding)
    )


def changed(path: str, value: Any) -> Make:
    """A good sale with another value at a dotted path."""

    def make(target: Target) -> Message:
        made = target.sale
        *way, last = path.split(".")
        place: Any = made
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        place[last] = value
        return target.message(orjson.dumps(made))

    return make


def without(path: str) -> Make:
    """A good sale that lacks a field."""

    def make(target: Target) -> Message:
        made = target.sale
        *way, last = path.split(".")
        place: Any = made
        for step in way:
            place = place[step]
        del place[last]
        return target.message(orjson.dumps(made))

    return make


def other(kind: str, word: str, **data: Any) -> Make:
    """An event of another kind; `{id}` and `{member}` in its data become those of the attack."""

    def make(target: Target) -> Message:
        filled = {
            name: value.format(id=target.id, member=target.member) if isinstance(value, str) else value
            for name, value in data.items()
        }
        return target.message(orjson.dumps(event(kind, target.id, target.member, filled)), word)

    return make


def carried(**how: Any) -> Make:
    """A good sale whose record is odd: key, headers, timestamp."""
    return lambda target: target.message(orjson.dumps(target.sale), **how)


def wrong_partition(target: Target) -> Message:
    """A good sale, as a producer with another hash sends it."""
    right = partition_of(target.member, target.partitions)
    return target.message(orjson.dumps(target.sale), partition=(right + 1) % target.partitions)


def refused_elsewhere(target: Target) -> Message:
    """On a wrong partition, and refused where it belongs."""
    right = partition_of(target.member, target.partitions)
    made = target.sale
    made["data"]["currency"] = "CHF"
    return target.message(orjson.dumps(made), partition=(right + 1) % target.partitions)


def stray_inbox(target: Target) -> Message:
    """In the inbox of a partition that is not its own: nobody forwards it once more."""
    right = partition_of(target.member, target.partitions)
    return target.message(orjson.dumps(target.sale), "inbox", partition=(right + 1) % target.partitions)


def padded(bytes_in_all: int, *, junk: bool = False) -> Make:
    """As long as asked: a good sale with an own field that nobody knows, or nothing but noise."""

    def make(target: Target) -> Message:
        if junk:
            return target.message(target.chance.randbytes(bytes_in_all))
        made = target.sale | {"padding": ""}
        made["padding"] = "x" * (bytes_in_all - len(orjson.dumps(made)))
        return target.message(orjson.dumps(made))

    return make


def mutated(target: Target) -> Message:
    """A good sale after a few accidents: bits flip, bytes go missing, come twice, move or are overwritten."""
    value = bytearray(orjson.dumps(target.sale))
    chance = target.chance
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        at, length = chance.randrange(len(value)), chance.choice((1, 1, 2, 8, 40))
        match chance.randrange(6):
            case 0:
                value[at] ^= 1 << chance.randrange(8)
            case 1:
                del value[at : at + length]
            case 2:
                value[at:at] = value[at : at + length]
            case 3:
                value[at : at + length] = chance.randbytes(length)
            case 4:
                del value[at:]
            case _:
                piece = value[at : at + length]
                del value[at : at + length]
                to = chance.randrange(len(value) + 1)
                value[to:to] = piece
        if not value:
            value.extend(b"{")
    return target.message(bytes(value), target.chance.choice(("purchases", "purchases", "reviews", "inbox")))


BRACKETS: Final = 100_000
FLOUR: Final = b'"sku":"flour"'
AMOUNT: Final = b'"amount_minor":1000'
DIGITS: Final = b"1" + b"0" * 4_000

# ------------------------------------------------------------------ the table
# kind, what must become of it, how it is made
KINDS: Final[tuple[tuple[str, str, Make], ...]] = (
    # nothing there
    ("no value", "empty", raw(None)),
    ("no value on members", "empty", raw(None, "members")),
    ("no value in the inbox", "empty", raw(None, "inbox")),
    ("no bytes", "empty", raw(b"")),
    ("white space", "empty", raw(b" \r\n\t ")),
    # not text
    ("byte order mark", "byte_order_mark", around(b"\xef\xbb\xbf")),
    ("UTF-16", "not_utf8", recoded("utf-16")),
    ("UTF-32", "not_utf8", recoded("utf-32")),
    ("Latin-1", "not_utf8", recoded("latin-1")),
    ("overlong NUL", "not_utf8", swapped(b"flour", b"fl\xc0\x80ur")),
    ("encoded surrogate", "not_utf8", swapped(b"flour", b"fl\xed\xa0\x80ur")),
    ("beyond Unicode", "not_utf8", swapped(b"flour", b"fl\xf4\x90\x80\x80ur")),
    ("cut within a character", "not_utf8", around(b"", b"\xe2\x82")),
    ("escaped half of a pair", "not_utf8", swapped(b"flour", b"fl\\ud800ur")),
    ("escaped pair, swapped", "not_utf8", swapped(b"flour", b"fl\\udc00\\ud800ur")),
    ("gzip", "not_utf8", raw(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00")),
    ("Avro with a schema id", "not_utf8", around(b"\x00\x00\x00\x00\xff\xfe")),
    # not JSON
    ("not JSON", "not_json", raw(b"hello")),
    ("XML", "not_json", raw(b"<purchase/>")),
    ("CSV", "not_json", raw(b"id;amount\n1;2\n")),
    ("NUL bytes", "not_json", raw(b"\x00" * 64)),
    ("cut off", "not_json", lambda target: target.message(orjson.dumps(target.sale)[: -target.chance.randint(1, 250)])),
    ("two events", "not_json", around(b"", b'{"id":"2"}')),
    ("a tail", "not_json", around(b"", b"\x00")),
    ("trailing comma", "not_json", around(b"", b",")),
    ("Python's quotes", "not_json", lambda target: target.message(repr(target.sale).encode())),
    ("comment", "not_json", around(b"/* sale */ ")),
    ("raw control character", "not_json", swapped(b"flour", b"fl\x07our")),
    ("raw line end in a text", "not_json", swapped(b"flour", b"fl\nour")),
    ("NaN", "not_json", swapped(AMOUNT, b'"amount_minor":NaN')),
    ("Infinity", "not_json", swapped(AMOUNT, b'"amount_minor":-Infinity')),
    ("NaN where nobody looks", "not_json", swapped(FLOUR, FLOUR + b',"x":NaN')),
    ("leading zero", "not_json", swapped(AMOUNT, b'"amount_minor":0100')),
    ("hexadecimal", "not_json", swapped(AMOUNT, b'"amount_minor":0x10')),
    ("plus sign", "not_json", swapped(AMOUNT, b'"amount_minor":+1')),
    ("bad escape", "not_json", swapped(b"flour", b"fl\\xour")),
    # JSON of another shape
    ("list", "not_an_object", around(b"[", b"]")),
    ("text", "not_an_object", raw(b'"sale"')),
    ("number", "not_an_object", raw(b"42")),
    ("null", "not_an_object", raw(b"null")),
    ("an object of nothing", "wrong_specversion", raw(b"{}")),
    ("name twice", "duplicate_key", swapped(b'{"spec', b'{"id":"x","spec')),
    ("amount twice", "duplicate_key", swapped(AMOUNT, AMOUNT + b',"amount_minor":999999')),
    ("subject twice, escaped", "duplicate_key", swapped(b'{"spec', b'{"\\u0073ubject":"member-1","spec')),
    ("name twice where nobody looks", "duplicate_key", swapped(FLOUR, FLOUR + b',"x":{"a":1,"a":2}')),
    # too much of it
    ("brackets", "too_deep", raw(b"[" * BRACKETS + b"]" * BRACKETS)),
    ("open brackets", "too_deep", raw(b"[" * BRACKETS)),
    ("objects in objects", "too_deep", raw(b'{"a":' * 30_000 + b"1" + b"}" * 30_000)),
    ("depth in own fields", "too_deep", swapped(FLOUR, FLOUR + b',"x":' + b"[" * 5_000 + b"]" * 5_000)),
    ("10^4000 of money", "invalid_event", swapped(AMOUNT, b'"amount_minor":' + DIGITS)),
    ("10^4000 where nobody looks", "invalid_event", swapped(FLOUR, FLOUR + b',"x":' + DIGITS)),
    ("10^4000 of a quantity", "invalid_event", swapped(b'"quantity":"1"', b'"quantity":"' + DIGITS + b'"')),
    ("1e400 of money", "invalid_event", swapped(AMOUNT, b'"amount_minor":1e400')),
    ("300 KiB of a sale", "too_large", padded(300 * KIB)),
    ("300 KiB of noise", "too_large", padded(300 * KIB, junk=True)),
    ("one byte too many", "too_large", padded(LIMIT_BYTES + 1)),
    ("as much as is allowed", COUNTED, padded(LIMIT_BYTES)),
    ("256 KiB of noise", "not_utf8", padded(LIMIT_BYTES, junk=True)),
    ("1,001 lines", "invalid_event", changed("data.lines", [{"line_id": str(n)} for n in range(1_001)])),
    ("33 own fields", "invalid_event", changed("data.attributes", {f"a{n}": n for n in range(33)})),
    # a wrong envelope
    ("old specversion", "wrong_specversion", changed("specversion", "0.3")),
    ("specversion as a number", "wrong_specversion", changed("specversion", 1.0)),
    ("unknown type", "unknown_type", changed("type", "loyalty.purchase.v9")),
    ("type missing", "unknown_type", without("type")),
    ("type as a list", "unknown_type", changed("type", ["loyalty.purchase.v1"])),
    ("an output of ours", "unknown_type", changed("type", "loyalty.ledger.entry.v1")),
    ("another content type", "wrong_content_type", changed("datacontenttype", "text/xml")),
    ("id missing", "invalid_event", without("id")),
    ("empty id", "invalid_event", changed("id", "")),
    ("id of 129", "invalid_event", changed("id", "x" * 129)),
    ("id as a number", "invalid_event", changed("id", 7)),
    ("control character in the id", "invalid_event", changed("id", "a\u0000b")),
    ("C1 control in the member", "invalid_event", changed("subject", "a\u0085b")),
    ("empty member", "invalid_event", changed("subject", "")),
    ("member as a number", "invalid_event", changed("subject", 42)),
    ("source missing", "invalid_event", without("source")),
    ("no data", "invalid_event", without("data")),
    ("data as a text", "invalid_event", changed("data", "e30=")),
    ("data as a list", "invalid_event", changed("data", [])),
    # times
    ("time without offset", "invalid_event", changed("time", "2017-11-20T12:00:00")),
    ("year 0", "invalid_event", changed("time", "0000-01-01T00:00:00Z")),
    ("before 1970", "invalid_event", changed("time", "1969-12-31T23:59:59Z")),
    ("February 30", "invalid_event", changed("time", "2017-02-30T12:00:00Z")),
    ("hour 25", "invalid_event", changed("time", "2017-11-20T25:00:00Z")),
    ("leap second", "invalid_event", changed("time", "2016-12-31T23:59:60Z")),
    ("time as a number", "invalid_event", changed("time", 1_511_179_200)),
    ("Arabic digits", "invalid_event", changed("time", "\u0662\u0660\u0661\u0667-11-20T12:00:00Z")),
    ("year 2999 and beyond UTC", "invalid_event", changed("time", "2999-12-31T23:59:59-12:00")),
    ("far ahead", "too_early", changed("time", "2999-12-31T23:59:59Z")),
    ("before the program", "no_program_in_force", changed("time", "2016-12-31T12:00:00Z")),
    # money and quantities
    ("money as a float", "invalid_event", changed("data.lines.0.amount_minor", 10.5)),
    ("money as a whole float", "invalid_event", changed("data.lines.0.amount_minor", 10.0)),
    ("money as a text", "invalid_event", changed("data.lines.0.amount_minor", "1000")),
    ("money as true", "invalid_event", changed("data.lines.0.amount_minor", True)),
    ("no money", "invalid_event", changed("data.lines.0.amount_minor", None)),
    ("negative money", "invalid_event", changed("data.lines.0.amount_minor", -1)),
    ("10^18 of money", "invalid_event", changed("data.lines.0.amount_minor", 10**18)),
    ("2^64 - 1 of money", "invalid_event", changed("data.lines.0.amount_minor", 2**64 - 1)),
    ("quantity as a number", "invalid_event", changed("data.lines.0.quantity", 1)),
    ("negative quantity", "invalid_event", changed("data.lines.0.quantity", "-1")),
    ("quantity with an exponent", "invalid_event", changed("data.lines.0.quantity", "1e3")),
    ("quantity NaN", "invalid_event", changed("data.lines.0.quantity", "NaN")),
    ("quantity in Arabic digits", "invalid_event", changed("data.lines.0.quantity", "\u0663")),
    ("small letters for a currency", "invalid_event", changed("data.currency", "usd")),
    ("no such currency", "invalid_event", changed("data.currency", "DOLLARS")),
    ("currency of elsewhere", "currency_not_accepted", changed("data.currency", "CHF")),
    ("no lines", "invalid_event", changed("data.lines", [])),
    ("lines as an object", "invalid_event", changed("data.lines", {"0": {}})),
    ("tenders that do not add up", "invalid_event", changed("data.tenders", [{"type": "card", "amount_minor": 1}])),
    ("own field that is an object", "invalid_event", changed("data.attributes", {"a": {}})),
    ("own field that is a float", "invalid_event", changed("data.attributes", {"a": 0.5})),
    # other events
    ("referral of oneself", "self_referral", other(
        "referral", "referrals", referral_id="{id}", referrer_id="{member}", code="x", stage="signed_up"
    )),
    ("referral without a code", "invalid_event", other(
        "referral", "referrals", referral_id="{id}", referrer_id="x", stage="signed_up"
    )),
    ("six stars", "invalid_event", other(
        "review", "reviews", review_id="{id}", sku="x", rating=6, text_length=1, has_photo=False,
        verified_purchase=True, status="published",
    )),
    ("born on February 30", "invalid_event", other("member", "members", status="enrolled", birthday="02-30")),
    ("status of no meaning", "invalid_event", other("member", "members", status="banned")),
    ("award from outside", "wrong_topic", other(
        "award", "purchases", from_member="x", rule="welcome", version="2017.1",
        cause={"source": "x", "id": "y", "type": "loyalty.referral.v1"},
    )),
    ("award of no rule", "unknown_rule", other(
        "award", "inbox", from_member="x", rule="riches", version="2017.1",
        cause={"source": "x", "id": "y", "type": "loyalty.referral.v1"},
    )),
    ("award of no version", "unknown_rule", other(
        "award", "inbox", from_member="x", rule="neighbours", version="1",
        cause={"source": "x", "id": "y", "type": "loyalty.referral.v1"},
    )),
    *(
        (f"sale on {word}", "wrong_topic", carried(word=word))
        for word in INPUTS if word not in {"purchases", "inbox"}
    ),
    # records that are odd themselves
    ("sale in the inbox", COUNTED, carried(word="inbox")),
    ("in the inbox of another", "wrong_partition", stray_inbox),
    ("wrong partition", COUNTED, wrong_partition),
    ("wrong partition and refused", "currency_not_accepted", refused_elsewhere),
    ("no key", COUNTED, carried(key=None)),
    ("empty key", COUNTED, carried(key=b"")),
    ("key that is no text", COUNTED, carried(key=b"\xff\x00\xfe")),
    ("key of somebody else", COUNTED, carried(key=b"member-1")),
    ("key of 50 KiB", COUNTED, carried(key=b"k" * 50 * KIB)),
    ("headers that are no text", COUNTED, carried(
        headers=(("a", b"\xff\x00"), ("", b""), ("\u20ac", b"\n"), ("a", b"2"))
    )),
    ("200 headers", COUNTED, carried(headers=tuple((f"h{number}", b"x") for number in range(200)))),
    ("50 KiB of a header", COUNTED, carried(headers=(("trace", b"t" * 50 * KIB),))),
    ("pretends to be a dead letter", COUNTED, carried(headers=(("__loyalty.errors.code", b"not_json"),))),
    ("pretends to be forwarded", COUNTED, carried(headers=(("__loyalty.forwarded", b"purchases/0/0"),))),
    ("broken, with odd headers", "not_json", lambda target: target.message(
        b"{", headers=(("a", b"\xff\x00"), ("", b""), ("__loyalty.errors.offset", b"-1"))
    )),
    ("broken, without a key", "not_json", lambda target: target.message(b"{", key=None)),
    ("broken, key that is no text", "not_json", lambda target: target.message(b"{", key=b"\xff\x00\xfe")),
    ("from 1970", COUNTED, carried(timestamp_ms=0)),
    ("white space around", COUNTED, around(b"\n\t ", b" \n")),
    ("anonymous", IGNORED, without("subject")),
    ("anonymous by null", IGNORED, changed("subject", None)),
    ("money is minus nothing", IGNORED, swapped(AMOUNT, b'"amount_minor":-0')),
    ("own floats where nobody looks", COUNTED, swapped(FLOUR, FLOUR + b',"x":1e400')),
    # accidents
    *((f"mutation {number}", AS_DECODED, mutated) for number in range(60)),
)  # fmt: skip


def attacks(count: int, *, partitions: int, seed: int) -> Iterator[Attack]:
    """`count` attacks of all kinds, in an order of chance."""
    chance = random.Random(seed)
    heavy = {kind for kind, _, make in KINDS if len(_sample(make, partitions)) >= 50 * KIB}
    chosen = [row for row in KINDS for _ in range(HEAVY_COPIES if row[0] in heavy else 1)]
    light = [row for row in KINDS if row[0] not in heavy]
    chosen += [light[number % len(light)] for number in range(count - len(chosen))]
    chance.shuffle(chosen)
    for number, (kind, expected, make) in enumerate(chosen):
        target = Target("mutant" if expected == AS_DECODED else "hostile", number, chance, partitions)
        yield Attack(kind, expected, target.id, make(target))


def _sample(make: Make, partitions: int) -> bytes:
    message = make(Target("sample", 0, random.Random(0), partitions))
    return b"".join((message.key or b"", message.value or b"", *(value for _, value in message.headers)))
