"""Partitions in and out of the hands of a worker, as far as that needs no broker."""

import asyncio
from typing import NoReturn

import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry

from loyalty.plan import Programs
from tests.loyalty.books import program
from tests.loyalty.events import NOON, micros, purchase
from workers.batch import Engine
from workers.checkpoint import Protocol
from workers.clients import KafkaClients
from workers.connection import Connection
from workers.fatal import Refusal
from workers.lanes import Lanes, Taken
from workers.metrics import Metrics
from workers.ownership import Ownership, Terms
from workers.partition import Partition
from workers.positions import Gap, Positions
from workers.records import Record
from workers.store.memory import MemoryStore
from workers.store.port import Mark

NOW_US = micros(NOON)
TRANSACTION_TIMEOUT_SECONDS = 0.05


class Ended(Exception):
    """Stands for the end of the process."""


def end(what: str, error: BaseException) -> NoReturn:
    raise Ended(what) from error


def clock() -> int:
    return NOW_US


def protocol() -> Protocol:
    return Protocol(
        decider=Engine(Programs([program()]), partitions=1), clock=clock, metrics=Metrics(CollectorRegistry())
    )


def ownership(lanes: Lanes) -> Ownership:
    return Ownership(
        Terms(
            prefix="loyalty.",
            app="loyalty",
            topics={"purchases": "loyalty.purchases", "inbox": "loyalty.inbox"},
            partition_count=1,
            transaction_timeout_seconds=TRANSACTION_TIMEOUT_SECONDS,
            accept_missing_range=(),
            accept_program_change=False,
            held_max_us=0,
        ),
        KafkaClients(Connection(bootstrap_servers=("127.0.0.1:1",))),
        lanes,
        protocol(),
        store=MemoryStore,
        metrics=Metrics(CollectorRegistry()),
        clock=clock,
        end_process=end,
    )


def made_lanes() -> Lanes:
    return Lanes(records_max=10, idle_seconds=0.01, interval_seconds=0, end_process=end)


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_a_worker_that_stops_takes_nothing_over_again(*, stopped: bool) -> None:
    async def scenario() -> None:
        subject = ownership(made_lanes())
        if stopped:
            await subject.stop()
        await subject.assigned([TP("loyalty.purchases", 0)])  # Without the inbox: it would be refused.

    if stopped:
        asyncio.run(scenario())
    else:
        with pytest.raises(Ended, match="taking over partitions"):
            asyncio.run(scenario())


def test_a_worker_whose_batch_cannot_commit_any_more_is_not_ready() -> None:
    async def scenario() -> list[str | None]:
        lanes = made_lanes()
        subject = ownership(lanes)
        said = [subject.not_ready()]
        await subject.assigned([])
        said.append(subject.not_ready())
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def stuck(_taken: Taken) -> None:
            begun.set()
            await go_on.wait()

        lanes.open(0, {"purchases": 0}, stuck)
        await begun.wait()
        await asyncio.sleep(3 * TRANSACTION_TIMEOUT_SECONDS)
        said.append(subject.not_ready())
        go_on.set()
        await lanes.close()
        said.append(subject.not_ready())
        return said

    starting, ready, stuck, done = asyncio.run(scenario())
    assert starting == "starting: no assignment yet"
    assert stuck == "a batch has been under way for 0 s"
    assert (ready, done) == (None, None)


def test_a_forgotten_partition_is_restored_from_its_beginning_and_knows_of_no_gap() -> None:
    partition = Partition(0, MemoryStore(0), positions=positions())
    partition.store.apply({b"m|m1": b"{}"}, Mark(9, 5, None))
    partition.missing.append(Gap("purchases", 3, 7))
    partition.forget()
    assert partition == Partition(0, partition.store)
    assert (len(partition.store), partition.store.mark) == (0, Mark())


def test_state_that_cannot_be_read_is_for_a_person_to_look_at() -> None:
    partition = Partition(0, MemoryStore(0), positions=positions())
    partition.store.apply({b"m|m1": b'[99,"head"]'}, Mark())
    record = Record("purchases", 0, 0, NOW_US // 1000, b"m1", purchase("e1", 100))
    with pytest.raises(Refusal, match=r"the state of partition 0 cannot be read: .* reads format 3") as refused:
        asyncio.run(protocol().run(partition, Taken([record], [], {}, [])))
    assert refused.value.hint == "run the release that wrote it, or a newer one"


def positions() -> Positions:
    return Positions(next={"purchases": 0}, now_us=0, sequence=0, programs={}, partitions=1)
