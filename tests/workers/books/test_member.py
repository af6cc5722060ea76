"""A member as of a moment, by event time and by what was known; and what is told of kinds that come one day."""

from collections.abc import Mapping
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from loyalty.decisions import TierChange
from loyalty.facts import Cause
from tests.loyalty.events import micros
from tests.workers.books.ledgers import LIFE, entry
from workers.books.account import Account, By
from workers.books.moments import NotATime, month_of, span_of, zone_named
from workers.books.names import Names, number
from workers.books.narration import told
from workers.books.trace import FOUND_MAX, Trace

BERLIN = ZoneInfo("Europe/Berlin")


def as_of(text: str, by: By) -> Account:
    account = Account(span_of(text, ZoneInfo("UTC")).end_us, None, by)
    for each in LIFE:
        account.take(each)
    return account


@pytest.mark.parametrize(
    ("moment", "by", "balances", "debt", "lots"),
    [
        ("2025-12-31", "event", {}, 0, {}),
        ("2026-01-05T11:59:59Z", "event", {}, 0, {}),
        ("2026-01-05T12:00:00Z", "event", {"pending": 50}, 0, {"L1": 50}),
        ("2026-01-20", "event", {"available": 50}, 0, {"L1": 50}),
        ("2026-01-31", "event", {"available": 55}, 20, {"L1": 50, "L2": 30, "L3": -5}),
        ("2026-01-31", "recorded", {"available": 80}, 0, {"L1": 50, "L2": 30}),
        ("2026-02-28", "recorded", {"available": 23}, 0, {"L2": 18, "L3": 5}),
        ("2026-03-01", "recorded", {"available": -2}, 20, {"L2": 18}),
    ],
)
def test_as_of(moment: str, by: By, balances: Mapping[str, int], debt: int, lots: Mapping[str, int]) -> None:
    account = as_of(moment, by)
    found = {pot: amount for pot, amount in account.balances.get("points", {}).items() if amount}
    assert found == balances
    assert account.debts["points"] == debt
    assert {lot.lot: sum(lot.left.values()) for lot in account.lots()} == lots


def changed(sequence: int, before: str | None, after: str, at: str) -> TierChange:
    at_us = micros(f"{at}T12:00:00Z")
    cause = Cause("/pos/1", f"p{sequence}", "loyalty.purchase.v1")
    return TierChange(
        f"t{sequence}", "m1", "test", before, after, "qualified", {}, None, {}, cause, at_us, at_us, sequence
    )


SILVER = changed(2, "bronze", "silver", "2026-02-01")
GOLD = changed(3, "silver", "gold", "2026-03-01")


@pytest.mark.parametrize(
    ("kept", "now", "moment", "tier"),
    [
        ((SILVER, GOLD), None, "2026-03-01", "gold"),
        ((SILVER, GOLD), None, "2026-02-28", "silver"),
        ((SILVER, GOLD), None, "2026-01-31", "bronze"),  # the change to bronze is not kept any more
        ((changed(1, None, "bronze", "2026-02-01"),), None, "2026-01-31", None),
        ((), ("gold", micros("2026-03-01T12:00:00Z")), "2026-03-02", "gold"),
        ((), ("gold", micros("2026-03-01T12:00:00Z")), "2026-02-28", None),
        ((), None, "2026-03-02", None),
    ],
)
def test_the_tier_as_of(
    kept: tuple[TierChange, ...], now: tuple[str, int] | None, moment: str, tier: str | None
) -> None:
    account = Account(span_of(moment, ZoneInfo("UTC")).end_us, None, "event")
    for change in kept:
        account.take_tier(change)
    if now is not None:
        account.take_tier_now(*now)
    held = account.tier()
    assert (held.tier if held else None) == tier


def test_a_confirmed_tier_is_held_since_it_was_reached() -> None:
    account = Account(None, None, "event")
    for change in (changed(3, "gold", "gold", "2028-01-01"), changed(2, "silver", "gold", "2026-03-01")):
        account.take_tier(change)
    held = account.tier()
    assert held is not None
    assert (held.tier, held.since_us) == ("gold", changed(2, "silver", "gold", "2026-03-01").time_us)


