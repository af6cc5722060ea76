"""Every safeguard of the worker, and how to run without it: the simulation has to see that it is gone.

A safeguard is taken away by a small patch of the worker's own code, or of what it stands on. `SAFEGUARDS` is the table
that the test and docs/reliability.md follow.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import pytest
from aiokafka import TopicPartition

import loyalty.decide
import workers.batch
import workers.checkpoint
import workers.ownership
import workers.restore
from loyalty.account import Head, State
from loyalty.decisions import Decision
from loyalty.facts import Fact, Purchase
from loyalty.plan import Programs
from schemas.decode import Known
from tests.simulation.clients import READ_UNCOMMITTED, SimulatedClients
from tests.simulation.worker import SimulatedWorker
from workers.batch import Engine
from workers.checkpoint import Checkpoint, Protocol, Stage
from workers.clients import ConsumerClient
from workers.lanes import Acknowledge, Lane, Lanes, Poll, Stamps, Taken, _Waiting
from workers.ownership import Ownership
from workers.partition import Partition
from workers.positions import POSITIONS_KEY, Gap
from workers.producer import Target, TransactionalProducer
from workers.records import Out
from workers.topic_words import ACCOUNTS

Patch = Callable[[pytest.MonkeyPatch], None]


class Safeguard(NamedTuple):
    """What is taken away, and by which patch. `seeds_max`: within how many seeds the simulation has to see it."""

    name: str
    without: Patch
    seeds_max: int = 1_000


# ------------------------------------------------------------------ writing
def _no_fencing(patch: pytest.MonkeyPatch) -> None:
    """Each worker writes under a transactional id of its own: nobody ends what another has begun."""
    count = iter(range(1_000_000_000))
    made = TransactionalProducer.__init__

    def init(self: TransactionalProducer, clients: Any, *, transactional_id: str, **named: Any) -> None:
        made(self, clients, transactional_id=f"{transactional_id}-{next(count)}", **named)

    patch.setattr(TransactionalProducer, "__init__", init)


def _in_order(*stages: Stage) -> Patch:
    """The stages in another order."""

    def without(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(workers.checkpoint, "Stage", _Stages(stages))

    return without


class _Stages:
    """Stands for the enum where its order matters."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = stages

    def __iter__(self) -> Any:
        return iter(self._stages)

    def __getattr__(self, name: str) -> Stage:
        return Stage[name]


def _positions_apart(patch: pytest.MonkeyPatch) -> None:
    """The positions are written by a transaction of their own, right behind the batch's."""
    groups, commit = Checkpoint._groups, Checkpoint._commit

    def without_positions(self: Checkpoint) -> Mapping[Target, list[Out]]:
        found = dict(groups(self))
        target = Target(ACCOUNTS, self._partition.number)
        found[target] = [out for out in found[target] if out.key != POSITIONS_KEY]
        return {target: outs for target, outs in found.items() if outs}

    async def commit_twice(self: Checkpoint) -> None:
        await commit(self)
        number = self._partition.number
        await self._producer.begin()
        out = Out(ACCOUNTS, number, POSITIONS_KEY, self._after.encode())
        for future in await self._producer.write(Target(ACCOUNTS, number), [out], timestamp_ms=0):
            await future
        await commit(self)

    patch.setattr(Checkpoint, "_groups", without_positions)
    patch.setattr(Checkpoint, "_commit", commit_twice)


def _no_confirmation(patch: pytest.MonkeyPatch) -> None:
    """Nobody asks how the sends went."""

    async def nothing(self: Checkpoint) -> None:
        """Confirm nothing."""

    patch.setattr(Checkpoint, "_confirm", nothing)


def _failures_survived(patch: pytest.MonkeyPatch) -> None:
    """A batch that failed is passed over, and the worker goes on."""
    run = Protocol.run

    async def go_on(self: Protocol, partition: Partition, taken: Taken) -> None:
        try:
            await run(self, partition, taken)
        except Exception:  # noqa: BLE001 - that is the fault
            if partition.producer is not None:
                await partition.producer.stop()
                await partition.producer.start()

    patch.setattr(Protocol, "run", go_on)


def _time_may_go_back(patch: pytest.MonkeyPatch) -> None:
    """`now` is what the clock says, whatever the batch before was told."""

    async def seal(self: Checkpoint) -> None:
        before = self._before
        self._after = replace(
            before,
            next={**before.next, **self._taken.next},
            now_us=self._protocol.clock(),
            sequence=before.sequence + 1,
            programs=self._protocol.programs,
        )

    patch.setattr(Checkpoint, "_seal", seal)


