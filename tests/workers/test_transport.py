"""What the transport and the producer reach into, in Faust and aiokafka: a new release of either has to pass this.

None of it is public, so each part is named here. If one of these fails, read the new release before changing the pin.
"""

import asyncio
import inspect
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import aiokafka
import aiokafka.producer.sender
import pytest
from aiokafka.consumer.fetcher import Fetcher, OffsetResetStrategy
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState, TopicPartitionState
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.producer.transaction_manager import TransactionManager
from faust.transport import consumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from typing_extensions import override

from workers.clients import KafkaBatch
from workers.lanes import Poll, Stamps
from workers.records import Out
from workers.transport import PollConsumer, PollThread, PollTransport


@pytest.mark.parametrize(("package", "pinned"), [("faust-streaming", "0.15.3"), ("aiokafka", "0.14.0")])
def test_the_releases_are_those_that_were_read(package: str, pinned: str) -> None:
    assert version(package) == pinned


@pytest.mark.parametrize(
    ("ours", "theirs", "name"),
    [
        (PollThread, driver.AIOKafkaConsumerThread, "_create_worker_consumer"),
        (PollThread, driver.AIOKafkaConsumerThread, "_seek_wait"),
        (PollThread, driver.AIOKafkaConsumerThread, "_commit"),
        (PollConsumer, driver.Consumer, "_new_consumer_thread"),
        (PollConsumer, consumer.ThreadDelegateConsumer, "_getmany"),
        (PollConsumer, consumer.Consumer, "getmany"),
        (PollConsumer, driver.Consumer, "_to_message"),
        (PollConsumer, consumer.ThreadDelegateConsumer, "seek_to_committed"),
        (PollConsumer, consumer.Consumer, "_add_gap"),
        (PollConsumer, consumer.Consumer, "_new_offset"),
        (PollConsumer, driver.Consumer, "verify_event_path"),
    ],
)
def test_what_is_overridden_is_there_with_the_same_parameters(ours: Any, theirs: Any, name: str) -> None:
    assert name in vars(theirs)
    assert list(inspect.signature(getattr(ours, name)).parameters) == list(
        inspect.signature(getattr(theirs, name)).parameters
    )


def test_the_thread_asks_the_fetcher_and_hands_on_what_it_popped() -> None:
    source = inspect.getsource(driver.AIOKafkaConsumerThread._fetch_records)
    assert "return await fetcher.fetched_records(" in source
    assert "flow_active" in source


def test_a_pop_and_the_return_of_it_are_one_step() -> None:
    """No await between draining and `return drained`: the position read afterwards is that of the pop."""
    source = inspect.getsource(Fetcher.fetched_records)
    drained = source.index("drained = {}")
    returned = source.index("return drained", source.index("if drained or not timeout"))
    assert "await" not in source[drained:returned]


def test_none_is_no_reset() -> None:
    assert OffsetResetStrategy.from_str("none") == OffsetResetStrategy.NONE


@pytest.mark.parametrize("setting", ["isolation_level", "fetch_max_wait_ms"])
def test_what_is_set_afterwards_is_read_when_the_consumer_starts(setting: str) -> None:
    assert f"{setting}=self._{setting}" in inspect.getsource(aiokafka.AIOKafkaConsumer.start)


