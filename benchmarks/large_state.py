"""A million members: how long a worker takes to restore them, what they take of memory, and what a disk spares.

Heads and purchases are real: a sample of members is decided event by event under the showcase program, encoded as a
worker does it, and written under a million ids, in transactions, to the compacted changelog on a real broker. Then
processes of their own restore it by the worker's own code, so that memory is theirs alone. With the store on disk a
second process finds what the first has left, and reads what is new.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, Final, NamedTuple

from benchmarks.baskets import ROOT, SCRATCH
from benchmarks.record_sizes import MEMBER, PROGRAM, START, event
from benchmarks.runs import broker
from benchmarks.watched import memory_bytes
from config.settings import Settings
from config.topics import topic_name
from loyalty.account import Record, head_key, purchase_key
from loyalty.decide import decide
from loyalty.fetching import reads
from loyalty.plan import Programs
from schemas.decode import Known, decode
from schemas.program_load import load_program
from schemas.state import encode_record
from workers.batch import Engine
from workers.clients import KafkaClients
from workers.cluster import admin_client, identity_of
from workers.collector import collect_rarely
from workers.partition import Partition
from workers.positions import POSITIONS_KEY, Positions
from workers.producer import Target, TransactionalProducer
from workers.records import Out, partition_of
from workers.restore import reader, restore
from workers.store.directory import StateDirectory, timing_of
from workers.store.memory import MemoryStore
from workers.topic_words import ACCOUNTS
from workers.topics import create_topics
from workers.wire import connection_of, system_clock

PARTITIONS: Final = 4
SAMPLES: Final = 180
VISITS_MAX: Final = 18
TRANSACTION_RECORDS: Final = 4_000
MB: Final = 1_000_000
HELD_MAX_US: Final = 3 * 86_400_000_000


class Sample(NamedTuple):
    """The records of a member: its head, and its latest purchases by transaction id."""

    head: bytes
    purchases: Sequence[tuple[str, bytes]]


def samples(purchases_each: int) -> list[Sample]:
    """Members with one to `VISITS_MAX` purchases behind them."""
    programs = Programs([load_program(PROGRAM)])
    return [_lived(programs, number, purchases_each) for number in range(SAMPLES)]


def _lived(programs: Programs, number: int, purchases_each: int) -> Sample:
    state: dict[str, Record] = {}
    sales = [f"{number:04d}-{visit:02d}" for visit in range(1 + number % VISITS_MAX)]
    for visit, sale in enumerate(sales):
        lines = [
            {"line_id": str(at), "sku": f"SKU-{at}", "category": "coffee", "quantity": "1", "amount_minor": 450 + visit}
            for at in range(1 + visit % 3)
        ]
        data: dict[str, Any] = {"transaction_id": sale, "store_id": "12", "channel": "store", "currency": "USD"}
        raw = event("purchase", sale, START + timedelta(days=5 * visit, hours=number % 9), {**data, "lines": lines})
        decoded = decode(raw)
        if not isinstance(decoded, Known):
            raise TypeError(decoded)
        fact = decoded.fact
        found = {key: state[key] for key in reads(fact) if key in state}
        writes = decide(programs, found, fact, fact.time_us).writes
        state.update({key: record for key, record in writes.items() if record is not None})
    purchases = [(sale, encode_record(state[purchase_key(MEMBER, sale)])) for sale in sales]
    return Sample(encode_record(state[head_key(MEMBER)]), purchases[len(purchases) - purchases_each :])


def records(members: int, purchases_each: int) -> Iterator[tuple[int, bytes, bytes]]:
    """(partition, key, value) of all of them, in the order of the members' numbers."""
    stand_in, made = MEMBER.encode(), samples(purchases_each)
    for number in range(members):
        member, sample = f"member-{number * 7_919 % 9_000_000 + 1_000_000}", made[number % SAMPLES]
        partition = partition_of(member, PARTITIONS)
        yield partition, head_key(member).encode(), sample.head.replace(stand_in, member.encode())
        for sale, raw in sample.purchases:
            yield partition, purchase_key(member, sale).encode(), raw


