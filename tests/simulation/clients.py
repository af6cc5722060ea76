"""Clients of the simulated log, with a network between: what workers/clients.py asks for, under a seed.

A request travels for a while, is done by the log in one step, and its answer travels back. Whoever is killed or frozen
meanwhile does not hear of it; that it was done stays done.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, NamedTuple, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import ConcurrentTransactions, IllegalStateError, KafkaError, ProducerFenced

from tests.simulation.log import Entry, New, SimulatedLog
from tests.simulation.loop import OWNER
from workers.records import Out

_T = TypeVar("_T")

READ_COMMITTED, READ_UNCOMMITTED = "read_committed", "read_uncommitted"
_AGAIN_SECONDS = 0.02
SLOWEST_SECONDS = 2.0
"""The longest that anything is under way, one way, while the log can be reached."""


class Injected(KafkaError):  # type: ignore[misc]  # aiokafka has no types.
    """A fault that the simulation made."""


@dataclass(slots=True)
class Faults:
    """How often, of one, a call fails; the simulation sets them to nothing when it lets the workers finish."""

    send: float = 0.0
    """A batch is refused, and the others are written."""
    commit_refused: float = 0.0
    commit_unheard: float = 0.0
    """The commit happens, and whoever asked for it hears of a failure."""
    slow: float = 0.0
    """A request takes seconds."""
    down_until: float = 0.0
    """Until then no request arrives."""
    injected: list[str] = field(default_factory=list)
    """Who met a failure."""


class Network:
    """Takes requests to the log and answers back."""

    def __init__(self, log: SimulatedLog, random: Random, faults: Faults) -> None:
        self.log = log
        self.random = random
        self.faults = faults
        self._nobody = contextvars.copy_context()
        self._nobody.run(OWNER.set, "")

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something later, on nobody's account."""
        asyncio.get_running_loop().call_later(seconds, do, context=self._nobody)

    def latency(self) -> float:
        """Of one way."""
        if self.random.random() < self.faults.slow:
            return self.random.random() * SLOWEST_SECONDS
        return 0.0005 + self.random.random() * 0.004

    async def call(self, request: Callable[[], _T]) -> _T:
        """Let the log do it, and hear what came of it."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_T] = loop.create_future()

        def arrive() -> None:
            try:
                result = request()
            except KafkaError as error:
                self.after(self.latency(), partial(_fail, answer, error))
            else:
                self.after(self.latency(), partial(_succeed, answer, result))

        self.after(max(self.latency(), self.faults.down_until - loop.time()), arrive)
        return await answer

    def fails(self, share: float) -> bool:
        """Whether to inject a failure into the process that asks."""
        if share and self.random.random() < share:
            self.faults.injected.append(OWNER.get())
            return True
        return False


def _succeed(answer: asyncio.Future[_T], result: _T) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[Any], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)


class _Batch:
    def __init__(self, records_max: int) -> None:
        self.records: list[New] = []
        self._records_max = records_max

    def extend(self, records: Sequence[Out], *, timestamp_ms: int) -> int:
        taken = records[: self._records_max - len(self.records)]
        self.records += [New(timestamp_ms, each.key, each.value, each.headers) for each in taken]
        return len(taken)

    def close(self) -> None:
        """Nothing to do."""


class Written(NamedTuple):
    """The answer to a batch."""

    offset: int


class _Producer:
    """As aiokafka's: one batch of a partition under way, and a commit that asks no batch how it went."""

    def __init__(self, network: Network, transactional_id: str, batch_records_max: int) -> None:
        self._network = network
        self._id = transactional_id
        self._batch_records_max = batch_records_max
        self._epoch = -1
        self._queues: dict[TopicPartition, deque[tuple[list[New], asyncio.Future[Any]]]] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._in_transaction = False
        self.failed_for_good = False

    async def start(self) -> None:
        log = self._network.log
        while True:
            try:
                self._epoch = await self._network.call(lambda: log.init_producer(self._id))
            except ConcurrentTransactions:
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return

    async def stop(self) -> None:
        if self._sending:
            await asyncio.wait(self._sending)

    async def begin_transaction(self) -> None:
        if self._in_transaction:
            raise IllegalStateError("a transaction is under way")
        self._in_transaction = True

    def create_batch(self) -> _Batch:
        return _Batch(self._batch_records_max)

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> asyncio.Future[Any]:
        if not self._in_transaction:
            raise IllegalStateError("no transaction is under way")
        if self.failed_for_good:
            raise ProducerFenced
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        tp = TopicPartition(topic, partition)
        if tp not in self._queues:
            self._queues[tp] = deque()
        self._queues[tp].append((batch.records, answer))
        if len(self._queues[tp]) == 1:
            task = asyncio.create_task(self._send(tp))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return answer

    async def _send(self, tp: TopicPartition) -> None:
        network, queue = self._network, self._queues[tp]
        while queue:
            records, answer = queue[0]
            try:
                if network.fails(network.faults.send):
                    raise Injected("a batch was refused")
                offset = await network.call(lambda r=records: network.log.produce(self._id, self._epoch, tp, r))  # type: ignore[misc]
            except ConcurrentTransactions:  # The markers of the last one are still being written.
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            except KafkaError as error:
                self.failed_for_good |= isinstance(error, ProducerFenced)
                answer.set_exception(error)
            else:
                answer.set_result(Written(offset))
            queue.popleft()

    async def commit_transaction(self) -> None:
        network = self._network
        if self._sending:
            await asyncio.wait(self._sending)
        if self.failed_for_good:
            raise ProducerFenced
        if network.fails(network.faults.commit_refused):
            raise Injected("the commit was refused")
        try:
            await network.call(lambda: network.log.end(self._id, self._epoch, commit=True))
        except ProducerFenced:
            self.failed_for_good = True
            raise
        if network.fails(network.faults.commit_unheard):
            raise Injected("the answer to the commit was lost")
        self._in_transaction = False