# ------------------------------------------------------------------ reading
def _no_chain(patch: pytest.MonkeyPatch) -> None:
    """A lane takes whatever comes."""

    def take(self: Lane, topic: str, poll: Poll, acknowledge: Acknowledge) -> None:
        queue = self._queues[topic]
        queue.waiting.append(_Waiting(poll, acknowledge))
        queue.accepted_to = poll.end
        queue.records += len(poll.records)
        self._wake.set()

    patch.setattr(Lane, "accept", take)


def _stale_polls(patch: pytest.MonkeyPatch) -> None:
    """What was popped before the seek is given to the lane, too."""
    offer = Lanes.offer

    def any_seek(self: Lanes, topic: str, partition: int, poll: Poll, acknowledge: Acknowledge) -> None:
        offer(self, topic, partition, poll._replace(seek=self.seek), acknowledge)

    patch.setattr(Lanes, "offer", any_seek)


def _late_stamps(patch: pytest.MonkeyPatch) -> None:
    """A poll starts where its first record is: gaps that markers leave look like holes."""
    poll = Stamps.poll

    def stamped(self: Stamps, tp: Any, records: Sequence[Any], *, end: int, behind: int) -> Poll:
        return poll(self, tp, records, end=end, behind=behind)._replace(start=records[0].offset)

    patch.setattr(Stamps, "poll", stamped)


# ------------------------------------------------------------------ taking over
def _uncommitted_restore(patch: pytest.MonkeyPatch) -> None:
    """The restore reads what was aborted, too."""
    patch.setattr(SimulatedClients, "isolation", READ_UNCOMMITTED)


def _restore_before_fence(patch: pytest.MonkeyPatch) -> None:
    """The last writer is fenced only when the state has been read."""
    fence, restore = Ownership._fence, Ownership._restore

    async def later(self: Ownership, partition: Partition) -> None:
        await partition.release()

    async def both(self: Ownership, partitions: list[Partition]) -> int:
        count = await restore(self, partitions)
        await asyncio.gather(*(fence(self, partition) for partition in partitions))
        return count

    patch.setattr(Ownership, "_fence", later)
    patch.setattr(Ownership, "_restore", both)


def _lanes_left_open(patch: pytest.MonkeyPatch) -> None:
    """A revocation does not wait for the batch in flight, nor does it close the lanes."""

    async def nothing(self: Lanes) -> None:
        """Close nothing."""

    patch.setattr(Lanes, "close", nothing)


def _no_seek(patch: pytest.MonkeyPatch) -> None:
    """After an assignment the inputs go on where the consumer stands, and not where the state ends."""

    async def stay(self: SimulatedWorker) -> None:
        self._stamps.sought({tp: self._reader.at(tp, 0) for tp in self._assignment}, self._assignment)
        for tp in self._assignment:
            self._reader.seek(tp, self._reader.at(tp, 0))
        self._intake.seek = self._stamps.seek_number

    patch.setattr(SimulatedWorker, "_seek_to_positions", stay)


def _any_partition_count(patch: pytest.MonkeyPatch) -> None:
    """Nobody looks at how many partitions the state was written with."""
    patch.setattr("workers.restore._check_count", lambda *_: None)


def _own_partition_count(patch: pytest.MonkeyPatch) -> None:
    """A worker looks at the count in the state that it was given, and at no other."""

    async def nothing(*_: Any, **_named: Any) -> None:
        """Look nowhere."""

    patch.setattr(workers.ownership, "check_counts", nothing)


def _crooked_assignment(patch: pytest.MonkeyPatch) -> None:
    """Other partitions of one input than of another are taken as they come."""

    def any_of(tps: Collection[TopicPartition], _: object) -> list[int]:
        return sorted({tp.partition for tp in tps})

    patch.setattr(workers.ownership, "co_partitioned", any_of)


def _silent_reset(patch: pytest.MonkeyPatch) -> None:
    """A position that the log does not hold any more is moved without a word."""

    def start_over(topic: str, position: int, first: int, end: int) -> Gap | None:
        return None

    locate = workers.restore.locate

    async def moved(consumer: ConsumerClient, partition: Partition, **named: Any) -> Any:
        found = await locate(consumer, partition, **named)
        tps = {word: TopicPartition(name, partition.number) for word, name in named["topics"].items()}
        first = await consumer.beginning_offsets(list(tps.values()))
        stored = partition.owned()
        moved_to = {word: max(position, first[tps[word]]) for word, position in stored.next.items()}
        partition.positions = replace(stored, next=moved_to)
        return found

    patch.setattr("workers.restore._missing", start_over)
    patch.setattr(workers.ownership, "locate", moved)


