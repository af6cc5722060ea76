"""What a batch leaves behind when its transaction is done."""

import gc
import weakref
from collections.abc import Iterator
from random import Random

import pytest
from prometheus_client import CollectorRegistry

from loyalty.plan import Programs
from tests.loyalty.books import program
from tests.loyalty.events import NOON, micros, purchase
from tests.simulation.clients import Faults, Network, SimulatedClients
from tests.simulation.log import SimulatedLog
from tests.simulation.loop import VirtualLoop
from workers.batch import Engine
from workers.checkpoint import Protocol
from workers.lanes import Taken
from workers.metrics import Metrics
from workers.partition import Partition
from workers.positions import Positions
from workers.producer import TransactionalProducer
from workers.records import Record
from workers.store.memory import MemoryStore

NOW_US = micros(NOON)


class Records(list[Record]):
    """A list that can be asked whether it is still there."""


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collector")
def test_a_batch_is_gone_as_soon_as_it_is_done() -> None:
    """The worker looks for cycles so rarely that batches in cycles would pile up to gigabytes."""
    loop = VirtualLoop(Random(1))
    log = SimulatedLog(lambda do: network.after(network.latency(), do), loop.time)
    network = Network(log, Random(2), Faults())
    for topic in ("purchases", "ledger", "balances", "accounts", "journal"):
        log.create(topic, 1)
    protocol = Protocol(
        decider=Engine(Programs([program()]), partitions=1), clock=lambda: NOW_US, metrics=Metrics(CollectorRegistry())
    )

    async def script() -> tuple[int, list[object]]:
        producer = TransactionalProducer(
            SimulatedClients(network), transactional_id="p", prefix="", transaction_timeout_seconds=10
        )
        await producer.start()
        partition = Partition(0, MemoryStore(0), positions=positions(), producer=producer)
        batches = [
            Records([Record("purchases", 0, number, NOW_US // 1000, b"m1", purchase(f"e{number}", 100))])
            for number in range(3)
        ]
        seen = [weakref.ref(batch) for batch in batches]
        while batches:
            await protocol.run(partition, Taken(batches.pop(0), [], {}, []))
        return partition.owned().sequence, [each() for each in seen]

    assert loop.run(script(), seconds=100) == (3, [None, None, None])
    loop.bury()


def positions() -> Positions:
    return Positions(next={"purchases": 0}, now_us=0, sequence=0, programs={}, partitions=1)
