"""LAW 9: what time gives is given once for each occasion, on its day, whenever it is looked at and by whom."""

from collections import Counter
from dataclasses import replace
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from loyalty.account import Head
from loyalty.calendar import day_start_us, local_time
from loyalty.program import Program
from tests.laws.cluster import HOUR_US
from tests.laws.worlds import World, examples, worlds
from tests.loyalty.books import Books
from tests.loyalty.events import fact

DAY_US = 24 * HOUR_US


def in_time(world: World) -> list[bytes]:
    return sorted(world.events, key=lambda event: fact(event).time_us)


def rows(books: Books) -> list[tuple[str, str, date, int]]:
    """(member, reason, day, when it was given) of each entry on an occasion."""
    return [
        (entry.member, entry.reason, date.fromisoformat(entry.steps[0]["day"]), entry.time_us)
        for entry in books.entries
        if entry.kind in {"birthday", "anniversary", "inactivity"}
    ]


@given(worlds(members=2, lives=True), st.integers(1, 900))
@examples(150)
def test_l9_each_occasion_gives_once_and_not_before_its_lead(world: World, days: int) -> None:
    books = Books(world.program, careful=False)
    books.take_all(in_time(world))
    books.pass_time(fact(in_time(world)[-1]).time_us + days * DAY_US)
    books.check_books()
    years = Counter(
        (member, reason, day.year) for member, reason, day, _ in rows(books) if reason in {"birthday", "anniversary"}
    )
    assert all(times == 1 for times in years.values())
    silent = Counter((member, reason, day) for member, reason, day, _ in rows(books) if reason.startswith("inactivity"))
    assert all(times == 1 for times in silent.values())
    zone = world.program.zone
    for _, reason, day, at_us in rows(books):
        lead = (
            0
            if reason.startswith("inactivity")
            else max(
                rule.occasion.lead.days for rule in world.program.activity_rules if rule.on == reason and rule.occasion
            )
        )
        assert at_us >= day_start_us(day.toordinal() - lead, zone)
        assert local_time(at_us, zone).ordinal <= day.toordinal() + 6, "the day, the days that are late, the day behind"


@given(worlds(members=2, lives=True), worlds(members=1, lives=True), st.data())
@examples(100)
def test_l9_it_does_not_matter_when_a_version_is_known(world: World, other: World, data: st.DataObject) -> None:
    """Loaded from the first, or by a worker that starts anew before it is in force: the same is given, and when."""
    events = in_time(world)
    first_us, last_us = fact(events[0]).time_us, fact(events[-1]).time_us
    start_us = data.draw(st.integers(first_us, last_us + 400 * DAY_US))
    known_us = data.draw(st.integers(first_us, start_us))
    second = _later(other.program, world.program, start_us)
    at_once, later = Books(world.program, second, careful=False), Books(world.program, careful=False)
    for event in events:
        at_once.take(event)
        if fact(event).time_us >= known_us and len(later.programs.plans) == 1:
            later.pass_time(known_us)
            later.programs = at_once.programs
        later.take(event)
    later.pass_time(max(known_us, last_us))
    later.programs = at_once.programs
    for books in (at_once, later):
        books.pass_time(last_us + 900 * DAY_US)
    assert at_once.entries == later.entries
    assert at_once.notices == later.notices
    assert _heads(at_once) == _heads(later)


def _later(program: Program, like: Program, start_us: int) -> Program:
    """Another version of the first program: its tiers and what it remembers stay, when it does what changes."""
    return replace(
        like,
        version="2",
        effective_from_us=start_us,
        currencies=program.currencies,
        activity_rules=program.activity_rules,
    )


def _heads(books: Books) -> dict[str, Head]:
    return {key: record for key, record in books.state.items() if isinstance(record, Head)}
