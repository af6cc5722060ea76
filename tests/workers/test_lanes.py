"""Lanes: what is accepted, in which order it is taken, and what a hole does."""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

import hypothesis
import pytest
from hypothesis import strategies as st
from typing_extensions import override

from workers.fatal import BrokenChain
from workers.lanes import NO_SEEK, Lane, Lanes, Poll, Taken
from workers.positions import Run
from workers.records import Record

TOPICS = ("purchases", "reviews", "inbox")


class Raw(NamedTuple):
    """A record as the consumer hands it over."""

    offset: int
    timestamp: int
    partition: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def poll(start: int, end: int, *records: tuple[int, int], seek: int = 1, behind: int = 0) -> Poll:
    """A poll of (offset, timestamp) records."""
    return Poll(seek, start, end, behind, [Raw(offset, timestamp) for offset, timestamp in records])


def lane(records_max: int = 100, **positions: int) -> Lane:
    return Lane(
        0,
        {topic: positions.get(topic, 0) for topic in TOPICS},
        records_max=records_max,
        room=asyncio.Event(),
        idle_seconds=1,
        interval_seconds=0,
    )


def taken(batch: Taken) -> list[tuple[str, int]]:
    return [(record.topic, record.offset) for record in batch.records]


@pytest.mark.parametrize(
    ("polls", "order", "runs"),
    [
        ({"purchases": [(0, 10), (1, 11)]}, "p0 p1", [("purchases", 0, 2)]),
        (
            {"purchases": [(0, 10), (1, 30)], "reviews": [(0, 20)]},
            "p0 r0 p1",
            [("purchases", 0, 1), ("reviews", 0, 1), ("purchases", 1, 2)],
        ),
        ({"reviews": [(0, 10)], "purchases": [(0, 10)]}, "p0 r0", [("purchases", 0, 1), ("reviews", 0, 1)]),
        ({"inbox": [(0, 5)], "purchases": [(0, 10)]}, "i0 p0", [("inbox", 0, 1), ("purchases", 0, 1)]),
        # Within a topic the offset decides, whatever the clocks of its senders said.
        (
            {"purchases": [(0, 30), (1, 10)], "reviews": [(0, 20)]},
            "r0 p0 p1",
            [("reviews", 0, 1), ("purchases", 0, 2)],
        ),
    ],
    ids=["one topic", "older first", "ties by topic order", "ties only", "late stamps wait for their offset"],
)
def test_records_are_taken_by_timestamp_over_topics(
    polls: dict[str, list[tuple[int, int]]], order: str, runs: Sequence[tuple[str, int, int]]
) -> None:
    subject = lane()
    for topic, records in polls.items():
        subject.accept(topic, poll(0, len(records), *records), lambda: None)
    batch = subject.take()
    assert " ".join(f"{topic[0]}{offset}" for topic, offset in taken(batch)) == order
    assert batch.runs == [Run(*run, records=run[2] - run[1]) for run in runs]


def test_a_poll_is_acknowledged_with_the_batch_that_uses_it_up() -> None:
    acknowledged: list[str] = []
    subject = lane(records_max=2)
    subject.accept("purchases", poll(0, 9, (0, 1), (4, 2), (5, 3)), lambda: acknowledged.append("first"))
    first, second = subject.take(), subject.take()
    assert (taken(first), first.next, list(first.acknowledge)) == (
        [("purchases", 0), ("purchases", 4)],
        {"purchases": 5},
        [],
    )
    # The end of the poll, not the last offset + 1: markers lie between.
    assert taken(second) == [("purchases", 5)]
    assert (second.next, second.runs) == ({"purchases": 9}, [Run("purchases", 5, 9, 1)])
    for acknowledge in second.acknowledge:
        acknowledge()
    assert acknowledged == ["first"]


def test_records_reach_the_decision_as_they_came() -> None:
    subject = lane()
    raw = Raw(7, 99, 0, b"key", None, (("name", b"value"),))
    subject.accept("purchases", Poll(1, 0, 8, 0, [raw]), lambda: None)
    assert subject.take().records == [Record("purchases", 0, 7, 99, b"key", None, (("name", b"value"),))]


