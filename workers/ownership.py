"""Which partition numbers this worker owns, and how they change hands.

Invariants:
  A1 a partition number belongs to one worker in all inputs: their partition sets are equal
  A2 order of taking over: fence the last writer, restore, settle the positions, check the programs, open the lane
  A3 order of giving up: finish the batch in flight, close the lanes, stop the producers; the state is kept
  A4 a revocation that comes while partitions are being taken over stops that at once
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from time import perf_counter

import structlog
from faust.types import TP

from config.topics import topic_name
from workers.checkpoint import Clock, Protocol
from workers.clients import Clients
from workers.fatal import EndProcess, Refusal
from workers.lanes import Lanes, Taken
from workers.metrics import Metrics
from workers.partition import Partition
from workers.producer import TransactionalProducer
from workers.programs_check import check_programs
from workers.restore import Lost, check_counts, check_state, locate, reader, refuse_lost, restore
from workers.store.port import StoreFactory
from workers.topic_words import ACCOUNTS, JOURNAL

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What ownership needs to know, as plain values."""

    prefix: str
    app: str
    """App id: the state remembers whose it is."""
    topics: Mapping[str, str]
    """Input word -> full name, in their order."""
    partition_count: int
    transaction_timeout_seconds: float
    accept_missing_range: Collection[str]
    """By name: see Gap.named."""
    accept_program_change: bool
    held_max_us: int
    """How old held state may be before it is thrown away."""


