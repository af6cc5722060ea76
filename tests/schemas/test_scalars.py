"""Times, quantities and currencies."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.currencies import MINOR_DIGITS
from schemas.encode import instant_text
from schemas.scalars import QUANTITY_MICRO, NotAnInstantError, instant_us, why_no_instant

LAST_US = 32_503_679_999_999_999


@pytest.mark.parametrize(
    ("text", "time_us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000001Z", 1),
        ("1970-01-01T01:00:00.5+01:00", 500_000),
        ("2026-11-21T10:15:00-05:00", 1_795_274_100_000_000),
        ("2026-11-21t15:15:00z", 1_795_274_100_000_000),
        ("2026-11-21T15:15:00-00:00", 1_795_274_100_000_000),
        ("2024-02-29T23:59:59.999999+14:00", 1_709_200_799_999_999),
        ("2999-12-31T23:59:59.999999Z", LAST_US),
    ],
)
def test_times(text: str, time_us: int) -> None:
    assert instant_us(text) == time_us


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1969-12-31T23:59:59Z", "is outside of the years 1970 to 2999 in UTC"),
        ("1970-01-01T00:00:00+00:01", "is outside of the years 1970 to 2999 in UTC"),
        ("2999-12-31T23:59:59-00:01", "is outside of the years 1970 to 2999 in UTC"),
        ("0000-01-01T00:00:00Z", "is a day that the calendar does not have"),
        ("2026-02-30T00:00:00Z", "is a day that the calendar does not have"),
        ("2026-13-01T00:00:00Z", "has a part out of range"),
        ("yesterday", "is not a time of RFC 3339"),
        ("", "is not a time of RFC 3339"),
    ],
)
def test_times_that_are_none(text: str, reason: str) -> None:
    with pytest.raises(NotAnInstantError, match=reason):
        instant_us(text)


@given(st.text(max_size=40) | st.from_regex(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d*)?)?(Z|[+-]\d\d:?\d\d)?"))
def test_a_reason_is_found_for_any_text(text: str) -> None:
    assert why_no_instant(text).startswith(("is ", "has "))


@given(
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2999, 12, 30)),  # noqa: DTZ001  aware below
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
)
def test_an_instant_is_exact_and_reads_back(wall: datetime, offset_minutes: int) -> None:
    local = wall.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    time_us = instant_us(local.isoformat())
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us) == local
    assert instant_us(instant_text(time_us)) == time_us


@pytest.mark.parametrize(
    ("time_us", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_795_274_100_000_000, "2026-11-21T15:15:00Z"),
        (1_795_274_100_000_010, "2026-11-21T15:15:00.000010Z"),
        (LAST_US, "2999-12-31T23:59:59.999999Z"),
    ],
)
def test_instants_are_written_in_utc(time_us: int, text: str) -> None:
    assert instant_text(time_us) == text


@given(st.decimals(min_value=0, max_value=Decimal("999999998.999999"), places=6), st.integers(0, 6))
def test_quantities_are_exact(quantity: Decimal, places: int) -> None:
    text = f"{quantity:.{places}f}"
    assert QUANTITY_MICRO[text] == Decimal(text) * 1_000_000


@pytest.mark.parametrize(("code", "digits"), [("USD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("HRK", 2)])
def test_minor_digits(code: str, digits: int) -> None:
    assert MINOR_DIGITS[code] == digits


def test_currencies_are_codes_and_metals_and_tests_are_none() -> None:
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in MINOR_DIGITS)
    assert MINOR_DIGITS.keys().isdisjoint({"XAU", "XTS", "XXX", "XDR"})