@pytest.mark.parametrize(
    ("position", "second"),
    [
        (5, poll(6, 7, (6, 1))),
        (5, poll(4, 7, (5, 1))),
        (5, poll(5, 7, (4, 1))),
        (5, poll(5, 7, (7, 1))),
    ],
    ids=["a hole", "an overlap", "a record before its poll", "a record behind its poll"],
)
def test_what_does_not_start_where_the_state_ends_is_a_broken_chain(position: int, second: Poll) -> None:
    with pytest.raises(BrokenChain):
        lane(purchases=position).accept("purchases", second, lambda: None)


def test_gaps_in_offsets_are_no_holes_when_the_positions_chain() -> None:
    subject = lane(purchases=5)
    subject.accept("purchases", poll(5, 20, (8, 1), (17, 2)), lambda: None)
    subject.accept("purchases", poll(20, 31, (30, 3)), lambda: None)
    assert subject.take().next == {"purchases": 31}
    assert subject.position("purchases") == 31


def test_a_full_lane_wants_no_more_of_that_topic_only() -> None:
    subject = lane(records_max=2)
    subject.accept("purchases", poll(0, 2, (0, 1), (1, 1)), lambda: None)
    assert [subject.wants(topic) for topic in TOPICS] == [False, True, True]
    subject.take()
    assert subject.wants("purchases")
    subject.close()
    assert not subject.wants("purchases")


def test_lag_counts_what_waits_here_and_in_the_log() -> None:
    subject = lane()
    subject.accept("purchases", poll(0, 2, (0, 1), (1, 1), behind=40), lambda: None)
    subject.accept("reviews", poll(0, 1, (0, 1), behind=3), lambda: None)
    assert subject.lag_records() == 46
    subject.take()
    assert subject.lag_records() == 43


records = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 20)), max_size=12)


@hypothesis.given(
    sources=st.fixed_dictionaries(dict.fromkeys(TOPICS, records)), limit=st.integers(1, 10), data=st.data()
)
def test_whatever_the_batches_every_record_is_taken_once_in_offset_order_and_the_runs_chain(
    sources: dict[str, list[tuple[int, int]]], limit: int, data: st.DataObject
) -> None:
    subject = lane(records_max=limit)
    expected: dict[str, list[int]] = {}
    for topic, steps in sources.items():
        offset, start, batch = 0, 0, []
        expected[topic] = []
        for step, timestamp in steps:
            offset += step
            batch.append((offset - 1, timestamp))
            expected[topic].append(offset - 1)
            if data.draw(st.booleans()):
                subject.accept(topic, poll(start, offset, *batch), lambda: None)
                start, batch = offset, []
        if batch:
            subject.accept(topic, poll(start, offset, *batch), lambda: None)
    found: dict[str, list[int]] = {topic: [] for topic in TOPICS}
    ends = dict.fromkeys(TOPICS, 0)
    while (part := subject.take()).records:
        assert len(part.records) <= limit
        for topic, offset in taken(part):
            found[topic].append(offset)
        for run in part.runs:
            assert run.first == ends[run.topic]
            ends[run.topic] = run.next
        # The runs alone give the same order back.
        assert taken(part) == [
            (run.topic, offset) for run in part.runs for offset in expected[run.topic] if run.first <= offset < run.next
        ]
        assert all(ends[topic] == position for topic, position in part.next.items())
    assert found == expected


class Ended(Exception):
    """Stands for the end of the process."""


def end(what: str, error: BaseException) -> NoReturn:
    raise Ended(what) from error


async def nothing(_taken: Taken) -> None:
    """Decide nothing."""