class Ownership:
    """The partitions of this worker. All methods run in the worker's loop; `not_ready` may be asked from any thread."""

    def __init__(
        self,
        terms: Terms,
        clients: Clients,
        lanes: Lanes,
        protocol: Protocol,
        *,
        store: StoreFactory,
        metrics: Metrics,
        clock: Clock,
        end_process: EndProcess,
    ) -> None:
        self.held_max_us = terms.held_max_us
        """As in the terms, until the cluster has said how long it keeps deletions."""
        self._terms = terms
        self._clients = clients
        self._lanes = lanes
        self._protocol = protocol
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._end_process = end_process
        self._partitions: dict[int, Partition] = {}
        self._taking_over: asyncio.Task[None] | None = None
        self._stopped = False
        self._not_ready: str | None = "starting: no assignment yet"

    def not_ready(self) -> str | None:
        """Why this worker does no work now; None when it does."""
        if self._not_ready is not None:
            return self._not_ready
        sick = [partition.number for partition in self.partitions() if not _healthy(partition)]
        if sick:
            return f"the producers of partitions {sick} have failed"
        age = self._lanes.batch_age_seconds()
        # By then the broker has ended its transaction: whatever it waits for, it cannot commit any more.
        too_old = age > 2 * self._terms.transaction_timeout_seconds
        return f"a batch has been under way for {age:.0f} s" if too_old else None

    def is_at_work(self) -> bool:
        """Whether a batch is under way. May be asked from any thread."""
        return self._lanes.batch_age_seconds() > 0

    def partitions(self) -> list[Partition]:
        """The partitions whose state is held."""
        return list(self._partitions.values())

    async def assigned(self, tps: Iterable[TP]) -> None:
        """Take over the assigned partitions, unless stopped. Ends the process when that fails."""
        if self._stopped:
            return
        task: asyncio.Task[None] | None = None
        try:
            numbers = co_partitioned(tps, self._terms.topics.values())
            task = self._taking_over = asyncio.create_task(self._take_over(numbers))
            await task
        except BaseException as error:
            if task is not None and self._taking_over is not task:
                # Revoked meanwhile: the next assignment does it again, and whatever cut it short is moot.
                _log.info("taking over was cut short", error=type(error).__name__)
                return
            if isinstance(error, asyncio.CancelledError):
                raise
            # A partition half taken over must not be used.
            self._end_process("taking over partitions", error)
        else:
            self._taking_over = None

    async def stop(self) -> None:
        """Give everything up for good: a rebalance on the way out brings nothing back."""
        self._stopped = True
        await self.revoked()
        for partition in self.partitions():
            partition.store.close(lasting=True)

    async def revoked(self) -> None:
        """Give up the right to write to all partitions; keep their state. Ends the process when that fails."""
        self._not_ready = "partitions are changing hands"
        try:
            task, self._taking_over = self._taking_over, None
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
            await self._lanes.close()
            await asyncio.gather(*(partition.release() for partition in self.partitions()))
            self._metrics.given_up()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - who cannot let go must not go on
            self._end_process("giving up partitions", error)

    async def _take_over(self, numbers: list[int]) -> None:
        started = perf_counter()
        # A revocation came before, but not always after the last taking over: it may have overtaken that.
        await self._lanes.close()
        for number in [number for number in self._partitions if number not in numbers]:
            partition = self._partitions.pop(number)
            partition.store.close()
            await partition.release()
        partitions: list[Partition] = []
        for number in numbers:
            partitions.append(self._held(number))
            await asyncio.sleep(0)  # A store may have to be put in order: the loop shows that it turns.
        for partition in partitions:
            if partition.missing:
                # A gap that was accepted and not written down: another owner may have, or gone on behind it.
                partition.forget()
        await asyncio.gather(*(self._fence(partition) for partition in partitions))
        restored = await self._restore(partitions) if partitions else 0
        for partition in partitions:
            check_programs(
                partition.owned().programs,
                self._protocol.decider.versions,
                now_us=partition.owned().now_us,
                accept_change=self._terms.accept_program_change,
            )
        for partition in partitions:
            self._lanes.open(partition.number, partition.owned().next, self._process(partition))
        self._not_ready = None
        seconds = perf_counter() - started
        self._metrics.taken_over(records=restored, seconds=seconds)
        _log.info("ready", partitions=numbers, restored_records=restored, seconds=round(seconds, 3))

    def _held(self, number: int) -> Partition:
        if number not in self._partitions:
            partition = self._partitions[number] = Partition(number, self._store(number))
            partition.take_back()
        return self._partitions[number]

    async def _fence(self, partition: Partition) -> None:
        await partition.release()
        partition.producer = TransactionalProducer(
            self._clients,
            # Of the prefix, whatever the app: who writes to these topics under another app id is fenced, too.
            transactional_id=topic_name(self._terms.prefix, f"partition-{partition.number}"),
            prefix=self._terms.prefix,
            transaction_timeout_seconds=self._terms.transaction_timeout_seconds,
        )
        await partition.producer.start()

    async def _restore(self, partitions: list[Partition]) -> int:
        terms = self._terms
        now_us = self._clock()
        async with reader(self._clients) as consumer:
            changelog = topic_name(terms.prefix, ACCOUNTS)
            count = await restore(consumer, changelog, partitions, now_us=now_us, held_max_us=self.held_max_us)
            if any(partition.positions is None for partition in partitions):
                journal = topic_name(terms.prefix, JOURNAL)
                await check_counts(consumer, journal, partition_count=terms.partition_count)
            lost: list[Lost] = []
            for partition in partitions:
                check_state(
                    partition.positions, partition_count=terms.partition_count, app=terms.app, now_us=self._clock()
                )
                lost += await locate(
                    consumer,
                    partition,
                    topics=terms.topics,
                    partition_count=terms.partition_count,
                    app=terms.app,
                    accept_missing_range=terms.accept_missing_range,
                )
        refuse_lost(lost)
        return count

    def _process(self, partition: Partition) -> Callable[[Taken], Awaitable[None]]:
        async def process(taken: Taken) -> None:
            await self._protocol.run(partition, taken)

        return process


def _healthy(partition: Partition) -> bool:
    return partition.producer is not None and partition.producer.healthy


def co_partitioned(tps: Iterable[TP], topics: Iterable[str]) -> list[int]:
    """The partition numbers of an assignment. Raises Refusal when the inputs do not have the same ones (A1)."""
    by_topic: dict[str, list[int]] = {topic: [] for topic in topics}
    for tp in tps:
        by_topic.setdefault(tp.topic, []).append(tp.partition)
    sets = {tuple(sorted(numbers)) for numbers in by_topic.values()}
    if len(sets) > 1:
        seen = ", ".join(f"{topic} {sorted(numbers)}" for topic, numbers in sorted(by_topic.items()))
        raise Refusal(
            f"the assignment gives different partitions of different inputs: {seen}",
            hint="all workers of the group must read the same topics, and those the same number of partitions",
        )
    return sorted(sets.pop()) if sets else []
