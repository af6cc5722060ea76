"""What peers are given to decide with decides as the worker does, and they say when they are through."""

import time
from pathlib import Path

import pytest

from benchmarks.baskets import programs_named
from benchmarks.peers.job import ENDLESS, Job, Meter, reported
from benchmarks.peers.one_event import decided_event
from tests.benchmarks.made_up import purchase
from workers.batch import Engine
from workers.records import Record
from workers.store.memory import MemoryStore

NOW_US = 1_800_000_000_000_000


@pytest.mark.parametrize("program", ["one-per-unit", "grocery"])
def test_one_event_at_a_time_makes_what_a_batch_makes(program: str) -> None:
    events = [(member, purchase(number, member)) for number, member in enumerate(["ann", "ben", "ann", "ann", "ben"])]
    engine = Engine(programs_named(program), partitions=1)
    records = [Record("purchases", 0, number, 0, who.encode(), raw) for number, (who, raw) in enumerate(events)]
    batch = engine.decide_batch(0, records, MemoryStore(0, engine.start_after), NOW_US)

    state: dict[bytes, bytes] = {}
    sent = []
    for _, raw in events:
        writes, messages = decided_event(programs_named(program), raw, state.get, NOW_US)
        state.update(writes)
        sent += messages

    assert sorted(sent) == sorted((out.topic, out.key, out.value) for out in batch.outputs)
    assert state == batch.writes


def test_a_peer_is_given_no_event_that_would_be_refused() -> None:
    nothing: dict[bytes, bytes] = {}
    with pytest.raises(TypeError, match="cannot be read"):
        decided_event(programs_named("one-per-unit"), b"{}", nothing.get, NOW_US)
    with pytest.raises(ValueError, match="refused"):
        decided_event(programs_named("one-per-unit"), purchase(1, "ann"), nothing.get, 0)


def job(directory: Path, events: int) -> Job:
    return Job("127.0.0.1:9", "p.", 4, "one-per-unit", events, directory)


def test_a_job_is_what_its_arguments_say(tmp_path: Path) -> None:
    told = job(tmp_path, 7)
    assert Job.from_arguments(told.arguments()) == told


@pytest.mark.parametrize(("events", "taken", "reports"), [(3, 2, False), (3, 3, True), (ENDLESS, 5, False)])
def test_a_peer_reports_after_the_last_event(tmp_path: Path, events: int, taken: int, *, reports: bool) -> None:
    meter = Meter(job(tmp_path, events))
    began = time.time()
    for _ in range(taken):
        meter.took()
        time.sleep(0.01)
    span = reported(tmp_path)
    assert (span is not None) == reports
    assert span is None or (began <= span.first <= began + 60 and 0.02 <= span.seconds <= 60)