def test_stale_polls_are_dropped_and_holes_end_the_process() -> None:
    async def scenario() -> None:
        lanes = Lanes(records_max=10, idle_seconds=60, interval_seconds=0, end_process=end)
        assert lanes.seek == NO_SEEK
        lanes.open(0, dict.fromkeys(TOPICS, 5), nothing)
        lanes.seek = 2
        lanes.offer("purchases", 0, poll(0, 4, (0, 1), seek=1), lambda: None)  # Popped before the seek.
        lanes.offer("purchases", 1, poll(0, 4, (0, 1), seek=2), lambda: None)  # Not ours.
        assert lanes.position("purchases", 0) == 5
        lanes.offer("purchases", 0, poll(5, 7, (5, 1), seek=2, behind=40), lambda: None)
        assert lanes.position("purchases", 0) == 7
        assert lanes.lag_records() == [(0, 41)]
        with pytest.raises(Ended, match="a hole"):
            lanes.offer("purchases", 0, poll(8, 9, (8, 1), seek=2), lambda: None)
        await lanes.close()
        assert lanes.seek == NO_SEEK
        assert lanes.position("purchases", 0) is None

    asyncio.run(scenario())


def test_closing_waits_for_the_batch_in_flight_and_takes_no_more() -> None:
    async def scenario() -> list[int]:
        done: list[int] = []
        begun = asyncio.Event()

        async def slow(batch: Taken) -> None:
            begun.set()
            await asyncio.sleep(0.05)
            done.append(len(batch.records))

        lanes = Lanes(records_max=2, idle_seconds=60, interval_seconds=0, end_process=end)
        lanes.open(0, dict.fromkeys(TOPICS, 0), slow)
        lanes.seek = 1
        lanes.offer("purchases", 0, poll(0, 3, (0, 1), (1, 1), (2, 1)), lambda: None)
        await begun.wait()
        await lanes.close()
        return done

    assert asyncio.run(scenario()) == [2]


def test_a_batch_that_fails_ends_the_process() -> None:
    async def scenario() -> list[str]:
        ends: list[str] = []

        def noted(what: str, error: BaseException) -> NoReturn:
            ends.append(f"{what}: {error}")
            raise Ended from error

        async def failing(_taken: Taken) -> None:
            raise OSError("no broker")

        lanes = Lanes(records_max=2, idle_seconds=60, interval_seconds=0, end_process=noted)
        lanes.open(0, dict.fromkeys(TOPICS, 0), failing)
        lanes.seek = 1
        lanes.offer("purchases", 0, poll(0, 1, (0, 1)), lambda: None)
        await asyncio.sleep(0.02)
        await lanes.close()
        return ends

    assert asyncio.run(scenario()) == ["the batch of partition 0: no broker"]


def test_an_idle_lane_makes_batches_of_nothing() -> None:
    async def scenario() -> list[int]:
        sizes: list[int] = []

        async def note(batch: Taken) -> None:
            sizes.append(len(batch.records))
            if len(sizes) == 2:
                two.set()

        two = asyncio.Event()
        lanes = Lanes(records_max=2, idle_seconds=0.02, interval_seconds=0, end_process=end)
        lanes.open(0, dict.fromkeys(TOPICS, 0), note)
        async with asyncio.timeout(30):
            await two.wait()
        await lanes.close()
        return sizes

    assert set(asyncio.run(scenario())) == {0}


def test_a_lane_that_is_closed_as_its_idle_time_ends_makes_no_batch() -> None:
    async def scenario() -> list[int]:
        sizes: list[int] = []

        async def note(batch: Taken) -> None:
            sizes.append(len(batch.records))

        subject = Lane(
            0, dict.fromkeys(TOPICS, 0), records_max=2, room=asyncio.Event(), idle_seconds=0.01, interval_seconds=0
        )
        working = asyncio.create_task(subject.work(note))
        await asyncio.sleep(0)  # The lane waits now.
        loop = asyncio.get_running_loop()
        loop.call_later(0.02, subject.close)
        loop.call_soon(time.sleep, 0.05)  # So both are due at the same turn of the loop: first the end of the wait.
        await working
        return sizes

    assert asyncio.run(scenario()) == []


