"""The engine on a real broker as an operator runs it: topics by the project's own command, workers as processes.

A test says what is published, waits until all of it is taken, and stops the workers. Nothing here sleeps for a fixed
time: each wait has a condition, and ends at once when no worker is left that could bring it about.
"""

import contextlib
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, NamedTuple, Self

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from config.settings import Settings
from tests.integration.engine_events import Message
from tests.integration.harness import ROOT, WorkerProcess
from workers.cluster import admin_client
from workers.positions import POSITIONS_KEY, JournalRecord, Positions
from workers.records import Record
from workers.topic_words import ACCOUNTS, INBOX, JOURNAL
from workers.topics import create_topics

LOYALTY = (sys.executable, "-c", "from workers.cli import main; main()")
WAIT_SECONDS = 300.0
"""Only a hang waits so long; a machine under load takes a good part of it."""


class Place(NamedTuple):
    """Where a record lies."""

    word: str
    partition: int
    offset: int


class LoyaltyWorker(WorkerProcess):
    """`loyalty worker` as a process. Standard error is its log."""

    COMMAND: ClassVar[tuple[str, ...]] = (*LOYALTY, "worker")

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        others = {name: value for name, value in os.environ.items() if not name.startswith("LOYALTY_")}
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                self.COMMAND, cwd=ROOT, env={**others, **environment}, stdout=stream, stderr=stream
            )

    @property
    def running(self) -> bool:
        return self.process.poll() is None


class Follower:
    """Follows positions and inbox as they grow, in what is committed."""

    def __init__(self, bootstrap: str, prefix: str, partitions: int) -> None:
        numbers = range(partitions)
        self._inbox = [TopicPartition(f"{prefix}{INBOX}", number) for number in numbers]
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap, isolation_level="read_committed", enable_auto_commit=False
        )
        changelog = [TopicPartition(f"{prefix}{ACCOUNTS}", number) for number in numbers]
        self._consumer.assign([*self._inbox, *changelog])
        self._consumer.seek_to_beginning()
        self._inbox_next = dict.fromkeys(numbers, 0)
        self.positions: dict[int, Positions] = {}

    def close(self) -> None:
        self._consumer.close()

    @property
    def batches(self) -> int:
        """How many batches were committed."""
        return sum(stored.sequence for stored in self.positions.values())

    def look(self) -> None:
        """Take in what came."""
        for tp, records in self._consumer.poll(timeout_ms=100).items():
            if tp in self._inbox:
                self._inbox_next[tp.partition] = records[-1].offset + 1
                continue
            stored = [record.value for record in records if record.key == POSITIONS_KEY]
            if stored:
                self.positions[tp.partition] = Positions.decode(stored[-1])

    def all_taken(self, published: Mapping[tuple[str, int], int]) -> bool:
        """Whether everything published, by (topic, partition) the offset behind it, and all of the inbox was taken."""
        # Only then is the inbox complete: nothing can be added to it by what is still to be taken.
        if not all(self._next(word, number) >= offset for (word, number), offset in published.items()):
            return False
        ends = self._consumer.end_offsets(self._inbox)
        # It holds transaction markers, which nobody takes: its last record counts, once all of it is read.
        return all(self._consumer.position(tp) >= end for tp, end in ends.items()) and all(
            self._next(INBOX, number) >= offset for number, offset in self._inbox_next.items()
        )

    def _next(self, word: str, number: int) -> int:
        stored = self.positions.get(number)
        return 0 if stored is None else stored.next[word]


