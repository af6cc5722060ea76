"""A partition without state is new, or the topics have grown: the journals of the others tell."""

from collections.abc import Callable
from random import Random

import pytest
from aiokafka import TopicPartition

from tests.simulation.clients import Faults, Network, SimulatedClients
from tests.simulation.log import New, SimulatedLog
from tests.simulation.loop import VirtualLoop
from workers.fatal import Refusal
from workers.positions import JournalRecord
from workers.restore import check_counts, reader

TOPIC = "journal"
Fill = Callable[[SimulatedLog], None]


def batch(partitions: int) -> New:
    record = JournalRecord(sequence=1, now_us=1, runs=[], programs={}, partitions=partitions)
    return New(0, None, record.encode())


def transaction(log: SimulatedLog, number: int, record: New, *, commit: bool = True) -> None:
    epoch = log.init_producer("writer")
    log.produce("writer", epoch, TopicPartition(TOPIC, number), [record])
    log.end("writer", epoch, commit=commit)


def nothing(_: SimulatedLog) -> None:
    """A new engine."""


def as_now(log: SimulatedLog) -> None:
    for _ in range(40):
        transaction(log, 0, batch(3))


def grown(log: SimulatedLog) -> None:
    transaction(log, 1, batch(2))


def grown_long_ago(log: SimulatedLog) -> None:
    transaction(log, 1, batch(2))
    for _ in range(300):  # Behind it is nothing that a reader may see.
        transaction(log, 1, batch(3), commit=False)


def put_right(log: SimulatedLog) -> None:
    transaction(log, 1, batch(2))
    transaction(log, 1, batch(3))


@pytest.mark.parametrize(
    ("fill", "refused"), [(nothing, False), (as_now, False), (grown, True), (grown_long_ago, True), (put_right, False)]
)
def test_the_latest_batch_of_each_partition_says_how_many_there_were(fill: Fill, refused: bool) -> None:
    loop = VirtualLoop(Random(1))
    log = SimulatedLog(lambda do: do(), loop.time)
    log.create(TOPIC, 3)
    network = Network(log, Random(1), Faults())

    async def look() -> None:
        fill(log)
        async with reader(SimulatedClients(network)) as consumer:
            await check_counts(consumer, TOPIC, partition_count=3)

    if refused:
        with pytest.raises(Refusal, match="written with 2 partitions a topic, now there are 3"):
            loop.run(look(), seconds=60)
    else:
        loop.run(look(), seconds=60)