def test_what_matures_came_once() -> None:
    [lot] = as_of("2026-01-20", "event").lots()
    assert (lot.came, lot.earned_us) == (50, micros("2026-01-05T12:00:00Z"))


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-03-29", "2026-03-28T23:00:00+00:00", "2026-03-29T22:00:00+00:00"),  # a day of 23 hours
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00", None),
    ],
)
def test_a_date_is_the_whole_local_day_and_a_time_is_itself(text: str, start: str, end: str | None) -> None:
    span = span_of(text, BERLIN)
    assert span.start_us == micros(start)
    assert span.end_us == (micros(start) + 1 if end is None else micros(end))


def test_a_month_is_the_local_one() -> None:
    assert month_of("2026-12", BERLIN) == (micros("2026-11-30T23:00:00+00:00"), micros("2026-12-31T23:00:00+00:00"))


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-02-30", "2026-01-01T10:00:00", "2026-01-01 10:00:00Z", "9999-12-31"]
)
def test_what_is_no_time_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(NotATime, match=text):
        span_of(text, BERLIN)


@pytest.mark.parametrize("text", ["2026", "2026-13", "2026-1", "2026-11-01", "9999-12"])
def test_what_is_no_month_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(NotATime, match="2026-11"):
        month_of(text, BERLIN)


def test_a_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(NotATime, match="Europe/Berlin"):
        zone_named("Europe/Atlantis")


def words_of(wanted: str) -> str:
    trace = Trace(wanted)
    for each in LIFE:
        trace.take(each)
    [followed] = trace.found
    return "\n".join(told(followed, Names()))


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("earn@2026-01-05T12:00:00Z", "50 points into lot L1, pending"),
        ("earn@2026-01-05T12:00:00Z", "2026-01-20T12:00:00Z  50 points moved to available: loyalty.test.v1 matured"),
        ("earn@2026-01-05T12:00:00Z", "2026-02-03T12:00:00Z  -20 points redeemed: loyalty.test.v1 redemption"),
        ("earn@2026-01-05T12:00:00Z", "2026-02-28T12:00:00Z  -30 points expired: loyalty.test.v1 expiry"),
        ("earn@2026-01-05T12:00:00Z", "Left in lot L1: nothing"),
        ("opening@2026-01-21T12:00:00Z", "+30 points for member m1, brought in from an older system"),
        ("opening@2026-01-21T12:00:00Z", "2026-02-06T12:00:00Z  -4 points donated: loyalty.test.v1 donation"),
        ("opening@2026-01-21T12:00:00Z", "Left in lot L2: 18 points available"),
        ("adjustment@2026-02-04T12:00:00Z", "+5 points for member m1, added by an adjustment"),
        ("return@2026-01-31T12:00:00Z", "20 points were not there: a debt, which the next points pay"),
        ("return@2026-01-31T12:00:00Z", "booked     2026-03-01T12:00:00Z, 29 days later"),
        ("return@2026-01-31T12:00:00Z", "The entry says no more than its postings."),
    ],
)
def test_kinds_that_are_not_booked_yet_are_told_by_their_accounts(wanted: str, said: str) -> None:
    assert said in words_of(wanted)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"rule": "base", "kind": "lottery", "drawn": 7}, "base: kind lottery, drawn 7"),
        ({"reward": "mug", "price": 500}, "reward mug, price 500"),
        ({"rule": "base", "fixed": 5, "points": 5, "kind": "fixed", "mood": "good"}, "also mood good"),
        ({"transaction_id": "t-9"}, "Purchase t-9"),
        (
            {"rule": "base", "held_before": 7, "held_after": 2, "not_recouped": 3},
            "base: held 7; what is left of the basket is worth 2, so 5 went back, of which 3 could not be had",
        ),
        (
            {"rule": "base", "held_before": 2, "held_after": 3},
            "base: held 2; of what is left of the basket 3 fall to it, so 1 came from the other rules",
        ),
        ({"returned": {"1": [2_000_000, 500]}}, "Goods without a purchase came back: line 1 (2 for 500 minor units)"),
        (
            {"rule": "review", "review_id": "r-1", "held_before": 5, "held_after": 0, "not_recouped": 1},
            "review: review r-1 was removed, so 5 went back, of which 1 could not be had",
        ),
        (
            {"rule": "merge", "merge_id": "m", "into": "m2"},
            "Merge m: this account ended, and what it had went to member m2",
        ),
        ({"rule": "merge", "into": "m2"}, "After the merge: what came back went on to member m2"),
        ({"rule": "merge", "merge_id": "m", "from_member": "m2", "points": 80}, "Merge m: 80 came from member m2"),
        ({"rule": "merge", "merge_id": "", "from_member": "m2", "points": 8}, "After the merge: 8 came from member m2"),
    ],
)
def test_a_step_is_told_whole_whether_it_is_known_or_not(step: Mapping[str, object], said: str) -> None:
    made = entry("earn", [("program:earned", -5, ""), ("available", 5, "L")], steps=(step,))
    trace = Trace(made.entry_id)
    trace.take(made)
    assert said in "\n".join(told(trace.found[0], Names()))