class EngineCluster:
    """One test's topics and workers. A context manager: no worker outlives the test."""

    def __init__(self, bootstrap: str, prefix: str, directory: Path, program: Path, *, partitions: int = 3) -> None:
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.directory = directory
        self.program = program
        self.partitions = partitions
        self.settings = Settings(bootstrap_servers=(bootstrap,), prefix=prefix, partitions=partitions)
        self.workers: list[LoyaltyWorker] = []
        self.published: dict[tuple[str, int], int] = {}
        """Topic and partition -> the offset behind what was published."""
        self._follower: Follower | None = None
        directory.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._follower is not None:
            self._follower.close()
        for worker in self.workers:
            if worker.running:
                worker.process.kill()
                worker.process.wait()
            worker.show()

    def create_topics(self) -> None:
        with admin_client(self.settings) as admin:
            create_topics(admin, prefix=self.prefix, partitions=self.partitions, replicas=1)

    def configure(self, word: str, config: Mapping[str, str]) -> None:
        """Set a topic's configuration, as its operator may."""
        if config:
            with admin_client(self.settings) as admin:
                admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, self.prefix + word, dict(config))])

    def start(self, **settings: str) -> LoyaltyWorker:
        """Start a worker; `settings` by their names without LOYALTY_."""
        worker = LoyaltyWorker(self.environment(**settings), self.directory / f"worker-{len(self.workers)}.log")
        self.workers.append(worker)
        return worker

    def environment(self, **settings: str) -> dict[str, str]:
        """What a worker of this engine finds in its environment; `settings` by their names without LOYALTY_."""
        named = {
            "BOOTSTRAP_SERVERS": self.bootstrap,
            "PREFIX": self.prefix,
            "PARTITIONS": str(self.partitions),
            "PROGRAMS": str(self.program),
            "DATA_DIRECTORY": str(self.directory / "data"),
            "METRICS_PORT": "0",
            "SESSION_TIMEOUT_SECONDS": "6",
            "LOG_JSON": "true",
            **settings,
        }
        return {f"LOYALTY_{name}": value for name, value in named.items()}

    # ------------------------------------------------------------------ in
    @contextlib.contextmanager
    def producer(self, **options: Any) -> Iterator[Any]:
        """A producer that takes large records, closed on exit."""
        made = KafkaProducer(
            bootstrap_servers=self.bootstrap, acks="all", linger_ms=5, **{"max_request_size": 1_048_576, **options}
        )
        try:
            yield made
        finally:
            made.close()

    def publish(self, messages: Iterable[Message], **options: Any) -> list[Place]:
        """Publish in order, and answer where each record came to lie."""
        with self.producer(**options) as producer:
            sent = [
                producer.send(
                    self.prefix + message.word,
                    key=message.key,
                    value=message.value,
                    partition=message.partition,
                    headers=list(message.headers),
                    timestamp_ms=message.timestamp_ms,
                )
                for message in messages
            ]
            producer.flush()
            placed = [future.get(timeout=WAIT_SECONDS) for future in sent]
        places = [Place(each.topic.removeprefix(self.prefix), each.partition, each.offset) for each in placed]
        for word, partition, offset in places:
            self.published[word, partition] = max(offset + 1, self.published.get((word, partition), 0))
        return places

    # ------------------------------------------------------------------ waiting
    @property
    def follower(self) -> Follower:
        if self._follower is None:
            self._follower = Follower(self.bootstrap, self.prefix, self.partitions)
        return self._follower

    def wait(self, what: str, done: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
        """Wait until `done`, or fail: at once when no worker runs."""
        end = time.monotonic() + seconds
        while True:
            alive = any(worker.running for worker in self.workers)
            self.follower.look()
            if done():
                return
            if not alive or time.monotonic() > end:
                why = "no worker is left" if not alive else f"{seconds} s have passed"
                raise AssertionError(f"waiting for {what}: {why}\n{self.logs()}")

    def wait_taken(self) -> None:
        """Wait until everything published so far, and what followed from it, is decided and committed."""
        self.wait("everything to be taken", lambda: self.follower.all_taken(self.published))

    def wait_batches(self, more: int) -> None:
        """Wait until that many more batches are committed, or everything is taken."""
        follower = self.follower
        until = follower.batches + more
        self.wait(f"{more} batches", lambda: follower.batches >= until or follower.all_taken(self.published))

    def stop(self) -> None:
        """Stop the workers that run: each must end cleanly."""
        for worker in self.workers:
            if worker.running:
                assert worker.stop() == 0, self.logs()

    def logs(self) -> str:
        return "\n".join(f"--- {worker.log}\n{worker.log.read_text()[-4000:]}" for worker in self.workers[-3:])

    # ------------------------------------------------------------------ out
    def read(self, word: str, isolation: str = "read_committed") -> list[Record]:
        """The records of a topic, partition by partition, in order."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap,
            isolation_level=isolation,
            enable_auto_commit=False,
            max_partition_fetch_bytes=8 << 20,
            check_crcs=False,  # Summed in Python, where that takes longer than everything else.
        )
        try:
            tps = [TopicPartition(self.prefix + word, number) for number in range(self.partitions)]
            consumer.assign(tps)
            consumer.seek_to_beginning()
            ends = consumer.end_offsets(tps)
            records: list[Any] = []
            while any(consumer.position(tp) < end for tp, end in ends.items()):
                for polled in consumer.poll(timeout_ms=200).values():
                    records.extend(polled)
        finally:
            consumer.close()
        return [
            Record(word, each.partition, each.offset, each.timestamp, each.key, each.value, tuple(each.headers))
            for each in sorted(records, key=lambda each: (each.partition, each.offset))
        ]

    def values(self, word: str) -> list[bytes]:
        """The values of `read`."""
        return [record.value or b"" for record in self.read(word)]

    def taken(self) -> Counter[str]:
        """How many records the journal says were taken, by topic."""
        taken: Counter[str] = Counter()
        for value in self.values(JOURNAL):
            for run in JournalRecord.decode(value).runs:
                taken[run.topic] += run.next - run.first
        return taken


@contextlib.contextmanager
def two_workers(
    bootstrap: str, directory: Path, program: Path, parts: Sequence[Sequence[Message]], *, partitions: int, kill: bool
) -> Iterator[EngineCluster]:
    """An engine of two workers that has taken all parts, each after the one before.

    With `kill` one of them dies within the first part, and another takes its place.
    """
    with EngineCluster(bootstrap, f"{uuid.uuid4().hex[:12]}.", directory, program, partitions=partitions) as cluster:
        cluster.create_topics()
        first, second = cluster.start(BATCH_RECORDS_MAX="9"), cluster.start(BATCH_RECORDS_MAX="9")
        first.wait_ready()
        second.wait_ready()
        cluster.publish(parts[0])
        if kill:
            cluster.wait_batches(6)
            first.process.kill()
            first.process.wait()
            cluster.start(BATCH_RECORDS_MAX="9")
        for part in parts[1:]:
            cluster.publish(part)
            cluster.wait_taken()
        yield cluster
