"""A simulated worker process: the worker's own lanes, ownership, protocol, restore and producer over simulated clients.

What is played here is Faust's part alone: the thread that reads, the buffers between it and the lanes, the seek after
an assignment, and the order of its callbacks (faust.tables.recovery, `_resume_streams`).
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, NoReturn, Protocol

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from faust.types import TP
from prometheus_client import CollectorRegistry

from loyalty.plan import Programs
from tests.simulation.clients import Reader, SimulatedClients
from tests.simulation.disk import Disk
from tests.simulation.log import Entry
from tests.simulation.loop import OWNER
from workers.app import LaneIntake
from workers.batch import Engine
from workers.checkpoint import Protocol as BatchProtocol
from workers.checkpoint import Stage
from workers.lanes import NO_SEEK, Lanes, Poll, Stamps
from workers.metrics import Metrics
from workers.ownership import Ownership, Terms
from workers.store.memory import MemoryStore
from workers.topic_words import INPUTS

PREFIX = "sim."
APP = "engine"
TOPICS = {word: f"{PREFIX}{word}" for word in INPUTS}
METRICS = Metrics(CollectorRegistry())
TRANSACTION_SECONDS = 10.0
HELD_US_MAX = 60 * 3_600_000_000


class Gone(BaseException):
    """The process has ended."""


class Observer(Protocol):
    """Who is told what happens in a worker."""

    def note(self, who: str, what: str) -> None:
        """A line of the trace."""

    def ended(self, worker: "SimulatedWorker", what: str, error: BaseException) -> None:
        """The worker has ended its process."""

    def acknowledged(self, worker: "SimulatedWorker", word: str, partition: int, position: int) -> None:
        """A poll was acknowledged up to there."""

    def stage(self, worker: "SimulatedWorker", stage: Stage, partition: int) -> None:
        """A batch has got through a stage."""


@dataclass(slots=True)
class Mischief:
    """What goes wrong between the thread that reads and the lanes, as shares of one."""

    late: float = 0.0
    """A poll waits seconds in a buffer, also over a rebalance."""
    lost: float = 0.0
    twice: float = 0.0
    done: set[str] = field(default_factory=set)
    """Workers to which a poll was lost or came twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all workers of a run have in common."""

    programs: Programs
    clients: SimulatedClients
    observer: Observer
    random: Random
    mischief: Mischief
    committed: dict[tuple[str, int], int]
    """The group's own positions: by topic word and partition."""


