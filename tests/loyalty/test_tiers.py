"""Tiers against a plain sum over all days, with late events, returns and compaction."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.calendar import local_time, window_start_ordinal
from loyalty.program import Duration, Level, Tiers
from loyalty.tiers import Sums, added, level_reached, period_number, qualifying_sum
from tests.loyalty.books import Books, program
from tests.loyalty.events import Json, back, line, purchase

DAY_US = 86_400_000_000
UTC = program().zone
LEVELS = (Level("l0", "0", 0), Level("l1", "1", 50), Level("l2", "2", 100), Level("l3", "3", 150))
ROLLING = Tiers(LEVELS, currency="points", window="rolling", rolling=Duration(days=10))


def _plain(days: Counter[int], end: int) -> int:
    first = window_start_ordinal(end, ROLLING.rolling or Duration())
    return sum(amount for day, amount in days.items() if first <= day <= end)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 60)), max_size=25))
def test_a_rolling_sum_is_the_sum_of_its_days(moves: list[tuple[int, int]]) -> None:
    """Days advance by up to three at a time, and every fourth event comes up to nine days late."""
    sums, days, today, level = Sums(), Counter[int](), 1000, 0
    for number, (step, amount) in enumerate(moves):
        today += step % 4
        number_of_day = today - step if number % 4 == 0 else today
        local = local_time(number_of_day * DAY_US, UTC)
        sums = added(sums, period_number(ROLLING, local, 0), amount, ROLLING)
        days[local.ordinal] += amount
        expected = max(_plain(days, end) for end in (local.ordinal, max(days)))
        assert qualifying_sum(ROLLING, sums, local.ordinal) == expected
        reached = sum(each.threshold <= expected for each in LEVELS) - 1
        level = max(level, reached)
        assert level_reached(ROLLING, sums, local.ordinal, 0) == reached
        assert level_reached(ROLLING, sums, local.ordinal, level) == level


def test_compaction_changes_no_window() -> None:
    sums, days = Sums(), Counter[int]()
    for day in range(1000, 4000):
        sums = added(sums, day, day % 7, ROLLING)
        days[day] += day % 7
        assert qualifying_sum(ROLLING, sums, day) == _plain(days, day)
        assert sums.periods.count(";") <= 4 * 372  # twice the two years that are kept for longer windows to come


def test_a_return_of_a_forgotten_day_does_not_hide_what_counts_today() -> None:
    """T3: no period is negative, so the total is never below a window."""
    sums = added(Sums(), 1000, 500, ROLLING)
    for day in range(2000, 2200):
        sums = added(sums, day, 5, ROLLING)
    sums = added(sums, 1000, -500, ROLLING)
    assert qualifying_sum(ROLLING, sums, 2199) == 50
    assert sums.total >= 50
    assert level_reached(ROLLING, sums, 2199, 0) == 1


@pytest.mark.parametrize(
    ("amounts", "tiers_after"),
    [
        ([9999], ["basic"]),
        ([10000], ["silver"]),
        ([5000, 5000], ["basic", "silver"]),
        ([50000], ["gold"]),
        ([10000, 40000, 1], ["silver", "gold", "gold"]),
    ],
)
def test_a_threshold_is_reached_at_its_figure(amounts: list[int], tiers_after: list[str]) -> None:
    books = Books(
        program(
            """
earn: [{id: base, on: purchase, give: {points: 1, per: "1.00"}}]
tiers: {levels: [{id: basic, from: 0}, {id: silver, from: 100}, {id: gold, from: 500}]}
"""
        )
    )
    found = []
    for number, amount in enumerate(amounts):
        books.take(purchase(f"p{number}", amount))
        found.append(books.head().tier)
    assert found == tiers_after
    assert next(change.from_tier for change in books.tiers) is None


@pytest.mark.parametrize(
    ("basis", "sum_of_purchase"),
    [
        ("{basis: points, ", 12),
        ("{basis: spend, ", 1250),
        ("{basis: spend, spend_includes: [tax, shipping, tip], ", 1250 + 100 + 50 + 7),
        ("{basis: spend, spend_includes: [tax], ", 1350),
    ],
)
def test_what_counts(basis: str, sum_of_purchase: int) -> None:
    """Base points before multipliers, or money on lines that can earn; gift cards are money in another form."""
    books = Books(
        program(
            f"""
