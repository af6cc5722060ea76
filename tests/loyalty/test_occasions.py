"""Birthdays, anniversaries and silences: when they give, when not, and what happens around the edges of years.

A case is a rule, what happened, and what came by the end of the time: the local day and the points of each entry.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from loyalty.decisions import Decision, RedemptionChange, RewardOrder
from loyalty.program import Program
from schemas.program_source import ProgramError
from tests.loyalty.books import Books, program
from tests.loyalty.events import back, engagement, member_event, micros, purchase, review, wire

Row = tuple[str, str]
"""Local day and hour, and points, of one entry that time made."""

BIRTHDAY = "earn: [{id: bd, on: birthday, give: {points: 100}MORE}]\n"
ANNIVERSARY = "earn: [{id: an, on: anniversary, give: {points: 50}MORE}]\n"
SILENCE = "earn: [{id: wb, on: inactivity, give: {points: 30}, after: P60DMORE}]\n"


def said(text: str, more: str = "", zone: str = "UTC", top: str = "") -> Program:
    return program(text.replace("MORE", f", {more}" if more else "") + f"zone: {zone}\n" + top)


def joins(day: str, **more: Any) -> bytes:
    return member_event(f"join-{day}", time=_noon(day), status="enrolled", **more)


def tells(day: str, **more: Any) -> bytes:
    return member_event(f"tell-{day}", time=_noon(day), status="updated", **more)


def _noon(day: str) -> str:
    return day if "T" in day else f"{day}T12:00:00Z"


def came(books: Books, zone: str = "UTC") -> list[tuple[str, int]]:
    """The local hour and the points of each entry that an occasion made."""
    rows = []
    for entry in books.entries:
        if entry.kind in {"birthday", "anniversary", "inactivity"}:
            local = datetime.fromtimestamp(entry.time_us // 1_000_000, ZoneInfo(zone))
            points = sum(posting.amount for posting in entry.postings if posting.account.startswith("member:"))
            rows.append((f"{local:%Y-%m-%d %H}", points))
    books.check_books()
    return rows


def lived(of: Program | list[Program], events: list[bytes], until: str) -> Books:
    """The events in order, and time to the noon of the last day."""
    books = Books(*(of if isinstance(of, list) else [of]))
    books.take_all(events)
    books.pass_time(micros(_noon(until)))
    return books


@pytest.mark.parametrize(
    ("more", "birthday", "joined", "until", "expected"),
    [
        ("", "07-01", "2026-01-05", "2027-12-31", ["2026-07-01", "2027-07-01"]),
        ("", "1990-07-01", "2026-01-05", "2026-12-31", ["2026-07-01"]),
        ("", "07-01", "2026-07-02", "2027-06-30", []),  # joined after the day
        ("", "07-01", "2026-07-01", "2026-12-31", ["2026-07-01 12"]),  # joined on it
        ("", "02-29", "2026-01-05", "2028-12-31", ["2026-02-28", "2027-02-28", "2028-02-29"]),
        ("leap: mar_1", "02-29", "2026-01-05", "2028-12-31", ["2026-03-01", "2027-03-01", "2028-02-29"]),
        ("", "12-31", "2026-01-05", "2027-12-30", ["2026-12-31"]),
        ("lead: P7D", "07-10", "2026-01-05", "2026-12-31", ["2026-07-03"]),
        # The year is that of the birthday: 2027's comes in December 2026.
        ("lead: P7D", "01-02", "2026-01-05", "2027-12-27", ["2026-12-26", "2027-12-26"]),
        ("lead: P7D", "07-10", "2026-07-05", "2026-12-31", ["2026-07-05 12"]),  # joined within the lead
        ("lead: P1M", "03-31", "2026-01-05", "2026-12-31", ["2026-02-28"]),
        ("late: P30D", "07-01", "2026-07-31", "2026-12-31", ["2026-07-31 12"]),
        ("late: P30D", "07-01", "2026-08-01", "2026-12-31", []),
        ("late: P30D", "12-20", "2027-01-10", "2027-11-30", ["2027-01-10 12"]),  # 2026's birthday
        ("late: P30D", "12-20", "2027-01-10", "2027-12-31", ["2027-01-10 12", "2027-12-20"]),
        ("lead: P7D, late: P30D", "01-02", "2026-12-28", "2027-11-30", ["2026-12-28 12"]),
        ("when: {every_year: {from: 07-01, to: 07-01}}", "07-01", "2026-01-05", "2026-12-31", ["2026-07-01"]),
        ("when: {weekdays: [sat]}", "07-01", "2026-01-05", "2028-12-31", ["2028-07-01"]),
        ('when: {if: event.day == "2027-07-01"}', "07-01", "2026-01-05", "2028-12-31", ["2027-07-01"]),
        ("at_most: {points: 130, per: lifetime}", "07-01", "2026-01-05", "2027-12-31", ["2026-07-01", "2027-07-01=30"]),
    ],
)
def test_a_birthday_gives(more: str, birthday: str, joined: str, until: str, expected: list[str]) -> None:
    books = lived(said(BIRTHDAY, more), [joins(joined, birthday=birthday)], until)
    assert came(books) == _rows(expected, 100)


def _rows(expected: list[str], points: int) -> list[tuple[str, int]]:
    """`day`, `day hour` or `day=points`."""
    found = []
    for text in expected:
        day, _, amount = text.partition("=")
        found.append((day if " " in day else f"{day} 00", int(amount or points)))
    return found


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([("2026-03-01", "07-01")], ["2026-07-01"]),
        ([("2026-07-01", "07-01")], ["2026-07-01 12"]),
        ([("2026-07-02", "07-01")], []),
        ([("2026-03-01", "07-01"), ("2026-08-01", "10-01")], ["2026-07-01"]),  # changed after it was given
        ([("2026-03-01", "07-01"), ("2026-06-01", "10-01")], ["2026-10-01"]),  # changed before
        ([("2026-03-01", "10-01"), ("2026-08-01", "07-01")], []),  # changed to a day that is over
        ([("2026-03-01", "07-01"), ("2026-07-01T15:00:00Z", "1990-07-01")], ["2026-07-01"]),  # the year is no change
        ([("2026-03-01", "07-01"), ("2026-06-01", "1990-07-01")], ["2026-07-01"]),
    ],
)
def test_a_birthday_that_is_told_or_changed_within_the_year(told: list[tuple[str, str]], expected: list[str]) -> None:
    events = [joins("2026-01-05"), *(tells(day, birthday=birthday) for day, birthday in told)]
    assert came(lived(said(BIRTHDAY), events, "2026-12-31")) == _rows(expected, 100)


def test_a_change_in_the_days_of_lead_gives_no_second_award() -> None:
    """2027's birthday was given in 2026: it is over for 2027, whatever is told in between."""
    events = [joins("2026-01-05", birthday="01-02"), tells("2026-12-28", birthday="03-01")]
    assert came(lived(said(BIRTHDAY, "lead: P7D"), events, "2027-12-31")) == [("2026-12-26 00", 100)]


