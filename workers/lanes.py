"""One lane for each partition number: what waits to be decided, over all input topics, and the loop that decides it.

Two agents never touch one account: whatever topic an event came on, its member's partition number has one lane, and
a lane has one batch in flight.

Invariants:
  L1 a lane accepts only what starts where the latest accepted poll of that topic ended; at first, where the state ends
  L2 what was popped before the latest seek is stale and dropped; any other mismatch is a hole and ends the process
  L3 a lane is bounded: a topic with a full lane is left out of the next poll, and no other topic waits for it
  L4 records of one topic are taken in offset order; over topics the older record timestamp goes first, and ties go
     by the order of the topics
  L5 a closed lane takes nothing more; the batch in flight is finished first
  L6 what comes after a pause is taken at once; under load a batch begins an interval after the one before, or when
     enough for a whole one waits
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from time import monotonic
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias

from workers.fatal import BrokenChain, EndProcess
from workers.positions import Run
from workers.records import Record

Acknowledge: TypeAlias = Callable[[], object]

NO_SEEK: Final = -1


class Poll(NamedTuple):
    """What one poll popped of one topic-partition. The positions are taken in the consumer's thread, at the pop."""

    seek: int
    """Number of the latest seek at the pop."""
    start: int
    """Position before the pop: what came before was popped earlier, or lies before the latest seek."""
    end: int
    """Position after the pop. Not the last offset + 1: transaction markers and compaction leave gaps."""
    behind: int
    """How many offsets of committed records lay beyond `end`."""
    records: Sequence[Any]
    """The consumer's records, at least one."""


class Stamps:
    """Where each topic-partition's next poll starts. Used in the consumer's thread alone, in the step of the pop."""

    def __init__(self) -> None:
        self.seek_number = 0
        """Of the latest seek."""
        self._assignment = object()  # None that there is.
        self._starts: dict[Any, int] = {}

    def sought(self, positions: Mapping[Any, int], assignment: object) -> None:
        """A seek: what is popped from now on, for as long as the assignment is this one, starts there."""
        self.seek_number += 1
        self._assignment = assignment
        self._starts.update(positions)

    def is_sought(self, assignment: object) -> bool:
        """Whether there was a seek in this assignment. Before it, reading starts where the group has committed."""
        return assignment is self._assignment

    def poll(self, tp: Any, records: Sequence[Any], *, end: int, behind: int) -> Poll:
        """What was popped just now, when the consumer's position has come to `end`."""
        made = Poll(self.seek_number, self._starts.get(tp, -1), end, behind, records)
        self._starts[tp] = end
        return made


@dataclass(frozen=True, slots=True)
class Taken:
    """What a lane gave for one batch."""

    records: Sequence[Record]
    runs: Sequence[Run]
    next: Mapping[str, int]
    """For each topic that was taken from, the position after it."""
    acknowledge: Sequence[Acknowledge]
    """Of the polls that are used up."""


@dataclass(slots=True)
class _Waiting:
    """A poll in a lane, and how many of its records are taken."""

    poll: Poll
    acknowledge: Acknowledge
    used: int = 0


@dataclass(slots=True)
class _Queue:
    """What waits of one topic."""

    taken_to: int
    """Position of the state, once the batch in flight is written."""
    accepted_to: int
    """Position after the latest accepted poll."""
    waiting: deque[_Waiting] = field(default_factory=deque)
    records: int = 0
    behind: int = 0


