"""The clients that the worker writes and restores with: what it asks of them, and how they are made for a cluster.

The protocol (producer.py, restore.py, ownership.py) knows these ports alone. So the very same code runs on a cluster
and on a simulated log, and one contract says for both what a log has to do.

Not here: how the inputs are read, which is Faust's (transport.py).
"""

from asyncio import Future
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import aiokafka.producer.sender
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder

from workers.connection import Connection
from workers.records import Out

_BATCH_BYTES: Final = 900 * 1024
"""Of one record batch: below what a topic takes by default (1 MiB). A larger record travels alone."""

_NO_COMPRESSION: Final = 0

_NO_HEADERS: Final[list[tuple[str, bytes]]] = []

_MARKERS_WAIT_SECONDS: Final = 0.002
"""Between tries to begin while the last transaction's markers are written. aiokafka waits 20 ms."""

_PARTITION_FETCH_BYTES: Final = 8 << 20
_FETCH_BYTES: Final = 64 << 20


class BatchClient(Protocol):
    """Records for one topic and partition, in the making."""

    def extend(self, records: Sequence[Out], *, timestamp_ms: int) -> int:
        """Add records in their order for as long as they fit, and answer how many. An empty batch takes any one."""
        ...

    def close(self) -> None:
        """Take no more."""
        ...


class ProducerClient(Protocol):
    """A transactional producer. Every call may raise KafkaError."""

    @property
    def failed_for_good(self) -> bool:
        """Whether it was fenced, or failed in another way that it cannot come back from."""
        ...

    async def start(self) -> None:
        """Connect, fence whoever had the transactional id before, and end the transaction that one left open."""
        ...

    async def stop(self) -> None:
        """Disconnect. An open transaction is left as it is."""
        ...

    async def begin_transaction(self) -> None:
        """Begin."""
        ...

    async def commit_transaction(self) -> None:
        """Commit, whether or not every batch of it was written."""
        ...

    def create_batch(self) -> BatchClient:
        """An empty batch."""
        ...

    async def send_batch(self, batch: BatchClient, topic: str, *, partition: int) -> Future[Any]:
        """Hand a batch over. The future answers with the `offset` of its first record, or raises."""
        ...


class ConsumerClient(Protocol):
    """A consumer without a group that reads committed records and never resets a position."""

    async def start(self) -> None:
        """Connect."""
        ...

    async def stop(self) -> None:
        """Disconnect."""
        ...

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Read these from now on."""
        ...

    def unsubscribe(self) -> None:
        """Read nothing any more."""
        ...

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The first offset that each log holds."""
        ...

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The last stable offset of each log: below it every transaction has ended."""
        ...

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on at an offset."""
        ...

    async def position(self, partition: TopicPartition) -> int:
        """Where the next record is looked for. It moves over transaction markers and aborted records, too."""
        ...

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int) -> Mapping[TopicPartition, Sequence[Any]]:
        """Records of partitions that have some. Raises when a log does not hold the position."""
        ...


class Clients(Protocol):
    """Makes clients. Nothing connects before `start` of what was made."""

    def producer(self, transactional_id: str, *, transaction_timeout_seconds: float) -> ProducerClient:
        """A producer. The timeout bounds how long a transaction that nobody ends holds up readers."""
        ...

    def consumer(self) -> ConsumerClient:
        """A consumer."""
        ...


class KafkaBatch(BatchBuilder):  # type: ignore[misc]  # It has no types.
    """aiokafka's batch, which takes many records at a time: one by one costs three times as much."""

    _relative_offset: int

    def __init__(self, *, is_transactional: bool = True) -> None:
        super().__init__(_BATCH_BYTES, _NO_COMPRESSION, is_transactional=is_transactional)

    def extend(self, records: Sequence[Out], *, timestamp_ms: int) -> int:
        """See BatchClient."""
        append, first = self._builder.append, self._relative_offset
        offset = first
        for record in records:
            headers = list(record.headers) if record.headers else _NO_HEADERS
            if append(offset, timestamp_ms, record.key, record.value, headers) is None:
                break
            offset += 1
        self._relative_offset = offset
        return offset - first


class _KafkaProducer(AIOKafkaProducer):  # type: ignore[misc]  # It has no types.
    """aiokafka's producer, which tells whether it can go on."""

    @property
    def failed_for_good(self) -> bool:
        """Whether it cannot come back from its failure."""
        return bool(self._txn_manager.is_fatal_error())

    def create_batch(self) -> BatchClient:
        """See ProducerClient."""
        made: BatchClient = KafkaBatch()
        return made


class KafkaClients:
    """aiokafka's clients for a cluster."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def producer(self, transactional_id: str, *, transaction_timeout_seconds: float) -> ProducerClient:
        """See Clients."""
        # A module variable is the only way to it.
        aiokafka.producer.sender.BACKOFF_OVERRIDE = _MARKERS_WAIT_SECONDS
        made: ProducerClient = _KafkaProducer(
            **self._connection.aiokafka(),
            client_id=transactional_id,
            transactional_id=transactional_id,
            transaction_timeout_ms=int(transaction_timeout_seconds * 1000),
            acks="all",
            max_batch_size=_BATCH_BYTES,
        )
        return made

    def consumer(self) -> ConsumerClient:
        """See Clients."""
        made: ConsumerClient = AIOKafkaConsumer(
            **self._connection.aiokafka(),
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="none",
            max_partition_fetch_bytes=_PARTITION_FETCH_BYTES,
            fetch_max_bytes=_FETCH_BYTES,
            fetch_max_wait_ms=50,
        )
        return made