def test_the_consumer_reads_committed_records_and_never_waits_long_for_quiet_topics(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # While lanes with much to do are left out of polls, the fetch under way is for quiet partitions alone; what comes
    # for the busy ones waits until it ends. Faust lets it wait for 1.5 s.
    assert "fetch_max_wait_ms=1500" in inspect.getsource(driver.AIOKafkaConsumerThread._create_worker_consumer)
    theirs = SimpleNamespace(_isolation_level="read_uncommitted", _fetch_max_wait_ms=1_500)
    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_create_worker_consumer", lambda _, __: theirs)
    thread: PollThread = object.__new__(PollThread)
    made = thread._create_worker_consumer(object.__new__(PollTransport))
    assert (made._isolation_level, made._fetch_max_wait_ms) == ("read_committed", 50)


def test_positions_and_the_stable_end_are_kept_for_each_partition() -> None:
    assert isinstance(inspect.getattr_static(TopicPartitionState, "position"), property)
    assert "self.lso" in inspect.getsource(TopicPartitionState.__init__)


HEADERS = (("a", b"1"), ("b", b""))


@pytest.mark.parametrize(
    "records",
    [
        [Out("t", 0, b"key", b"value"), Out("t", 0, None, b"value"), Out("t", 0, b"key", None)],
        [Out("t", 0, b"key", b"value", HEADERS), Out("t", 0, b"key", b"value")],
        [Out("t", 0, b"key", b"x" * 100_000) for _ in range(20)],
        [Out("t", 0, b"key", b"x" * 2_000_000), Out("t", 0, b"key", b"value")],
    ],
    ids=["keys and values", "headers", "more than fit", "a large one travels alone"],
)
def test_a_batch_of_many_records_is_the_one_that_aiokafka_makes_of_each(records: list[Out]) -> None:
    ours = KafkaBatch()
    taken = ours.extend(records, timestamp_ms=5)
    theirs = BatchBuilder(900 * 1024, 0, is_transactional=True)
    fit = [
        theirs.append(timestamp=5, key=each.key, value=each.value, headers=list(each.headers)) is not None
        for each in records
    ]
    assert taken == ours.record_count() == theirs.record_count() == sum(fit)
    assert ours._build() == theirs._build()


def test_a_batch_is_filled_in_more_than_one_go() -> None:
    ours, theirs = KafkaBatch(), KafkaBatch()
    records = [Out("t", 0, b"key", b"%d" % number) for number in range(4)]
    assert [ours.extend(part, timestamp_ms=5) for part in (records[:1], records[1:])] == [1, 3]
    assert theirs.extend(records, timestamp_ms=5) == 4
    assert ours._build() == theirs._build()


def test_the_wait_between_transactions_can_be_set() -> None:
    assert aiokafka.producer.sender.BACKOFF_OVERRIDE > 0
    assert "BACKOFF_OVERRIDE" in inspect.getsource(aiokafka.producer.sender.AddPartitionsToTxnHandler)


def test_a_producer_that_failed_for_good_says_so() -> None:
    assert callable(TransactionManager.is_fatal_error)


def test_the_transport_makes_our_consumer_and_the_consumer_our_thread() -> None:
    assert PollTransport.Consumer is PollConsumer
    assert "PollThread(" in inspect.getsource(PollConsumer._new_consumer_thread)


def test_what_is_popped_after_an_assignment_and_before_its_seek_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts where the group has committed. A flow that is active by mistake must not give it to a lane."""
    tp = TP("purchases", 0)

    class Assignment:
        def state_value(self, _: TP) -> SimpleNamespace:
            return SimpleNamespace(position=6, lso=9)

    async def popped(*_: object) -> dict[TP, list[str]]:
        return {tp: ["a record"]}

    found: list[dict[TP, Poll]] = []
    thread: Any = object.__new__(PollThread)
    thread.stamps = Stamps()
    subscription = SimpleNamespace(assignment=Assignment())
    theirs: Any = SimpleNamespace(_subscription=SimpleNamespace(subscription=subscription))

    async def pop() -> None:
        found.append(await thread._fetch_records(theirs, {tp}))

    async def sought(*_: object) -> None:
        await pop()  # It has the new positions before all of them are known to be good: its records count.

    async def scenario() -> None:
        await pop()
        await thread._seek_wait(theirs, {tp: 5})
        subscription.assignment = Assignment()  # As each rebalance makes one.
        await pop()
        await thread._seek_wait(theirs, {tp: 5})

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", popped)
    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_seek_wait", sought)
    asyncio.run(scenario())
    assert found == [
        {},
        {tp: Poll(1, 5, 6, 3, ["a record"])},
        {},
        {tp: Poll(2, 5, 6, 3, ["a record"])},
    ]


def test_each_rebalance_makes_another_assignment_and_is_under_way_until_then() -> None:
    async def scenario() -> list[bool]:
        state = SubscriptionState()
        state.subscribe({"purchases"})
        tps = {aiokafka.TopicPartition("purchases", 0)}
        thread: Any = object.__new__(PollThread)
        thread._consumer = SimpleNamespace(_subscription=state)
        consumer: Any = object.__new__(PollConsumer)
        consumer._thread = thread
        seen = [consumer.is_rebalancing()]
        state.assign_from_subscribed(tps)
        seen.append(consumer.is_rebalancing())
        before = state.subscription.assignment
        state.begin_reassignment()
        seen.append(consumer.is_rebalancing())
        state.assign_from_subscribed(tps)
        return [*seen, consumer.is_rebalancing(), before is not state.subscription.assignment]

    assert asyncio.run(scenario()) == [True, False, True, False, True]


def test_a_rebalance_is_under_way_before_anybody_hears_of_it_and_over_before_anybody_hears_of_its_end() -> None:
    """Else partitions would be taken over that are not ours; or none at all, since each assignment would be skipped."""
    begins, ends = (
        inspect.getsource(each) for each in (GroupCoordinator._on_join_prepare, GroupCoordinator._on_join_complete)
    )
    assert begins.index("begin_reassignment()") < begins.index("on_partitions_revoked(")
    assert ends.index("assign_from_subscribed(") < ends.index("on_partitions_assigned(")


class _Intake:
    """An intake that wants everything and has not heard of a rebalance; it keeps what it is told has failed."""

    seek = 7

    def __init__(self) -> None:
        self.failures: list[BaseException] = []

    def wants(self, _: TP) -> bool:
        return True

    def failed(self, _: str, error: BaseException) -> None:
        self.failures.append(error)


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (NoOffsetForPartitionError("new partitions, and the loop has not heard of them"), False),
        (OffsetOutOfRangeError({}), True),
    ],
)
def test_only_a_position_that_is_lost_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, error: KafkaError, ends: bool
) -> None:
    """A rebalance reaches the consumer's thread before it reaches our loop: a poll in between finds no position."""
    intake = _Intake()

    async def failing(*_: object) -> object:
        raise error

    monkeypatch.setattr(driver.Consumer, "_getmany", failing)
    monkeypatch.setattr(PollConsumer, "_intake", intake)
    polled = asyncio.run(PollConsumer._getmany(object.__new__(PollConsumer), {TP("purchases", 0)}, 1.0))
    assert bool(intake.failures) is ends
    assert ends or polled == {}


def test_a_poll_from_behind_a_seek_waits_until_the_lanes_know_of_the_seek() -> None:
    """The flow may be active during the seek when one rebalance follows on the heels of another."""
    tp = TP("purchases", 0)
    said: list[str] = []

    class Lanes(_Intake):
        def position(self, _: TP) -> int | None:
            return 5

        @override
        def __setattr__(self, name: str, value: object) -> None:
            if name == "seek":
                said.append(f"the lanes know of seek {value}")
            super().__setattr__(name, value)

    async def scenario() -> None:
        lanes, stamps, sought = Lanes(), Stamps(), asyncio.Event()
        made: Any = object.__new__(PollConsumer)
        made._seeking = asyncio.Lock()
        made._thread = SimpleNamespace(stamps=stamps)
        made._transport_intake = lanes
        made.assignment = lambda: {tp}
        made.flow_active = True
        made._stopped = asyncio.Event()
        made.should_stop = False

        async def seek_wait(_: object) -> None:
            stamps.sought({tp: 5}, None)  # In the thread; its answer takes a while.
            await sought.wait()

        async def popped(_: float) -> tuple[dict[TP, Poll], set[TP]]:
            return {tp: stamps.poll(tp, [SimpleNamespace(offset=5)], end=6, behind=0)}, {tp}

        made.seek_wait, made._wait_next_records = seek_wait, popped
        made.app = SimpleNamespace(consumer_generation_id=1)
        seeking = asyncio.create_task(PollConsumer.seek_to_committed(made))
        await asyncio.sleep(0)

        async def hand_out() -> None:
            async for _, message in PollConsumer.getmany(made, 1.0):
                said.append(f"a poll of seek {message.value.seek}")

        handing = asyncio.create_task(hand_out())
        await asyncio.sleep(0.01)
        said.append("the seek is done")
        sought.set()
        await asyncio.gather(seeking, handing)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PollConsumer, "_intake", property(lambda self: self._transport_intake))
        patch.setattr(PollConsumer, "should_stop", False)
        asyncio.run(scenario())
    assert said == ["the seek is done", "the lanes know of seek 1", "a poll of seek 1"]
