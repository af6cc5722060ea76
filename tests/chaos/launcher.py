"""`loyalty worker`, with a switch that makes calls of its producers fail, and perhaps without a safeguard.

Run as `python -m tests.chaos.launcher`. Product code is not touched: the clients that it makes (workers/clients.py) are
wrapped. LOYALTY_TEST_SWITCH names the switch, a file: what is written in it happens once, at the next occasion.
LOYALTY_TEST_WITHOUT names a safeguard of tests/simulation/safeguards.py, which this process works without.
"""

import functools
import os
import signal
import sys
from asyncio import Future, get_running_loop
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError

import workers.wire
from tests.chaos.schedule import Refuse
from tests.simulation.safeguards import SAFEGUARDS
from workers.checkpoint import Stage
from workers.cli import main
from workers.clients import BatchClient, ConsumerClient, KafkaClients, ProducerClient
from workers.connection import Connection

SWITCH, WITHOUT = "LOYALTY_TEST_SWITCH", "LOYALTY_TEST_WITHOUT"
FENCING = "starting a producer fences the one before"
FREEZE = "freeze"
"""Written into the switch: stand still when the next transaction is written and not committed."""


class Switch:
    """A file that says what is to happen once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def thrown(self, what: str) -> bool:
        """Whether it is to happen now. It then does not happen again."""
        try:
            if self._path.read_text() != what:
                return False
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True


class FailingProducer:
    """A producer whose calls fail when the switch says so. See ProducerClient."""

    def __init__(self, real: ProducerClient, switch: Switch) -> None:
        self._real, self._switch = real, switch

    @property
    def failed_for_good(self) -> bool:
        return self._real.failed_for_good

    async def start(self) -> None:
        await self._real.start()

    async def stop(self) -> None:
        await self._real.stop()

    async def begin_transaction(self) -> None:
        self._fail(Refuse.BEGIN)
        await self._real.begin_transaction()

    async def commit_transaction(self) -> None:
        self._fail(Refuse.COMMIT_REFUSED)
        await self._real.commit_transaction()
        self._fail(Refuse.COMMIT_UNHEARD)

    def create_batch(self) -> BatchClient:
        return self._real.create_batch()

    async def send_batch(self, batch: BatchClient, topic: str, *, partition: int) -> Future[Any]:
        if self._switch.thrown(Refuse.SEND):
            lost: Future[Any] = get_running_loop().create_future()
            lost.set_exception(KafkaTimeoutError(f"the campaign fails: {Refuse.SEND}"))
            lost.exception()  # Whether anybody asks is the worker's business, not the loop's.
            return lost
        return await self._real.send_batch(batch, topic, partition=partition)

    def _fail(self, call: Refuse) -> None:
        if self._switch.thrown(call):
            raise KafkaTimeoutError(f"the campaign fails: {call}")


class FailingClients:
    """Clients of a cluster, with a switch. See Clients."""

    def __init__(self, connection: Connection, *, switch: Switch, fencing: bool) -> None:
        self._real, self._switch, self._fencing = KafkaClients(connection), switch, fencing
        self._made = 0

    def producer(self, transactional_id: str, *, transaction_timeout_seconds: float) -> ProducerClient:
        if not self._fencing:  # An id of its own: nobody ends what another has begun.
            self._made += 1
            transactional_id = f"{transactional_id}-{os.getpid()}-{self._made}"
        real = self._real.producer(transactional_id, transaction_timeout_seconds=transaction_timeout_seconds)
        return FailingProducer(real, self._switch)

    def consumer(self) -> ConsumerClient:
        return self._real.consumer()


def prepare(switch: Switch, without: str) -> None:
    """Put the switch into the product, and take a safeguard out of it."""
    fencing = without != FENCING
    if without and fencing:
        [safeguard] = [each for each in SAFEGUARDS if each.name == without]
        safeguard.without(pytest.MonkeyPatch())

    def freeze(stage: Stage, _partition: int) -> None:
        if stage is Stage.CONFIRM and switch.thrown(FREEZE):
            os.kill(os.getpid(), signal.SIGSTOP)

    made: Any = functools.partial(FailingClients, switch=switch, fencing=fencing)
    workers.wire.KafkaClients = made  # type: ignore[attr-defined]
    workers.wire.wire = functools.partial(workers.wire.wire, probe=freeze)


if __name__ == "__main__":
    prepare(Switch(Path(os.environ[SWITCH])), os.environ.get(WITHOUT, ""))
    sys.argv = ["loyalty", "worker"]
    main()
