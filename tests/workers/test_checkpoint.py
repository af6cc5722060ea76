"""A batch is gone once it is done: what it read and wrote is let go of without the collector of cycles."""

import gc
import weakref
from random import Random

from prometheus_client import CollectorRegistry

from loyalty.plan import Programs
from tests.loyalty.books import program
from tests.loyalty.events import NOON, micros, purchase
from tests.simulation.clients import Faults, Network, SimulatedClients
from tests.simulation.log import SimulatedLog
from tests.simulation.loop import VirtualLoop
from workers.batch import Engine
from workers.checkpoint import Checkpoint, Protocol
from workers.lanes import Taken
from workers.metrics import Metrics
from workers.partition import Partition
from workers.positions import Positions, Run
from workers.producer import TransactionalProducer
from workers.records import Record
from workers.store.memory import MemoryStore
from workers.topic_words import REQUIRED

NOW_US = micros(NOON)


def test_a_batch_that_is_done_holds_nothing_any_more() -> None:
    """A worker collects cycles rarely. Batches that waited for it held megabytes each: hundreds of them at a time."""
    loop = VirtualLoop(Random(1))
    log = SimulatedLog(lambda do: do(), loop.time)
    for word in REQUIRED:
        log.create(f"loyalty.{word}", 1)
    clients = SimulatedClients(Network(log, Random(1), Faults()))
    partition = Partition(0, MemoryStore(0))
    partition.positions = Positions(next={"purchases": 0}, now_us=0, sequence=0, programs={}, partitions=1)
    metrics = Metrics(CollectorRegistry())
    protocol = Protocol(decider=Engine(Programs([program()]), partitions=1), clock=lambda: NOW_US, metrics=metrics)

    async def batch() -> weakref.ref[Checkpoint]:
        partition.producer = TransactionalProducer(
            clients, transactional_id="loyalty.partition-0", prefix="loyalty.", transaction_timeout_seconds=15
        )
        await partition.producer.start()
        records = [Record("purchases", 0, 0, NOW_US // 1000, b"m1", purchase("e1", 100))]
        taken = Taken(records, [Run("purchases", 0, 1, 1)], {"purchases": 1}, [])
        checkpoint = Checkpoint(protocol, partition, taken)
        await checkpoint.run()
        return weakref.ref(checkpoint)

    gc.collect()
    gc.disable()
    try:
        done = loop.run(batch(), seconds=60)
        assert done() is None
    finally:
        gc.enable()
    assert partition.owned().sequence == 1
    assert partition.store.accounts == 1
