"""One batch of one partition on its way from the lane to the committed log: the protocol, written once, as code.

Any failure ends the process with nothing acknowledged (fatal.py). Up to COMMIT nothing is visible to read_committed
consumers; from COMMIT on, a restart finds the batch in the changelog and goes on behind it. So wherever the process
dies, each event is decided once.

The numbers of the stages are those of the runbook: never renumber.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import IntEnum
from time import perf_counter
from typing import Any, Final, TypeAlias

from schemas.state import UnknownFormat
from workers.batch import DUE_MAX, BatchResult, Decider
from workers.fatal import Refusal, TooManyDeadLetters
from workers.lanes import Taken
from workers.metrics import Metrics
from workers.partition import Partition
from workers.positions import POSITIONS_KEY, JournalRecord, Positions
from workers.producer import Target, TransactionalProducer
from workers.records import Out
from workers.store.port import Mark
from workers.topic_words import ACCOUNTS, DEAD_LETTERS, JOURNAL

Clock: TypeAlias = Callable[[], int]
"""Microseconds since 1970-01-01T00:00:00Z."""

STOP_SHARE_EVENTS_MIN: Final = 20
"""Smaller batches are not judged by `dead_letter_stop_share`: one bad event would be all of them."""


NOTHING_TAKEN: Final = Taken([], [], {}, [])
"""A batch for time alone."""


class Stage(IntEnum):
    """What happens to a batch, in this order."""

    SEAL = 1
    """Fix `now`, the number of the batch, and the positions behind it."""
    DECIDE = 2
    """Decide every event against an overlay of the state. Nothing outside changes."""
    JUDGE = 3
    """Stop when nearly all of the batch would become dead letters, if an operator asked for that."""
    BEGIN = 4
    """Begin the transaction."""
    WRITE = 5
    """Hand outputs, changed state, positions and the journal record to the producer."""
    CONFIRM = 6
    """Await the broker's answer for every record."""
    COMMIT = 7
    """Commit the transaction: from here on the batch has happened."""
    REMEMBER = 8
    """Replace the state that is held, in memory or on disk."""
    ACKNOWLEDGE = 9
    """Acknowledge the polls that are used up. Nothing depends on it but lag monitors."""


