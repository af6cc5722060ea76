"""A run of a benchmark on a real broker counts only when every point is right."""

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.baskets import Basket
from benchmarks.contenders import CONTENDERS, FAUST, WORKER
from benchmarks.peers.job import Job
from benchmarks.runs import PARTITIONS, Books, run_once
from benchmarks.worker_alone import UNSAFE, UNSAFE_WORKER
from tests.benchmarks.made_up import purchase

MEMBERS = ("ann", "ben", "cid", "dora", "eve")
EVENTS = [
    Basket(purchase(number, MEMBERS[number % 5]), f"t{number}", MEMBERS[number % 5], 150 + number)
    for number in range(60)
]
POINTS = Counter(dict.fromkeys(MEMBERS, 0))
for each in EVENTS:
    POINTS[each.member] += each.total_minor // 100


def books(points: Counter[str]) -> Books:
    return Books(entries=len(EVENTS), points=points, changes=len(EVENTS), balances=dict(points))


@pytest.mark.parametrize("name", [WORKER, FAUST, UNSAFE])
def test_a_contender_is_measured_and_its_books_are_checked(kafka: str, prefix: str, tmp_path: Path, name: str) -> None:
    contender = next(each for each in (*CONTENDERS, UNSAFE_WORKER) if each.name == name)
    job = Job(kafka, prefix, PARTITIONS, "one-per-unit", len(EVENTS), tmp_path / "run")
    measured = run_once(contender, job, EVENTS, books(POINTS))
    assert measured.events_per_second > 0
    assert measured.peak_mb > 20


def test_a_run_that_is_a_point_short_does_not_count(kafka: str, prefix: str, tmp_path: Path) -> None:
    contender = next(each for each in CONTENDERS if each.name == FAUST)
    job = Job(kafka, prefix, PARTITIONS, "one-per-unit", len(EVENTS), tmp_path / "run")
    with pytest.raises(AssertionError, match=rf"made 60 ledger entries with {POINTS.total()} points"):
        run_once(contender, job, EVENTS, books(POINTS + Counter({"ann": 1})))
