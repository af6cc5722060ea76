"""Faust's Kafka transport, changed so that one message is a whole poll of a topic-partition.

Why: Faust spends two tasks on each message; a poll at a time it moves as fast as the client can read. And a poll
carries where it starts and ends, so that a hole is seen.

Everything that depends on the inside of Faust 0.15.3 and aiokafka 0.14 about reading is in this module, but for the
parsing of records (tolerant_records.py).

Invariants:
  T1 start, end and seek number of a poll are taken in the consumer's thread, in the same step as the pop
  T2 after every assignment that is taken over, and only then, the consumer seeks: to the positions stored with the
     state. What it pops before that seek is dropped; what it pops in the step of the seek, or later, is not
  T3 a position is never reset silently: one that the log does not hold ends the process
  T4 records come read_committed: inputs may be transactional too
  T5 the group's own commits are for lag monitors only, and a failing one harms nothing
  T6 no partition waits long for another: aiokafka has one fetch under way for each broker; when what it fetched is
     not taken for a moment, because lanes are full or busy, the next fetch is for all other partitions. It ends when
     one of those has something: with quiet topics as late as it may, and the busy ones starve meanwhile
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, NoReturn, Protocol, cast

import aiokafka
from aiokafka.errors import ConsumerStoppedError, KafkaError, NoOffsetForPartitionError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT
from faust.types.tuples import ConsumerMessage
from typing_extensions import override

from workers.lanes import NO_SEEK, Poll, Stamps
from workers.tolerant_records import read_in_our_way

_FULL_WAIT_SECONDS = 0.01
"""How long a poll waits while some lane is full: as soon as it has room, its partition has to be in a poll again."""

_FETCH_WAIT_MS = 50
"""How long the broker may keep a fetch that finds nothing (T6)."""


class Intake(Protocol):
    """Who takes the polls, by full topic name."""

    def wants(self, tp: TP) -> bool:
        """Whether the next poll may hold records of it."""
        ...

    def position(self, tp: TP) -> int | None:
        """Where to seek to; None when it is not ours to read."""
        ...

    async def room(self, timeout_seconds: float) -> None:
        """Wait until more is wanted, at most that long."""
        ...

    @property
    def seek(self) -> int:
        """Number of the latest seek, NO_SEEK since a revocation. Set after a seek: polls with another are stale."""
        ...

    @seek.setter
    def seek(self, number: int) -> None: ...

    def failed(self, what: str, error: BaseException) -> NoReturn:
        """End the process."""
        ...


class PollThread(driver.AIOKafkaConsumerThread):
    """The consumer's thread. It stamps each pop (T1)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stamps = Stamps()

    @override
    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust asks for committed records only with its own transactions (T4). Read when the consumer starts.
        consumer._isolation_level = "read_committed"  # noqa: SLF001
        # Faust lets the broker keep it for 1.5 s (T6).
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS  # noqa: SLF001
        return consumer

    @override
    async def _seek_wait(self, consumer: aiokafka.AIOKafkaConsumer, partitions: Mapping[TP, int]) -> None:
        self.stamps.sought(partitions, _assignment(consumer))
        await super()._seek_wait(consumer, partitions)

    @override
    async def _fetch_records(self, consumer: aiokafka.AIOKafkaConsumer, *args: Any, **kwargs: Any) -> dict[TP, Any]:
        popped = await super()._fetch_records(consumer, *args, **kwargs)
        polls: dict[TP, Any] = {}
        # No await between the pop and here: same thread, same step.
        if not popped or not self.stamps.is_sought(assignment := _assignment(consumer)):
            return polls
        for tp, records in popped.items():
            state = assignment.state_value(tp)
            end = state.position
            behind = max(0, (end if state.lso is None else state.lso) - end)
            polls[tp] = self.stamps.poll(tp, records, end=end, behind=behind)
        return polls

    @override
    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        # Faust crashes when a commit fails; ours only feed lag monitors (T5).
        consumer = self._ensure_consumer()
        assigned = self.assignment()
        wanted = {driver.ensure_aiokafka_TP(tp): offset for tp, offset in offsets.items() if tp in assigned}
        try:
            await consumer.commit(wanted)
        except KafkaError as error:
            self.log.warning("the group's positions were not stored, lag monitors are late: %s", error)
            return False
        return True


