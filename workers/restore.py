"""From the changelog to the state: the records up to the last stable offset, and where the inputs go on.

Called only after the partition's producer has fenced whoever wrote before, so that what is read cannot grow.

Invariants:
  R1 only committed records are restored
  R2 held state is used only when nothing of it can have been compacted away unseen: it is younger than the
     changelog keeps tombstones, and not beyond the changelog's end
  R3 a stored position that its log does not hold is never moved silently
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import structlog
from aiokafka import TopicPartition

from workers.clients import Clients, ConsumerClient
from workers.fatal import Refusal
from workers.partition import Partition
from workers.positions import POSITIONS_KEY, Gap, JournalRecord, Positions
from workers.store.port import Mark

CLOCK_AHEAD_US_MAX: Final = 5 * 60 * 1_000_000
"""How far the state may be ahead of this machine's clock."""

_LOOK_BACK_OFFSETS: Final = 16
"""Behind these many a topic's latest record is looked for first."""

_log = structlog.stdlib.get_logger(__name__)


@asynccontextmanager
async def reader(clients: Clients) -> AsyncIterator[ConsumerClient]:
    """A consumer that is started, and stopped at the end."""
    consumer = clients.consumer()
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def restore(
    consumer: ConsumerClient, changelog: str, partitions: Sequence[Partition], *, now_us: int, held_max_us: int
) -> int:
    """Bring the state of the partitions up to date, and return how many records were read.

    `held_max_us` is how old held state may be (R2).
    """
    by_tp = {TopicPartition(changelog, partition.number): partition for partition in partitions}
    consumer.assign(list(by_tp))
    first = await consumer.beginning_offsets(list(by_tp))
    end = await consumer.end_offsets(list(by_tp))  # With read_committed: the last stable offset.
    for tp, partition in by_tp.items():
        _check_held(partition, first[tp], end[tp], now_us=now_us, held_max_us=held_max_us)
        consumer.seek(tp, max(partition.store.mark.changelog_next, first[tp]))
    count = 0
    left = {tp for tp in by_tp if await consumer.position(tp) < end[tp]}
    while left:
        for tp, records in (await consumer.getmany(*left, timeout_ms=200)).items():
            _apply(by_tp[tp], records, changelog_next=await consumer.position(tp), now_us=now_us)
            count += len(records)
        for tp in list(left):
            # Moves over transaction markers and aborted records too.
            if await consumer.position(tp) >= end[tp]:
                left.discard(tp)
    for tp, partition in by_tp.items():
        partition.store.apply({}, Mark(await consumer.position(tp), now_us, partition.store.mark.positions))
    consumer.unsubscribe()
    return count


def _check_held(partition: Partition, first: int, end: int, *, now_us: int, held_max_us: int) -> None:
    mark = partition.store.mark
    age_us = now_us - mark.current_at_us
    if not mark.current_at_us:
        return
    if age_us > held_max_us:
        reason = "it is older than deletions are kept"
    elif age_us < -CLOCK_AHEAD_US_MAX:
        reason = "it is of a time to come: nobody knows how old it is"
    elif not first <= mark.changelog_next <= end:
        reason = f"it goes on at offset {mark.changelog_next}, the changelog has {first} to {end}"
    else:
        return
    _log.warning("threw state away", partition=partition.number, reason=reason)
    partition.forget()


def _apply(partition: Partition, records: Sequence[Any], *, changelog_next: int, now_us: int) -> None:
    mark = partition.store.mark
    writes = {record.key: record.value for record in records}
    stored = writes.pop(POSITIONS_KEY, mark.positions)
    # A part of the changelog is as old as the oldest that was read of it: a deletion that was still to be read then
    # may be compacted away before somebody goes on from here.
    partition.store.apply(writes, Mark(changelog_next, mark.current_at_us or now_us, stored))
    if stored is not None and stored is not mark.positions:
        partition.positions = Positions.decode(stored)


class Lost(NamedTuple):
    """A gap that was not accepted."""

    name: str
    """By which it is accepted."""
    sentence: str


