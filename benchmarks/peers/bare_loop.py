"""The limit for Python: an aiokafka loop that decodes, adds to one dictionary, and sends bytes that are ready.

It decodes with the same models. Deciding and encoding cost it nothing: ledger entries, balances and state of each
basket were made before, by the engine itself, and lie under the basket's id. The first argument says how it sends:
`send`, a record at a time, as aiokafka's documentation teaches, or `send_batch`, whole record batches, the fastest
there is.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.baskets import baskets, programs_named
from benchmarks.peers.job import Job, Meter
from benchmarks.peers.one_event import decided_event
from schemas.decode import Known, decode

Ready = dict[str, list[tuple[str, bytes, bytes]]]
"""By basket id: (topic word, key, value)."""


def make_ready(directory: Path, program: str, count: int) -> None:
    """Decide the first baskets, and keep the answers where the runs of this directory find them."""
    _file(directory, program).write_bytes(msgspec.msgpack.encode(_decided(program, count)))


def _file(directory: Path, program: str) -> Path:
    return directory / f"ready-{program}.msgpack"


def _decided(program: str, count: int) -> Ready:
    programs, state, ready = programs_named(program), dict[bytes, bytes](), Ready()
    for basket in baskets(count):
        writes, messages = decided_event(programs, basket.raw, state.get, time.time_ns() // 1_000)
        state.update(writes)
        ready[basket.id] = [*messages, *(("accounts", key, record) for key, record in writes)]
    return ready


async def run(how: str, job: Job) -> None:
    """Take events until the parent ends it."""
    ready = msgspec.msgpack.decode(_file(job.directory.parent, job.program).read_bytes(), type=Ready)
    meter, totals = Meter(job), dict[str, int]()
    consumer = AIOKafkaConsumer(
        f"{job.prefix}purchases",
        bootstrap_servers=job.bootstrap,
        group_id=f"{job.prefix}bare",
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(bootstrap_servers=job.bootstrap, max_batch_size=900 * 1024, linger_ms=5)
    await producer.start()
    await consumer.start()
    while True:
        for partition, records in (await consumer.getmany(timeout_ms=1_000, max_records=2_000)).items():
            out: list[tuple[str, bytes, bytes]] = []
            for record in records:
                decoded = decode(record.value, topic="purchases")
                if not isinstance(decoded, Known):
                    raise TypeError(decoded)
                fact = decoded.fact
                totals[fact.member] = totals.get(fact.member, 0) + 1
                if how == "send":
                    for word, key, value in ready[fact.cause.id]:
                        await producer.send(f"{job.prefix}{word}", value, key, partition=partition.partition)
                else:
                    out += ready[fact.cause.id]
                meter.took()
            await _send_batches(producer, job.prefix, partition.partition, out)


async def _send_batches(
    producer: AIOKafkaProducer, prefix: str, partition: int, out: Sequence[tuple[str, bytes, bytes]]
) -> None:
    by_word: dict[str, list[tuple[bytes, bytes]]] = {}
    for word, key, value in out:
        by_word.setdefault(word, []).append((key, value))
    for word, pairs in by_word.items():
        batch = producer.create_batch()
        for key, value in pairs:
            if batch.append(key=key, value=value, timestamp=None) is None:
                await producer.send_batch(batch, f"{prefix}{word}", partition=partition)
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        await producer.send_batch(batch, f"{prefix}{word}", partition=partition)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], Job.from_arguments(sys.argv[2:])))
