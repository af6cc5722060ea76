"""The transactional producer of one partition number.

Starting it fences whoever wrote under the same id before, and ends the transaction that one left open.

Invariants:
  W1 a transaction commits only after every future of every record in it has been awaited: aiokafka would commit
     although a batch has failed
  W2 records of one topic and partition are written in the order given
"""

from asyncio import Future
from collections.abc import Sequence
from typing import Any, NamedTuple

from aiokafka.errors import KafkaError

from config.topics import topic_name
from workers.clients import Clients, ProducerClient
from workers.records import Out


class Target(NamedTuple):
    """Where records go: topic word and partition."""

    topic: str
    partition: int


class TransactionalProducer:
    """One transaction at a time, for one partition number.

    `transaction_timeout_seconds` bounds how long a transaction that nobody ends holds up read_committed consumers.
    """

    def __init__(
        self, clients: Clients, *, transactional_id: str, prefix: str, transaction_timeout_seconds: float
    ) -> None:
        self.transactional_id = transactional_id
        self._clients = clients
        self._prefix = prefix
        self._transaction_timeout_seconds = transaction_timeout_seconds
        self._producer: ProducerClient | None = None

    async def start(self) -> None:
        """Connect and fence. Raises KafkaError."""
        self._producer = self._clients.producer(
            self.transactional_id, transaction_timeout_seconds=self._transaction_timeout_seconds
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
        return self._producer is not None and not self._producer.failed_for_good

    async def begin(self) -> None:
        """Begin a transaction. Raises KafkaError."""
        await self._started.begin_transaction()

    async def write(self, target: Target, records: Sequence[Out], *, timestamp_ms: int) -> list[Future[Any]]:
        """Hand over records for one topic and partition. The futures have to be awaited before the commit (W1)."""
        producer = self._started
        topic = topic_name(self._prefix, target.topic)
        futures: list[Future[Any]] = []
        while records:
            batch = producer.create_batch()
            taken = batch.extend(records, timestamp_ms=timestamp_ms)
            if not taken:
                raise KafkaError(f"a record for {topic}-{target.partition} does not fit into an empty batch")
            batch.close()
            futures.append(await producer.send_batch(batch, topic, partition=target.partition))
            records = records[taken:]
        return futures

    async def commit(self) -> None:
        """Commit. Raises KafkaError, also when this producer has been fenced."""
        await self._started.commit_transaction()

    @property
    def _started(self) -> ProducerClient:
        if self._producer is None:
            raise KafkaError(f"the producer {self.transactional_id} is not started")
        return self._producer
