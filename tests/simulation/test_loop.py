"""The loop of the simulation: virtual time, and processes that can die and freeze between any two steps."""

import asyncio
import contextvars
from collections.abc import Coroutine
from random import Random
from typing import Any

import pytest

from tests.simulation.loop import OWNER, Stuck, VirtualLoop


def owned(loop: VirtualLoop, owner: str, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    context = contextvars.copy_context()
    context.run(OWNER.set, owner)
    return loop.create_task(coroutine, context=context)


def test_time_passes_only_when_nobody_has_anything_to_do() -> None:
    async def scenario() -> list[float]:
        times = [loop.time()]
        await asyncio.sleep(3_600)
        times.append(loop.time())
        for _ in range(5):
            await asyncio.sleep(0)
        return [*times, loop.time()]

    loop = VirtualLoop(Random(1))
    assert loop.run(scenario(), seconds=4_000) == [0, 3_600, 3_600]


@pytest.mark.parametrize(("seconds", "why"), [(10.0, "10 s have passed"), (1e9, "nothing is left")])
def test_a_run_that_does_not_end_is_stuck(seconds: float, why: str) -> None:
    async def scenario() -> None:
        if seconds < 1e9:
            await asyncio.sleep(20)
        await loop.create_future()

    loop = VirtualLoop(Random(1))
    with pytest.raises(Stuck, match=why):
        loop.run(scenario(), seconds=seconds)
    loop.bury()


def order_of(seed: int) -> str:
    """In which order three processes take their steps."""
    steps: list[str] = []

    async def stepping(name: str) -> None:
        for number in range(4):
            steps.append(f"{name}{number}")
            await asyncio.sleep(0)

    async def scenario() -> None:
        tasks = [owned(loop, name, stepping(name)) for name in "abc"]
        await asyncio.wait(tasks)

    loop = VirtualLoop(Random(seed))
    loop.run(scenario(), seconds=10)
    return " ".join(steps)


def test_the_seed_decides_who_is_next_and_each_process_keeps_its_order() -> None:
    orders = [order_of(seed) for seed in range(20)]
    assert orders == [order_of(seed) for seed in range(20)]
    assert len(set(orders)) > 10
    for order in orders:
        assert [step for step in order.split() if step[0] == "a"] == ["a0", "a1", "a2", "a3"]


def test_who_is_killed_takes_no_step_more_and_who_is_frozen_goes_on_later() -> None:
    steps: list[tuple[str, float]] = []

    async def ticking(name: str) -> None:
        try:
            for _ in range(6):
                steps.append((name, loop.time()))
                await asyncio.sleep(1)
        finally:
            steps.append((f"{name} ends", loop.time()))

    async def scenario() -> list[tuple[str, float]]:
        tasks = [owned(loop, name, ticking(name)) for name in ("dead", "frozen")]
        await asyncio.sleep(1.5)
        loop.kill("dead")
        loop.freeze("frozen")
        await asyncio.sleep(5)
        assert len(steps) == 4
        loop.thaw("frozen")
        await tasks[1]
        return list(steps)

    loop = VirtualLoop(Random(1))
    found = loop.run(scenario(), seconds=100)
    loop.bury()
    assert [at for name, at in found if name == "dead"] == [0, 1]
    assert [at for name, at in found if name == "frozen"] == [0, 1, 6.5, 7.5, 8.5, 9.5]
    assert ("dead ends", 0.0) not in found
    assert [name for name, _ in found if "ends" in name] == ["frozen ends"]