@pytest.mark.parametrize(
    "step", [{"transfer_id": "x", "points": 7, "came_back": True}, {"rule": "merge", "merge_id": ""}]
)
def test_what_came_back_belongs_to_the_entry_that_had_made_the_lot(step: Mapping[str, object]) -> None:
    life = [
        entry("earn", [("program:earned", -50, ""), ("available", 50, "L1")]),
        entry("transfer", [("program:transferred", 7, ""), ("available", -7, "L1")]),
        entry("back", [("program:transferred", -7, ""), ("available", 7, "L1")], steps=({**step, "to_member": "m2"},)),
        entry("expire", [("program:expired", 50, ""), ("available", -50, "L1")]),
    ]
    earned, back = Trace("earn@2026-03-02T12:00:00Z"), Trace("back@2026-03-02T12:00:00Z")
    for trace in (earned, back):
        trace.take_all(life)
    assert "Left in lot L1: nothing" in "\n".join(told(earned.found[0], Names()))
    assert back.found[0].given == {}


@pytest.mark.parametrize(
    ("kind", "moves", "step", "said"),
    [
        ("merge", -5, {"rule": "merge", "merge_id": "m", "into": "m2"}, "-5 points for member m1, went by a merge"),
        (
            "merge",
            5,
            {"rule": "merge", "merge_id": "m", "from_member": "m2"},
            "+5 points for member m1, came by a merge",
        ),
        ("transfer", -5, {"transfer_id": "x", "points": 5, "to_member": "m2"}, "sent by a transfer"),
        ("transfer", 5, {"transfer_id": "x", "points": 5, "from_member": "m2"}, "received by a transfer"),
        (
            "transfer",
            5,
            {"transfer_id": "x", "points": 5, "to_member": "m2", "came_back": True},
            "+5 points for member m1, back from a transfer that nobody took",
        ),
        (
            "birthday",
            0,
            {"rule": "bd", "reward": "cake", "redemption_id": "r", "day": "2026-03-02"},
            "a reward as a gift",
        ),
    ],
)
def test_what_happened_is_said_in_a_word_or_two(kind: str, moves: int, step: Mapping[str, object], said: str) -> None:
    postings = [("program:transferred", -moves, ""), ("available", moves, "L")] if moves else []
    made = entry(kind, postings, steps=(step,))
    trace = Trace(made.entry_id)
    trace.take(made)
    assert said in told(trace.found[0], Names())[0]


def test_many_entries_of_one_cause_are_counted_and_not_all_kept() -> None:
    trace = Trace("earn-2026-03-02T12:00:00Z")
    for at in range(FOUND_MAX + 7):
        trace.take(entry("earn", [], member=f"m{at}"))
    assert (len(trace.found), trace.more) == (FOUND_MAX, 7)


@pytest.mark.parametrize(
    ("value", "text"), [("1234", "1,234"), ("119/10", "11.9"), ("-1/8", "-0.125"), ("10/3", "10/3, about 3.333")]
)
def test_numbers_are_exact(value: str, text: str) -> None:
    assert number(Fraction(value)) == text