async def locate(
    consumer: ConsumerClient,
    partition: Partition,
    *,
    topics: Mapping[str, str],
    partition_count: int,
    app: str,
    accept_missing_range: Collection[str],
) -> list[Lost]:
    """Settle where each input goes on, and keep it in `partition.positions`, unless something is lost.

    `topics` maps topic words to full names, in their order. A topic that the state does not know starts at its
    earliest record. Where a log does not hold a stored position any more, it goes on behind the gap: it notes those
    that `accept_missing_range` names, and answers the others, with which nobody may go on (see refuse_lost).
    """
    stored = partition.positions
    tps = {word: TopicPartition(name, partition.number) for word, name in topics.items()}
    first = await consumer.beginning_offsets(list(tps.values()))
    end = await consumer.end_offsets(list(tps.values()))
    positions: dict[str, int] = {}
    lost: list[Lost] = []
    for word, tp in tps.items():
        position = first[tp] if stored is None else stored.next.get(word, first[tp])
        gap = _missing(word, position, first[tp], end[tp])
        if gap is not None:
            position = gap.next
            if gap.named(tp.partition) in accept_missing_range:
                _log.warning(
                    "accepted a missing range", topic=tp.topic, partition=tp.partition, first=gap.first, next=gap.next
                )
                partition.missing.append(gap)
            else:
                lost.append(Lost(gap.named(tp.partition), _missing_sentence(tp, gap)))
        positions[word] = position
    if lost:
        # The positions stay: a revocation may come before the refusal does, and then the gap has to be found again.
        return lost
    partition.positions = Positions(
        next=positions,
        now_us=stored.now_us if stored else 0,
        sequence=stored.sequence if stored else 0,
        programs=stored.programs if stored else {},
        partitions=partition_count,
        app=app,
    )
    return lost


def refuse_lost(lost: Sequence[Lost]) -> None:
    """Raises Refusal when anything is lost that nobody has accepted by its name."""
    if lost:
        more = f" (and {len(lost) - 1} more like it)" if len(lost) > 1 else ""
        names = ",".join(each.name for each in lost)
        raise Refusal(
            f"{lost[0].sentence}{more}",
            hint=f"bring the records back, or go on without them with LOYALTY_ACCEPT_MISSING_RANGE={names}",
        )


def check_state(stored: Positions | None, *, partition_count: int, app: str, now_us: int) -> None:
    """Raises Refusal when a partition's state is not for this worker to go on with.

    That is: it was written with another number of partitions, by workers of another app, or under a clock that is
    ahead of ours, whose `now` would decide everything until ours has come there.
    """
    if stored is None:
        return
    _check_count(stored.partitions, partition_count)
    if stored.app not in {"", app}:
        raise Refusal(
            f"the state under this prefix belongs to the app {stored.app}, this worker is of the app {app}",
            hint=f"set LOYALTY_APP_ID={stored.app}, or start another engine under another LOYALTY_PREFIX",
        )
    if stored.now_us - now_us > CLOCK_AHEAD_US_MAX:
        raise Refusal(
            f"the state was written {(stored.now_us - now_us) // 1_000_000} s ahead of this machine's clock",
            hint="set the clocks of all workers by the same time server; if another one was wrong, wait until then",
        )


async def check_counts(consumer: ConsumerClient, journal: str, *, partition_count: int) -> None:
    """Raises Refusal when a batch of any partition, owned or not, was written with another number of partitions.

    To be asked for a partition that has no state. It may be new because the topics have grown: then its members have
    their accounts elsewhere.
    """
    tps = [TopicPartition(journal, number) for number in range(partition_count)]
    consumer.assign(tps)
    first = await consumer.beginning_offsets(tps)
    end = await consumer.end_offsets(tps)
    for tp in tps:
        latest = await _latest(consumer, tp, first[tp], end[tp])
        if latest is not None:
            _check_count(JournalRecord.decode(latest).partitions, partition_count)
    consumer.unsubscribe()


async def _latest(consumer: ConsumerClient, tp: TopicPartition, first: int, end: int) -> bytes | None:
    """The value of the latest record; None when there is none."""
    back = _LOOK_BACK_OFFSETS
    while first < end:
        start = max(first, end - back)
        consumer.seek(tp, start)
        latest: bytes | None = None
        while await consumer.position(tp) < end:
            for records in (await consumer.getmany(tp, timeout_ms=200)).values():
                latest = records[-1].value
        if latest is not None or start == first:
            return latest
        back *= _LOOK_BACK_OFFSETS  # Nothing but markers and what was aborted.
    return None


def _check_count(stored: int, partition_count: int) -> None:
    if stored != partition_count:
        raise Refusal(
            f"the state was written with {stored} partitions a topic, now there are {partition_count}",
            hint="members would move to other partitions: go back to the old number, or start under a new prefix",
        )


def _missing(topic: str, position: int, first: int, end: int) -> Gap | None:
    """The range from the stored position to where the log goes on; None when the log holds the position."""
    if first <= position <= end:
        return None
    # Behind the end: the topic is another one than the state has seen, so it is taken from its start.
    return Gap(topic, position, first)


def _missing_sentence(tp: TopicPartition, gap: Gap) -> str:
    name = f"{tp.topic}-{tp.partition}"
    if gap.first < gap.next:
        return f"{name}: the state goes on at offset {gap.first}, but the log starts at {gap.next}: the range is lost"
    return f"{name}: the state goes on at offset {gap.first}, beyond the end of the log: the topic was made anew"