@pytest.mark.parametrize(
    ("zone", "birthday", "instant"),
    [
        ("Pacific/Auckland", "07-01", "2026-06-30T12:00:00Z"),
        ("America/New_York", "03-08", "2026-03-08T05:00:00Z"),  # 23 hours
        ("America/New_York", "03-09", "2026-03-09T04:00:00Z"),
        ("America/New_York", "11-01", "2026-11-01T04:00:00Z"),  # 25 hours
        ("America/Santiago", "09-06", "2026-09-06T04:00:00Z"),  # this day has no midnight
    ],
)
def test_a_day_begins_in_the_zone_of_the_program(zone: str, birthday: str, instant: str) -> None:
    books = lived(said(BIRTHDAY, zone=zone), [joins("2026-01-05", birthday=birthday)], "2026-12-31")
    assert [entry.time_us for entry in books.entries] == [micros(instant)]


@pytest.mark.parametrize(
    ("more", "joined", "until", "expected"),
    [
        ("", "2026-03-15", "2028-12-31", ["2027-03-15", "2028-03-15"]),
        ("", "2024-02-29", "2028-12-31", ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        ("from_year: 2", "2026-03-15", "2028-12-31", ["2028-03-15"]),
        ("lead: P14D", "2026-01-05", "2027-12-20", ["2026-12-22"]),
        ("when: {if: event.years == 2}", "2026-03-15", "2029-12-31", ["2028-03-15"]),
    ],
)
def test_an_anniversary_gives(more: str, joined: str, until: str, expected: list[str]) -> None:
    assert came(lived(said(ANNIVERSARY, more), [joins(joined)], until)) == _rows(expected, 50)


def test_rules_on_anniversaries_are_asked_together() -> None:
    text = (
        "earn:\n- {id: each, on: anniversary, give: {points: 10}}\n"
        "- {id: second, on: anniversary, give: {points: 100}, from_year: 2}\n"
    )
    assert came(lived(program(text), [joins("2026-03-15")], "2028-12-31")) == [
        ("2027-03-15 00", 10),
        ("2028-03-15 00", 110),
    ]


BOUGHT = {day: purchase(f"p-{day}", 1000, time=_noon(day)) for day in ("2026-01-10", "2026-02-20", "2026-04-25")}


@pytest.mark.parametrize(
    ("more", "events", "until", "expected"),
    [
        # 60 whole days after the day of the purchase: January 11 to March 11.
        ("", [BOUGHT["2026-01-10"]], "2026-12-31", ["2026-03-12"]),
        ("", [BOUGHT["2026-01-10"], BOUGHT["2026-02-20"]], "2026-12-31", ["2026-04-22"]),
        ("", [BOUGHT["2026-01-10"], BOUGHT["2026-04-25"]], "2026-12-31", ["2026-03-12", "2026-06-25"]),
        ("", [joins("2026-01-10")], "2026-12-31", ["2026-03-12"]),  # who joins and never comes
        ("", [BOUGHT["2026-01-10"], engagement("e", time=_noon("2026-03-01"))], "2026-05-31", ["2026-03-12"]),
        (
            "of: engagement",
            [BOUGHT["2026-01-10"], engagement("e", time=_noon("2026-03-01"))],
            "2026-12-31",
            ["2026-05-01"],
        ),
        (
            "of: [purchase, review]",
            [BOUGHT["2026-01-10"], review("r", time=_noon("2026-03-01"), status="removed")],
            "2026-12-31",
            ["2026-03-12"],  # taking a review away is not being seen
        ),
        (
            "at_most: {awards: 1, rolling: P180D}",
            [BOUGHT["2026-01-10"], BOUGHT["2026-04-25"]],
            "2026-12-31",
            ["2026-03-12", "2026-06-25=0"],
        ),
    ],
)
def test_a_silence_gives_once(more: str, events: list[bytes], until: str, expected: list[str]) -> None:
    assert came(lived(said(SILENCE, more), events, until)) == _rows(expected, 30)


def test_a_late_purchase_makes_another_silence() -> None:
    books = Books(said(SILENCE))
    books.take(BOUGHT["2026-01-10"])
    books.pass_time(micros(_noon("2026-03-20")))
    books.take(BOUGHT["2026-02-20"], micros(_noon("2026-03-20")))
    books.pass_time(micros(_noon("2026-12-31")))
    assert came(books) == [("2026-03-12 00", 30), ("2026-04-22 00", 30)]


def test_what_comes_later_than_a_silence_is_long_begins_none() -> None:
    """A year of old purchases is taken at once: who is silent shows when the last of them is in."""
    books = Books(said(SILENCE))
    now_us = micros(_noon("2027-01-20"))
    for month in range(1, 13):
        books.take(purchase(f"p{month}", 1000, time=_noon(f"2026-{month:02d}-28")), now_us)
    assert came(books) == []
    books.pass_time(micros(_noon("2027-12-31")))
    assert came(books) == [("2027-02-27 00", 30)]


def test_two_silences_that_end_at_one_instant_are_two_entries() -> None:
    text = (
        "earn:\n- {id: short, on: inactivity, give: {points: 1}, after: P10D}\n"
        "- {id: same, on: inactivity, give: {points: 2}, after: P10D}\n"
        "- {id: long, on: inactivity, give: {points: 4}, after: P20D}\n"
    )
    books = lived(program(text), [joins("2026-03-01")], "2026-12-31")
    assert came(books) == [("2026-03-12 00", 1), ("2026-03-12 00", 2), ("2026-03-22 00", 4)]


def test_own_life_runs_from_the_day_and_ends_the_points() -> None:
    more = "lead: P7D, ends_after: P30D"
    books = lived(said(BIRTHDAY, more), [joins("2026-01-05", birthday="07-10")], "2026-08-08")
    assert books.balance() == 100
    books.pass_time(micros("2026-08-09T23:59:59Z"))
    assert books.balance() == 100
    books.pass_time(micros("2026-08-10T00:00:00Z"))
    assert books.balance() == 0


def test_own_life_of_a_late_birthday_runs_from_when_it_is_given() -> None:
    more = "late: P30D, ends_after: P10D"
    books = lived(said(BIRTHDAY, more), [joins("2026-07-20", birthday="07-10")], "2026-07-30")
    assert books.balance() == 100
    books.pass_time(micros(_noon("2026-07-31")))
    assert books.balance() == 0


def test_the_member_is_told() -> None:
    text = (
        "points: {points: {name: P}, stars: {name: S}}\n"
        "earn:\n- {id: hello, on: enrollment, give: {points: 5}, notice: true, ends_after: P1M}\n"
        "- {id: bd, on: birthday, give: {points: 100, in: stars}, lead: P7D, notice: true}\n"
        "- {id: wb, on: inactivity, give: {points: 30}, after: P60D, ends_after: P14D, notice: true}\n"
    )
    books = lived(program(text), [joins("2026-01-05", birthday="07-10")], "2026-07-10")
    assert [(notice.kind, dict(notice.details)) for notice in books.notices] == [
        ("welcome", {"rule": "hello", "currency": "points", "points": 5, "ends_us": micros("2026-02-06T00:00:00Z")}),
        (
            "win_back",
            {
                "rule": "wb",
                "currency": "points",
                "points": 30,
                "ends_us": micros("2026-03-22T00:00:00Z"),
                "day": "2026-03-06",
            },
        ),
        ("birthday", {"rule": "bd", "currency": "stars", "points": 100, "day": "2026-07-10"}),
    ]


def test_who_has_left_gets_nothing() -> None:
    events = [joins("2026-01-05", birthday="07-10"), member_event("c", time=_noon("2026-06-01"), status="closed")]
    assert came(lived(said(BIRTHDAY), events, "2028-12-31")) == []


def test_tiers_multiply_and_debts_are_paid() -> None:
    text = (
        "earn:\n- {id: base, on: purchase, give: {points: 1, per: '1.00'}}\n"
        "- {id: bd, on: birthday, give: {points: 100}, multiplied: true, qualifies: true, when: {tiers: [gold]}}\n"
        "tiers: {levels: [{id: basic, from: 0}, {id: gold, from: 10, multiplier: 2}, {id: top, from: 110}]}\n"
    )
    books = Books(program(text))
    books.take(joins("2026-01-05", birthday="07-10"))
    books.take(BOUGHT["2026-01-10"])
    books.spend(10)
    books.take_all([_back("2026-01-10")])
    assert (books.balance(), books.head().debts, books.head().tier) == (-10, {"points": 10}, "gold")
    books.pass_time(micros(_noon("2026-07-11")))
    assert came(books) == [("2026-07-10 00", 200)]
    assert (books.balance(), books.head().debts, books.head().tier) == (190, {}, "gold")


def _back(day: str) -> bytes:
    return back("r", f"p-{day}", [("1", "1", 1000)], time=_noon("2026-01-12"))


# ------------------------------------------------------------------------------- time, lateness, versions
def test_a_worker_that_was_away_gives_each_day_under_its_own_time() -> None:
    """One look after three years, and one each day, end the same."""
    text = said(BIRTHDAY, "ends_after: P30D, notice: true")
    often, once = Books(text), Books(text)
    for books in (often, once):
        books.take_all([joins("2026-01-05", birthday="07-10")])
    for day in range(1, 1000, 7):
        often.pass_time(micros(_noon("2026-01-05")) + day * 86_400_000_000)
    last_us = micros(_noon("2026-01-05")) + 1100 * 86_400_000_000
    often.pass_time(last_us)
    once.pass_time(last_us)
    assert [(e.entry_id, e.time_us, e.postings) for e in often.entries] == [
        (e.entry_id, e.time_us, e.postings) for e in once.entries
    ]
    assert often.state == once.state
    assert len(came(once)) == 3


def test_a_birthday_told_late_by_the_sender_is_given_on_its_day() -> None:
    """The event of June comes in August: what was due in July is booked under July, at once."""
    books = Books(said(BIRTHDAY, top="stream: {max_late: P90D}\n"))
    books.take(joins("2026-01-05"))
    books.take(tells("2026-06-01", birthday="07-10"), micros(_noon("2026-08-01")))
    assert came(books) == [("2026-07-10 00", 100)]
    assert books.entries[0].recorded_at_us == micros(_noon("2026-08-01"))


def _version(text: str, more: str, number: int, start: str) -> Program:
    return said(text, more, top=f'version: "{number}"\neffective_from: {start}\n')


@pytest.mark.parametrize("known", ["from the first", "once it is in force"])
def test_a_new_version_reaches_members_who_are_silent(known: str) -> None:
    """Nobody touched the account since it joined under a version without birthdays."""
    first = program("earn: []\n")
    second = _version(BIRTHDAY, "", 2, "2026-06-01")
    books = Books(first) if known != "from the first" else Books(first, second)
    books.take(joins("2026-01-05", birthday="07-10"))
    if known != "from the first":
        assert books.head().due_us is None
        books = _started_anew(books, first, second)
    books.pass_time(micros(_noon("2026-12-31")))
    assert came(books) == [("2026-07-10 00", 100)]
    assert books.entries[0].version == "2"


def _started_anew(books: Books, *versions: Program) -> Books:
    """The same accounts, as a worker restores them that has other versions."""
    anew = Books(*versions)
    anew.state = dict(books.state)
    return anew


@pytest.mark.parametrize(
    ("first", "second", "start", "expected"),
    [
        ("", "", "2026-07-10", [("2026-07-10 00", "2")]),  # the day on which the version starts
        ("", "lead: P30D", "2026-07-01", [("2026-07-01 00", "2")]),  # its lead had begun before it did
        ("lead: P30D", "", "2026-07-01", [("2026-06-10 00", "1")]),  # given under the first: not again
        ("lead: P30D", "", "2026-05-01", [("2026-07-10 00", "2")]),
        ("", "late: P30D", "2026-08-01", [("2026-07-10 00", "1")]),
        ("when: {weekdays: [mon]}", "late: P30D", "2026-08-01", []),  # asked under the first, which said no
    ],
)
def test_each_birthday_is_decided_under_one_version(
    first: str, second: str, start: str, expected: list[tuple[str, str]]
) -> None:
    versions = [_version(BIRTHDAY, first, 1, "2000-01-01"), _version(BIRTHDAY, second, 2, start)]
    books = lived(versions, [joins("2026-01-05", birthday="07-10")], "2026-12-31")
    found = [
        (f"{datetime.fromtimestamp(e.time_us // 1_000_000, ZoneInfo('UTC')):%Y-%m-%d %H}", e.version)
        for e in books.entries
    ]
    assert found == expected


def test_a_worker_that_was_away_over_the_start_of_a_version() -> None:
    """What was due before the start is decided under the version before it."""
    first = _version(BIRTHDAY, "", 1, "2000-01-01")
    second = program('version: "2"\neffective_from: 2026-08-01\nearn: []\n')
    books = Books(first, second)
    books.take(joins("2026-01-05", birthday="07-10"))
    books.pass_time(micros(_noon("2027-12-31")))
    assert [(entry.version, entry.reason) for entry in books.entries] == [("1", "birthday")]


def test_a_version_that_begins_to_win_members_back_does_not_flood() -> None:
    """Who was silent for long already is not reached, unless `late` says so; who falls silent afterwards is."""
    first = program("earn: []\n")
    events = [joins("2026-01-05")]
    for more, expected in (("", []), ("late: P120D", [("2026-06-01 00", 30)])):
        books = lived([first, _version(SILENCE, more, 2, "2026-06-01")], events, "2026-12-31")
        assert came(books) == expected
    books = lived([first, _version(SILENCE, "", 2, "2026-02-01")], events, "2026-12-31")
    assert came(books) == [("2026-03-07 00", 30)]


def test_who_comes_back_before_a_version_with_silences_is_known_to_it() -> None:
    first = program("earn: []\n")
    second = _version(SILENCE, "", 2, "2026-02-01")
    books = Books(first)
    books.take_all([joins("2025-12-01"), BOUGHT["2026-01-10"]])
    anew = _started_anew(books, first, second)
    anew.pass_time(micros(_noon("2026-12-31")))
    assert came(anew) == [("2026-03-12 00", 30)]


def test_nothing_is_looked_at_for_a_version_that_times_nothing_otherwise() -> None:
    first = _version(BIRTHDAY, "", 1, "2000-01-01")
    second = program(
        'version: "2"\neffective_from: 2026-06-01\nearn:\n- {id: bd, on: birthday, give: {points: 70}}\n'
        "- {id: base, on: purchase, give: {points: 1, per: '1.00'}}\n"
    )
    books = Books(first, second)
    books.take(joins("2026-01-05", birthday="07-10"))
    assert books.pass_time(micros(_noon("2026-07-01"))) == []
    books.pass_time(micros(_noon("2026-07-11")))
    assert [(entry.version, entry.reason) for entry in books.entries] == [("2", "birthday")]
    assert came(books) == [("2026-07-10 00", 70)]


def test_a_notice_that_a_new_version_adds_comes_in_time() -> None:
    lives = "points: {points: {name: Points, expiry: {after: P6M"
    base = "earn: [{id: base, on: purchase, give: {points: 1, per: '1.00'}}]\n"
    first = program(f"{lives}}}}}}}\n{base}")
    second = program(f'version: "2"\neffective_from: 2026-02-01\n{lives}, notice: P30D}}}}}}\n{base}')
    books = Books(first)
    books.take(BOUGHT["2026-01-10"])
    anew = _started_anew(books, first, second)
    anew.pass_time(micros(_noon("2026-07-01")))
    assert [(notice.kind, notice.time_us) for notice in anew.notices] == [
        ("points_expiring", micros("2026-06-11T00:00:00Z"))
    ]


@pytest.mark.parametrize("fields", [{}, {"birthday": "07-10"}])
def test_a_welcome_comes_once_however_a_member_joins(fields: dict[str, Any]) -> None:
    """By the first event, by an enrollment, by both in either order, and by the same again."""
    text = "earn: [{id: hello, on: enrollment, give: {points: 5}}]\n"
    join, buy = joins("2026-01-05", **fields), BOUGHT["2026-01-10"]
    again = member_event("other", time=_noon("2026-02-01"), status="enrolled", **fields)
    for events in ([join], [buy], [join, buy], [buy, join], [join, join, buy], [buy, join, again, join]):
        books = Books(program(text))
        books.take_all(events)
        assert books.balance() == 5


_REWARD = "rewards: [{id: cake, kind: product, price: 400}]\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "earn: [{id: a, on: birthday, give: {points: 1}, lead: P7D}, {id: b, on: birthday, give: {points: 1}}]",
            "nothing came, P7D was expected, as a says",
        ),
        ("earn: [{id: a, on: birthday, give: {points: 1}, lead: PT5H}]", "days, weeks, months or years"),
        ("earn: [{id: a, on: birthday, give: {points: 1}, late: P1Y}]", "at most 180 days"),
        (
            "earn: [{id: a, on: birthday, give: {points: 1}, at_most: {awards: 1, per: day, each: sku}}]",
            "cannot be counted",
        ),
        ("earn: [{id: a, on: birthday, give: {reward: cake}}]", "there is no reward cake"),
        ("earn: [{id: a, on: birthday, give: {}}]", "0 came, a number of points above 0"),
        (f"{_REWARD}earn: [{{id: a, on: birthday, give: {{reward: cake, points: 5}}}}]", "cannot stand together"),
        (f"{_REWARD}earn: [{{id: a, on: birthday, give: {{reward: cake}}, ends_after: P1D}}]", "is about points"),
        (
            f"{_REWARD}earn: [{{id: a, on: birthday, give: {{reward: cake}}, at_most: {{points: 1, per: day}}}}]",
            "given whole",
        ),
        ("earn: [{id: a, on: birthday, give: {points: 1}, when: {if: event.sku == 'A'}}]", "no field sku"),
    ],
)
def test_what_cannot_be_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ProgramError, match=problem):
        program(text + "\n")