earn:
  - {{id: base, on: purchase, give: {{points: 1, per: "1.00"}}}}
  - {{id: bonus, on: purchase, give: {{points: 99}}}}
multiply: {{rules: [{{id: double, factor: 2}}]}}
tiers: {basis}levels: [{{id: basic, from: 0}}]}}
"""
        )
    )
    lines = [line("1", 1250), line("2", 5000, category="gift_card")]
    books.take(purchase("p", lines, tax_minor=100, shipping_minor=50, tip_minor=7))
    assert [sums.total for sums in books.head().qualifying.values()] == [sum_of_purchase]
    books.take(back("r", "p", [("1", "1", 1250), ("2", "1", 5000)]))
    assert [sums.total for sums in books.head().qualifying.values()] == [0]


def test_the_crossing_purchase_earns_at_the_new_tier_only_if_it_gets_there() -> None:
    """crossing: same looks at what qualifies after caps, as the sum itself does."""
    books = Books(
        program(
            """
earn:
  - {id: base, on: purchase, give: {points: 1, per: "1.00"}, at_most: {points: 40, per: day}}
  - {id: more, on: purchase, give: {points: 1, per: "1.00"}, qualifies: false}
tiers: {crossing: same, levels: [{id: basic, from: 0}, {id: gold, from: 50, multiplier: 3}]}
"""
        )
    )
    books.take(purchase("p", 10000))
    assert books.head().tier == "basic"
    assert books.record("p").granted == {"base": 40, "more": 100}


def test_a_return_lowers_the_sum_and_not_the_tier() -> None:
    books = Books(
        program(
            """
earn: [{id: base, on: purchase, give: {points: 1, per: "1.00"}}]
tiers: {window: calendar_year, levels: [{id: basic, from: 0}, {id: silver, from: 100}, {id: gold, from: 150}]}
"""
        )
    )
    books.take(purchase("p", 10000, time="2025-12-31T12:00:00Z"))
    books.take(purchase("q", 10000))
    assert books.head().tier == "silver"
    books.take(back("r", "q", [("1", "0", 6000)]))
    books.take(purchase("s", 10000))
    assert books.head().tier == "silver"
    books.take(purchase("t", 1000))
    assert books.head().tier == "gold"


@pytest.mark.parametrize(
    ("lines", "sum_of_purchase"),
    [([line("1", 1000)], 10 * (1000 + 200)), ([line("1", 1000, category="gift_card")], 0)],
    ids=["in another currency", "nothing that can earn"],
)
def test_tax_counts_as_the_lines_do(lines: list[Json], sum_of_purchase: int) -> None:
    """Exchanged like the lines, and only beside lines that count."""
    books = Books(
        program("exchange: {EUR: 10}\ntiers: {basis: spend, spend_includes: [tax], levels: [{id: basic, from: 0}]}\n")
    )
    books.take(purchase("p", lines, currency="EUR", tax_minor=200))
    assert [sums.total for sums in books.head().qualifying.values()] == [sum_of_purchase]


def test_a_late_event_under_a_version_of_a_shorter_window_forgets_nothing() -> None:
    """Both versions keep their days under one name, so the longer window must survive the shorter one."""
    short = ROLLING
    long = Tiers(LEVELS, currency="points", window="rolling", rolling=Duration(months=12))
    sums = Sums()
    for day in range(2000, 2300):
        sums = added(sums, day, 1, long)
    late = added(sums, 2295, 1, short)
    assert qualifying_sum(long, late, 2299) == 301
