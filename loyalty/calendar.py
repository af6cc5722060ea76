"""Local calendars: days, periods and windows as people in a time zone live them.

Days have 23, 24 or 25 hours, so nothing here adds 24 hours; wall-clock times may occur twice or never.
Instants are integers of microseconds since 1970 (UTC), local days are proleptic ordinals (`date.toordinal`).

Not here: which rule uses which window (earning.py, activities.py).
"""

import calendar
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from loyalty.making import maker
from loyalty.program import Duration, EveryYear, Expiry, Hours, TierReview, Window

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS_MAX = 1 << 12
"""Days whose ends are kept: more than come up while events come nearly in the order of their time."""


class Local(NamedTuple):
    """One instant on the wall of one zone."""

    zone: ZoneInfo
    time_us: int
    year: int
    month: int
    day: int
    minute: int
    """Minute of the day by the wall clock, 0..1439."""
    ordinal: int
    """The local day, `date.toordinal`."""

    @property
    def weekday(self) -> int:
        """ISO weekday, Monday 1 .. Sunday 7."""
        return (self.ordinal + 6) % 7 + 1


_local = maker(Local)


# A decision asks for the same few instants again and again: the event's time, the end of the member's silence.
@lru_cache(maxsize=256)
def local_time(time_us: int, zone: ZoneInfo) -> Local:
    """The instant `time_us` as the wall clock of `zone` shows it."""
    wall = datetime.fromtimestamp(time_us // SECOND_US, zone)
    return _local(zone, time_us, wall.year, wall.month, wall.day, wall.hour * 60 + wall.minute, wall.toordinal())


def instant_us(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=4096)
def bound_us(bound: datetime, zone: ZoneInfo) -> int:
    """The instant of a window's bound; a naive one is wall-clock time in `zone`, the first if it occurs twice."""
    return instant_us(bound if bound.tzinfo is not None else bound.replace(tzinfo=zone))


def length_us(duration: Duration) -> int:
    """The length of a duration as a limit of lateness: days of 24 hours, months of 31 days."""
    return length_days(duration) * DAY_US + duration.seconds * SECOND_US


def length_days(duration: Duration) -> int:
    """The most days that a duration of months and days can have."""
    return duration.months * 31 + duration.days


def shifted_us(time_us: int, duration: Duration, zone: ZoneInfo, sign: int = 1) -> int:
    """`time_us` plus (or, with sign -1, minus) a calendar duration.

    Months keep the day, clamped to the month's length; days keep the wall-clock time; seconds are exact.
    """
    moment = _EPOCH + timedelta(microseconds=time_us)
    if duration.months or duration.days:
        wall = moment.astimezone(zone)
        day = shifted_date(wall.date(), duration, sign)
        moment = datetime.combine(day, wall.timetz()).astimezone(UTC)
    return instant_us(moment) + sign * duration.seconds * SECOND_US


def shifted_date(day: date, duration: Duration, sign: int = 1) -> date:
    """`day` plus (or minus) the months and days of a duration; the day is clamped to the month's length."""
    months = day.year * 12 + day.month - 1 + sign * duration.months
    year, month = divmod(months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last)) + timedelta(days=sign * duration.days)


@lru_cache(maxsize=4096)
def day_start_us(ordinal: int, zone: ZoneInfo) -> int:
    """The first instant of a local day."""
    return bound_us(datetime.combine(date.fromordinal(ordinal), time()), zone)


@lru_cache(maxsize=4096)
def day_end_us(ordinal: int, zone: ZoneInfo) -> int:
    """The instant from which on the local day is over for good.

    It is the first instant of the next day, but where clocks go back over midnight: a little of the day comes again.
    """
    midnight = datetime.combine(date.fromordinal(ordinal + 1), time(fold=1), zone)
    return max(day_start_us(ordinal + 1, zone), instant_us(midnight))


