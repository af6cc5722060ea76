"""The simulated log keeps the contract, under several seeds: the network's delays are part of it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from random import Random
from typing import Any, TypeVar

import pytest
from aiokafka import TopicPartition
from typing_extensions import override

from tests.contracts.log_contract import LogContract
from tests.simulation.clients import Faults, Network, SimulatedClients
from tests.simulation.log import SimulatedLog
from tests.simulation.loop import VirtualLoop
from workers.clients import Clients, ProducerClient

T = TypeVar("T")


@pytest.mark.parametrize("seed", range(5))
class TestSimulatedLog(LogContract):
    @pytest.fixture(autouse=True)
    def _world(self, seed: int) -> Iterator[None]:
        random = Random(seed)
        self.loop = VirtualLoop(random)
        self.faults = Faults(slow=0.1)
        self.log = SimulatedLog(lambda do: self.network.after(self.network.latency(), do), self.loop.time)
        self.network = Network(self.log, random, self.faults)
        yield
        self.loop.bury()

    @override
    def run(self, script: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return self.loop.run(script(), seconds=1_000)

    @override
    def clients(self) -> Clients:
        return SimulatedClients(self.network)

    @override
    async def topic(self, name: str, partitions: int = 2) -> str:
        self.log.create(name, partitions)
        return name

    @override
    def named(self, transactional_id: str) -> str:
        return transactional_id

    @override
    async def drop_before(self, tp: TopicPartition, offset: int) -> None:
        self.log.partitions[tp].drop_before(offset)

    @override
    async def send_that_fails(self, producer: ProducerClient, tp: TopicPartition) -> Awaitable[Any]:
        self.faults.send = 1.0
        failed = await self.send(producer, tp, b"bad")
        await asyncio.sleep(1)
        self.faults.send = 0.0
        return failed