class Lane:
    """What waits for one partition number.

    `positions` says, for each input topic in their order, where the state ends. `room` is set whenever records leave.
    """

    def __init__(
        self,
        partition: int,
        positions: Mapping[str, int],
        *,
        records_max: int,
        room: asyncio.Event,
        idle_seconds: float,
        interval_seconds: float,
    ) -> None:
        self.partition = partition
        self._queues = {topic: _Queue(position, position) for topic, position in positions.items()}
        self._records_max = records_max
        self._room = room
        self._idle_seconds = idle_seconds
        self._interval_seconds = interval_seconds
        self._wake = asyncio.Event()
        self._closing = False
        self.behind = 0

    def wants(self, topic: str) -> bool:
        """Whether a poll of this topic may be added."""
        return not self._closing and self._queues[topic].records < self._records_max

    def position(self, topic: str) -> int:
        """Where the next poll of this topic has to start."""
        return self._queues[topic].accepted_to

    def accept(self, topic: str, poll: Poll, acknowledge: Acknowledge) -> None:
        """Add a poll. Raises BrokenChain when it does not start where the lane ends."""
        queue = self._queues[topic]
        if poll.start != queue.accepted_to:
            raise BrokenChain(
                f"{topic}-{self.partition}: the state and what waits end at {queue.accepted_to}, "
                f"but the next records start at {poll.start}"
            )
        if poll.records[0].offset < poll.start or poll.records[-1].offset >= poll.end:
            raise BrokenChain(
                f"{topic}-{self.partition}: records {poll.records[0].offset} to {poll.records[-1].offset} "
                f"lie outside of their poll, {poll.start} to {poll.end}"
            )
        queue.waiting.append(_Waiting(poll, acknowledge))
        queue.accepted_to = poll.end
        queue.records += len(poll.records)
        queue.behind = poll.behind
        self._wake.set()

    def lag_records(self) -> int:
        """How many records wait here and, as far as the latest polls knew, in the log."""
        return sum(queue.records + queue.behind for queue in self._queues.values())

    def take(self) -> Taken:
        """Take up to `records_max` records in their order (L4)."""
        queues = [(topic, queue) for topic, queue in self._queues.items() if queue.records]
        merged = _merged([_unused(topic, queue) for topic, queue in queues], self._records_max)
        records: list[Record] = []
        runs: list[Run] = []
        acknowledge: list[Acknowledge] = []
        for topic, group in merged:
            queue = self._queues[topic]
            first = queue.taken_to
            records += [_as_record(topic, self.partition, record) for record in group]
            _use(queue, len(group), acknowledge)
            runs.append(Run(topic, first, queue.taken_to, len(group)))
        self._room.set()
        return Taken(records, runs, {topic: self._queues[topic].taken_to for topic, _ in merged}, acknowledge)

    async def work(self, process: Callable[[Taken], Awaitable[None]]) -> None:
        """Make batches of what comes, or of nothing when nothing came for `idle_seconds`, until closed."""
        now = asyncio.get_running_loop().time
        while True:
            await self._wait_for(1, now() + self._idle_seconds)
            if self._closing:
                return
            began = now()
            taken = self.take()
            await process(taken)
            if taken.records:  # L6: each transaction costs the brokers the same, however few events are in it.
                await self._wait_for(self._records_max, began + self._interval_seconds)

    def close(self) -> None:
        """Accept and take nothing more; what waits is read again by whoever owns the partition next."""
        self._closing = True
        self._wake.set()

    async def _wait_for(self, records: int, until: float) -> None:
        """Wait until so many records are here, the lane is closed, or the loop's time has come."""
        try:
            async with asyncio.timeout_at(until):
                while not self._closing and sum(queue.records for queue in self._queues.values()) < records:
                    self._wake.clear()
                    await self._wake.wait()
        except TimeoutError:
            pass


def _as_record(topic: str, partition: int, raw: Any) -> Record:
    return Record(topic, partition, raw.offset, raw.timestamp, raw.key, raw.value, tuple(raw.headers))


def _unused(topic: str, queue: _Queue) -> tuple[str, list[Any]]:
    """The records of a queue that are not taken yet."""
    records: list[Any] = []
    for waiting in queue.waiting:
        records.extend(waiting.poll.records[waiting.used :] if waiting.used else waiting.poll.records)
    return topic, records


def _merged(sources: Sequence[tuple[str, list[Any]]], limit: int) -> list[tuple[str, list[Any]]]:
    """The first `limit` records by timestamp, in groups of one topic. Ties go by the order of `sources`."""
    if len(sources) == 1:  # By far the most frequent: no merge to pay for.
        ((topic, records),) = sources
        return [(topic, records[:limit])]
    groups: list[tuple[str, list[Any]]] = []
    tagged = [[(topic, record) for record in records] for topic, records in sources]
    for count, (topic, record) in enumerate(heapq.merge(*tagged, key=lambda pair: _timestamp(pair[1]))):
        if count == limit:
            break
        if groups and groups[-1][0] == topic:
            groups[-1][1].append(record)
        else:
            groups.append((topic, [record]))
    return groups


