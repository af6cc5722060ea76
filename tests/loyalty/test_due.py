"""Corners in which time, returns, versions and tiers meet: each of them lost points, or a tier, once."""

import pytest

from loyalty.calendar import DAY_US
from loyalty.decisions import Outcome
from tests.loyalty.books import BASE, Books, program
from tests.loyalty.events import back, line, member_event, micros, purchase, review

ACTIVE = "points: {points: {name: Points, expiry: {after: P1M, restart_on: [purchase]}}}\n"
RULES = (
    'earn: [{id: base, on: purchase, give: {points: 1, per: "1.00"}}, {id: review, on: review, give: {points: 30}}]\n'
)
TIERS = "tiers: {window: calendar_year, levels: [{id: basic, from: 0}, {id: silver, from: 100}]}\n"


def at(day: str) -> str:
    return f"{day}T12:00:00Z"


def bought(event_id: str, day: str, amount_minor: int = 10_000) -> bytes:
    return purchase(event_id, [line("1", amount_minor)], time=at(day))


def returned(event_id: str, of: str, day: str, amount_minor: int = 10_000) -> bytes:
    return back(event_id, of, [("1", "1", amount_minor)], time=at(day))


def test_an_end_that_has_passed_is_not_that_of_new_points() -> None:
    """All points went back before their end; those that come after it live their own time."""
    books = Books(program(ACTIVE + RULES))
    books.take_all([bought("p", "2026-01-01"), returned("r", "p", "2026-01-02"), review("v", time=at("2026-03-05"))])
    assert books.balance() == 30
    books.pass_time(micros(at("2026-04-07")))
    assert books.balance() == 0


def test_points_that_come_by_something_else_end_with_the_rest() -> None:
    books = Books(program(ACTIVE + RULES))
    books.take_all([bought("p", "2026-01-01"), review("v", time=at("2026-01-31"))])
    books.pass_time(micros("2026-02-01T23:59:59Z"))
    assert books.balance() == 130
    books.pass_time(micros("2026-02-02T00:00:00Z"))
    assert books.balance() == 0


def test_activity_counts_also_while_all_points_wait() -> None:
    lives = "points: {points: {name: Points, pending: P1M, expiry: {after: P2M, restart_on: [purchase]}}}\n"
    books = Books(program(lives + RULES))
    books.take_all([bought("p", "2026-01-01"), bought("q", "2026-01-30")])
    books.pass_time(micros(at("2026-03-20")))
    assert books.balance() == 200
    books.pass_time(micros(at("2026-03-31")))
    assert books.balance() == 0


def test_a_return_that_comes_late_takes_no_expired_points_again() -> None:
    """The other purchase's end comes long after the first one may be returned, but within lateness."""
    books = Books(
        program(
            "points: {points: {name: Points, expiry: {after: P20D}}}\n"
            "returns: {keep: P30D}\nstream: {max_late: P60D}\n" + BASE
        )
    )
    books.take_all([bought("p", "2026-01-01"), bought("q", "2026-01-20", 1_000)])
    books.pass_time(micros(at("2026-02-12")))
    assert books.take(returned("r", "p", "2026-01-25"), micros(at("2026-02-12"))).outcome is Outcome.APPLIED
    assert (books.balance(), books.head().debts) == (0, {})


def test_a_purchase_is_kept_for_returns_that_come_late() -> None:
    books = Books(program("returns: {keep: P90D}\nstream: {max_late: P60D}\n" + BASE))
    books.take(bought("p", "2026-01-01"))
    books.take(returned("r", "p", "2026-03-30"), micros(at("2026-05-10")))
    assert books.balance() == 0
    books.pass_time(micros(at("2026-08-01")))
    assert len(books.state) == 1


