"""What the worker waits for: for its agents before it subscribes, and for an assignment that still stands."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka.consumer.subscription_state import SubscriptionState

from workers.app import FaustTerms, NoTables, build_app
from workers.connection import Connection
from workers.topic_words import INPUTS

WORDS = ("purchases", "reviews", "inbox")


def declared() -> faust.App:
    """An app with an agent for each word. It never starts."""
    app = faust.App("waiting", broker="kafka://127.0.0.1:1", store="memory://", TableManager=NoTables)
    for word in WORDS:
        app.agent(app.topic(word), name=word)(read)
    return app


async def read(stream: Any) -> None:
    async for _ in stream:
        pass


async def subscribed_after(app: faust.App, subscriptions: list[set[str]]) -> list[bool]:
    """Whether it has gone on, before any agent has begun to read and after each that has."""

    async def going_on() -> bool:
        await asyncio.sleep(0.05)
        return bool(subscriptions)

    tables: Any = app.tables
    waiting = asyncio.create_task(tables.on_start())
    gone_on = [await going_on()]
    for word in WORDS:
        app.topics.add(app.topic(word))
        gone_on.append(await going_on())
    await waiting
    return gone_on


def test_it_goes_on_when_the_last_agent_has_begun_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    subscriptions: list[set[str]] = []

    async def registered(tables: NoTables) -> None:
        subscriptions.append({name for channel in tables.app.topics for name in channel.topics})

    monkeypatch.setattr(NoTables, "_update_channels", registered)
    monkeypatch.setattr(NoTables, "recovery", SimpleNamespace(start=lambda: asyncio.sleep(0)))
    assert asyncio.run(subscribed_after(declared(), subscriptions)) == [False, False, False, True]
    assert subscriptions == [set(WORDS)]


def app_of(tmp_path: Path, ownership: Any) -> Any:
    """The worker's app as it is, with nobody to connect to."""
    terms = FaustTerms(
        group="group",
        topics={word: word for word in INPUTS},
        data_directory=tmp_path,
        poll_records_max=1,
        session_timeout_seconds=10,
    )
    lanes: Any = SimpleNamespace()
    return build_app(terms, Connection(bootstrap_servers=("127.0.0.1:1",)), lanes, ownership)


def test_a_worker_without_partitions_stays_in_the_group(tmp_path: Path) -> None:
    """It never fetches. aiokafka leaves the group when a consumer has not done so for long, and does not come back."""

    async def scenario() -> tuple[bool, int]:
        app = app_of(tmp_path, SimpleNamespace())
        made = app.consumer._thread._create_worker_consumer(app.transport)
        state = SubscriptionState()
        state._last_fetch_ended -= 365 * 86_400  # As one that has stood by for a year.
        await made.stop()
        return state.fetcher_idle_time * 1_000 < made._max_poll_interval_ms, made._rebalance_timeout_ms

    stays, rebalance_timeout_ms = asyncio.run(scenario())
    assert stays
    assert rebalance_timeout_ms <= 60_000  # What the group waits for a worker that is gone is not the same.


@pytest.mark.parametrize(("rebalancing", "taken_over"), [(False, [{"a partition"}]), (True, [])])
def test_an_assignment_that_a_revocation_has_overtaken_is_not_taken_over(
    tmp_path: Path, *, rebalancing: bool, taken_over: list[set[str]]
) -> None:
    seen: list[set[str]] = []

    async def assigned(tps: set[str]) -> None:
        seen.append(tps)

    app = app_of(tmp_path, SimpleNamespace(assigned=assigned))
    app.consumer = SimpleNamespace(is_rebalancing=lambda: rebalancing, assignment=lambda: {"a partition"})
    asyncio.run(app.on_rebalance_complete.send())
    assert seen == taken_over
