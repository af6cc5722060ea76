"""Local calendars where they are odd: days of 23 and 25 hours, hours that occur twice or never, leap days."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.calendar import (
    Lives,
    bound_us,
    in_every_year,
    in_hours,
    in_window,
    life_end_us,
    local_time,
    period_key,
    period_last_ordinal,
    shifted_us,
    window_start_ordinal,
)
from loyalty.decisions import Outcome
from loyalty.program import Duration, EveryYear, Expiry, Hours, Window
from schemas.program_source import ProgramError
from tests.loyalty.books import BASE, Books, program
from tests.loyalty.events import back, instant, micros, purchase, share

BERLIN, NEW_YORK, AUCKLAND = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Pacific/Auckland")
HOUR_US = 3_600_000_000


@pytest.mark.parametrize(
    ("at", "zone", "wall", "weekday"),
    [
        ("2026-03-29T00:59:59Z", BERLIN, (2026, 3, 29, 1 * 60 + 59), 7),
        ("2026-03-29T01:00:00Z", BERLIN, (2026, 3, 29, 3 * 60), 7),  # 02:00 to 03:00 does not exist
        ("2026-10-25T00:30:00Z", BERLIN, (2026, 10, 25, 2 * 60 + 30), 7),
        ("2026-10-25T01:30:00Z", BERLIN, (2026, 10, 25, 2 * 60 + 30), 7),  # and here again
        ("2026-03-02T04:59:59Z", NEW_YORK, (2026, 3, 1, 23 * 60 + 59), 7),
        ("2026-03-02T05:00:00Z", NEW_YORK, (2026, 3, 2, 0), 1),
        ("2028-02-29T11:00:00Z", AUCKLAND, (2028, 3, 1, 0), 3),
        ("1970-01-01T00:00:00Z", AUCKLAND, (1970, 1, 1, 12 * 60), 4),
        ("9999-12-31T10:59:59Z", AUCKLAND, (9999, 12, 31, 23 * 60 + 59), 5),
    ],
)
def test_wall_clocks(at: str, zone: ZoneInfo, wall: tuple[int, int, int, int], weekday: int) -> None:
    local = local_time(micros(at), zone)
    assert (local.year, local.month, local.day, local.minute) == wall
    assert local.weekday == weekday
    assert date.fromordinal(local.ordinal) == date(*wall[:3])


@pytest.mark.parametrize(
    ("hours", "at", "holds"),
    [
        (Hours(120, 180), "2026-03-29T00:59:59Z", False),
        (Hours(120, 180), "2026-03-29T01:00:00Z", False),
        (Hours(120, 180), "2026-10-25T00:00:00Z", True),
        (Hours(120, 180), "2026-10-25T01:59:59Z", True),
        (Hours(120, 180), "2026-10-25T02:00:00Z", False),
        (Hours(1320, 120), "2026-01-01T21:00:00Z", True),
        (Hours(1320, 120), "2026-01-01T00:59:59Z", True),
        (Hours(1320, 120), "2026-01-01T01:00:00Z", False),
        (Hours(1320, 1440), "2026-01-01T22:59:59Z", True),
        (Hours(1320, 1440), "2026-01-01T23:00:00Z", False),
        (Hours(0, 1440), "2026-01-01T23:00:00Z", True),
    ],
)
def test_hours_go_by_the_wall(hours: Hours, at: str, *, holds: bool) -> None:
    assert in_hours(hours, local_time(micros(at), BERLIN)) is holds


@pytest.mark.parametrize(
    ("first", "last", "day", "holds"),
    [
        ((12, 1), (12, 31), "2026-12-31T22:59:59Z", True),
        ((12, 1), (12, 31), "2026-12-31T23:00:00Z", False),
        ((12, 20), (1, 6), "2027-01-06T12:00:00Z", True),
        ((12, 20), (1, 6), "2027-01-07T12:00:00Z", False),
        ((2, 28), (3, 1), "2028-02-29T12:00:00Z", True),
        ((2, 29), (2, 29), "2027-02-28T12:00:00Z", False),
        ((2, 29), (2, 29), "2028-02-29T12:00:00Z", True),
    ],
)
def test_days_of_every_year(first: tuple[int, int], last: tuple[int, int], day: str, *, holds: bool) -> None:
    assert in_every_year(EveryYear(first, last), local_time(micros(day), BERLIN)) is holds


@pytest.mark.parametrize(
    ("at", "holds"),
    [
        ("2026-03-27T22:59:59Z", False),
        ("2026-03-27T23:00:00Z", True),
        ("2026-03-29T21:59:59Z", True),  # the end of a day of 23 hours
        ("2026-03-29T22:00:00Z", False),
    ],
)
def test_a_window_of_local_days(at: str, *, holds: bool) -> None:
    window = Window(datetime(2026, 3, 28), datetime(2026, 3, 30))  # noqa: DTZ001 wall-clock time
    assert in_window(window, local_time(micros(at), BERLIN)) is holds


def test_a_bound_that_occurs_twice_is_the_first_and_an_aware_one_an_instant() -> None:
    twice = datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001 wall-clock time
    assert instant(bound_us(twice, BERLIN)) == "2026-10-25T00:30:00+00:00"
    aware = datetime.fromisoformat("2026-10-25T02:30:00+09:00")
    assert bound_us(aware, BERLIN) == micros("2026-10-24T17:30:00+00:00")


@pytest.mark.parametrize(
    ("start", "duration", "sign", "end"),
    [
        ("2026-01-31T12:00:00+01:00", Duration(months=1), 1, "2026-02-28T12:00:00+01:00"),
        ("2028-01-31T12:00:00+01:00", Duration(months=1), 1, "2028-02-29T12:00:00+01:00"),
        ("2028-02-29T12:00:00+01:00", Duration(months=12), 1, "2029-02-28T12:00:00+01:00"),
        ("2026-03-31T12:00:00+02:00", Duration(months=1), -1, "2026-02-28T12:00:00+01:00"),
        ("2026-03-28T12:00:00+01:00", Duration(days=1), 1, "2026-03-29T12:00:00+02:00"),
        ("2026-03-28T12:00:00+01:00", Duration(seconds=86400), 1, "2026-03-29T13:00:00+02:00"),
        ("2026-10-24T12:00:00+02:00", Duration(days=1), 1, "2026-10-25T12:00:00+01:00"),
        ("2026-03-28T02:30:00+01:00", Duration(days=1), 1, "2026-03-29T03:30:00+02:00"),  # 02:30 does not exist
        ("2026-12-31T23:59:59+01:00", Duration(months=2), 1, "2027-02-28T23:59:59+01:00"),
        ("2026-01-15T12:00:00+01:00", Duration(months=1), -1, "2025-12-15T12:00:00+01:00"),
    ],
)
def test_durations_follow_the_local_calendar(start: str, duration: Duration, sign: int, end: str) -> None:
    assert shifted_us(micros(start), duration, BERLIN, sign) == micros(end)


@pytest.mark.parametrize(
    ("day", "duration", "first"),
    [
        ("2026-03-31", Duration(months=1), "2026-03-01"),
        ("2026-03-30", Duration(months=12), "2025-03-31"),
        ("2028-02-29", Duration(months=12), "2027-03-01"),
        ("2026-03-02", Duration(days=1), "2026-03-02"),
        ("2026-03-02", Duration(days=30), "2026-02-01"),
    ],
)
def test_a_rolling_window_holds_its_last_day_whole(day: str, duration: Duration, first: str) -> None:
    found = window_start_ordinal(date.fromisoformat(day).toordinal(), duration)
    assert date.fromordinal(found) == date.fromisoformat(first)


@given(
    time_us=st.integers(0, 10_000 * 24 * HOUR_US),
    expiry=st.builds(
        Expiry,
        st.builds(Duration, st.integers(0, 24), st.integers(0, 400)),
        st.sampled_from(["day", "month", "quarter", "year"]),
        notice=st.none() | st.builds(Duration, st.integers(0, 12), st.integers(0, 400), st.integers(0, 86_400)),
    ),
    zone=st.sampled_from([BERLIN, NEW_YORK, AUCKLAND]),
)
def test_points_of_a_local_day_end_together_and_are_looked_at_from_their_notice_on(
    time_us: int, expiry: Expiry, zone: ZoneInfo
) -> None:
    ends_us, due_us = Lives(expiry, zone)[local_time(time_us, zone).ordinal]
    told_us = ends_us if expiry.notice is None else shifted_us(ends_us, expiry.notice, zone, -1)
    assert (ends_us, due_us) == (life_end_us(time_us, expiry, zone), min(ends_us, told_us))


def test_days_whose_ends_are_known_are_bounded() -> None:
    lives = Lives(Expiry(Duration(days=1)), BERLIN)
    ends = [lives[day] for day in range(700_000, 710_000)]
    assert len(lives) < len(ends)
    assert [lives[day] for day in range(700_000, 710_000)] == ends


@pytest.mark.parametrize(
    ("per", "same", "other"),
    [
        ("day", "2026-03-29T21:59:59Z", "2026-03-29T22:00:00Z"),
        ("week", "2026-03-29T21:59:59Z", "2026-03-29T22:00:00Z"),  # ISO weeks end on Sunday
        ("month", "2026-03-31T21:59:59Z", "2026-03-31T22:00:00Z"),
        ("year", "2026-12-31T22:59:59Z", "2026-12-31T23:00:00Z"),
    ],
)
def test_periods_end_at_local_midnight(per: str, same: str, other: str) -> None:
    here = local_time(micros("2026-03-29T00:00:00Z"), BERLIN)
    assert period_key(per, local_time(micros(same), BERLIN)) == period_key(per, here)
    assert period_key(per, local_time(micros(other), BERLIN)) != period_key(per, here)
    last = period_last_ordinal(period_key(per, here))
    assert last == local_time(micros(same), BERLIN).ordinal


def test_a_lifetime_never_ends_and_other_words_are_no_periods() -> None:
    here = local_time(0, BERLIN)
    assert period_last_ordinal(period_key("lifetime", here)) is None
    with pytest.raises(ValueError, match="fortnight"):
        period_key("fortnight", here)


@given(st.integers(0, 250_000_000_000_000_000), st.sampled_from([BERLIN, NEW_YORK, AUCKLAND]))
def test_every_instant_lies_in_its_periods(time_us: int, zone: ZoneInfo) -> None:
    local = local_time(time_us, zone)
    for per in ("day", "week", "month", "year"):
        last = period_last_ordinal(period_key(per, local))
        assert last is not None
        assert last >= local.ordinal
        following = local._replace(ordinal=last + 1)
        if per in {"day", "week"}:
            assert period_key(per, following) != period_key(per, local)
    assert local.weekday == date.fromordinal(local.ordinal).isoweekday()


@given(st.integers(0, 4_000_000_000), st.integers(0, 400), st.integers(0, 50))
def test_going_forth_by_days_and_back_is_the_same_clock(second: int, days: int, hours: int) -> None:
    start = second * 1_000_000
    there = shifted_us(start, Duration(days=days), BERLIN)
    assert local_time(there, BERLIN).ordinal == local_time(start, BERLIN).ordinal + days
    assert abs(there - start - days * 24 * HOUR_US) <= HOUR_US
    assert shifted_us(start, Duration(seconds=hours * 3600), BERLIN) == start + hours * HOUR_US


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/New_York"])
def test_the_last_instant_that_the_contract_knows_can_be_decided(zone: str) -> None:
    books = Books(program(f"zone: {zone}\n{BASE}"))
    last = "2999-12-31T23:59:59Z"
    assert books.take(purchase("p", 1000, time=last)).outcome is Outcome.APPLIED
    assert books.take(back("r", "p", [("1", "1", 1000)], time=last)).outcome is Outcome.APPLIED


@pytest.mark.parametrize(
    "text",
    [
        "tiers: {window: {rolling: P9999M}, levels: [{id: a, from: 0}]}",
        "returns: {keep: P999Y9999M99999D}",
        "returns: {keep: P9999M}",
        "earn: [{id: a, on: share, give: {points: 1}, at_most: {awards: 1, rolling: P99999D}}]",
    ],
)
def test_periods_that_no_calendar_holds_are_refused_or_harmless(text: str) -> None:
    """Not a fault of the engine at every event."""
    try:
        books = Books(program(f"{text}\n" if "earn" in text else f"{BASE}{text}\n"))
    except ProgramError:
        return
    books.take(purchase("p", 1000, time="1970-01-02T00:00:00Z"))
    books.take(share("s"))
    assert books.take(back("r", "p", [("1", "1", 1000)], time="1970-01-03T00:00:00Z")).outcome is Outcome.APPLIED