@pytest.mark.parametrize("later", ["window: calendar_year", "window: lifetime, basis: spend"])
def test_points_qualify_under_the_version_that_they_were_earned_under(later: str) -> None:
    """What a return takes from the basis is what maturity gave to it."""
    waits = "points: {points: {name: Points, pending: P30D}}\n"
    levels = "levels: [{id: basic, from: 0}, {id: silver, from: 100}]"
    first = program(waits + BASE + f"tiers: {{window: lifetime, {levels}}}\n")
    second = program(f'version: "2"\neffective_from: 2026-02-01\n{waits}{BASE}tiers: {{{later}, {levels}}}\n')
    books = Books(first, second)
    books.take(bought("p", "2026-01-20"))
    books.pass_time(micros(at("2026-02-20")))
    assert {name: sums.total for name, sums in books.head().qualifying.items()} == {"points:points|lifetime": 100}
    books.take(returned("r", "p", "2026-03-01"))
    assert {name: sums.total for name, sums in books.head().qualifying.items()} == {"points:points|lifetime": 0}


def test_points_that_wait_over_new_year_raise_the_tier_of_their_year() -> None:
    books = Books(program("points: {points: {name: Points, pending: P30D}}\n" + BASE + TIERS))
    books.take(bought("p", "2026-12-15"))
    books.pass_time(micros(at("2027-06-01")))
    assert books.head().tier == "silver"


def test_points_keep_the_end_of_the_version_that_they_were_earned_under() -> None:
    pending = "points: {points: {name: Points, pending: P14D, expiry: {after: P1M"
    first = program(f"{pending}, restart_on: [purchase]}}}}}}\n{BASE}")
    second = program(f'version: "2"\neffective_from: 2026-02-01\n{pending}}}}}}}\n{BASE}')
    books = Books(first, second)
    books.take(bought("p", "2026-01-25"))
    books.pass_time(micros(at("2026-02-20")))
    assert books.balance() == 100
    books.pass_time(micros(at("2026-03-01")))
    assert books.balance() == 0


def test_points_may_be_called_as_a_notice_is() -> None:
    """What an account remembers of notices of tiers stands apart from what it remembers of each kind of points."""
    text = (
        "points: {tier_at_risk: {name: A, expiry: {after: P70D, notice: P30D}}}\n" + BASE + "tiers:\n"
        "  window: calendar_year\n  review: {after: P2M}\n  notice: {at_risk: P10D, near: 50}\n"
        "  levels: [{id: basic, from: 0}, {id: silver, from: 100}]\n"
    )
    books = Books(program(text))
    books.take(bought("p", "2025-11-15"))
    books.pass_time(micros(at("2026-05-01")))
    told = [(notice.kind, notice.time_us) for notice in books.notices]
    assert told == [
        ("points_expiring", micros("2025-12-26T00:00:00Z")),
        ("tier_at_risk", micros("2026-01-06T00:00:00Z")),
    ]


def test_a_closed_account_is_told_nothing_and_rises_no_more() -> None:
    lives = "points: {points: {name: Points, pending: P30D, expiry: {after: P6M, notice: P30D}}}\n"
    books = Books(program(lives + BASE + TIERS))
    books.take(bought("p", "2026-01-20"))
    books.take(member_event("c", time=at("2026-01-21"), status="closed"))
    books.pass_time(micros(at("2026-12-01")))
    assert (books.head().tier, books.notices, books.balance()) == ("basic", [], 0)


def test_an_account_that_only_waits_and_ends_is_bounded() -> None:
    """Pending points and what has expired count towards what an account can hold."""
    lives = "points: {points: {name: Points, pending: P60D}}\nstream: {max_late: P1D}\n"
    books = Books(program(lives + BASE), careful=False)
    start_us = micros(at("2026-01-01"))
    outcomes = []
    for number in range(4_000):
        event = purchase(f"p{number}", 100, time="2026-01-01T12:00:00Z")
        outcomes.append(books.take(event, start_us + number * DAY_US // 5_000).outcome)
    assert outcomes[0] is Outcome.APPLIED
    assert outcomes[-1] is Outcome.REFUSED
