"""One run of one contender: topics of its own, baskets in them, the process, what it used, and whether it is right.

What is fast and wrong does not count: after each run the ledger is read as a read_committed consumer sees it, and each
member's points, and the last balance, must be those of the engine.
"""

import asyncio
import logging
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from typing_extensions import override

from benchmarks.baskets import SCRATCH, Basket, baskets, programs_named
from benchmarks.contenders import Contender
from benchmarks.peers.job import Job, Span
from benchmarks.peers.one_event import decided_event
from benchmarks.watched import Watched
from config.settings import Settings
from workers.cluster import admin_client
from workers.local_kafka import LocalKafka
from workers.records import partition_of
from workers.topics import create_topics

PARTITIONS = 4
BOOKS = ("ledger", "balances")
_CHUNK = 2_000
# A topic that was made just now has no leader for a moment; the client tries again, and says so each time.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
_COMPLETE_SECONDS = 60.0
_SILENT_SECONDS = 1.0
"""After the last ones expected: one too many would be seen."""


class Measured(NamedTuple):
    """What one run took, over all of its processes."""

    events_per_second: float
    cpu_seconds_per_million: float
    peak_mb: float


@dataclass(slots=True)
class Books:
    """What ledger and balances of a run say, in all and of each member."""

    entries: int = 0
    """In the ledger."""
    points: Counter[str] = field(default_factory=Counter)
    """By member: what the entries gave."""
    changes: int = 0
    """In balances."""
    balances: dict[str, int] = field(default_factory=dict)
    """By member: the last one."""

    def add(self, word: str, value: bytes) -> None:
        """Take in an event of the topic `word`; other topics are not looked at."""
        if word not in BOOKS:
            return
        event = orjson.loads(value)
        member, data = event["subject"], event["data"]
        if word == "balances":
            self.changes += 1
            self.balances[member] = data["available"]
            return
        self.entries += 1
        self.points[member] += sum(
            posting["amount"] for posting in data["postings"] if posting["account"].startswith("member:")
        )

    @override
    def __str__(self) -> str:
        """In short; two that differ may read the same, when it is other members who have the points."""
        return (
            f"{self.entries} ledger entries with {self.points.total()} points, "
            f"{self.changes} changes to balances of {sum(self.balances.values())}"
        )


def expected_books(program: str, count: int) -> Books:
    """What the engine makes of the first baskets."""
    programs, state, books = programs_named(program), dict[bytes, bytes](), Books()
    for basket in baskets(count):
        writes, messages = decided_event(programs, basket.raw, state.get, time.time_ns() // 1_000)
        state.update(writes)
        for word, _, value in messages:
            books.add(word, value)
    return books


@contextmanager
def prepared(job: Job) -> Iterator[None]:
    """Topics and a folder for one run; both gone afterwards."""
    settings = Settings(bootstrap_servers=(job.bootstrap,), prefix=job.prefix, partitions=job.partitions)
    job.directory.mkdir(parents=True)
    with admin_client(settings) as admin:
        create_topics(admin, prefix=job.prefix, partitions=job.partitions, replicas=1)
    try:
        yield
    finally:
        with admin_client(settings) as admin:
            # Frameworks make topics of their own, with our prefix somewhere in the name.
            admin.delete_topics([name for name in admin.list_topics() if job.prefix in name])
        shutil.rmtree(job.directory, ignore_errors=True)


async def publish(job: Job, events: Sequence[Basket]) -> None:
    """Send baskets in their order, as record batches, spread over the partitions as a client would."""
    producer = AIOKafkaProducer(bootstrap_servers=job.bootstrap, acks="all", max_batch_size=900 * 1024)
    await producer.start()
    sent = []
    try:
        remaining = iter(events)
        while chunk := list(islice(remaining, _CHUNK)):
            batches = [producer.create_batch() for _ in range(job.partitions)]
            for basket in chunk:
                number = partition_of(basket.member, job.partitions)
                key = basket.member.encode()
                if batches[number].append(key=key, value=basket.raw, timestamp=None) is None:
                    sent.append(await producer.send_batch(batches[number], f"{job.prefix}purchases", partition=number))
                    batches[number] = producer.create_batch()
                    batches[number].append(key=key, value=basket.raw, timestamp=None)
            for number, batch in enumerate(batches):
                if batch.record_count():
                    sent.append(await producer.send_batch(batch, f"{job.prefix}purchases", partition=number))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def run_once(
    contender: Contender,
    job: Job,
    events: Sequence[Basket],
    expected: Books,
    *,
    processes: int = 1,
    ready: Callable[[Sequence[Mapping[str, str]], Sequence[Watched]], None] | None = None,
) -> Measured:
    """Measure one run, and check what it wrote. Raises AssertionError when that is wrong.

    Without `ready` the baskets are there before it starts; with it they come when `ready` has returned.
    """
    command = contender.command(job)
    environments = [contender.environment(job) for _ in range(processes)]
    with prepared(job), ExitStack() as stack:
        if ready is None:
            asyncio.run(publish(job, events))
        watched = [
            stack.enter_context(Watched(command, job.directory / f"log-{number}", environment))
            for number, environment in enumerate(environments)
        ]
        if ready is not None:
            ready(environments, watched)
            asyncio.run(publish(job, events))
        span = contender.followed(job, watched)
        measured = _measured(span, watched, job.events)
        asyncio.run(check_books(job, contender.name, expected))
    return measured


def _measured(span: Span, watched: Sequence[Watched], events: int) -> Measured:
    return Measured(
        events_per_second=events / span.seconds,
        cpu_seconds_per_million=sum(each.cpu_seconds(span) for each in watched) / events * 1_000_000,
        peak_mb=sum(each.peak_bytes for each in watched) / (1 << 20),
    )


async def check_books(job: Job, name: str, expected: Books) -> None:
    """Compare ledger and balances with the engine's. Waits for what is under way. Raises AssertionError."""
    found = Books()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=job.bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    words = {f"{job.prefix}{word}": word for word in BOOKS}
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, number) for topic in words for number in range(job.partitions)])
        await consumer.seek_to_beginning()
        quiet = 0.0
        while quiet < patience_seconds(found, expected):
            polled = await consumer.getmany(timeout_ms=500)
            quiet = 0.0 if polled else quiet + 0.5
            for tp, records in polled.items():
                for record in records:
                    found.add(words[tp.topic], record.value)
    finally:
        await consumer.stop()
    if found != expected:
        raise AssertionError(f"{name} is wrong: it made {found}; the engine makes {expected}")


def patience_seconds(found: Books, expected: Books) -> float:
    """How long a silence has to be until nothing more will come."""
    if found.entries < expected.entries or found.changes < expected.changes:
        return _COMPLETE_SECONDS
    return _SILENT_SECONDS


@contextmanager
def broker(name: str) -> Iterator[tuple[str, Path]]:
    """A broker with room to run in, and a folder; both gone afterwards."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=SCRATCH, prefix=f"{name}-") as folder,
        LocalKafka(Path(folder) / "kafka", heap_mb=1024) as kafka,
    ):
        yield kafka.bootstrap, Path(folder)
