"""State that a worker kept while others owned the partition: used only when nothing can have gone unseen."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

import pytest
from aiokafka import TopicPartition
from typing_extensions import override

from tests.simulation.clients import READ_COMMITTED, Faults, Network, Reader, SimulatedClients
from tests.simulation.log import Entry, New, SimulatedLog
from tests.simulation.loop import VirtualLoop
from workers.partition import Partition
from workers.positions import POSITIONS_KEY, Positions
from workers.restore import CLOCK_AHEAD_US_MAX, reader, restore
from workers.store.memory import MemoryStore
from workers.store.port import Mark

TP = TopicPartition("accounts", 0)
HELD_US_MAX = 1_000
FIRST_US = 1_000_000_000
"""When the first restore is."""


class Restored(NamedTuple):
    """What a second restore found."""

    read: int
    keys: set[bytes]
    sequence: int


def positions(sequence: int) -> New:
    stored = Positions(next={}, now_us=0, sequence=sequence, programs={}, partitions=1)
    return New(0, POSITIONS_KEY, stored.encode())


def twice(*, later_us: int, cleaned: bool = False, anew: bool = False, cut: bool = False) -> Restored:
    """Restore, let others delete one record and write another, and restore again.

    `cleaned`: the log cleaner has removed the deletion and what it deleted. `anew`: the topic was made anew, and is
    shorter. `cut`: the log begins behind what was held.
    """
    loop = VirtualLoop(Random(1))
    log = SimulatedLog(lambda do: do(), loop.time)
    log.create(TP.topic, 1)
    log.append(TP, [New(0, b"a", b"1"), New(0, b"b", b"1"), positions(1)])
    partition = Partition(0, MemoryStore(0))
    network = Network(log, Random(1), Faults())

    async def again(now_us: int) -> int:
        async with reader(SimulatedClients(network)) as consumer:
            return await restore(consumer, TP.topic, [partition], now_us=now_us, held_max_us=HELD_US_MAX)

    assert loop.run(again(FIRST_US), seconds=60) == 3
    log.append(TP, [New(0, b"a", None), New(0, b"c", b"1"), positions(2)])
    changelog = log.partitions[TP]
    if cleaned:
        changelog.entries = [entry for entry in changelog.entries if entry.key != b"a"]
    if anew:
        changelog.entries, changelog.next = [], 0
        log.append(TP, [positions(1)])
    if cut:
        changelog.drop_before(4)
    read = loop.run(again(FIRST_US + later_us), seconds=60)
    held = {key for key in (b"a", b"b", b"c") if partition.store.get(key) is not None}
    return Restored(read, held, partition.owned().sequence)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (twice(later_us=HELD_US_MAX), Restored(3, {b"b", b"c"}, 2)),
        (twice(later_us=HELD_US_MAX + 1), Restored(6, {b"b", b"c"}, 2)),
        (twice(later_us=HELD_US_MAX + 1, cleaned=True), Restored(4, {b"b", b"c"}, 2)),
        (twice(later_us=-CLOCK_AHEAD_US_MAX), Restored(3, {b"b", b"c"}, 2)),
        (twice(later_us=-CLOCK_AHEAD_US_MAX - 1), Restored(6, {b"b", b"c"}, 2)),
        (twice(later_us=1, anew=True), Restored(1, set(), 1)),
        (twice(later_us=1, cut=True), Restored(2, {b"c"}, 2)),
    ],
    ids=[
        "young: only what is new",
        "too old: all of it",
        "a deletion gone unseen",
        "of a clock ahead",
        "of a wrong clock",
        "made anew",
        "begins behind it",
    ],
)
def test_held_state_is_used_only_when_nothing_can_have_gone_unseen(found: Restored, expected: Restored) -> None:
    assert found == expected


class Killed(Exception):
    """Stands for the end of the process between two polls."""


class CutShort(Reader):
    """Reads once."""

    polls = 0

    @override
    async def getmany(self, *partitions: TopicPartition, timeout_ms: int) -> Mapping[TopicPartition, Sequence[Entry]]:
        self.polls += 1
        if self.polls > 1:
            raise Killed
        return await super().getmany(*partitions, timeout_ms=timeout_ms)


@pytest.mark.parametrize(
    ("later_us", "read"), [(HELD_US_MAX, 2), (HELD_US_MAX + 1, 5)], ids=["young: the rest", "too old: all of it"]
)
def test_a_restore_that_was_cut_short_goes_on_from_there_for_as_long_as_held_state_is_used(
    later_us: int, read: int
) -> None:
    """However often that is, it counts when the first began: from then on a deletion of what it read may go unseen."""
    loop = VirtualLoop(Random(1))
    log = SimulatedLog(lambda do: do(), loop.time)
    log.create(TP.topic, 1)
    log.append(TP, [New(0, b"a", b"1"), New(0, b"b", b"1"), New(0, b"c", b"1"), positions(1)])
    partition = Partition(0, MemoryStore(0))
    network = Network(log, Random(1), Faults())

    async def run(consumer: Reader, now_us: int) -> int:
        return await restore(consumer, TP.topic, [partition], now_us=now_us, held_max_us=HELD_US_MAX)

    with pytest.raises(Killed):
        loop.run(run(CutShort(network, READ_COMMITTED, records_max=2), FIRST_US), seconds=60)
    assert (partition.store.mark, len(partition.store)) == (Mark(2, FIRST_US, None), 2)
    with pytest.raises(Killed):
        loop.run(run(CutShort(network, READ_COMMITTED, records_max=1), FIRST_US + 1), seconds=60)
    assert (partition.store.mark, len(partition.store)) == (Mark(3, FIRST_US, None), 3)
    log.append(TP, [New(0, b"a", None)])
    assert loop.run(run(Reader(network, READ_COMMITTED, records_max=2), FIRST_US + later_us), seconds=60) == read
    held = {key: partition.store.get(key) for key in (b"a", b"b", b"c")}
    assert held == {b"a": None, b"b": b"1", b"c": b"1"}
    assert partition.store.mark.current_at_us == FIRST_US + later_us
    assert partition.owned().sequence == 1