async def written(settings: Settings, source: Iterator[tuple[int, bytes, bytes]]) -> tuple[int, int]:
    """Write records as a worker does, in transactions with positions; answers how many, and their bytes."""
    count = size = sequence = 0
    waiting: list[list[Out]] = [[] for _ in range(PARTITIONS)]
    producers = [
        TransactionalProducer(
            KafkaClients(connection_of(settings)),
            transactional_id=f"{settings.prefix}{number}",
            prefix=settings.prefix,
            transaction_timeout_seconds=60,
        )
        for number in range(PARTITIONS)
    ]

    async def flush(number: int) -> None:
        nonlocal sequence
        sequence += 1
        stored = Positions(next={}, now_us=0, sequence=sequence, programs={}, partitions=PARTITIONS)
        outs = [*waiting[number], Out(ACCOUNTS, number, POSITIONS_KEY, stored.encode())]
        waiting[number].clear()
        producer = producers[number]
        await producer.begin()
        for future in await producer.write(Target(ACCOUNTS, number), outs, timestamp_ms=system_clock() // 1_000):
            await future
        await producer.commit()

    for producer in producers:
        await producer.start()
    for partition, key, value in source:
        waiting[partition].append(Out(ACCOUNTS, partition, key, value))
        count, size = count + 1, size + len(key) + len(value)
        if len(waiting[partition]) == TRANSACTION_RECORDS:
            await flush(partition)
    for number, producer in enumerate(producers):
        await flush(number)
        await producer.stop()
    return count, size


# ------------------------------------------------------------------ the process that restores
def restoring(settings: Settings) -> dict[str, Any]:
    """Restore all partitions as a worker does, and say what it took."""
    engine = Engine(Programs([load_program(PROGRAM)]), partitions=PARTITIONS)
    collect_rarely()
    stores = _stores(settings, engine)
    before_bytes, began, cpu, system = memory_bytes("RssAnon"), time.monotonic(), time.process_time(), _system_seconds()
    partitions = [Partition(number, stores(number)) for number in range(PARTITIONS)]

    async def run() -> int:
        async with reader(KafkaClients(connection_of(settings))) as consumer:
            changelog = topic_name(settings.prefix, ACCOUNTS)
            return await restore(consumer, changelog, partitions, now_us=system_clock(), held_max_us=HELD_MAX_US)

    read = asyncio.run(run())
    taken = {
        "seconds": time.monotonic() - began,
        "cpu_seconds": time.process_time() - cpu,
        "system_seconds": _system_seconds() - system,
    }
    accounts = sum(partition.store.accounts for partition in partitions)
    memory = {"anonymous_bytes": memory_bytes("RssAnon") - before_bytes, "highest_bytes": memory_bytes("VmHWM")}
    disk = sum(partition.store.disk_bytes for partition in partitions)
    return {"read": read, "accounts": accounts, "disk_bytes": disk, **taken, **memory}


def _system_seconds() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_stime


def _stores(settings: Settings, engine: Engine) -> Any:
    if settings.store == "memory":
        return lambda number: MemoryStore(number, engine.start_after)
    starts_us = {version: start_us for version, (_, start_us) in engine.versions.items()}
    path = settings.store_directory or SCRATCH
    directory = StateDirectory(path, start_after=engine.start_after, timing=timing_of(starts_us, engine.start_after))
    directory.take(identity_of(settings, topic_name(settings.prefix, ACCOUNTS)))
    return directory


def in_a_process(settings: Settings) -> dict[str, Any]:
    """What `restoring` says, in a process of its own."""
    command = (sys.executable, "-m", "benchmarks.large_state", "--restore", settings.model_dump_json())
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


# ------------------------------------------------------------------ the report
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_state", description=__doc__)
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--purchases", type=int, default=1, help="purchases kept of each member")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--restore", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.restore:
        print(json.dumps(restoring(Settings.model_validate_json(options.restore))))
        return
    with broker("large-state") as (bootstrap, folder):
        plain = Settings(bootstrap_servers=(bootstrap,), prefix="large.", partitions=PARTITIONS)
        with admin_client(plain) as admin:
            create_topics(admin, prefix=plain.prefix, partitions=PARTITIONS, replicas=1)
        began = time.monotonic()
        count, size = asyncio.run(written(plain, records(options.members, options.purchases)))
        print(f"{options.members:,} members, {count:,} records, {size / MB:,.0f} MB of keys and values; ", end="")
        print(f"written in {time.monotonic() - began:.0f} s", flush=True)
        for number in range(options.rounds):
            report("memory", in_a_process(plain), options.members)
            on_disk = plain.model_copy(update={"store": "disk", "store_directory": folder / f"state-{number}"})
            report("disk, the first time", in_a_process(on_disk), options.members)
            report("disk, again", in_a_process(on_disk), options.members)
            new = records(options.members, options.purchases)
            changed, _ = asyncio.run(written(plain, islice(new, options.members // 100)))
            report(f"disk, {changed:,} records later", in_a_process(on_disk), options.members)


def report(what: str, found: dict[str, Any], members: int) -> None:
    """A line for each figure of a restore."""
    print(
        f"{what}: {found['read']:,} records read in {found['seconds']:.1f} s, {found['cpu_seconds']:.1f} s of CPU "
        f"({found['system_seconds']:.1f} in the kernel), {found['read'] / found['seconds']:,.0f} a second; "
        f"{found['anonymous_bytes'] / members:,.0f} bytes of memory for each member, "
        f"{found['highest_bytes'] / MB:,.0f} MB at most, with what is mapped; "
        f"{found['disk_bytes'] / MB:,.0f} MB of disk",
        flush=True,
    )


if __name__ == "__main__":
    main()