@lru_cache(maxsize=4096)
def end_of_us(ordinal: int, after: Duration, period: str, zone: ZoneInfo) -> int:
    """The first instant behind the local `period` that holds the day `after` local day `ordinal`."""
    last = shifted_date(date.fromordinal(ordinal), after)
    match period:
        case "day":
            following = last + timedelta(days=1)
        case "month":
            following = shifted_date(last.replace(day=1), Duration(months=1))
        case "quarter":
            following = shifted_date(date(last.year, (last.month - 1) // 3 * 3 + 1, 1), Duration(months=3))
        case "year":
            following = date(last.year + 1, 1, 1)
        case _:
            raise ValueError(period)
    return day_start_us(following.toordinal(), zone)


def membership_year(ordinal: int, enrolled: int) -> int:
    """The number of the membership year that holds a local day, the first is 0; what lies before counts to it.

    Who joined on February 29 has the anniversary on February 28 in other years.
    """
    day, joined = date.fromordinal(ordinal), date.fromordinal(enrolled)
    number = day.year - joined.year
    return max(number - (day < shifted_date(joined, Duration(months=12 * number))), 0) if number > 0 else 0


def membership_year_start(number: int, enrolled: int) -> int:
    """The first local day of a membership year."""
    return shifted_date(date.fromordinal(enrolled), Duration(months=12 * number)).toordinal()


@lru_cache(maxsize=4096)
def tier_end_us(ordinal: int, review: TierReview, enrolled: int, zone: ZoneInfo) -> int:
    """The first instant behind the period of a tier that was reached on local day `ordinal`.

    `enrolled` is the local day on which the member joined.
    """
    if review.to_end_of != "membership_year":
        return end_of_us(ordinal, review.after, review.to_end_of, zone)
    last = shifted_date(date.fromordinal(ordinal), review.after).toordinal()
    anniversary = Duration(months=12 * (membership_year(last, enrolled) + 1))
    return day_start_us(shifted_date(date.fromordinal(enrolled), anniversary).toordinal(), zone)


def life_end_us(start_us: int, expiry: Expiry, zone: ZoneInfo) -> int:
    """The first instant at which points whose life began at `start_us` cannot be used any more."""
    return end_of_us(local_time(start_us, zone).ordinal, expiry.after, expiry.to_end_of, zone)


def active_end_us(time_us: int, expiry: Expiry, zone: ZoneInfo) -> int:
    """The first instant at which points that an activity at `time_us` keeps alive cannot be used any more."""
    after = expiry.restart_for or expiry.after
    return end_of_us(local_time(time_us, zone).ordinal, after, expiry.to_end_of, zone)


class Lives(dict[int, tuple[int, int]]):
    """Local day -> the end of the points earned on it, and the first instant at which that is anybody's business.

    That is the notice, or the end where nobody is told. Worked out when it is first asked for. Bounded: it starts over
    when it is full.
    """

    def __init__(self, expiry: Expiry, zone: ZoneInfo) -> None:
        super().__init__()
        self.expiry = expiry
        self._zone = zone

    def __missing__(self, ordinal: int) -> tuple[int, int]:
        if len(self) >= _DAYS_MAX:
            self.clear()
        ends_us = end_of_us(ordinal, self.expiry.after, self.expiry.to_end_of, self._zone)
        found = self[ordinal] = ends_us, self.due_us(ends_us)
        return found

    def due_us(self, ends_us: int) -> int:
        """When somebody first has to look at points that end then."""
        notice = self.expiry.notice
        return ends_us if notice is None else min(ends_us, notice_us(ends_us, notice, self._zone))


@lru_cache(maxsize=4096)
def notice_us(ends_us: int, notice: Duration, zone: ZoneInfo) -> int:
    """When to tell a member of points that end at `ends_us`."""
    return shifted_us(ends_us, notice, zone, -1)


@lru_cache(maxsize=4096)
def window_start_ordinal(ordinal: int, duration: Duration) -> int:
    """The first local day of the rolling window of `duration` that ends with day `ordinal`, both included."""
    return shifted_date(date.fromordinal(ordinal), duration, -1).toordinal() + 1


@lru_cache(maxsize=4096)
def holding_start_ordinal(ordinal: int, duration: Duration) -> int:
    """The first local day whose tier, held for `duration`, would hold longer than day `ordinal`.

    It differs from `window_start_ordinal` at the end of months only: February 29 and a year end on February 28.
    """
    first = window_start_ordinal(ordinal, duration)
    while shifted_date(date.fromordinal(first), duration).toordinal() <= ordinal:
        first += 1
    return first


def in_window(window: Window, local: Local) -> bool:
    """Whether the instant lies in the half-open window."""
    if window.start is not None and local.time_us < bound_us(window.start, local.zone):
        return False
    return window.end is None or local.time_us < bound_us(window.end, local.zone)


def overlaps(window: Window, start_us: int, end_us: int, zone: ZoneInfo) -> bool:
    """Whether any instant from `start_us` to before `end_us` lies in the half-open window."""
    if window.start is not None and end_us <= bound_us(window.start, zone):
        return False
    return window.end is None or start_us < bound_us(window.end, zone)


def covers(window: Window, start_us: int, end_us: int, zone: ZoneInfo) -> bool:
    """Whether every instant from `start_us` to before `end_us` lies in the half-open window."""
    if window.start is not None and start_us < bound_us(window.start, zone):
        return False
    return window.end is None or end_us <= bound_us(window.end, zone)


def in_every_year(days: EveryYear, local: Local) -> bool:
    """Whether the local day lies in the yearly days; February 29 counts between the days around it."""
    today = (local.month, local.day)
    if days.first <= days.last:
        return days.first <= today <= days.last
    return today >= days.first or today <= days.last


def in_hours(hours: Hours, local: Local) -> bool:
    """Whether the wall clock shows a minute in the half-open hours."""
    if hours.start_minute < hours.end_minute:
        return hours.start_minute <= local.minute < hours.end_minute
    return local.minute >= hours.start_minute or local.minute < hours.end_minute


def period_key(per: str, local: Local) -> str:
    """The name of the local calendar period `per` (day, week, month, year, lifetime) that holds the instant.

    Rolling windows count by local day. Weeks are ISO weeks.
    """
    match per:
        case "day" | "rolling":
            return f"d{local.ordinal}"
        case "week":
            return f"w{(local.ordinal - 1) // 7}"  # ordinal 1 is a Monday, so this counts ISO weeks
        case "month":
            return f"m{local.year * 12 + local.month - 1}"
        case "year":
            return f"y{local.year}"
        case "lifetime":
            return "l"
        case _:
            raise ValueError(per)


def period_last_ordinal(key: str) -> int | None:
    """The last local day of the period that `period_key` named; None when it never ends."""
    kind, number = key[0], key[1:]
    match kind:
        case "d":
            return int(number)
        case "w":
            return int(number) * 7 + 7
        case "m":
            year, month = divmod(int(number), 12)
            return date(year, month + 1, calendar.monthrange(year, month + 1)[1]).toordinal()
        case "y":
            return date(int(number), 12, 31).toordinal()
        case _:
            return None