CAKE = (
    "rewards:\n"
    "- {id: cake, kind: product, price: 400, sku: CAKE, when: {tiers: [gold]}, at_most: {number: 1, per: lifetime}}\n"
    "tiers: {levels: [{id: basic, from: 0}, {id: gold, from: 900}]}\n"
    "earn:\n- {id: bd, on: birthday, give: {reward: cake}, notice: true, at_most: {awards: 2, per: lifetime}}\n"
    "- {id: points, on: birthday, give: {points: 5}}\n"
)


def test_a_reward_as_a_gift_is_an_order_that_costs_nothing() -> None:
    """Its own limits count and those of the catalogue do not; what it leaves behind is like any redemption."""
    books = lived(program(CAKE), [joins("2026-01-05", birthday="07-10")], "2026-07-11")
    (order,) = [one for one in books.rewards if isinstance(one, RewardOrder)]
    assert (order.reward, order.sku, order.quantity, order.status) == ("cake", "CAKE", 1, "ordered")
    record = books.redemption(order.redemption_id)
    assert (record.points, record.status, record.reward) == (0, "accepted", "cake")
    assert [(notice.kind, notice.details["reward"]) for notice in books.notices] == [("birthday", "cake")]
    assert came(books) == [("2026-07-10 00", 5), ("2026-07-10 00", 0)]
    books.pass_time(micros(_noon("2029-12-31")))
    assert sum(isinstance(one, RewardOrder) for one in books.rewards) == 2, "two in all, says the rule"
    assert books.balance() == 20


