"""A real cluster keeps the contract that the simulated log keeps."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from typing_extensions import override

from tests.contracts.log_contract import LogContract
from workers.clients import Clients, KafkaClients, ProducerClient
from workers.connection import Connection

T = TypeVar("T")


class TestKafkaLog(LogContract):
    @pytest.fixture(autouse=True)
    def _cluster(self, kafka: str, prefix: str) -> None:
        self.bootstrap = kafka
        self.prefix = prefix

    @override
    def run(self, script: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(120):
                return await script()

        return asyncio.run(bounded())

    @override
    def clients(self) -> Clients:
        return KafkaClients(Connection(bootstrap_servers=(self.bootstrap,)))

    @override
    async def topic(self, name: str, partitions: int = 2) -> str:
        full = f"{self.prefix}{name}"
        # Small records only, so that one can be refused.
        settings = {"max.message.bytes": "20000"}
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(full, partitions, 1, topic_configs=settings)])
        finally:
            await admin.close()
        return full

    @override
    def named(self, transactional_id: str) -> str:
        return f"{self.prefix}{transactional_id}"

    @override
    async def drop_before(self, tp: TopicPartition, offset: int) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.delete_records({tp: RecordsToDelete(before_offset=offset)})
        finally:
            await admin.close()

    @override
    async def send_that_fails(self, producer: ProducerClient, tp: TopicPartition) -> Awaitable[Any]:
        return await self.send(producer, tp, b"x" * 30_000)
