"""A range that retention took is refused until it is accepted by its name, however often it is met."""

from random import Random

import pytest
from aiokafka import TopicPartition

from tests.simulation.clients import Faults, Network, SimulatedClients
from tests.simulation.log import New, SimulatedLog
from tests.simulation.loop import VirtualLoop
from workers.partition import Partition
from workers.positions import Gap, Positions
from workers.restore import Lost, locate, reader
from workers.store.memory import MemoryStore

TOPICS = {"purchases": "t.purchases", "inbox": "t.inbox"}
NAME = "purchases-0:1-3"


def looked(partition: Partition, *, accepted: frozenset[str] = frozenset()) -> list[Lost]:
    """What is found when the log of purchases holds offsets 3 and 4."""
    loop = VirtualLoop(Random(1))
    log = SimulatedLog(lambda do: do(), loop.time)
    for name in TOPICS.values():
        log.create(name, 1)
    purchases = TopicPartition(TOPICS["purchases"], 0)
    log.append(purchases, [New(0, None, b"x")] * 5)
    log.partitions[purchases].drop_before(3)
    network = Network(log, Random(1), Faults())

    async def look() -> list[Lost]:
        async with reader(SimulatedClients(network)) as consumer:
            return await locate(
                consumer, partition, topics=TOPICS, partition_count=1, app="a", accept_missing_range=accepted
            )

    return loop.run(look(), seconds=60)


def held(position: int) -> Partition:
    positions = Positions(
        next={"purchases": position, "inbox": 0}, now_us=7, sequence=4, programs={}, partitions=1, app="a"
    )
    return Partition(0, MemoryStore(0), positions=positions)


@pytest.mark.parametrize(
    ("position", "lost"),
    [(1, [NAME]), (3, []), (5, []), (9, ["purchases-0:9-3"])],
    ids=["gone", "first", "end", "anew"],
)
def test_only_a_position_that_the_log_holds_is_gone_on_from(position: int, lost: list[str]) -> None:
    assert [each.name for each in looked(held(position))] == lost


def test_a_range_that_was_not_accepted_is_found_again() -> None:
    """A revocation may cut the refusal short; the partition is kept, and taken over again."""
    partition = held(1)
    assert [each.name for each in looked(partition)] == [NAME]
    assert [each.name for each in looked(partition)] == [NAME]
    assert partition.owned().next["purchases"] == 1


def test_an_accepted_range_is_passed_over_and_written_down() -> None:
    partition = held(1)
    assert looked(partition, accepted=frozenset({NAME})) == []
    assert partition.owned().next["purchases"] == 3
    assert partition.missing == [Gap("purchases", 1, 3)]