def _stale_state(patch: pytest.MonkeyPatch) -> None:
    """A partition that comes back is taken as it was, without what others wrote meanwhile."""
    restore = workers.restore.restore

    async def once(consumer: ConsumerClient, changelog: str, partitions: Sequence[Partition], **named: Any) -> int:
        return await restore(
            consumer, changelog, [each for each in partitions if not each.store.mark.changelog_next], **named
        )

    patch.setattr(workers.ownership, "restore", once)


def _no_fresh_start(patch: pytest.MonkeyPatch) -> None:
    """Who takes over does not close what may be open still."""
    take_over = Ownership._take_over

    async def without(self: Ownership, numbers: list[int]) -> None:
        close, lanes = self._lanes.close, self._lanes

        async def nothing() -> None:
            """Close nothing."""

        lanes.close = nothing  # type: ignore[method-assign]
        try:
            await take_over(self, numbers)
        finally:
            lanes.close = close  # type: ignore[method-assign]

    patch.setattr(Ownership, "_take_over", without)


# ------------------------------------------------------------------ deciding
def _no_memory(patch: pytest.MonkeyPatch) -> None:
    """An event that was taken before is new again."""
    decide = loyalty.decide.decide

    def forgetful(programs: Programs, state: State, fact: Fact, now_us: int) -> Decision:
        forgotten = {
            key: replace(record, seen=b"") if isinstance(record, Head) else record
            for key, record in state.items()
            if isinstance(record, Head) or not isinstance(fact, Purchase)
        }
        return decide(programs, forgotten, fact, now_us)

    patch.setattr(workers.batch, "decide", forgetful)


def _no_forwarding(patch: pytest.MonkeyPatch) -> None:
    """An event is decided in whatever partition it comes."""
    answer = Engine._answer

    def here(self: Engine, partition: int, topic: str, read: Any, overlay: Any, now_us: int) -> Any:
        if isinstance(read, Known):
            return self.decide_fact(read.fact, overlay, now_us)
        return answer(self, partition, topic, read, overlay, now_us)

    patch.setattr(Engine, "_answer", here)


_SOONER_ACKNOWLEDGED = (Stage.ACKNOWLEDGE, *(each for each in Stage if each is not Stage.ACKNOWLEDGE))
_SOONER_REMEMBERED = (*(each for each in Stage if each < Stage.COMMIT), Stage.REMEMBER, Stage.COMMIT, Stage.ACKNOWLEDGE)

SAFEGUARDS: Final = (
    Safeguard("starting a producer fences the one before", _no_fencing),
    Safeguard("positions are written in the transaction of their batch", _positions_apart),
    Safeguard("every send is awaited before the commit", _no_confirmation),
    Safeguard("memory is replaced only after the commit", _in_order(*_SOONER_REMEMBERED)),
    Safeguard("polls are acknowledged only after the commit", _in_order(*_SOONER_ACKNOWLEDGED)),
    Safeguard("a batch that fails ends the process", _failures_survived),
    Safeguard("`now` never goes back", _time_may_go_back),
    Safeguard("a lane takes only what starts where the state ends", _no_chain),
    Safeguard("polls from before the latest seek are dropped", _stale_polls),
    Safeguard("a poll starts where the one before ended, not at its first record", _late_stamps),
    Safeguard("after an assignment the inputs go on where the state ends", _no_seek),
    Safeguard("only what is committed is restored", _uncommitted_restore),
    Safeguard("the last writer is fenced before the state is restored", _restore_before_fence),
    Safeguard("held state is brought up to date when a partition comes back", _stale_state),
    Safeguard("a revocation closes the lanes and waits for the batch in flight", _lanes_left_open),
    Safeguard("taking over closes what an overtaken revocation left open", _no_fresh_start),
    Safeguard("state of another number of partitions is refused", _any_partition_count),
    Safeguard("the number of partitions is looked up also where there is no state", _own_partition_count),
    Safeguard("an assignment with other partitions of other inputs is refused", _crooked_assignment),
    Safeguard("a position that the log does not hold is never moved silently", _silent_reset),
    Safeguard("events are remembered, and taken once", _no_memory),
    Safeguard("events on a wrong partition are sent to their own", _no_forwarding),
)
