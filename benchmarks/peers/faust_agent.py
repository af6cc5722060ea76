"""The same decisions the way Faust's guide teaches it: an agent, a table, one event at a time, `topic.send`.

Fair to Faust: the same decoding, deciding and encoding as our worker, a table in memory, raw serializers (no
second JSON), no web server, at_least_once as by default, and all partitions in one process. What its guide does not
teach is not here: no batches, no transactions.
"""

import sys
import time
from collections.abc import Mapping
from typing import Any

import faust
from faust.types import StreamT, TableT, TopicT

from benchmarks.baskets import programs_named
from benchmarks.peers.job import Job, Meter
from benchmarks.peers.one_event import decided_event
from loyalty.plan import Programs

OUTPUTS = ("ledger", "balances", "tiers")


def build(job: Job) -> faust.App:
    """The app with its agent."""
    app = faust.App(
        f"{job.prefix}faust",
        broker=f"kafka://{job.bootstrap}",
        store="memory://",
        datadir=job.directory / "faust",
        topic_partitions=job.partitions,
        key_serializer="raw",
        value_serializer="raw",
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
    )
    programs = programs_named(job.program)
    purchases = app.topic(f"{job.prefix}purchases", key_type=bytes, value_type=bytes)
    outputs = {word: app.topic(f"{job.prefix}{word}", key_type=bytes, value_type=bytes) for word in OUTPUTS}
    accounts = app.Table("accounts", partitions=job.partitions, key_type=bytes, value_type=bytes)
    meter = Meter(job)

    @app.agent(purchases)
    async def decide_purchases(stream: StreamT[Any]) -> None:
        async for raw in stream:
            await decided(programs, accounts, outputs, raw)
            meter.took()

    return app


async def decided(
    programs: Programs, accounts: TableT[bytes, bytes], outputs: Mapping[str, TopicT], raw: bytes
) -> None:
    """One event: read its records, decide, write what changed, send what follows."""
    writes, messages = decided_event(programs, raw, accounts.get, time.time_ns() // 1_000)
    for key, record in writes:
        accounts[key] = record
    for word, member, value in messages:
        # As in the guide: awaited until the producer has it, not until the broker does.
        await outputs[word].send(key=member, value=value)  # type: ignore[unused-awaitable]


def main() -> None:
    """Run until the parent ends it."""
    worker = faust.Worker(
        build(Job.from_arguments(sys.argv[1:])), loglevel="WARNING", quiet=True, redirect_stdouts=False
    )
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
