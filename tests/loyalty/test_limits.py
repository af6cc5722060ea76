"""Limits over many members: what is granted, whatever order, duplicates, releases or versions come."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from loyalty.account import ClaimRecord, Limit, Restocked, claim_key, limit_key
from loyalty.budgets import LimitTerms
from loyalty.calendar import DAY_US
from loyalty.decisions import Code, Decision, Outcome
from loyalty.facts import Answer, Cause, Claim, Release, Restock
from loyalty.limits import PERIODS_MAX, RESTOCKS_MAX, SHOWN_MAX, decide_limit, kind_of, limit_id, reads
from loyalty.memory import RECORD_BYTES, key_digest
from loyalty.plan import Programs
from loyalty.program import Program
from schemas.state import decode_record, encode_record, look_of
from tests.loyalty.books import BASE, program
from tests.loyalty.events import micros

MUGS = "stock:mug"
NOON_US = micros("2026-03-02T12:00:00Z")


def version(terms: LimitTerms | None, name: str = "1", start: str = "2000-01-01", text: str = BASE) -> Program:
    """A version of a program with a stock of mugs."""
    made = program(f'version: "{name}"\neffective_from: {start}\n{text}')
    return replace(made, limits={} if terms is None else {MUGS: terms})


def five(per: str = "lifetime", *, start: str = "2000-01-01", text: str = BASE) -> Program:
    return version(LimitTerms(5, per), start=start, text=text)


class Shelf:
    """One limit, and what it answered."""

    def __init__(self, *programs: Program, limit: str = MUGS) -> None:
        self.programs = Programs(programs)
        self.limit = limit
        self.state: dict[str, Limit | ClaimRecord] = {}
        self.answers: list[Answer] = []

    def take(self, fact: Claim | Release | Restock, now_us: int | None = None) -> Decision:
        state = {key: self.state[key] for key in reads(fact) if key in self.state}
        before = dict(state)
        decision = decide_limit(self.programs, state, fact, fact.time_us if now_us is None else now_us)
        assert state == before
        for key, record in decision.writes.items():
            assert decode_record(encode_record(record)) == record
            assert look_of(encode_record(record)) == record.due_us
            self.state[key] = record
        self.answers += [message for message in decision.messages if isinstance(message, Answer)]
        return decision

    def claim(
        self, name: str, units: int = 1, *, at_us: int = NOON_US, now_us: int | None = None, of: str = "1"
    ) -> str:
        """Ask; what came: granted, denied, or why there is no answer."""
        digest = key_digest(name, str(units))
        claim = Claim(
            Cause("/app", name, "t"), self.limit, at_us, digest, digest, name, "m1", of, units, "test", "key", ""
        )
        decision = self.take(claim, now_us)
        if decision.refusal is not None:
            return str(decision.refusal.code)
        if decision.outcome is Outcome.DUPLICATE:
            return "duplicate"
        (answer,) = decision.messages
        assert isinstance(answer, Answer)
        assert (answer.member, answer.from_member, answer.claim_id, answer.units) == ("m1", self.limit, name, units)
        return "granted" if answer.granted else "denied"

    def release(self, name: str, left: int = 0) -> str:
        digest = key_digest(name, str(left))
        release = Release(
            Cause("/app", name, "t"), self.limit, NOON_US, digest, digest, f"r{name}", "m1", "1", name, left
        )
        return str(self.take(release).outcome)

    def restock(self, name: str, units: int, *, at_us: int = NOON_US, now_us: int | None = None) -> str:
        told = (name, units, "delivered", "anna", "")
        restock = Restock(
            Cause("/desk", name, "t"), self.limit, at_us, key_digest(name, str(units)), key_digest(str(told)), *told
        )
        decision = self.take(restock, now_us)
        return str(decision.outcome if decision.refusal is None else decision.refusal.code)

    @property
    def account(self) -> Limit:
        found = self.state[limit_key(self.limit)]
        assert isinstance(found, Limit)
        return found

    @property
    def taken(self) -> dict[str, int]:
        return dict(self.account.taken)


@pytest.mark.parametrize(
    ("asked", "came", "taken"),
    [
        ([5], ["granted"], 5),
        ([6], ["denied"], 0),
        ([3, 2, 1], ["granted", "granted", "denied"], 5),
        ([3, 3, 2], ["granted", "denied", "granted"], 5),  # whole or not at all; what is left serves who fits
        ([1] * 7, ["granted"] * 5 + ["denied"] * 2, 5),
    ],
)
def test_what_is_there_is_given_and_no_more(asked: list[int], came: list[str], taken: int) -> None:
    shelf = Shelf(five())
    assert [shelf.claim(f"c{at}", units) for at, units in enumerate(asked)] == came
    assert sum(shelf.account.taken.values()) == taken
    assert len(shelf.answers) == len(asked)


def test_a_claim_that_comes_again_is_not_answered_again() -> None:
    shelf = Shelf(five())
    assert [shelf.claim("a", 5), shelf.claim("b"), shelf.claim("a", 5), shelf.claim("b"), shelf.claim("a", 4)] == [
        "granted",
        "denied",
        "duplicate",
        "duplicate",  # also when there would be room by now
        "conflicting_duplicate",
    ]
    shelf.release("a")
    assert shelf.claim("b") == "duplicate"
    assert shelf.taken == {"l": 0}


@pytest.mark.parametrize(
    ("releases", "outcomes", "left"),
    [
        ([0], ["applied"], 0),
        ([0, 0], ["applied", "duplicate"], 0),
        ([2, 1], ["applied", "applied"], 1),
        ([1, 2], ["applied", "duplicate"], 1),  # the lowest counts, in whatever order they come
        ([4], ["duplicate"], 4),
        ([9], ["duplicate"], 4),
    ],
)
def test_what_is_released_can_be_taken_again(releases: list[int], outcomes: list[str], left: int) -> None:
    shelf = Shelf(five())
    shelf.claim("a", 4)
    assert [shelf.release("a", part) for part in releases] == outcomes
    assert shelf.taken == {"l": left}
    assert [shelf.claim("b", 5 - left), shelf.claim("c")] == ["granted", "denied"]


def test_releases_of_what_nobody_holds_give_nothing() -> None:
    shelf = Shelf(five())
    shelf.claim("a", 5)
    shelf.claim("b")
    assert [shelf.release("b"), shelf.release("nobody")] == ["duplicate", "duplicate"]
    assert shelf.taken == {"l": 5}


def test_operators_add_and_take_away() -> None:
    shelf = Shelf(five())
    assert shelf.claim("a", 6) == "denied"
    assert [shelf.restock("r1", 3), shelf.restock("r1", 3), shelf.restock("r1", 4)] == [
        "applied",
        "duplicate",
        "conflicting_duplicate",
    ]
    assert [shelf.claim("b", 8), shelf.claim("c")] == ["granted", "denied"]
    # Taking away what is taken already takes nothing back from anybody, and nothing more is granted.
    assert shelf.restock("r2", -6) == "applied"
    assert [shelf.claim("d"), shelf.taken] == ["denied", {"l": 8}]
    shelf.release("b", 2)
    assert [shelf.claim("e"), shelf.taken] == ["denied", {"l": 2}]
    assert shelf.restock("r3", 1) == "applied"
    assert [shelf.claim("f"), shelf.claim("g")] == ["granted", "denied"]
    assert shelf.account.restocks[-1] == Restocked("r3", NOON_US, 1, "delivered", "anna", "")


@pytest.mark.parametrize(
    ("per", "minutes", "came"),
    [
        ("day", [0, 60, 24 * 60, 60], ["granted", "denied", "granted", "denied"]),
        ("month", [0, 24 * 60, 40 * 24 * 60, 2 * 24 * 60], ["granted", "denied", "granted", "denied"]),
        ("lifetime", [0, 900 * 24 * 60], ["granted", "denied"]),
    ],
)
def test_a_window_begins_anew(per: str, minutes: list[int], came: list[str]) -> None:
    shelf = Shelf(five(per))
    got = [shelf.claim(f"c{at}", 5, at_us=NOON_US + minute * 60_000_000) for at, minute in enumerate(minutes)]
    assert got == came


def test_a_restock_is_for_the_period_of_its_time() -> None:
    shelf = Shelf(five("day"))
    shelf.restock("r", 2, at_us=NOON_US + DAY_US)
    assert [shelf.claim("a", 6), shelf.claim("b", 7, at_us=NOON_US + DAY_US)] == ["denied", "granted"]


def test_a_release_is_for_the_period_of_its_claim() -> None:
    shelf = Shelf(five("day"))
    shelf.claim("a", 5)
    shelf.claim("b", 5, at_us=NOON_US + DAY_US)
    shelf.release("a", 1)
    assert sorted(shelf.taken.values()) == [1, 5]
    assert [shelf.claim("c", at_us=NOON_US + DAY_US), shelf.claim("d", 4)] == ["denied", "granted"]


# ------------------------------------------------------------------ versions


def two(first: LimitTerms, second: LimitTerms | None) -> Shelf:
    """A shelf under a version, and another from June on."""
    return Shelf(version(first), version(second, "2", "2026-06-01"))


JULY_US = micros("2026-07-01T12:00:00Z")


def test_a_lowered_capacity_takes_nothing_back_and_grants_no_more() -> None:
    shelf = two(LimitTerms(10), LimitTerms(4))
    assert shelf.claim("a", 6) == "granted"
    assert [shelf.claim("b", at_us=JULY_US, of="2"), shelf.taken] == ["denied", {"l": 6}]
    shelf.release("a", 3)
    assert [shelf.claim("c", at_us=JULY_US, of="2"), shelf.claim("d", at_us=JULY_US, of="2")] == ["granted", "denied"]


def test_a_late_claim_takes_nothing_that_a_newer_version_has_withdrawn() -> None:
    shelf = two(LimitTerms(10), LimitTerms(4))
    assert shelf.claim("a", 4, at_us=JULY_US, of="2") == "granted"
    assert shelf.claim("late", now_us=JULY_US) == "denied"
    # Nor does a raised capacity serve what happened before it.
    shelf = two(LimitTerms(4), LimitTerms(10))
    shelf.claim("a", 4, at_us=JULY_US, of="2")
    assert [shelf.claim("late", now_us=JULY_US), shelf.claim("b", 6, at_us=JULY_US, of="2")] == ["denied", "granted"]


def test_a_period_that_is_over_keeps_the_capacity_that_it_had() -> None:
    shelf = two(LimitTerms(10, "month"), LimitTerms(4, "month"))
    assert shelf.claim("late", 10, now_us=JULY_US) == "granted"


def test_a_limit_that_is_withdrawn_serves_what_happened_before() -> None:
    shelf = two(LimitTerms(3), None)
    assert [shelf.claim("late", 2, now_us=JULY_US), shelf.claim("new", at_us=JULY_US, of="2")] == [
        "granted",
        "denied",
    ]
    assert shelf.restock("r", 1, at_us=JULY_US) == "unknown_limit"


def test_who_asks_under_a_version_that_is_not_loaded_is_answered_and_gets_nothing() -> None:
    shelf = Shelf(five())
    assert [shelf.claim("a", of="7"), shelf.claim("a", of="7"), shelf.release("a")] == [
        "denied",
        "duplicate",
        "duplicate",
    ]
    assert limit_key(MUGS) not in shelf.state


# ------------------------------------------------------------------ restocks are events like others


def test_restocks_are_timely_or_refused() -> None:
    late = five(text=BASE + "stream: {max_late: P10D}\n")
    shelf = Shelf(late)
    assert shelf.restock("r", 1, now_us=NOON_US + 11 * DAY_US) == "too_late"
    assert shelf.restock("r", 1, now_us=NOON_US - DAY_US) == "too_early"
    assert Shelf(five(start="2026-06-01")).restock("r", 1) == "no_program_in_force"
    assert Shelf(five(), limit="stock:cup").restock("r", 1) == "unknown_limit"
    assert shelf.state == {}


def test_a_restock_under_another_event_id_is_the_same_restock() -> None:
    shelf = Shelf(five())
    told = ("r", 1, "delivered", "anna", "")
    for source, outcome in (("/a", Outcome.APPLIED), ("/b", Outcome.DUPLICATE)):
        body = key_digest(source)
        fact = Restock(Cause(source, "e", "t"), MUGS, NOON_US, body, key_digest("content"), *told)
        assert shelf.take(fact).outcome is outcome


# ------------------------------------------------------------------ what is kept


def days(count: int) -> Iterator[int]:
    return (NOON_US + day * DAY_US for day in range(count))


def test_old_periods_are_let_go_and_stay_closed() -> None:
    shelf = Shelf(five("day"))
    for number, at_us in enumerate(days(2 * PERIODS_MAX)):
        assert shelf.claim(f"c{number}", 5, at_us=at_us) == "granted"
        assert len(shelf.account.taken) <= PERIODS_MAX
    # The first day is not known any more: nothing may be granted for it, nor given back to it.
    assert shelf.claim("first", at_us=NOON_US) == "denied"
    assert shelf.release("c0") == "applied"
    assert shelf.claim("again", at_us=NOON_US) == "denied"
    latest_us = NOON_US + (2 * PERIODS_MAX - 1) * DAY_US
    assert [shelf.claim("full", at_us=latest_us), shelf.claim("next", at_us=latest_us + DAY_US)] == [
        "denied",
        "granted",
    ]
    assert len(encode_record(shelf.account)) < 20_000


def test_restocks_are_remembered_as_long_as_they_may_come_again() -> None:
    shelf = Shelf(five(text=BASE + "stream: {max_late: P10D}\n"))
    for number, at_us in enumerate(days(60)):
        shelf.restock(f"r{number}", 1, at_us=at_us)
    assert len(shelf.account.seen) <= 2 * 13 * RECORD_BYTES
    assert len(shelf.account.restocks) == SHOWN_MAX
    assert shelf.account.added == {"l": 60}


def test_a_limit_that_is_restocked_without_end_is_full() -> None:
    shelf = Shelf(five())
    full = Limit(MUGS, seen=b"\0" * (RESTOCKS_MAX * 2 * RECORD_BYTES))
    shelf.state[limit_key(MUGS)] = full
    assert shelf.restock("r", 1) == Code.ACCOUNT_FULL
    assert shelf.account is full


@pytest.mark.parametrize(
    ("text", "days_kept"),
    [
        (BASE, None),  # what may come at any age is remembered for ever
        (BASE + "stream: {max_late: P10D}\n", 412),
        (BASE + "stream: {max_late: P10D}\nreturns: {keep: P2Y}\n", 756),
        (BASE + "stream: {max_late: P10D}\nreturns: {keep: P7D}\nredemptions: {keep: P7D}\n", 400),
        (BASE + "stream: {max_late: P10D}\nreturns: {keep: P7D}\nredemptions: {keep: P2Y}\n", 756),
    ],
)
def test_claims_are_dropped_when_nobody_can_release_them(text: str, days_kept: int | None) -> None:
    shelf = Shelf(five(text=text))
    shelf.claim("a")
    record = shelf.state[claim_key(MUGS, "a")]
    assert (None if record.due_us is None else (record.due_us - NOON_US) // DAY_US) == days_kept


@pytest.mark.parametrize(
    ("limit", "kind"), [("stock:mug", "stock"), ("budget:lucky", "budget"), ("member-1", "other"), ("x:y", "other")]
)
def test_kinds_of_limits(limit: str, kind: str) -> None:
    assert kind_of(limit) == kind
    assert limit_id("stock", "mug") == MUGS