class SimulatedWorker:
    """One process. `name` is its own: a restarted worker has another one."""

    def __init__(
        self,
        name: str,
        setting: Setting,
        *,
        partitions: int,
        clock: Callable[[], int],
        accept: Sequence[str] = (),
        disk: Disk | None = None,
    ) -> None:
        self.name = name
        self.disk = disk
        self.alive = True
        self.crooked = False
        """Whether the latest assignment gave different partitions of different inputs."""
        self._setting = setting
        self._context = contextvars.copy_context()
        self._context.run(OWNER.set, name)
        random = setting.random
        self.lanes = Lanes(
            records_max=random.randint(2, 9),
            idle_seconds=random.uniform(2, 8),
            interval_seconds=random.choice((0, random.uniform(0, 1))),
            end_process=self.end_process,
        )
        self.ownership = Ownership(
            Terms(
                prefix=PREFIX,
                app=APP,
                topics=TOPICS,
                partition_count=partitions,
                transaction_timeout_seconds=TRANSACTION_SECONDS,
                accept_missing_range=accept,
                accept_program_change=False,
                held_max_us=HELD_US_MAX,
            ),
            setting.clients,
            self.lanes,
            BatchProtocol(
                decider=Engine(setting.programs, partitions=partitions),
                clock=clock,
                metrics=METRICS,
                probe=lambda stage, partition: setting.observer.stage(self, stage, partition),
            ),
            store=MemoryStore if disk is None else lambda number: disk.open(number, partitions),
            metrics=METRICS,
            clock=clock,
            end_process=self.end_process,
        )
        self._intake = LaneIntake(self.lanes, TOPICS)
        self._reader = Reader(setting.clients.network, "read_committed", random.randint(1, 6))
        self._stamps = Stamps()
        self._flow = False
        self._rebalancing = True
        self._generation = 0
        self._assignment: list[TopicPartition] = []
        self._signal = asyncio.Event()
        self._pipe: deque[tuple[TopicPartition, Poll]] = deque()
        self._filled = asyncio.Event()
        self._seeking = asyncio.Lock()

    def run(self, coroutine: Any) -> asyncio.Task[Any]:
        """A task of this process."""
        return asyncio.get_running_loop().create_task(coroutine, context=self._context)

    def start(self) -> None:
        """Start its loops."""
        self._tasks = [self.run(coroutine) for coroutine in (self._read(), self._deliver(), self._recover())]

    def end_process(self, what: str, error: BaseException, /) -> NoReturn:
        """As the worker's own: nothing runs after it."""
        if self.alive:
            self._setting.observer.ended(self, what, error)
        raise Gone from error

    # ------------------------------------------------------------------ what the group calls
    async def revoked(self) -> None:
        """Give up all partitions."""
        self._rebalancing = True
        self._flow = False
        if self._setting.random.random() < 0.5:
            self._pipe.clear()  # Faust clears its agents' buffers; what has not come so far survives.
        await self.ownership.revoked()

    def assigned(self, generation: int, numbers: Mapping[str, Sequence[int]]) -> None:
        """A new assignment: by topic word the partition numbers."""
        self._generation = generation
        self._rebalancing = False
        self.crooked = len({tuple(each) for each in numbers.values()}) > 1
        self._assignment = [TopicPartition(TOPICS[word], number) for word in INPUTS for number in numbers[word]]
        self._reader.assign(self._assignment)
        words = {name: word for word, name in TOPICS.items()}
        for tp in self._assignment:
            position = self._setting.committed.get((words[tp.topic], tp.partition))
            if position is not None:
                self._reader.seek(tp, position)
        self._signal.set()

    async def stop(self) -> None:
        """End well."""
        await self.ownership.stop()

    # ------------------------------------------------------------------ Faust's part
    async def _recover(self) -> None:
        while True:
            await self._signal.wait()
            self._signal.clear()
            generation = self._generation
            # Mostly at once; a busy loop may let the next revocation overtake it.
            await asyncio.sleep(self._moment() * (100 if self._setting.random.random() < 0.15 else 1))
            if not self._rebalancing:
                await self.ownership.assigned([TP(*tp) for tp in self._assignment])
            if generation != self._generation:
                continue
            seeking = asyncio.create_task(self._seek_to_positions())
            again = asyncio.create_task(self._signal.wait())
            done, _ = await asyncio.wait({seeking, again}, return_when=asyncio.FIRST_COMPLETED)
            if seeking not in done:
                seeking.cancel()
                continue
            again.cancel()
            self._flow = True

    async def _seek_to_positions(self) -> None:
        async with self._seeking:
            wanted = {
                tp: position
                for tp in list(self._assignment)
                if (position := self._intake.position(TP(*tp))) is not None
            }
            if not wanted:
                return
            await asyncio.sleep(self._moment())
            # From here to the next await it is the consumer's thread.
            for tp, position in wanted.items():
                self._reader.seek(tp, position)
            self._stamps.sought(wanted, self._assignment)
            await asyncio.sleep(self._moment())
            self._intake.seek = self._stamps.seek_number

    async def _read(self) -> None:
        while True:
            wanted = [tp for tp in self._assignment if self._intake.wants(TP(*tp))] if self._flow else []
            if not wanted:
                await self._intake.room(0.05)
                if not self._flow:
                    await asyncio.sleep(0.05)
                continue
            popped = await self._pop(wanted)
            if not self._stamps.is_sought(self._assignment):
                popped = {}
            for tp, records in popped.items():
                self._pipe.append((tp, self._stamps.poll(tp, records, end=self._reader.at(tp), behind=0)))
            self._filled.set()
            if not popped:
                await asyncio.sleep(0.2 + self._setting.random.random() * 0.3)

    async def _pop(self, wanted: Sequence[TopicPartition]) -> dict[TopicPartition, list[Entry]]:
        seek = self._intake.seek
        try:
            return await self._reader.pop(wanted)
        except OffsetOutOfRangeError as error:
            if seek != NO_SEEK and seek == self._intake.seek:
                self._intake.failed("reading the inputs", error)
            return {}

    async def _deliver(self) -> None:
        random, mischief = self._setting.random, self._setting.mischief
        while True:
            while not self._pipe:
                self._filled.clear()
                await self._filled.wait()
            await asyncio.sleep(random.random() * 4 if random.random() < mischief.late else self._moment())
            async with self._seeking:
                pass
            if not self._pipe:
                continue
            tp, poll = self._pipe.popleft()
            times = 1
            if random.random() < mischief.lost:
                times = 0
            elif random.random() < mischief.twice:
                times = 2
            if times != 1:
                mischief.done.add(self.name)
                self._setting.observer.note(
                    self.name, f"{tp.topic}-{tp.partition} {poll.start}..{poll.end} {times} times"
                )
            for _ in range(times):
                self._offer(tp, poll)

    def _offer(self, tp: TopicPartition, poll: Poll) -> None:
        word = tp.topic.removeprefix(PREFIX)
        self.lanes.offer(word, tp.partition, poll, lambda: self._acknowledge(word, tp.partition, poll.end))

    def _acknowledge(self, word: str, partition: int, position: int) -> None:
        self._setting.committed[word, partition] = position
        self._setting.observer.acknowledged(self, word, partition, position)

    def _moment(self) -> float:
        return self._setting.random.random() * 0.004