class Reader:
    """As aiokafka's consumer without a group. Also reads the inputs for a simulated worker."""

    def __init__(self, network: Network, isolation: str, records_max: int) -> None:
        self._network = network
        self._committed = isolation == READ_COMMITTED
        self._records_max = records_max
        self._positions: dict[TopicPartition, int | None] = {}

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        """Nothing to disconnect from."""

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        self._positions = dict.fromkeys(partitions)

    def unsubscribe(self) -> None:
        self._positions = {}

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        log = self._network.log
        return await self._network.call(lambda: {tp: log.partitions[tp].first for tp in partitions})

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        logs = self._network.log.partitions
        if self._committed:
            return await self._network.call(lambda: {tp: logs[tp].stable for tp in partitions})
        return await self._network.call(lambda: {tp: logs[tp].next for tp in partitions})

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._positions[partition] = offset

    async def position(self, partition: TopicPartition) -> int:
        position = self._positions[partition]
        if position is None:
            raise IllegalStateError(f"{partition} has no position")
        return position

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int) -> Mapping[TopicPartition, Sequence[Entry]]:
        found = await self.pop(sorted(partitions))
        if not found:
            await asyncio.sleep(timeout_ms / 1000)
        return found

    async def pop(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, list[Entry]]:
        """Fetch, and move the positions in the step in which this returns. A seek meanwhile makes it nothing."""
        asked = {tp: position for tp in partitions if (position := self._positions.get(tp)) is not None}
        logs, most = self._network.log.partitions, self._records_max

        def fetch() -> dict[TopicPartition, tuple[list[Entry], int]]:
            return {tp: logs[tp].read(position, committed=self._committed, most=most) for tp, position in asked.items()}

        fetched = await self._network.call(fetch)
        found: dict[TopicPartition, list[Entry]] = {}
        for tp, (records, position) in fetched.items():
            if self._positions.get(tp) == asked[tp]:
                self._positions[tp] = position
                if records:
                    found[tp] = records
        return found

    def at(self, tp: TopicPartition, otherwise: int = -1) -> int:
        """The position of a partition, or `otherwise` when it has none."""
        position = self._positions.get(tp)
        return otherwise if position is None else position


class SimulatedClients:
    """See workers.clients.Clients. Small batches, so that a transaction is many."""

    isolation = READ_COMMITTED

    def __init__(self, network: Network, *, batch_records_max: int = 3, fetch_records_max: int = 7) -> None:
        self.network = network
        self._batch_records_max = batch_records_max
        self._fetch_records_max = fetch_records_max

    def producer(
        self,
        transactional_id: str,
        *,
        transaction_timeout_seconds: float,  # noqa: ARG002 - one for all: see SimulatedLog.expire
    ) -> _Producer:
        """See Clients."""
        return _Producer(self.network, transactional_id, self._batch_records_max)

    def consumer(self) -> Reader:
        """See Clients."""
        return Reader(self.network, self.isolation, self._fetch_records_max)
