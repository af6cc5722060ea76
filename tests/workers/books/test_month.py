"""The month report: each kind in its column, nothing lost, months that follow on each other and never change."""

from zoneinfo import ZoneInfo

import pytest

from loyalty.decisions import Entry
from tests.workers.books.ledgers import LIFE, entry
from workers.books.kinds import column_of
from workers.books.moments import month_of
from workers.books.month import Month, Row, csv_lines, totals


def month(text: str, entries: list[Entry], zone: str = "UTC") -> Month:
    made = Month(month_of(text, ZoneInfo(zone)))
    for each in entries:
        made.take(each)
    return made


@pytest.mark.parametrize(
    ("wanted", "opening", "movements", "closing", "pending"),
    [
        ("2025-12", 0, {}, 0, 0),
        ("2026-01", 0, {"issued": 50, "brought in": 30}, 80, 0),
        (
            "2026-02",
            80,
            {"redeemed": -20, "adjusted": 5, "transferred": -7, "donated": -4, "pool": -1, "expired": -30},
            23,
            0,
        ),
        ("2026-03", 23, {"taken back": -25}, -2, 0),
        ("2026-04", -2, {}, -2, 0),
    ],
)
def test_each_kind_has_its_column_and_months_follow_on_each_other(
    wanted: str, opening: int, movements: dict[str, int], closing: int, pending: int
) -> None:
    rows = month(wanted, LIFE).rows()
    expected = [Row("points", None, opening, movements, closing, pending)] if rows else []
    assert totals(rows) == expected
    assert [row.off for row in rows] == [0] * len(rows)


def test_what_is_not_mature_is_in_the_closing_and_said() -> None:
    [row] = month("2026-01", LIFE[:1]).rows()
    assert (row.closing, row.pending) == (50, 50)


def test_a_late_event_changes_the_month_in_which_it_is_booked() -> None:
    closed = month("2026-01", LIFE[:-1]).rows()
    assert month("2026-01", LIFE).rows() == closed
    assert (month("2026-03", LIFE).entries, month("2026-03", LIFE).late) == (1, 1)


def test_the_order_of_entries_does_not_matter() -> None:
    assert month("2026-02", LIFE[::-1]).rows() == month("2026-02", LIFE).rows()


def test_the_zone_decides_on_which_side_of_midnight_an_entry_lies() -> None:
    just_before = [entry("earn", [("program:earned", -9, ""), ("available", 9, "L")], at="2026-03-01T04:59:59Z")]
    assert month("2026-02", just_before, "UTC").entries == 0
    assert month("2026-02", just_before, "America/New_York").entries == 1


def test_books_that_do_not_add_up_are_seen() -> None:
    """An entry that lost a posting: the engine never writes one, so the report must not assume it."""
    broken = [entry("earn", [("program:earned", -9, ""), ("available", 8, "L")], at="2026-03-02T00:00:00Z")]
    [row] = month("2026-03", broken).rows()
    assert row.off == -1
    assert totals([row])[0].off == -1


def test_csv_has_whole_numbers_and_a_column_for_whatever_moved() -> None:
    found = month("2026-02", LIFE)
    head, base, imported = csv_lines("2026-02", "UTC", found.rows(), found.columns())
    named = ["issued", "redeemed", "expired", "taken_back", "adjusted", "transferred", "donated", "pool"]
    assert head == ["month", "zone", "currency", "rule", "opening", *named, "closing", "pending"]
    assert dict(zip(head, base, strict=True))["redeemed"] == "-20"
    assert dict(zip(head, imported, strict=True))["opening"] == "30"


@pytest.mark.parametrize(
    ("account", "column"),
    [
        ("program:earned", "issued"),
        ("program:returned", "taken back"),
        ("program:burned", "burned"),
        ("pool:smith:7", "pool"),
        ("suspense", "suspense"),
    ],
)
def test_an_account_that_nobody_has_named_has_a_column_of_its_own(account: str, column: str) -> None:
    assert column_of(account) == column
