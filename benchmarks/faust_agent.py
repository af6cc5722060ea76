"""The same decisions the way Faust's guide teaches it: an agent, a table, one event at a time, `topic.send`.

Fair to Faust: the same decoding, deciding and encoding as our worker, a table in memory, raw serializers (no
second JSON), no web server, at_least_once as by default, and all partitions in one process. What its guide does not
teach is not here: no batches, no transactions.

When all that was published is taken, it writes the accounts that it then holds, and how many events it took in how
many seconds from the first to the last, into the folder that it is told, and ends.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import faust
from faust.types import StreamT, TableT, TopicT

from benchmarks.baskets import programs_named
from loyalty.account import Head, Record
from loyalty.decide import decide
from loyalty.fetching import reads
from loyalty.plan import Programs
from schemas.decode import Known, decode
from schemas.state import decode_record, encode_record
from workers.accounts import account_lines
from workers.batch import messages_of

ACCOUNTS_FILE = "accounts.ndjson"
REPORT = "report.json"
OUTPUTS = ("ledger", "balances", "tiers")


class Run(NamedTuple):
    """What the parent process says."""

    bootstrap: str
    prefix: str
    partitions: int
    program: str
    events: int
    directory: Path


def accounts_of(records: list[bytes]) -> bytes:
    """All heads among encoded records, as lines of accounts.ndjson."""
    decoded = [decode_record(raw) for raw in records]
    return b"".join(account_lines(record for record in decoded if isinstance(record, Head)))


def build(run: Run) -> faust.App:
    """The app with its agent."""
    app = faust.App(
        f"{run.prefix}faust",
        broker=f"kafka://{run.bootstrap}",
        store="memory://",
        datadir=run.directory / "faust",
        topic_partitions=run.partitions,
        key_serializer="raw",
        value_serializer="raw",
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
    )
    programs = programs_named(run.program)
    purchases = app.topic(f"{run.prefix}purchases", key_type=bytes, value_type=bytes)
    outputs = {word: app.topic(f"{run.prefix}{word}", key_type=bytes, value_type=bytes) for word in OUTPUTS}
    accounts = app.Table("accounts", partitions=run.partitions, key_type=bytes, value_type=bytes)
    started = taken = 0.0

    @app.agent(purchases)
    async def decide_purchases(stream: StreamT[Any]) -> None:
        nonlocal started, taken
        async for raw in stream:
            started = started or time.monotonic()
            await decided(programs, accounts, outputs, raw)
            taken += 1
            if taken == run.events:
                seconds = time.monotonic() - started
                (run.directory / ACCOUNTS_FILE).write_bytes(accounts_of(list(accounts.values())))
                (run.directory / REPORT).write_text(json.dumps({"events": run.events, "seconds": seconds}))
                os._exit(0)  # what it would do to end well is not measured

    return app


async def decided(
    programs: Programs, accounts: TableT[bytes, bytes], outputs: Mapping[str, TopicT], raw: bytes
) -> None:
    """One event: read its records, decide, write what changed, send what follows."""
    decoded = decode(raw, topic="purchases")
    if not isinstance(decoded, Known):
        return
    state: dict[str, Record] = {}
    for key in reads(decoded.fact):
        found = accounts.get(key.encode())
        if found is not None:
            state[key] = decode_record(found)
    decision = decide(programs, state, decoded.fact, time.time_ns() // 1_000)
    for key, record in decision.writes.items():
        accounts[key.encode()] = encode_record(record)
    for word, member, value in messages_of(decision):
        # As in the guide: awaited until the producer has it, not until the broker does.
        await outputs[word].send(key=member, value=value)  # type: ignore[unused-awaitable]


def main() -> None:
    """Run until the parent ends it. The arguments are the fields of `Run`."""
    bootstrap, prefix, partitions, program, events, directory = sys.argv[1:]
    run = Run(bootstrap, prefix, int(partitions), program, int(events), Path(directory))
    worker = faust.Worker(build(run), loglevel="WARNING", quiet=True, redirect_stdouts=False)
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
