"""Caps against a plain account of what was given: calendar periods, rolling windows, values, awards, returns."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.calendar import local_time, period_key, window_start_ordinal
from loyalty.caps import granted, prune
from loyalty.program import Cap, Duration
from tests.loyalty.books import Books, program
from tests.loyalty.events import engagement, purchase, share

DAY_US = 86_400_000_000
UTC = program().zone


class Said:
    """Stands for a fact with one field."""

    sku = "A"


def test_a_late_event_does_not_break_a_rolling_cap() -> None:
    """At most 100 in any 30 days: an event of five days earlier finds the room that the later one left."""
    books = Books(
        program("earn: [{id: q, on: engagement, give: {points: 60}, at_most: {points: 100, rolling: P30D}}]\n")
    )
    books.take(engagement("e1", time="2026-03-10T12:00:00Z"))
    books.take(engagement("e2", time="2026-03-05T12:00:00Z"))
    assert books.balance() == 100
    books.take(engagement("e3", time="2026-04-04T12:00:00Z"))  # e2 is 30 days ago: its 40 are free again
    assert books.balance() == 140


@given(
    days=st.lists(st.integers(0, 25), min_size=1, max_size=12),
    length=st.integers(1, 12),
    maximum=st.integers(1, 25),
    points=st.integers(1, 12),
)
def test_no_window_of_a_rolling_cap_holds_more_than_its_maximum(
    days: list[int], length: int, maximum: int, points: int
) -> None:
    cap = Cap(maximum, "points", "rolling", Duration(days=length))
    counters: dict[str, int] = {}
    given_on: Counter[int] = Counter()
    for day in days:
        local = local_time(day * DAY_US, UTC)
        given_on[local.ordinal] += granted(counters, "r", (cap,), points, local, Said())
    for end in range(min(given_on), max(given_on) + length):
        window = range(window_start_ordinal(end, cap.rolling or Duration()), end + 1)
        assert sum(given_on[day] for day in window) <= maximum


@given(
    events=st.lists(st.tuples(st.integers(0, 800), st.integers(0, 40)), max_size=15),
    caps=st.lists(
        st.tuples(st.sampled_from(["day", "week", "month", "year", "lifetime", "transaction"]), st.integers(1, 90)),
        min_size=1,
        max_size=3,
    ),
)
def test_calendar_caps_give_what_a_plain_account_gives(
    events: list[tuple[int, int]], caps: list[tuple[str, int]]
) -> None:
    limits = tuple(Cap(maximum, "points", per) for per, maximum in caps)
    counters: dict[str, int] = {}
    plain: Counter[tuple[str, str]] = Counter()
    for day, points in events:
        local = local_time(day * DAY_US, UTC)
        rooms = [
            maximum if per == "transaction" else maximum - plain[per, period_key(per, local)] for per, maximum in caps
        ]
        expected = min(points, *rooms)
        assert granted(counters, "r", limits, points, local, Said()) == expected
        for per in {per for per, _ in caps if per != "transaction"}:
            plain[per, period_key(per, local)] += expected


def test_a_cap_for_each_value_counts_each_field_on_its_own() -> None:
    """A content that is called like a network is still another thing."""
    books = Books(
        program(
            """
earn:
  - id: s
    on: share
    give: {points: 5}
    at_most: [{awards: 9, per: lifetime, each: network}, {awards: 1, per: lifetime, each: content_id}]
"""
        )
    )
    books.take(share("1", network="x", content_id="page"))
    books.take(share("2", network="x", content_id="page"))
    books.take(share("3", network="x", content_id="x"))
    assert books.balance() == 10


@pytest.mark.parametrize(
    ("at_most", "given_each_time"),
    [
        ("{awards: 2, per: day}", [10, 10, 0, 0]),
        ("{points: 25, per: day}", [10, 10, 5, 0]),
        ("[{points: 25, per: day}, {awards: 3, per: week}]", [10, 10, 5, 0]),
        ("[{points: 25, per: month}, {points: 15, per: day}]", [10, 5, 0, 0]),
        ("{points: 25, per: lifetime, each: activity}", [10, 10, 5, 0]),
        ("{points: 5, per: year, each: activity_id}", [5, 5, 5, 5]),
    ],
)
def test_caps_fill_partly(at_most: str, given_each_time: list[int]) -> None:
    books = Books(program(f"earn: [{{id: q, on: engagement, give: {{points: 10}}, at_most: {at_most}}}]\n"))
    held = 0
    for number, expected in enumerate(given_each_time):
        books.take(engagement(f"e{number}"))
        assert books.balance() - held == expected
        held = books.balance()
        assert books.entries[-1].steps[0].get("forfeited", 0) == 10 - expected
    books.check_books()


def test_periods_are_local() -> None:
    books = Books(
        program(
            "zone: America/New_York\n"
            'earn: [{id: base, on: purchase, give: {points: 1, per: "1.00"}, at_most: {points: 10, per: day}}]\n'
        )
    )
    for number, time in enumerate(["2026-03-02T04:59:59Z", "2026-03-02T05:00:00Z", "2026-03-03T04:59:59Z"]):
        books.take(purchase(f"p{number}", 1000, time=time))
    assert books.balance() == 20


def test_pruning_keeps_what_may_still_count() -> None:
    now = local_time(400 * DAY_US, UTC)
    counters: dict[str, int] = {}
    for per in ("day", "week", "month", "year", "lifetime"):
        granted(counters, "r", (Cap(9, "points", per),), 1, local_time(0, UTC), Said())
        granted(counters, "r", (Cap(9, "points", per),), 1, now, Said())
    granted(counters, "r", (Cap(9, "awards", "rolling", Duration(days=30)),), 1, local_time(371 * DAY_US, UTC), Said())
    granted(counters, "r", (Cap(9, "awards", "rolling", Duration(days=30)),), 1, local_time(369 * DAY_US, UTC), Said())
    prune(counters, now.ordinal, 30)
    assert sum(counters.values()) == 4 + 2 + 1, counters
