"""The transactional producer of one partition number.

Starting it fences whoever wrote under the same id before, and ends the transaction that one left open.

Invariants:
  W1 a transaction commits only after every future of every record in it has been awaited: aiokafka would commit
     although a batch has failed
  W2 records of one topic and partition are written in the order given
"""

from asyncio import Future
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import aiokafka.producer.sender
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from config.topics import topic_name
from workers.connection import Connection
from workers.records import Out

_BATCH_BYTES: Final = 900 * 1024
"""Of one record batch: below what a topic takes by default (1 MiB). A larger record travels alone."""

_MARKERS_WAIT_SECONDS: Final = 0.002
"""Between tries to begin while the last transaction's markers are written. aiokafka waits 20 ms."""


class Target(NamedTuple):
    """Where records go: topic word and partition."""

    topic: str
    partition: int


class TransactionalProducer:
    """One transaction at a time, for one partition number.

    `transaction_timeout_seconds` bounds how long a transaction that nobody ends holds up read_committed consumers.
    """

    def __init__(
        self, connection: Connection, *, transactional_id: str, prefix: str, transaction_timeout_seconds: float
    ) -> None:
        self.transactional_id = transactional_id
        self._connection = connection
        self._prefix = prefix
        self._transaction_timeout_seconds = transaction_timeout_seconds
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect and fence. Raises KafkaError."""
        # A module variable is the only way to it.
        aiokafka.producer.sender.BACKOFF_OVERRIDE = _MARKERS_WAIT_SECONDS
        self._producer = AIOKafkaProducer(
            **self._connection.aiokafka(),
            client_id=self.transactional_id,
            transactional_id=self.transactional_id,
            transaction_timeout_ms=int(self._transaction_timeout_seconds * 1000),
            acks="all",
            max_batch_size=_BATCH_BYTES,
        )
        await self._producer.start()

    async def stop(self) -> None:
        """Disconnect. A transaction that is open is left to the next owner's fence."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    @property
    def healthy(self) -> bool:
        """False when not started, and once a write has failed for good."""
        if self._producer is None:
            return False
        return not self._producer._txn_manager.is_fatal_error()  # noqa: SLF001

    async def begin(self) -> None:
        """Begin a transaction. Raises KafkaError."""
        await self._started.begin_transaction()

    async def write(self, target: Target, records: Sequence[Out], *, timestamp_ms: int) -> list[Future[Any]]:
        """Hand over records for one topic and partition. The futures have to be awaited before the commit (W1)."""
        producer = self._started
        topic = topic_name(self._prefix, target.topic)
        futures: list[Future[Any]] = []
        batch = producer.create_batch()
        for record in records:
            if self._append(batch, record, timestamp_ms):
                continue
            batch.close()
            futures.append(await producer.send_batch(batch, topic, partition=target.partition))
            batch = producer.create_batch()
            if not self._append(batch, record, timestamp_ms):
                raise KafkaError(f"a record for {topic}-{target.partition} does not fit into an empty batch")
        if batch.record_count():
            batch.close()
            futures.append(await producer.send_batch(batch, topic, partition=target.partition))
        return futures

    async def commit(self) -> None:
        """Commit. Raises KafkaError, also when this producer has been fenced."""
        await self._started.commit_transaction()

    @property
    def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise KafkaError(f"the producer {self.transactional_id} is not started")
        return self._producer

    @staticmethod
    def _append(batch: Any, record: Out, timestamp_ms: int) -> bool:
        headers = [*record.headers]
        return batch.append(timestamp=timestamp_ms, key=record.key, value=record.value, headers=headers) is not None
