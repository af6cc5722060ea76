"""Our worker with its transactions taken out, to see what they cost. For measurements alone: it may double and lose.

Not a setting of the worker: what is swapped here is the port that it writes through. Everything else is the same,
down to every future that is awaited.
"""

import sys

from aiokafka import AIOKafkaProducer
from typing_extensions import override

from workers import clients, wire
from workers.clients import BatchClient, KafkaBatch, KafkaClients, ProducerClient
from workers.commands.worker import run


class _PlainProducer(AIOKafkaProducer):  # type: ignore[misc]  # It has no types.
    """Writes at once; to begin and to commit is nothing."""

    failed_for_good = False

    def create_batch(self) -> BatchClient:
        """The worker's own batches, which belong to no transaction."""
        return KafkaBatch(is_transactional=False)

    async def begin_transaction(self) -> None:
        """Nothing to begin."""

    async def commit_transaction(self) -> None:
        """Nothing to commit: every send has been awaited."""


class PlainClients(KafkaClients):
    """The worker's clients, but for the producer."""

    @override
    def producer(self, transactional_id: str, *, transaction_timeout_seconds: float) -> ProducerClient:
        """A producer without transactions."""
        made: ProducerClient = _PlainProducer(
            **self._connection.aiokafka(),
            client_id=transactional_id,
            acks="all",
            max_batch_size=clients._BATCH_BYTES,  # noqa: SLF001 - the same batches
        )
        return made


if __name__ == "__main__":
    setattr(wire, "KafkaClients", PlainClients)  # noqa: B010 - this is the swap, and no type checker should like it
    sys.exit(run())