def _assignment(consumer: aiokafka.AIOKafkaConsumer) -> Any:
    """Another object after each rebalance."""
    return consumer._subscription.subscription.assignment  # noqa: SLF001


class PollConsumer(driver.Consumer):
    """Hands out one message for each topic-partition and poll; its value is a Poll."""

    _thread: PollThread  # type: ignore[mutable-override]  # Made by `_new_consumer_thread`, never set again.

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seeking = asyncio.Lock()
        """Held from the moment that a seek is asked for until the lanes have been told of it."""

    @override
    def _new_consumer_thread(self) -> PollThread:
        return PollThread(self, loop=self.loop, beacon=self.beacon)

    def is_rebalancing(self) -> bool:
        """Whether partitions were given up and the next assignment has not come."""
        return bool(self._thread._ensure_consumer()._subscription.reassignment_in_progress)  # noqa: SLF001

    @property
    def _intake(self) -> Intake:
        transport = self.transport
        assert isinstance(transport, PollTransport)  # noqa: S101 - for the type checker: PollTransport makes us
        return transport.intake

    @override
    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        # A new set: Faust changes its own in place while a poll is under way.
        active = set(active_partitions or ())
        wanted = {tp for tp in active if self._intake.wants(tp)}
        if not wanted:  # An empty set would mean all partitions.
            await self._intake.room(_FULL_WAIT_SECONDS * 5)
            return {}
        seek = self._intake.seek
        try:
            return await super()._getmany(wanted, timeout if len(wanted) == len(active) else _FULL_WAIT_SECONDS)
        except ConsumerStoppedError:
            raise
        except NoOffsetForPartitionError:
            # The consumer's thread has new partitions, and our loop has not heard of the rebalance yet. Before the seek
            # they have no position, so nothing of them was popped; after it they always have one.
            return {}
        except KafkaError as error:
            # A poll under way over a rebalance may meet positions that are not ours: those before the seek.
            if seek == NO_SEEK or seek != self._intake.seek:
                return {}
            # Among others: the log no longer holds the position (T3).
            self._intake.failed("reading the inputs", error)

    @override
    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        polled, active = await self._wait_next_records(timeout)
        polls = cast("Mapping[TP, Poll]", polled)  # Our thread makes polls of Faust's lists.
        if not polls or self.should_stop:
            return
        for tp, poll in polls.items():
            # A poll under way during a rebalance may pop just after the seek, before the flow resumes: it is good, and
            # dropping it would be a hole. One that popped before the seek is stale: its records are read again.
            if not self.flow_active:
                await self.wait_first(self.can_resume_flow.wait())
            # One rebalance on the heels of another may leave the flow active during the second's seek. What popped
            # behind that seek is good as soon as the lanes know of it; before, they would take it for stale.
            async with self._seeking:
                pass
            if self._stopped.is_set() or poll.seek != self._thread.stamps.seek_number:
                return
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                continue
            yield tp, self._to_message(tp, poll)

    @override
    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        poll: Poll = record
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            poll.end - 1,  # What Faust commits for a message is its offset + 1.
            0.0,  # Each record has its time, and Faust's tables, which would ask, are not in use.
            0,
            [],
            b"",
            cast("Any", poll),
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    @override
    async def seek_to_committed(self) -> Mapping[TP, int]:
        intake = self._intake
        async with self._seeking:
            wanted = {tp: position for tp in self.assignment() if (position := intake.position(tp)) is not None}
            if wanted:
                await self.seek_wait(wanted)
                intake.seek = self._thread.stamps.seek_number
        return wanted

    @override
    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing to remember: the lanes see holes, and polls are acknowledged in order."""

    @override
    def _new_offset(self, tp: TP) -> int | None:
        acked = self._acked[tp]
        if not acked:
            return None
        offset = max(acked) + 1
        acked.clear()
        self._acked_index[tp].clear()
        return offset

    @override
    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust takes a quiet topic for a stuck one; the worker's own health says what is stuck."""


class PollTransport(driver.Transport):
    """Set as `app.transport`."""

    Consumer = PollConsumer  # type: ignore[mutable-override]  # Faust means it to be replaced.

    def __init__(self, url: Any, app: AppT, *, intake: Intake) -> None:
        super().__init__(url, app)
        self.intake = intake
        read_in_our_way()