Probe: TypeAlias = Callable[[Stage, int], None]
"""Called after each stage with the partition; tests end the process in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """What all checkpoints of a worker share."""

    decider: Decider
    clock: Clock
    metrics: Metrics
    dead_letter_stop_share: Decimal | None = None
    probe: Probe | None = None

    @property
    def programs(self) -> Mapping[str, str]:
        """Version -> digest, stored with every batch."""
        return {version: digest for version, (digest, _) in self.decider.versions.items()}

    async def run(self, partition: Partition, taken: Taken) -> None:
        """Take one batch through all stages. Raises what failed; the caller ends the process."""
        if not taken.records and not _time_matters(partition):
            return
        # What is due is decided before events. After a pause there may be more of it than fits into one batch.
        while partition.store.has_more_due_than(DUE_MAX, self.clock()):
            done = await Checkpoint(self, partition, NOTHING_TAKEN).run()
            if done.due < DUE_MAX:  # The others were void.
                break
        await Checkpoint(self, partition, taken).run()


def _time_matters(partition: Partition) -> bool:
    """Whether an empty batch has a purpose: something may fall due, or a missing range has to be written down."""
    return partition.store.accounts > 0 or bool(partition.missing)


class Checkpoint:
    """One batch. Each stage leaves behind what the next one needs."""

    def __init__(self, protocol: Protocol, partition: Partition, taken: Taken) -> None:
        self._protocol = protocol
        self._partition = partition
        self._taken = taken
        self._before: Positions = partition.owned()
        self._after: Positions = self._before
        self._result: BatchResult
        self._producer: TransactionalProducer
        self._futures: Mapping[Target, list[asyncio.Future[Any]]] = {}
        self._changelog_offset = 0

    async def run(self) -> BatchResult:
        """Go through the stages: the only place that knows their order."""
        protocol, started = self._protocol, perf_counter()
        steps = self._steps()
        for stage in Stage:
            before = perf_counter()
            await steps[stage]()
            protocol.metrics.stage(stage.name.lower(), perf_counter() - before)
            if protocol.probe is not None:
                protocol.probe(stage, self._partition.number)
        protocol.metrics.batch(
            self._partition.number,
            self._taken.records,
            self._result.counts,
            now_us=protocol.clock(),
            seconds=perf_counter() - started,
        )
        return self._result

    def _steps(self) -> Mapping[Stage, Callable[[], Awaitable[None]]]:
        """Never kept in the object: the cycle would keep the whole batch in memory until the collector comes by."""
        return {
            Stage.SEAL: self._seal,
            Stage.DECIDE: self._decide,
            Stage.JUDGE: self._judge,
            Stage.BEGIN: self._begin,
            Stage.WRITE: self._write,
            Stage.CONFIRM: self._confirm,
            Stage.COMMIT: self._commit,
            Stage.REMEMBER: self._remember,
            Stage.ACKNOWLEDGE: self._acknowledge,
        }

    async def _seal(self) -> None:
        before = self._before
        self._after = replace(
            before,
            next={**before.next, **self._taken.next},
            now_us=max(before.now_us, self._protocol.clock()),
            sequence=before.sequence + 1,
            programs=self._protocol.programs,
        )

    async def _decide(self) -> None:
        partition = self._partition
        try:
            self._result = self._protocol.decider.decide_batch(
                partition.number, self._taken.records, partition.store, self._after.now_us
            )
        except UnknownFormat as error:
            raise Refusal(
                f"the state of partition {partition.number} cannot be read: {error}",
                hint="run the release that wrote it, or a newer one",
            ) from error

    async def _judge(self) -> None:
        share, events = self._protocol.dead_letter_stop_share, len(self._taken.records)
        if share is None or events < STOP_SHARE_EVENTS_MIN:
            return
        refused = sum(out.topic == DEAD_LETTERS for out in self._result.outputs)
        if refused >= share * events:
            raise TooManyDeadLetters(
                f"{refused} of {events} events of partition {self._partition.number} would become dead letters, "
                f"and the worker is told to stop at a share of {share}: nothing of the batch was written"
            )

    async def _begin(self) -> None:
        producer = self._partition.producer
        if producer is None:
            raise RuntimeError(f"partition {self._partition.number} has a batch but no producer")
        self._producer = producer
        await producer.begin()

    async def _write(self) -> None:
        groups = self._groups()
        timestamp_ms = self._after.now_us // 1000
        futures = await asyncio.gather(
            *(self._producer.write(target, records, timestamp_ms=timestamp_ms) for target, records in groups.items())
        )
        self._futures = dict(zip(groups, futures, strict=True))

    async def _confirm(self) -> None:
        for target, futures in self._futures.items():
            answers = await asyncio.gather(*futures)
            if target.topic == ACCOUNTS:
                self._changelog_offset = answers[0].offset

    async def _commit(self) -> None:
        await self._producer.commit()

    async def _remember(self) -> None:
        partition = self._partition
        # A later restore reads our own batch again: harmless, and no guess about where the commit marker lies.
        mark = Mark(self._changelog_offset, self._after.now_us, self._after.encode())
        partition.store.apply(self._result.writes, mark)
        partition.positions = self._after
        partition.missing.clear()

    async def _acknowledge(self) -> None:
        for acknowledge in self._taken.acknowledge:
            acknowledge()

    def _groups(self) -> Mapping[Target, list[Out]]:
        """What to write, by target. The positions are the last record of the changelog's part."""
        number = self._partition.number
        outputs: defaultdict[tuple[str, int], list[Out]] = defaultdict(list)
        for out in self._result.outputs:
            outputs[out.topic, out.partition].append(out)
        groups = {Target(*target): group for target, group in outputs.items()}
        changed = [Out(ACCOUNTS, number, key, value) for key, value in self._result.writes.items()]
        changed.append(Out(ACCOUNTS, number, POSITIONS_KEY, self._after.encode()))
        journal = JournalRecord(
            sequence=self._after.sequence,
            now_us=self._after.now_us,
            runs=self._taken.runs,
            programs=self._after.programs,
            partitions=self._after.partitions,
            missing=tuple(self._partition.missing),
        )
        groups[Target(ACCOUNTS, number)] = changed
        groups[Target(JOURNAL, number)] = [Out(JOURNAL, number, None, journal.encode())]
        return groups