_timestamp = attrgetter("timestamp")


def _use(queue: _Queue, count: int, acknowledge: list[Acknowledge]) -> None:
    """Mark the next `count` records as taken, and move `taken_to` behind them."""
    queue.records -= count
    while count:
        head = queue.waiting[0]
        step = min(count, len(head.poll.records) - head.used)
        head.used += step
        count -= step
        if head.used == len(head.poll.records):
            queue.taken_to = head.poll.end
            acknowledge.append(head.acknowledge)
            queue.waiting.popleft()
        else:
            queue.taken_to = head.poll.records[head.used - 1].offset + 1


class Lanes:
    """All lanes of this worker: what the agents feed and the transport asks."""

    def __init__(
        self, *, records_max: int, idle_seconds: float, interval_seconds: float, end_process: EndProcess
    ) -> None:
        self.seek = NO_SEEK
        """Number of the latest seek; `NO_SEEK` from a revocation to the seek after it, when every poll is stale."""
        self._records_max = records_max
        self._idle_seconds = idle_seconds
        self._interval_seconds = interval_seconds
        self._end_process = end_process
        self._lanes: dict[int, Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way: dict[int, float] = {}
        self._room = asyncio.Event()

    def open(self, partition: int, positions: Mapping[str, int], process: Callable[[Taken], Awaitable[None]]) -> None:
        """Start the lane of a partition whose state ends at `positions`."""
        lane = Lane(
            partition,
            positions,
            records_max=self._records_max,
            room=self._room,
            idle_seconds=self._idle_seconds,
            interval_seconds=self._interval_seconds,
        )
        self._lanes[partition] = lane
        task = asyncio.create_task(self._work(lane, process), name=f"lane-{partition}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Close every lane and wait for the batches in flight."""
        self.seek = NO_SEEK
        lanes, self._lanes = self._lanes, {}
        for lane in lanes.values():
            lane.close()
        self._room.set()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def wants(self, topic: str, partition: int) -> bool:
        """Whether the next poll may hold records of this topic and partition."""
        lane = self._lanes.get(partition)
        return lane is not None and lane.wants(topic)

    def position(self, topic: str, partition: int) -> int | None:
        """Where to seek to; None while the partition's lane is not open."""
        lane = self._lanes.get(partition)
        return None if lane is None else lane.position(topic)

    async def room(self, timeout_seconds: float) -> None:
        """Wait until records have left a lane, or for the time given."""
        self._room.clear()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._room.wait()
        except TimeoutError:
            pass

    def offer(self, topic: str, partition: int, poll: Poll, acknowledge: Acknowledge) -> None:
        """Give a poll to its lane, or drop it when it is stale: after the seek it is read again.

        Ends the process on a hole.
        """
        lane = self._lanes.get(partition)
        if lane is None or poll.seek != self.seek:
            return
        try:
            lane.accept(topic, poll, acknowledge)
        except BrokenChain as error:
            self._end_process("a hole in the input", error)

    def failed(self, what: str, error: BaseException) -> NoReturn:
        """End the process because reading failed."""
        self._end_process(what, error)

    def lag_records(self) -> list[tuple[int, int]]:
        """For each open lane its partition and how many records wait. May be asked from any thread."""
        return [(lane.partition, lane.lag_records()) for lane in list(self._lanes.values())]

    def batch_age_seconds(self) -> float:
        """For how long the oldest batch has been under way; 0 without one. May be asked from any thread."""
        now = monotonic()
        return max((now - began for began in list(self._under_way.values())), default=0.0)

    async def _work(self, lane: Lane, process: Callable[[Taken], Awaitable[None]]) -> None:
        async def one(taken: Taken) -> None:
            self._under_way[lane.partition] = monotonic()
            try:
                await process(taken)
            finally:
                del self._under_way[lane.partition]

        try:
            await lane.work(one)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - nothing that happens to a batch may be survived
            self._end_process(f"the batch of partition {lane.partition}", error)
