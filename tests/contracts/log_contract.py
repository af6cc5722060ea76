"""What a log has to do for the worker: held against a real cluster and against the simulated log alike.

A backend says how clients of it are made, how a topic comes to be, and how a script is run.
"""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from workers.clients import Clients, ConsumerClient, ProducerClient
from workers.records import Out
from workers.restore import reader

T = TypeVar("T")

ID = "writer"
"""A transactional id, in the words of a test."""


class LogContract:
    """The tests. Each has topics of its own."""

    # ------------------------------------------------------------------ what a backend says
    @abstractmethod
    def run(self, script: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a script to its end, in a loop of its own."""

    @abstractmethod
    def clients(self) -> Clients:
        """Makes clients. Called within a script."""

    @abstractmethod
    async def topic(self, name: str, partitions: int = 2) -> str:
        """Make a topic with a name like that, and answer its full name."""

    @abstractmethod
    def named(self, transactional_id: str) -> str:
        """A transactional id that no other test has."""

    @abstractmethod
    async def drop_before(self, tp: TopicPartition, offset: int) -> None:
        """Let retention take what lies before an offset."""

    # ------------------------------------------------------------------ the words of the tests
    @asynccontextmanager
    async def producer(self, transactional_id: str = ID) -> AsyncIterator[ProducerClient]:
        made = self.clients().producer(self.named(transactional_id), transaction_timeout_seconds=30)
        await made.start()
        try:
            yield made
        finally:
            await made.stop()

    @staticmethod
    async def send(producer: ProducerClient, tp: TopicPartition, *values: bytes) -> Awaitable[Any]:
        """Hand over a batch within the transaction under way."""
        batch = producer.create_batch()
        records = [Out(tp.topic, tp.partition, b"k", value, (("h", b"1"),)) for value in values]
        assert batch.extend(records, timestamp_ms=1) == len(records)
        batch.close()
        return await producer.send_batch(batch, tp.topic, partition=tp.partition)

    async def write(self, producer: ProducerClient, tp: TopicPartition, *values: bytes) -> int:
        """A whole transaction. The offset of its first record."""
        await producer.begin_transaction()
        answer = await self.send(producer, tp, *values)
        offset: int = (await answer).offset
        await producer.commit_transaction()
        return offset

    async def abandon(self, tp: TopicPartition, *values: bytes, transactional_id: str = ID) -> None:
        """Write in a transaction that nobody ends."""
        producer = self.clients().producer(self.named(transactional_id), transaction_timeout_seconds=30)
        await producer.start()
        await producer.begin_transaction()
        await (await self.send(producer, tp, *values))
        await producer.stop()

    @staticmethod
    async def read(consumer: ConsumerClient, tp: TopicPartition, until: int, start: int = 0) -> list[tuple[int, bytes]]:
        """(offset, value) of what is seen from `start` until the position comes to `until`."""
        consumer.assign([tp])
        consumer.seek(tp, start)
        found: list[tuple[int, bytes]] = []
        while await consumer.position(tp) < until:
            for records in (await consumer.getmany(tp, timeout_ms=100)).values():
                found += [(record.offset, record.value) for record in records]
        return found

    @staticmethod
    async def getmany_until_it_raises(consumer: ConsumerClient, tp: TopicPartition) -> None:
        while True:
            assert await consumer.getmany(tp, timeout_ms=200) == {}

    async def end(self, consumer: ConsumerClient, tp: TopicPartition) -> int:
        consumer.assign([tp])
        return (await consumer.end_offsets([tp]))[tp]

    async def end_at(self, consumer: ConsumerClient, tp: TopicPartition, offset: int) -> None:
        """Wait until the last stable offset is there: markers are written after the answer to a commit."""
        while True:
            if await self.end(consumer, tp) >= offset:
                return
            await asyncio.sleep(0.02)

    # ------------------------------------------------------------------ appending
    def test_records_keep_their_order_and_what_they_carry(self) -> None:
        async def script() -> None:
            tp = TopicPartition(await self.topic("log"), 1)
            async with self.producer() as producer, reader(self.clients()) as consumer:
                assert await self.write(producer, tp, b"a", b"b") == 0
                await self.end_at(consumer, tp, 3)
                consumer.seek(tp, 0)
                found: Sequence[Any] = ()
                while not found:
                    found = (await consumer.getmany(tp, timeout_ms=100)).get(tp, ())
                first = found[0]
                assert (first.offset, first.timestamp, first.key, first.value) == (0, 1, b"k", b"a")
                assert tuple(first.headers) == (("h", b"1"),)

        self.run(script)

    def test_batches_of_one_partition_are_written_in_the_order_given(self) -> None:
        async def script() -> None:
            tp = TopicPartition(await self.topic("log"), 0)
            async with self.producer() as producer, reader(self.clients()) as consumer:
                await producer.begin_transaction()
                answers = [await self.send(producer, tp, str(number).encode()) for number in range(9)]
                for answer in answers:
                    await answer
                await producer.commit_transaction()
                await self.end_at(consumer, tp, 10)
                seen = await self.read(consumer, tp, 10)
                assert seen == [(number, str(number).encode()) for number in range(9)]

        self.run(script)

    # ------------------------------------------------------------------ transactions
    def test_a_marker_takes_an_offset_and_the_position_moves_over_it(self) -> None:
        async def script() -> None:
            tp = TopicPartition(await self.topic("log"), 0)
            async with self.producer() as producer, reader(self.clients()) as consumer:
                offsets = [await self.write(producer, tp, value) for value in (b"a", b"b", b"c")]
                assert offsets == [0, 2, 4]
                await self.end_at(consumer, tp, 6)
                assert await self.read(consumer, tp, 6) == [(0, b"a"), (2, b"b"), (4, b"c")]
                assert await consumer.position(tp) == 6

        self.run(script)

    def test_what_is_open_is_not_seen_and_holds_back_what_comes_behind_it(self) -> None:
        async def script() -> None:
            tp = TopicPartition(await self.topic("log"), 0)
            async with (
                self.producer("first") as first,
                self.producer("second") as second,
                reader(self.clients()) as consumer,
            ):
                await self.write(second, tp, b"before")
                await self.end_at(consumer, tp, 2)
                await first.begin_transaction()
                await (await self.send(first, tp, b"open"))
                await self.write(second, tp, b"behind")
                assert await self.end(consumer, tp) == 2
                assert await self.read(consumer, tp, 2) == [(0, b"before")]
                assert await consumer.getmany(tp, timeout_ms=200) == {}
                await first.commit_transaction()
                await self.end_at(consumer, tp, 6)
                assert await self.read(consumer, tp, 6, 2) == [(2, b"open"), (3, b"behind")]

        self.run(script)

    def test_a_transaction_covers_its_partitions_together(self) -> None:
        async def script() -> None:
            one, other = await self.topic("one"), await self.topic("other")
            tps = [TopicPartition(one, 0), TopicPartition(other, 1)]
            async with self.producer() as producer, reader(self.clients()) as consumer:
                await producer.begin_transaction()
                for tp in tps:
                    await (await self.send(producer, tp, b"x"))
                assert [await self.end(consumer, tp) for tp in tps] == [0, 0]
                await producer.commit_transaction()
                for tp in tps:
                    await self.end_at(consumer, tp, 2)
                    assert await self.read(consumer, tp, 2) == [(0, b"x")]

        self.run(script)

    def test_a_commit_does_not_ask_how_the_batches_went(self) -> None:
        """Why every send has to be awaited: the transaction is committed without the batch that failed."""

        async def script() -> None:
            tp = TopicPartition(await self.topic("log"), 0)
            async with self.producer() as producer, reader(self.clients()) as consumer:
                await producer.begin_transaction()
                await (await self.send(producer, tp, b"good"))
                failed = await self.send_that_fails(producer, tp)
                await producer.commit_transaction()
                with pytest.raises(KafkaError):
                    await failed
                await self.end_at(consumer, tp, 2)
                assert await self.read(consumer, tp, 2) == [(0, b"good")]

        self.run(script)

    @abstractmethod
    async def send_that_fails(self, producer: ProducerClient, tp: TopicPartition) -> Awaitable[Any]:
        """Hand over a batch that the log refuses."""

    # ------------------------------------------------------------------ fencing
    def test_starting_a_producer_fences_the_one_before(self) -> None:
        async def script() -> None:
            tp = TopicPartition(await self.topic("log"), 0)
            async with self.producer() as old:
                await self.write(old, tp, b"old")
                async with self.producer() as new, reader(self.clients()) as consumer:
                    with pytest.raises(KafkaError):
                        await self.write(old, tp, b"zombie")
                    assert old.failed_for_good
                    assert not new.failed_for_good
                    offset = await self.write(new, tp, b"new")
                    await self.end_at(consumer, tp, offset + 2)
                    seen = await self.read(consumer, tp, offset + 2)
                    assert [value for _, value in seen] == [b"old", b"new"]

        self.run(script)

    def test_fencing_ends_the_transaction_that_was_left_open_before_it_answers(self) -> None:
        """What a restore reads after it cannot grow."""

        async def script() -> None:
            tp = TopicPartition(await self.topic("log"), 0)
            await self.abandon(tp, b"lost", b"lost too")
            async with reader(self.clients()) as consumer:
                assert await self.end(consumer, tp) == 0
                async with self.producer() as producer:
                    assert await self.end(consumer, tp) == 3
                    assert await self.read(consumer, tp, 3) == []
                    assert await self.write(producer, tp, b"kept") == 3
                    await self.end_at(consumer, tp, 5)
                    assert await self.read(consumer, tp, 5) == [(3, b"kept")]

        self.run(script)

    def test_another_transactional_id_fences_nobody(self) -> None:
        async def script() -> None:
            tp = TopicPartition(await self.topic("log"), 0)
            async with self.producer("one") as one, self.producer("other") as other:
                await self.write(one, tp, b"1")
                await self.write(other, tp, b"2")
                await self.write(one, tp, b"3")
                assert not one.failed_for_good

        self.run(script)

    # ------------------------------------------------------------------ positions
    def test_reading_goes_on_from_any_position_also_within_a_gap(self) -> None:
        async def script() -> None:
            tp = TopicPartition(await self.topic("log"), 0)
            async with self.producer() as producer, reader(self.clients()) as consumer:
                for value in (b"a", b"b"):
                    await self.write(producer, tp, value)
                await self.end_at(consumer, tp, 4)
                for start, expected in ((0, [0, 2]), (1, [2]), (2, [2]), (3, [])):
                    assert [offset for offset, _ in await self.read(consumer, tp, 4, start)] == expected

        self.run(script)

    def test_a_position_that_retention_took_is_an_error_and_never_moved(self) -> None:
        async def script() -> None:
            tp = TopicPartition(await self.topic("log"), 0)
            async with self.producer() as producer, reader(self.clients()) as consumer:
                for value in (b"a", b"b", b"c"):
                    await self.write(producer, tp, value)
                await self.end_at(consumer, tp, 6)
                await self.drop_before(tp, 3)
                assert await consumer.beginning_offsets([tp]) == {tp: 3}
                consumer.seek(tp, 1)
                with pytest.raises(OffsetOutOfRangeError):
                    await self.getmany_until_it_raises(consumer, tp)
                assert [offset for offset, _ in await self.read(consumer, tp, 6, 3)] == [4]

        self.run(script)

    def test_an_empty_partition_begins_and_ends_at_nothing(self) -> None:
        async def script() -> None:
            tp = TopicPartition(await self.topic("log"), 0)
            async with reader(self.clients()) as consumer:
                consumer.assign([tp])
                assert await consumer.beginning_offsets([tp]) == await consumer.end_offsets([tp]) == {tp: 0}

        self.run(script)