@pytest.mark.parametrize("status", ["failed", "cancelled", "fulfilled"])
def test_what_becomes_of_a_gift_moves_no_points(status: str) -> None:
    books = lived(program(CAKE), [joins("2026-01-05", birthday="07-10")], "2026-07-11")
    (order,) = [one for one in books.rewards if isinstance(one, RewardOrder)]
    data = {"redemption_id": order.redemption_id, **({"reason": "broken"} if status == "failed" else {})}
    books.take(wire(f"redemption.{status}", "x", "m1", _noon("2026-07-12"), data))
    assert books.redemption(order.redemption_id).status == status
    assert (books.balance(), books.head().counters) == (5, {"bd|awards|l|": 1})
    books.check_books()


def test_gifts_of_what_is_limited_are_never_more_than_there_are() -> None:
    """Two have their birthday on one day, one cake is left: the stock decides, and a failed order gives it back."""
    text = (
        "rewards: [{id: cake, kind: product, price: 400, stock: 1}]\n"
        "earn: [{id: bd, on: birthday, give: {reward: cake}}]\n"
    )
    books = Books(program(text))
    for member in ("m1", "m2"):
        books.take(member_event(f"e-{member}", "enrolled", member=member, time=_noon("2026-01-05"), birthday="07-10"))
    books.pass_time(micros(_noon("2026-07-10")))
    changes = [one for one in books.rewards if isinstance(one, RedemptionChange)]
    assert sorted((one.status, one.reason) for one in changes) == [("accepted", "gift"), ("refused", "out_of_stock")]
    (order,) = [one for one in books.rewards if isinstance(one, RewardOrder)]
    data = {"redemption_id": order.redemption_id, "reason": "broken"}
    books.take(wire("redemption.failed", "x", order.member, _noon("2026-07-11"), data))
    books.pass_time(micros(_noon("2027-07-10")))
    assert sum(isinstance(one, RewardOrder) and one.status == "ordered" for one in books.rewards) == 2
    assert [books.balance(member) for member in ("m1", "m2")] == [0, 0]
    books.check_books()


def test_what_is_asked_is_answered_as_a_decision() -> None:
    books = Books(said(BIRTHDAY))
    books.take(joins("2026-01-05", birthday="07-10"))
    (decision,) = books.pass_time(micros(_noon("2026-07-10")))
    assert isinstance(decision, Decision)
    (entry,) = decision.entries
    assert entry.cause.type == "loyalty.due.v1"
    assert [dict(step) for step in entry.steps] == [
        {"rule": "bd", "kind": "fixed", "fixed": 100, "points": 100, "day": "2026-07-10"}
    ]


def test_the_end_of_points_with_a_short_life_is_not_told_before_they_are_given() -> None:
    lives = "points: {points: {name: Points, expiry: {after: P12M, notice: P30D}}}\n"
    books = lived(
        said(SILENCE, "ends_after: P14D", top=lives), [purchase("p", 1000, time=_noon("2026-01-05"))], "2026-03-07"
    )
    (notice,) = [notice for notice in books.notices if notice.kind == "points_expiring"]
    (given,) = [entry for entry in books.entries if entry.kind == "inactivity"]
    assert (notice.time_us, notice.details["points"]) == (given.time_us, 30)
