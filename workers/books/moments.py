"""Times as a person writes them: an instant, or a bare date or month of a time zone.

A bare date means the whole local day, a month the whole local month; both are half-open.
"""

import re
from datetime import date, datetime, time
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import TypeAdapter, ValidationError

from loyalty.calendar import bound_us, shifted_date
from loyalty.program import Duration
from schemas.scalars import NotAnInstantError, Time, instant_us, why_no_instant

_TIME: Final[TypeAdapter[str]] = TypeAdapter(Time)


class NotATime(ValueError):
    """A text that is no time; the message says what is wrong, and what to write."""


class Span(NamedTuple):
    """Half-open: [start_us, end_us)."""

    start_us: int
    end_us: int


def zone_named(name: str) -> ZoneInfo:
    """The time zone. Raises NotATime."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise NotATime(f"{name!r} is no IANA time zone: write one such as Europe/Berlin") from None


def span_of(text: str, zone: ZoneInfo) -> Span:
    """The instant itself, or the whole local day of a bare date. Raises NotATime."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        try:
            day = date.fromisoformat(text)
            return Span(_midnight_us(day, zone), _midnight_us(shifted_date(day, Duration(days=1)), zone))
        except (ValueError, OverflowError):
            raise NotATime(f"{text!r} is a day that the calendar does not have") from None
    try:
        at_us = instant_us(_TIME.validate_python(text))
    except (NotAnInstantError, ValidationError):
        raise NotATime(
            f"{text!r} {why_no_instant(text)}: write a date such as 2026-11-21, "
            "or a time with its offset such as 2026-11-21T10:15:00-05:00"
        ) from None
    return Span(at_us, at_us + 1)


def month_of(text: str, zone: ZoneInfo) -> Span:
    """The local month YYYY-MM. Raises NotATime."""
    try:
        if not re.fullmatch(r"\d{4}-\d\d", text, re.ASCII):
            raise ValueError(text)
        first = date.fromisoformat(f"{text}-01")
        return Span(_midnight_us(first, zone), _midnight_us(shifted_date(first, Duration(months=1)), zone))
    except (ValueError, OverflowError):
        raise NotATime(f"{text!r} is no month: write one such as 2026-11") from None


def _midnight_us(day: date, zone: ZoneInfo) -> int:
    return bound_us(datetime.combine(day, time()), zone)
