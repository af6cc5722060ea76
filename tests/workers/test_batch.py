"""One batch: every record leaves one trace, nothing is lost, and what cannot be decided stops nobody else."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import orjson
import pytest
from pydantic import TypeAdapter

from loyalty.account import Head, Parked, head_key, redemption_key
from loyalty.calendar import DAY_US
from loyalty.decisions import Code
from loyalty.facts import Return
from loyalty.plan import Programs
from schemas.decode import DecodeCode
from schemas.jsonschema import OUTPUTS
from schemas.messages import encode_message
from schemas.state import UnknownFormat, decode_record, encode_record
from tests.loyalty.books import BASE, Books, program
from tests.loyalty.events import (
    NOON,
    adjustment,
    back,
    engagement,
    fact,
    household,
    line,
    member_event,
    merge,
    micros,
    pay,
    purchase,
    redeem,
    referral,
    reported,
    restock,
    wire,
)
from workers.batch import BatchResult, Engine
from workers.records import ERRORS_HEADER, FORWARDED_HEADER, OVERSIZE_KEPT_BYTES, Out, Record, partition_of
from workers.store.memory import MemoryStore
from workers.topic_words import DEAD_LETTERS, INBOX

NOW_US = micros("2026-03-02T12:00:00+00:00")
HOME = partition_of("m1", 4)
RECORD_BYTES_MAX = 4 * 1024 * 1024
"""What the topics of outputs and accounts take."""


def record(value: bytes | None, offset: int = 0, topic: str = "purchases", **more: object) -> Record:
    made = Record(topic, HOME, offset, NOW_US // 1000, b"m1", value)
    return replace(made, **more)  # type: ignore[arg-type]


def engine(text: str = BASE, **options: int) -> Engine:
    return Engine(Programs([program(text)]), partitions=4, **options)


def decided(of: Engine, records: Sequence[Record], state: dict[bytes, bytes] | None = None) -> BatchResult:
    held = MemoryStore(HOME)
    held.apply(dict(state or {}))
    return of.decide_batch(HOME, records, held, NOW_US)


def dead(result: BatchResult) -> list[Out]:
    return [out for out in result.outputs if out.topic == DEAD_LETTERS]


def codes(result: BatchResult) -> list[str]:
    return [dict(out.headers)[f"{ERRORS_HEADER}code"].decode() for out in dead(result)]


def test_a_purchase_gives_an_entry_a_balance_and_state() -> None:
    result = decided(engine(), [record(purchase("p", 1999))])
    assert [(out.topic, out.partition, out.key) for out in result.outputs] == [
        ("ledger", HOME, b"m1"),
        ("balances", HOME, b"m1"),
    ]
    assert set(result.writes) == {b"m|m1", b"p|m1|p"}
    assert result.counts.points == {("base", "points"): 19}
    assert result.counts.events == {("loyalty.purchase.v1", "applied"): 1}
    assert result.counts.event_time_us_max == NOW_US


def test_later_records_of_a_batch_see_what_earlier_ones_wrote() -> None:
    result = decided(
        engine(), [record(purchase("p", 1000), 1), record(purchase("p", 1000), 2), record(purchase("q", 500), 3)]
    )
    head = decode_record(result.writes[b"m|m1"] or b"")
    assert isinstance(head, Head)
    assert head.balances == {"points": (15, 0)}
    assert result.counts.events["loyalty.purchase.v1", "duplicate"] == 1


# ------------------------------------------------------------------------------------------ dead letters
def test_a_dead_letter_keeps_bytes_key_and_headers_and_says_why() -> None:
    came = record(b'{"specversion": "1.0"', 42, headers=(("trace", b"\xff\x00"),), key=b"\xfe", timestamp_ms=77)
    (out,) = decided(engine(), [came]).outputs
    assert (out.topic, out.partition, out.key, out.value) == (DEAD_LETTERS, HOME, b"\xfe", came.value)
    headers = dict(out.headers)
    assert out.headers[0] == ("trace", b"\xff\x00")
    message = headers.pop(f"{ERRORS_HEADER}message")
    assert message.decode()
    assert headers == {
        "trace": b"\xff\x00",
        f"{ERRORS_HEADER}topic": b"purchases",
        f"{ERRORS_HEADER}partition": str(HOME).encode(),
        f"{ERRORS_HEADER}offset": b"42",
        f"{ERRORS_HEADER}timestamp": b"77",
        f"{ERRORS_HEADER}stage": b"decode",
        f"{ERRORS_HEADER}code": b"not_json",
    }


def test_an_empty_value_stays_empty() -> None:
    (out,) = decided(engine(), [record(None)]).outputs
    assert out.value is None
    assert codes(decided(engine(), [record(None), record(b"")])) == ["empty", "empty"]


@pytest.mark.parametrize("size", [262_145, 1_000_000])
def test_what_is_too_large_leaves_its_beginning_and_its_digest(size: int) -> None:
    raw = b"x" * size
    (out,) = decided(engine(), [record(raw)]).outputs
    headers = dict(out.headers)
    assert headers[f"{ERRORS_HEADER}code"] == b"too_large"
    assert out.value == raw[:OVERSIZE_KEPT_BYTES]
    assert headers[f"{ERRORS_HEADER}sha256"].decode() == hashlib.sha256(raw).hexdigest()
    assert headers[f"{ERRORS_HEADER}bytes"] == str(size).encode()


def test_a_record_of_the_largest_size_keeps_all_its_bytes() -> None:
    raw = b"x" * 262_144
    (out,) = decided(engine(), [record(raw)]).outputs
    assert out.value == raw
    assert f"{ERRORS_HEADER}sha256" not in dict(out.headers)


def test_good_events_between_bad_ones_are_unharmed() -> None:
    bad = [None, b"", b"{", b"[]", b"null", b"\xff", b"1e999", b'{"a":1}', b'"' * 1000, b"[" * 5000]
    records: list[Record] = []
    for number, raw in enumerate(bad):
        records += [record(raw, 2 * number), record(purchase(f"p{number}", 1000), 2 * number + 1)]
    result = decided(engine(), records)
    assert len(dead(result)) == len(bad)
    assert result.counts.points == {("base", "points"): 10 * len(bad)}


def test_an_event_on_the_wrong_topic_is_refused() -> None:
    assert codes(decided(engine(), [record(purchase("p", 100), topic="reviews")])) == ["wrong_topic"]


# ------------------------------------------------------------------------------------------ partitions
def test_an_event_of_another_partition_is_forwarded_once_with_its_origin() -> None:
    other = next(f"x{i}" for i in range(100) if partition_of(f"x{i}", 4) != HOME)
    raw = purchase("p", 1000, member=other)
    result = decided(engine(), [record(raw, 7, headers=(("h", b"1"),))])
    (out,) = result.outputs
    there = partition_of(other, 4)
    assert out == Out(
        INBOX, there, other.encode(), raw, (("h", b"1"), (FORWARDED_HEADER, f"purchases/{HOME}/7".encode()))
    )
    assert result.writes == {}
    assert result.counts.forwarded == 1
    arrived = Record(INBOX, there, 0, 0, out.key, out.value, out.headers)
    assert engine().decide_batch(there, [arrived], MemoryStore(there), NOW_US).counts.points == {("base", "points"): 10}
    assert codes(decided(engine(), [arrived])) == ["wrong_partition"]


def test_what_paid_for_a_sale_goes_right_before_it_to_where_its_account_has_ended() -> None:
    pays = BASE + 'pay_with_points: {points: 1, worth: "0.01"}\n'
    survivor = next(f"x{i}" for i in range(100) if partition_of(f"x{i}", 4) != HOME)
    books = Books(program(pays)).take_all([adjustment("a", 1000), adjustment("b", 10, member=survivor)])
    books.take_all([pay("r", "sale", 1000, points=500), merge("m", survivor)])
    tenders = [{"type": "points", "amount_minor": 500, "label": "r"}, {"type": "card", "amount_minor": 500}]
    sale = record(purchase("p", 1000, transaction_id="sale", tenders=tenders))
    of, there = engine(pays), partition_of(survivor, 4)
    result = decided(of, [sale, sale], {key.encode(): encode_record(each) for key, each in books.state.items()})
    types = [orjson.loads(out.value or b"")["type"] for out in result.outputs]
    assert types == ["loyalty.joining.v1", "loyalty.purchase.v1", "loyalty.purchase.v1"]
    assert {(out.topic, out.partition, out.key) for out in result.outputs} == {(INBOX, there, survivor.encode())}
    assert result.writes == {redemption_key("m1", "r").encode(): None}
    assert result.counts.forwarded == 2


def test_an_anonymous_sale_is_counted_and_leaves_nothing() -> None:
    result = decided(engine(), [record(_without_subject())])
    assert (result.outputs, result.writes) == ([], {})
    assert result.counts.events == {("loyalty.purchase.v1", "anonymous"): 1}


def _without_subject() -> bytes:
    event = orjson.loads(purchase("p", 1000, member="x"))
    del event["subject"]
    return orjson.dumps(event)


def test_an_award_goes_to_the_partition_of_its_member_and_is_booked_there_once() -> None:
    text = "earn: [{id: friends, on: referral, give: {referrer: 200, referee: 100}}]\n"
    result = decided(engine(text), [record(referral("f", "m9", stage="qualified"), topic="referrals")])
    (award,) = [out for out in result.outputs if out.topic == INBOX]
    assert (award.partition, award.key) == (partition_of("m9", 4), b"m9")
    came = Record(INBOX, award.partition, 0, 0, award.key, award.value)
    taken = engine(text).decide_batch(award.partition, [came, came], MemoryStore(award.partition), NOW_US)
    assert taken.counts.points == {("friends", "points"): 200}
    assert taken.counts.events == {("loyalty.award.v1", "applied"): 1, ("loyalty.award.v1", "duplicate"): 1}


# ------------------------------------------------------------------------------------------ faults
def test_a_fault_of_the_engine_costs_one_event() -> None:
    broken = program()
    rule = replace(broken.purchase_rules[0], kind="per_amount", rate=broken.purchase_rules[0].rate * 10**30)
    faulty = Engine(Programs([replace(broken, purchase_rules=(rule,))]), partitions=4)  # more points than 64 bits hold
    records = [
        record(purchase("p", 100), 1),
        record(engagement("e"), 2, topic="engagements"),
        record(purchase("q", 0), 3),
    ]
    result = decided(faulty, records)
    assert codes(result) == ["engine_fault"]
    assert dead(result)[0].value == records[0].value
    assert set(result.writes) == {b"m|m1", b"p|m1|q"}


@pytest.mark.parametrize("raw", [b'[9,"head"]', b'[3,"tail"]', b"[]"])
def test_state_of_an_unknown_format_stops(raw: bytes) -> None:
    with pytest.raises(UnknownFormat):
        decided(engine(), [record(purchase("p", 100))], {b"m|m1": raw})


def full(field: str) -> dict[bytes, bytes]:
    """An account that thousands have used."""
    head = Head("m1", 0)
    if field == "lots":
        head.lots["points"] = "0123456789abcdef,1700000000000000,,1;" * 115_000
        head.balances["points"] = (115_000, 0)
    else:
        head.seen = b"01234567890123456789" * 160_000
    return {head_key("m1").encode(): encode_record(head)}


@pytest.mark.parametrize("field", ["lots", "seen"])
def test_an_account_too_large_to_be_written_costs_its_events_and_not_the_worker(field: str) -> None:
    """What no topic takes would fail at every attempt, for ever."""
    result = decided(engine(), [record(purchase("p", 1000), 1)], full(field))
    assert len(dead(result)) == 1
    assert all(len(value or b"") < RECORD_BYTES_MAX for value in result.writes.values())


@pytest.mark.parametrize("partitions", [1, 64])
def test_what_a_sender_adds_to_a_record_is_bounded(partitions: int) -> None:
    """Compressed, a header of megabytes fits where its dead letter or forwarded copy would not."""
    large = record(purchase("p", 100) if partitions > 1 else b"junk", key=b"k" * 1_000_000)
    large = replace(large, headers=(("note", b"kept"), ("large", b"x" * 5_000_000)), partition=63 % partitions)
    lone = Engine(Programs([program()]), partitions=partitions)
    (out,) = lone.decide_batch(63 % partitions, [large], MemoryStore(0), 0).outputs
    assert sum(len(name) + len(value) for name, value in out.headers) < 100_000
    assert len(out.key or b"") <= 65_536
    assert dict(out.headers)["note"] == b"kept"
    assert dict(out.headers)[f"{ERRORS_HEADER}headers_omitted"] == b"1"


def test_what_time_does_keeps_the_contracts_of_what_is_published() -> None:
    """Also for a member with the longest id that there may be."""
    member = "m" * 128
    lives = "points: {points: {name: Points, pending: P1D, expiry: {after: P6M, notice: P30D}}}\n" + BASE
    there, of = partition_of(member, 4), engine(lives)
    held = MemoryStore(there)
    bought = replace(record(purchase("p", 1000, member=member)), partition=there)
    held.apply(of.decide_batch(there, [bought], held, NOW_US).writes)
    outputs = of.decide_batch(there, [], held, NOW_US + 400 * DAY_US).outputs
    assert Counter(out.topic for out in outputs) == {"ledger": 2, "balances": 2, "notices": 1}
    for out in outputs:
        event_type = orjson.loads(out.value or b"")["type"]
        TypeAdapter(OUTPUTS[event_type]).validate_json(out.value or b"")


def test_what_is_due_and_fails_waits_a_day_and_holds_nobody_else_up() -> None:
    """Accounts that are damaged, as no event could have left them: one cannot be read, one cannot be written."""
    lives = "points: {points: {name: Points, expiry: {after: P6M}}}\n" + BASE
    held = MemoryStore(HOME)
    for member, lots in (("m1", "torn;"), ("m2", f"lot,1,{NOW_US},7;"), ("m3", f"lot,1,{NOW_US},{10**30};")):
        head = Head(member, 0, balances={"points": (7, 0)}, lots={"points": lots}, due_us=NOW_US)
        held.apply({head_key(member).encode(): encode_record(head)})
    of = engine(lives)
    result = of.decide_batch(HOME, [], held, NOW_US)
    assert [(out.key, code) for out, code in zip(dead(result), codes(result), strict=True)] == [
        (b"m|m1", "engine_fault"),
        (b"m|m3", "engine_fault"),
    ]
    assert result.counts.expired == {"points": 7}
    held.apply(result.writes)
    assert not of.decide_batch(HOME, [], held, NOW_US + 1).outputs
    assert len(dead(of.decide_batch(HOME, [], held, NOW_US + DAY_US))) == 2


def test_a_purchase_is_not_to_blame_for_what_was_due_and_fails() -> None:
    """Its points have ended, and what ends cannot be read: the purchase stands, the account is reported."""
    lives = "points: {points: {name: Points, expiry: {after: P1D}}}\n" + BASE
    held = MemoryStore(HOME)
    head = Head("m1", 0, balances={"points": (7, 0)}, lots={"points": "torn;"}, timed_us=NOW_US)
    held.apply({head_key("m1").encode(): encode_record(head)})
    of = engine(lives)
    result = of.decide_batch(HOME, [record(purchase("p", 100))], held, NOW_US + 10 * DAY_US)
    assert codes(result) == []
    assert result.counts.points == {("base", "points"): 1}
    held.apply(result.writes)
    after = of.decide_batch(HOME, [], held, NOW_US + 10 * DAY_US)
    assert [(out.key, code) for out, code in zip(dead(after), codes(after), strict=True)] == [(b"m|m1", "engine_fault")]


def test_a_purchase_is_not_to_blame_for_a_return_that_waited_and_fails() -> None:
    """The return is of a time before every version, which no return that waits can be."""
    waiting = fact(back("r", "p", [("1", "1", 100)], time="1999-12-31T00:00:00Z"))
    assert isinstance(waiting, Return)
    held = MemoryStore(HOME)
    head = Head("m1", 0, parked=(Parked(waiting, NOW_US + DAY_US),), timed_us=NOW_US)
    held.apply({head_key("m1").encode(): encode_record(head)})
    of = engine(BASE)
    result = of.decide_batch(HOME, [record(purchase("p", 100))], held, NOW_US)
    assert codes(result) == ["engine_fault"]
    assert orjson.loads(dead(result)[0].value or b"")["id"] == "r"
    assert result.counts.points == {("base", "points"): 1}
    assert not decode_head(result.writes).parked


def decode_head(writes: Mapping[bytes, bytes | None]) -> Head:
    found = decode_record(writes[head_key("m1").encode()] or b"")
    assert isinstance(found, Head)
    return found


def test_outputs_fit_their_topics_whatever_comes_in() -> None:
    rules = "".join(f'  - {{id: rule-{i:055d}, on: purchase, give: {{points: 1, per: "1.00"}}}}\n' for i in range(500))
    lines = [line(f"{i:03d}" + "\u00e4" * 100, 100 + i) for i in range(400)]
    result = decided(engine("earn:\n" + rules), [record(purchase("p", lines))])
    assert not dead(result)
    sizes = [len(out.value or b"") for out in result.outputs] + [len(value or b"") for value in result.writes.values()]
    assert max(sizes) < RECORD_BYTES_MAX


# ------------------------------------------------------------------------------------------ every code
REFERRALS = BASE.replace("}}]", "}}, {id: f, on: referral, give: {referrer: 1}}]")
_AWARD_OF_NOBODY = wire(
    "award",
    "a",
    "m1",
    NOON,
    {"from_member": "m2", "rule": "gone", "version": "1", "cause": {"source": "/s", "id": "1", "type": "t"}},
)
Provoked = tuple[str, Iterable[bytes]]
_TAKEN_IN = wire(
    "merge.answer",
    "answer",
    "m1",
    NOON,
    {
        "from_member": "m2",
        "merge_id": "g",
        "reason": "",
        "absorbed": [],
        "version": "1",
        "cause": {"source": "/desk", "id": "g", "type": "loyalty.merge.v1"},
    },
)


PENS = BASE + "rewards: [{id: pen, kind: product, price: 1}]\n"
_CANCELLED = reported("c", "cancelled", "r")
PROVOKED: dict[Code, Provoked] = {
    Code.CONFLICTING_DUPLICATE: (BASE, [purchase("p", 100), purchase("p", 200)]),
    Code.TOO_LATE: (BASE + "stream: {max_late: P1D}\n", [purchase("p", 100, time="2026-03-01T11:59:59Z")]),
    Code.TOO_EARLY: (BASE, [purchase("p", 100, time="2026-03-02T12:05:01Z")]),
    Code.NO_PROGRAM: (BASE, [purchase("p", 100, time="1999-12-31T00:00:00Z")]),
    Code.NOT_ENROLLED: (BASE + "enrollment: required\n", [purchase("p", 100)]),
    Code.MEMBER_CLOSED: (BASE, [member_event("c", "closed"), purchase("p", 100)]),
    Code.ACCOUNT_FULL: (BASE, [purchase("p", 100)]),
    Code.CURRENCY: (BASE, [purchase("p", 100, currency="EUR")]),
    Code.BLIND_RETURN: (
        BASE + "returns: {blind: refuse}\n",
        [wire("return", "r", "m1", NOON, {"return_id": "r", "lines": [line("1", 1)]})],
    ),
    Code.UNKNOWN_PURCHASE: (BASE + "returns: {park: none}\n", [back("r", "p", [("1", "1", 1)])]),
    Code.RETURN_TOO_LATE: (
        BASE + "returns: {keep: P1D}\n",
        [purchase("p", 100, time="2026-03-01T12:00:00Z"), back("r", "p", [("1", "1", 100)])],
    ),
    Code.RETURN_TOO_MUCH: (BASE, [purchase("p", 100), back("r", "p", [("1", "1", 101)])]),
    Code.SELF_REFERRAL: (REFERRALS, [referral("f", "m1")]),
    Code.ALREADY_REFERRED: (REFERRALS, [referral("f", "m2"), referral("g", "m3", referral_id="other")]),
    Code.UNKNOWN_RULE: (BASE, [_AWARD_OF_NOBODY]),
    Code.UNKNOWN_ZONE: (BASE, [purchase("p", 100, store_zone="Mars/Olympus")]),
    Code.NEEDS_APPROVAL: (BASE + "adjustments: {approve_above: 9}\n", [adjustment("a", 10)]),
    Code.NOT_ENOUGH_POINTS: (BASE, [purchase("p", 100), adjustment("a", -2, kind="correction")]),
    Code.UNKNOWN_POINTS: (BASE, [adjustment("a", 10, currency="stars")]),
    Code.UNKNOWN_TIER: (BASE, [adjustment("a", 10, kind="opening", tier="gold")]),
    Code.UNKNOWN_REDEMPTION: (BASE, [reported("f", "fulfilled", "r")]),
    Code.REDEMPTION_OVER: (PENS, [purchase("p", 100), redeem("r", "pen"), _CANCELLED, reported("f", "fulfilled", "r")]),
    Code.REDEMPTION_TOO_OLD: (
        PENS + "redemptions: {keep: P1D}\n",
        [purchase("p", 100), redeem("r", "pen", time="2026-03-01T12:00:00Z"), _CANCELLED],
    ),
    Code.UNKNOWN_LIMIT: (BASE, [restock("a", 10)]),
    Code.UNKNOWN_MEMBER: (BASE, [merge("g", "m2")]),
    Code.SELF_MERGE: (BASE, [purchase("p", 100), merge("g", "m1")]),
    Code.MERGE_UNDER_WAY: (BASE, [purchase("p", 100), merge("g", "m2"), merge("h", "m3")]),
    Code.IN_HOUSEHOLD: (
        BASE + "pooling: {}\n",
        [purchase("p", 100), household("j", holder="m2"), merge("g", "m3")],
    ),
    Code.ALREADY_MERGED: (BASE, [purchase("p", 100), merge("g", "m2"), _TAKEN_IN, merge("h", "m3")]),
}


@pytest.mark.parametrize("code", sorted(set(Code) - {Code.ENGINE_FAULT}))  # no event can provoke that
def test_all_codes_covered(code: Code) -> None:
    """Each refusal can be provoked, is the last word on its event, and says what to do in a sentence."""
    assert code in PROVOKED, "a new code needs the events that provoke it"
    text, events = PROVOKED[code]
    records = [record(raw, number, topic=INBOX) for number, raw in enumerate(events)]
    result = decided(engine(text), records, full("seen") if code is Code.ACCOUNT_FULL else None)
    assert codes(result) == [code]
    headers = dict(dead(result)[0].headers)
    message = headers[f"{ERRORS_HEADER}message"].decode()
    assert headers[f"{ERRORS_HEADER}stage"] == b"decide"
    assert 30 <= len(message) <= 300, message
    assert any(mark in message for mark in (":", ",")), "what is wrong, and what to do"
    assert result.counts.dead_letters == {code: 1}


def test_a_return_that_waited_is_a_dead_letter_of_the_batch_in_which_its_time_is_over() -> None:
    early = back("r", "p", [("1", "1", 1)])
    subject, store = engine(), MemoryStore(0)
    first = decided(subject, [record(early, 1)])
    assert (codes(first), first.counts.dead_letters) == ([], {})
    store.apply(first.writes)
    result = subject.decide_batch(0, [], store, micros(NOON) + 31 * DAY_US)
    (out,) = dead(result)
    headers = {name.removeprefix(ERRORS_HEADER): value.decode() for name, value in out.headers}
    assert (headers["topic"], headers["offset"], headers["stage"]) == ("purchases", "-1", "decide")
    assert (headers["code"], out.key) == ("unknown_purchase", b"m1")
    assert fact(out.value or b"") == fact(early)
    assert result.counts.dead_letters == {"unknown_purchase": 1}
    assert list(result.writes.values()) == [None], "an account that only waited is gone"


def test_codes_of_decoding_and_deciding_never_meet() -> None:
    assert not {str(code) for code in Code} & {str(code) for code in DecodeCode}
    assert "wrong_partition" not in {*map(str, Code), *map(str, DecodeCode)}


def test_versions_are_what_the_state_is_decided_under() -> None:
    one = program()
    assert Engine(Programs([one]), partitions=1).versions == {"1": (one.digest, one.effective_from_us)}


def test_awards_survive_the_wire() -> None:
    books = Books(program("earn: [{id: friends, on: referral, give: {referrer: 200}}]\n"))
    books.take(referral("f", "m9", stage="qualified"))
    (award,) = books.messages
    assert Books(program(REFERRALS)).take(encode_message(award)).outcome == "refused"
    again = Books(program("earn: [{id: friends, on: referral, give: {referrer: 200}}]\n"))
    again.take(encode_message(award))
    assert again.balance("m9") == 200
    assert again.entries == [entry for entry in books.entries if entry.member == "m9"]


def stored(result: BatchResult) -> dict[bytes, bytes]:
    return {key: value for key, value in result.writes.items() if value is not None}


def head_of(result: BatchResult) -> Head:
    head = decode_record(result.writes[head_key("m1").encode()] or b"")
    assert isinstance(head, Head)
    return head


def test_a_head_is_read_again_when_other_bytes_are_stored_than_were_written() -> None:
    """After a restore the state is what the log says, and never what an engine remembers."""
    subject = engine()
    first = decided(subject, [record(purchase("p", 100), 1)])
    assert head_of(decided(subject, [record(purchase("q", 100), 2)], stored(first))).ledger_sequence == 2
    elsewhere = decided(engine(), [record(purchase("x", 700), 1)])
    taken_over = decided(subject, [record(purchase("y", 100), 2)], stored(elsewhere))
    assert head_of(taken_over).balances == {"points": (8, 0)}
