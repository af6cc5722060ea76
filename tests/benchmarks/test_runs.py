"""What counts as right after a run: the same entries, points and balances, of the same members; and what it took."""

from typing import Any, NamedTuple

import orjson
import pytest

from benchmarks.baskets import programs_named
from benchmarks.peers.job import Span
from benchmarks.peers.one_event import decided_event
from benchmarks.results import Rates
from benchmarks.runs import Books, Measured, _measured, patience_seconds
from benchmarks.side_by_side import rates_of
from tests.benchmarks.made_up import purchase

Sent = list[tuple[str, bytes]]


def entry(member: str, points: int) -> tuple[str, bytes]:
    postings = [
        {"account": "program:earned", "amount": -points},
        {"account": f"member:{member}:available", "amount": points},
    ]
    return event("ledger", member, {"postings": postings})


def balance(member: str, available: int) -> tuple[str, bytes]:
    return event("balances", member, {"available": available})


def event(word: str, member: str, data: dict[str, Any]) -> tuple[str, bytes]:
    return word, orjson.dumps({"subject": member, "data": data})


RIGHT = [entry("ann", 3), balance("ann", 3), entry("ben", 4), balance("ben", 4), entry("ann", 2), balance("ann", 5)]


def books(sent: Sent) -> Books:
    made = Books()
    for word, value in sent:
        made.add(word, value)
    return made


def test_books_say_what_was_sent_of_each_member() -> None:
    made = books([*RIGHT, event("tiers", "ann", {"to": "gold"})])
    assert made == Books(3, made.points, 3, {"ann": 5, "ben": 4})
    assert made.points == {"ann": 5, "ben": 4}
    assert str(made) == "3 ledger entries with 9 points, 3 changes to balances of 9"


@pytest.mark.parametrize(
    "wrong",
    [
        RIGHT[:4],
        [*RIGHT, RIGHT[4]],
        [*RIGHT, entry("ann", 0)],
        [*RIGHT, balance("ann", 5)],
        [*RIGHT[:4], entry("ann", 3), balance("ann", 5)],
        [*RIGHT[:4], entry("ben", 2), balance("ann", 5)],
        [*RIGHT[:4], entry("ann", 2), balance("ann", 4)],
        [*RIGHT[:4], entry("ann", 2), balance("ben", 5)],
        [RIGHT[5], *RIGHT[:5]],
    ],
    ids=[
        "a purchase is lost",
        "an entry is doubled",
        "an entry of nothing too many",
        "a change is doubled",
        "a point too many",
        "another member has the points",
        "a balance is a point short",
        "a balance of another member",
        "an older balance comes last",
    ],
)
def test_a_run_that_differs_in_anything_does_not_count(wrong: Sent) -> None:
    assert books(wrong) != books(RIGHT)


@pytest.mark.parametrize(("found", "seconds"), [(RIGHT[:5], 60), (RIGHT[1:], 60), (RIGHT, 1), ([*RIGHT, RIGHT[4]], 1)])
def test_what_is_still_to_come_is_waited_for_and_what_should_not_come_too(found: Sent, seconds: float) -> None:
    assert patience_seconds(books(found), books(RIGHT)) == seconds


def test_books_take_what_the_engine_makes() -> None:
    programs, state, made = programs_named("one-per-unit"), dict[bytes, bytes](), Books()
    for number, member in enumerate(["ann", "ben", "ann"]):  # Of 1.50 to 1.52 each.
        writes, messages = decided_event(programs, purchase(number, member), state.get, 1_800_000_000_000_000)
        state.update(writes)
        for word, _, value in messages:
            made.add(word, value)
    assert (made.entries, made.points, made.changes, made.balances) == (3, {"ann": 2, "ben": 1}, 3, made.points)


class Used(NamedTuple):
    """What was seen of a process."""

    peak_bytes: int
    cores: float

    def cpu_seconds(self, span: Span) -> float:
        return span.seconds * self.cores


def test_a_run_is_measured_over_all_of_its_processes() -> None:
    processes: Any = [Used(100 << 20, 0.75), Used(60 << 20, 0.25)]
    assert _measured(Span(100.0, 104.0), processes, 20_000) == Measured(5_000, 200, 160)


def test_the_figures_of_several_runs_are_their_medians() -> None:
    runs = [Measured(5_000, 300, 90), Measured(1_000, 200, 70), Measured(2_000, 100, 80)]
    assert rates_of(runs) == Rates(
        events_per_second=2_000, cpu_seconds_per_million=200, peak_mb=80, runs=[5_000, 1_000, 2_000]
    )