@pytest.mark.parametrize(
    ("interval_seconds", "polls", "batches"),
    [
        (0, "p1 p1 p1", [1, 1, 1]),
        (0.1, "p1 p1 p1", [1, 2]),
        (60, "p1 p2 p1", [1, 3]),
        (60, "p1 p2 r1", [1, 3]),
        (60, "p1 p4", [1, 3]),
    ],
    ids=[
        "no interval",
        "until the interval is over",
        "until a whole batch waits",
        "of all topics",
        "what is more than that waits on",
    ],
)
def test_under_load_events_gather_before_they_are_taken(
    interval_seconds: float, polls: str, batches: Sequence[int]
) -> None:
    async def scenario() -> tuple[list[int], float]:
        sizes: list[int] = []
        took = asyncio.Event()

        async def note(batch: Taken) -> None:
            sizes.append(len(batch.records))
            took.set()

        lanes = Lanes(records_max=3, idle_seconds=60, interval_seconds=interval_seconds, end_process=end)
        lanes.open(0, dict.fromkeys(TOPICS, 0), note)
        lanes.seek = 1
        at = dict.fromkeys(TOPICS, 0)
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(30):
            for each in polls.split():
                topic, count = {"p": "purchases", "r": "reviews"}[each[0]], int(each[1:])
                start, at[topic] = at[topic], at[topic] + count
                lanes.offer(
                    topic, 0, poll(start, at[topic], *((offset, 1) for offset in range(start, at[topic]))), bool
                )
                if not sizes or not interval_seconds:
                    await took.wait()  # What comes after a pause is taken at once, whatever the interval.
                    took.clear()
            while len(sizes) < len(batches):
                await took.wait()
                took.clear()
            seconds = asyncio.get_running_loop().time() - began
            await lanes.close()  # Nor does the interval hold up who gives a partition away.
        return sizes, seconds

    sizes, seconds = asyncio.run(scenario())
    assert sizes == batches
    if interval_seconds < 1:
        assert seconds >= interval_seconds


class Leaping(asyncio.SelectorEventLoop):
    """A loop whose time leaps when it is told to."""

    ahead_seconds = 0.0

    @override
    def time(self) -> float:
        return super().time() + self.ahead_seconds


def test_the_interval_counts_from_the_beginning_of_a_batch() -> None:
    loop = Leaping()

    async def scenario() -> list[int]:
        sizes: list[int] = []

        async def slow(batch: Taken) -> None:
            sizes.append(len(batch.records))
            loop.ahead_seconds += 61

        lanes = Lanes(records_max=3, idle_seconds=3_600, interval_seconds=60, end_process=end)
        lanes.open(0, dict.fromkeys(TOPICS, 0), slow)
        lanes.seek = 1
        for offset in (0, 1):
            lanes.offer("purchases", 0, poll(offset, offset + 1, (offset, 1)), bool)
            for _ in range(20):
                await asyncio.sleep(0)
        await lanes.close()
        return sizes

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(scenario()) == [1, 1]


def test_what_comes_after_a_batch_of_nothing_is_taken_at_once() -> None:
    async def scenario() -> list[int]:
        sizes: list[int] = []
        nothing_came, something_came = asyncio.Event(), asyncio.Event()

        async def note(batch: Taken) -> None:
            sizes.append(len(batch.records))
            (something_came if batch.records else nothing_came).set()

        lanes = Lanes(records_max=3, idle_seconds=0.02, interval_seconds=60, end_process=end)
        lanes.open(0, dict.fromkeys(TOPICS, 0), note)
        lanes.seek = 1
        async with asyncio.timeout(30):
            await nothing_came.wait()
            lanes.offer("purchases", 0, poll(0, 1, (0, 1)), bool)
            await something_came.wait()
        await lanes.close()
        return sizes

    assert asyncio.run(scenario())[-1] == 1


def test_the_age_of_a_batch_is_known_while_it_is_under_way() -> None:
    async def scenario() -> tuple[float, float, float]:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def stuck(_taken: Taken) -> None:
            begun.set()
            await go_on.wait()

        lanes = Lanes(records_max=2, idle_seconds=0.01, interval_seconds=0, end_process=end)
        idle = lanes.batch_age_seconds()
        lanes.open(0, dict.fromkeys(TOPICS, 0), stuck)
        await begun.wait()
        closing = asyncio.create_task(lanes.close())
        await asyncio.sleep(0.05)
        under_way = lanes.batch_age_seconds()  # Also of a lane that is being given up.
        go_on.set()
        await closing
        return idle, under_way, lanes.batch_age_seconds()

    idle, under_way, after = asyncio.run(scenario())
    assert (idle, after) == (0, 0)
    assert 0.05 <= under_way < 30
