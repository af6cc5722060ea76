"""A worker process for tests: the real worker, wired with the counting decider.

Run as `python -m tests.integration.worker_process`. Settings come from LOYALTY_*, as always; LOYALTY_TEST_* say what
the test wants: VERSIONS (JSON of the programs held), after which stage of a batch to die, freeze or dawdle, whether
Faust is to hang when it stops, for how long the consumer cannot learn of the topics, and how much longer than it was
it is to have been without a fetch.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Collection

import faust
import orjson
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.subscription_state import SubscriptionState

from config.settings import load_settings
from tests.integration.counting import CountingDecider
from workers.checkpoint import Stage
from workers.fatal import Refusal, end_process
from workers.logs import configure_logs
from workers.topic_words import INPUTS
from workers.wire import wire

DIE, FREEZE, DAWDLE = "LOYALTY_TEST_DIE_AFTER", "LOYALTY_TEST_FREEZE_AFTER", "LOYALTY_TEST_DAWDLE_AFTER"
VERSIONS = "LOYALTY_TEST_VERSIONS"
HANG = "LOYALTY_TEST_HANG_IN_STOP"
BLIND = "LOYALTY_TEST_BLIND_SECONDS"
IDLE = "LOYALTY_TEST_IDLE_SECONDS"
DAWDLE_SECONDS = 0.05


def probe(stage: Stage, _partition: int) -> None:
    """Do after a stage what the test asked for."""
    if os.environ.get(DIE) == stage.name:
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get(FREEZE) == stage.name:
        del os.environ[FREEZE]  # Once: when it wakes, it goes on.
        os.kill(os.getpid(), signal.SIGSTOP)
    if os.environ.get(DAWDLE) == stage.name:
        time.sleep(DAWDLE_SECONDS)


async def hang(_app: faust.App) -> None:
    """Stands for Faust's stop: as it is when a rebalance begins in that moment."""
    await asyncio.sleep(3_600)


def blind(seconds: float) -> None:
    """As when the broker is away in the moment in which the consumer asks it for its topics."""
    update, sees_at = AIOKafkaClient._metadata_update, time.monotonic() + seconds

    async def look(self: AIOKafkaClient, cluster: object, topics: Collection[str]) -> bool:
        if len(topics) == len(INPUTS) and time.monotonic() < sees_at:
            return False
        seen: bool = await update(self, cluster, topics)
        return seen

    AIOKafkaClient._metadata_update = look


def idle(seconds: float) -> None:
    """As who has stood by for so long, with nothing to read."""
    idle_time = SubscriptionState.fetcher_idle_time

    def longer(self: SubscriptionState) -> float:
        so_far: float = idle_time.fget(self)
        return so_far + seconds if so_far else 0.0

    SubscriptionState.fetcher_idle_time = property(longer)


def main() -> int:
    """Run the worker and return its exit code."""
    if os.environ.get(HANG):
        faust.App.stop = hang  # type: ignore[method-assign, assignment]
    blind(float(os.environ.get(BLIND, "0")))
    idle(float(os.environ.get(IDLE, "0")))
    settings = load_settings()
    configure_logs(settings.log_level, json=True)
    versions = {name: tuple(held) for name, held in orjson.loads(os.environ[VERSIONS]).items()}
    try:
        return wire(settings, decider=CountingDecider(versions), probe=probe).run()
    except Refusal as refusal:
        end_process("starting", refusal)


if __name__ == "__main__":
    sys.exit(main())
