"""A cluster's topics, worker processes, and what came out of them, as tests want to say it."""

import collections
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from tests.integration.worker_process import VERSIONS
from workers.positions import POSITIONS_KEY, JournalRecord, Positions
from workers.store.port import ACCOUNT_KEY
from workers.topic_words import ACCOUNTS, REQUIRED

ROOT = Path(__file__).parents[2]
PARTITIONS = 3
PROGRAM = {"1": ("digest-1", 0)}
WAIT_SECONDS = 60.0


def wait_for(what: str, done: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    """Wait until `done`, or fail."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for: {what}")
        time.sleep(0.1)


class WorkerProcess:
    """One worker. Its log is in `log`; its metrics port is taken from there."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.worker_process"],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=stream,
                stderr=stream,
            )

    def lines(self) -> list[dict[str, Any]]:
        """The log's records, so far as they are complete."""
        records = []
        for line in self.log.read_bytes().splitlines():
            try:
                records.append(orjson.loads(line))
            except orjson.JSONDecodeError:
                records.append({"event": "raw", "text": line.decode(errors="replace")})
        return records

    def logged(self, event: str) -> dict[str, Any] | None:
        """The latest record of an event."""
        return next((line for line in reversed(self.lines()) if line.get("event") == event), None)

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a request to the metrics port; status 0 while there is none."""
        serving = self.logged("serving metrics")
        if serving is None:
            return 0, ""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{serving['port']}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def wait_ready(self) -> None:
        """Wait until /readyz says 200."""
        wait_for("a ready worker", lambda: self.get("/readyz")[0] == 200 or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.read_text()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self, seconds: float = WAIT_SECONDS) -> int:
        """The exit code, once it has ended."""
        return self.process.wait(seconds)

    def show(self) -> None:
        """Write the end of the log to standard error: pytest shows it with a test that failed, and only then."""
        sys.stderr.write(f"--- {self.log}\n{self.log.read_text()[-6000:]}\n")

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.signal(signal.SIGTERM)
        return self.ended(30)


@dataclass
class Feed:
    """What was published: amounts by event id, and ids by member, in order."""

    amounts: dict[str, int] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=lambda: collections.defaultdict(list))


class Cluster:
    """One test's topics on the broker, and its workers. A context manager: no worker outlives the test."""

    def __init__(self, bootstrap: str, prefix: str, directory: Path) -> None:
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.directory = directory
        self.workers: list[WorkerProcess] = []
        self.feed = Feed()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.process.kill()
                worker.process.wait()
            worker.show()

    def create_topics(
        self,
        words: Iterable[str] = REQUIRED,
        partitions: int = PARTITIONS,
        *,
        compacted: Iterable[str] = (ACCOUNTS,),
    ) -> None:
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        topics = [
            NewTopic(
                name=self.prefix + word,
                num_partitions=partitions,
                replication_factor=1,
                topic_configs={"cleanup.policy": "compact"} if word in compacted else {},
            )
            for word in words
        ]
        admin.create_topics(topics)
        admin.close()

    def start(
        self,
        more: Mapping[str, str] | None = None,
        *,
        programs: Mapping[str, tuple[str, int]] = PROGRAM,
        **environment: str,
    ) -> WorkerProcess:
        """Start a worker; `environment` and `more` hold LOYALTY_* by their short names, LOYALTY_TEST_* in full."""
        environment |= more or {}
        names = {
            "BOOTSTRAP_SERVERS": self.bootstrap,
            "PREFIX": self.prefix,
            "PARTITIONS": str(PARTITIONS),
            "DATA_DIRECTORY": str(self.directory / "data"),
            "METRICS_PORT": "0",
            "SESSION_TIMEOUT_SECONDS": "6",
            "BATCH_RECORDS_MAX": "100",
            **{name: value for name, value in environment.items() if not name.startswith("LOYALTY_")},
        }
        settings = {f"LOYALTY_{name}": value for name, value in names.items()}
        settings |= {name: value for name, value in environment.items() if name.startswith("LOYALTY_")}
        settings[VERSIONS] = orjson.dumps(programs).decode()
        worker = WorkerProcess(settings, self.directory / f"worker-{len(self.workers)}.log")
        self.workers.append(worker)
        return worker

    def publish(
        self,
        count: int,
        *,
        words: tuple[str, ...] = ("purchases", "reviews", "members"),
        members: int = 50,
        rate: float | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Publish `count` more events, in turn to the topics; `rate` is in events a second."""
        with closing_producer(self.bootstrap) as producer:
            began = time.monotonic()
            for number in range(len(self.feed.amounts), len(self.feed.amounts) + count):
                member, amount = f"member-{number * 7919 % members}", number % 97 + 1
                self.feed.amounts[str(number)] = amount
                self.feed.members[member].append(str(number))
                value = orjson.dumps({"id": str(number), "amount": amount, **(extra or {})})
                producer.send(self.prefix + words[number % len(words)], key=member.encode(), value=value)
                if rate is not None and number % 20 == 0:
                    producer.flush()
                    time.sleep(max(0.0, began + (number % count) / rate - time.monotonic()))

    def publish_raw(self, word: str, values: Iterable[bytes], key: bytes = b"member-raw") -> None:
        with closing_producer(self.bootstrap) as producer:
            for value in values:
                producer.send(self.prefix + word, key=key, value=value)

    def read(self, word: str, isolation: str = "read_committed") -> list[Any]:
        """All records of a topic, in the order of each partition."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap,
            isolation_level=isolation,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        try:
            tps = [TopicPartition(self.prefix + word, number) for number in range(PARTITIONS)]
            consumer.assign(tps)
            consumer.seek_to_beginning(*tps)
            end = consumer.end_offsets(tps)
            records: list[Any] = []
            while any(consumer.position(tp) < end[tp] for tp in tps):
                for batch in consumer.poll(200).values():
                    records.extend(batch)
            return records
        finally:
            consumer.close()

    def ledger(self) -> list[dict[str, Any]]:
        return [orjson.loads(record.value) for record in self.read("ledger")]

    def journal(self) -> dict[int, list[JournalRecord]]:
        """The journal of each partition."""
        by_partition: dict[int, list[JournalRecord]] = {number: [] for number in range(PARTITIONS)}
        for record in self.read("journal"):
            by_partition[record.partition].append(JournalRecord.decode(record.value))
        return by_partition

    def positions(self) -> dict[int, Positions]:
        """The latest positions record of each partition."""
        found = [record for record in self.read("accounts") if record.key == POSITIONS_KEY]
        return {record.partition: Positions.decode(record.value) for record in found}

    def accounts(self) -> dict[str, dict[str, int]]:
        """The state of each member."""
        state: dict[str, dict[str, int]] = {}
        for record in self.read("accounts"):
            if record.key.startswith(ACCOUNT_KEY):
                state[record.key[2:].decode()] = orjson.loads(record.value)
        return state

    def wait_decided(self, seconds: float = WAIT_SECONDS) -> None:
        """Wait until the ledger holds as many records as were published."""
        wait_for("all events in the ledger", lambda: len(self.read("ledger")) >= len(self.feed.amounts), seconds)

    def check_exactly_once(self) -> None:
        """Every event once, in order for each member; state, ledger and journal agree with each other."""
        balance: dict[str, int] = collections.Counter()
        seen: dict[str, int] = collections.Counter()
        for entry in self.ledger():
            seen[entry["id"]] += 1
            balance[entry["member"]] += entry["amount"]
            assert entry["balance"] == balance[entry["member"]], f"the running balance breaks at {entry}"
        doubled = {event: count for event, count in seen.items() if count > 1}
        assert not doubled
        assert set(seen) == set(self.feed.amounts)
        expected = {
            member: {"balance": sum(self.feed.amounts[event] for event in events), "events": len(events)}
            for member, events in self.feed.members.items()
        }
        assert self.accounts() == expected
        self.check_journal()

    def check_journal(self) -> None:
        """Sequences count 1, 2, 3; `now` never goes back; the runs of a topic chain; they name the ledger's order."""
        ledger: dict[int, list[tuple[str, int, int]]] = collections.defaultdict(list)
        for record in self.read("ledger"):
            entry = orjson.loads(record.value)
            ledger[record.partition].append((entry["topic"], entry["offset"], entry["now_us"]))
        positions = self.positions()
        for partition, batches in self.journal().items():
            assert [batch.sequence for batch in batches] == list(range(1, len(batches) + 1))
            assert all(one.now_us <= two.now_us for one, two in pairwise(batches))
            ends: dict[str, int] = {}
            order = []
            for batch in batches:
                for run in batch.runs:
                    assert run.first == ends.get(run.topic, 0)
                    ends[run.topic] = run.next
                    order += [(run.topic, offset, batch.now_us) for offset in range(run.first, run.next)]
            # Offsets without a record are those of gaps.
            held = set(ledger[partition])
            assert [place for place in order if place in held] == ledger[partition]
            if batches:
                assert positions[partition].sequence == len(batches)
                assert ends.items() <= dict(positions[partition].next).items()


class closing_producer:  # noqa: N801 - reads as a function
    """A producer that is flushed and closed, and fails the test when a record was not taken."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=5, acks="all")

    def __enter__(self) -> Any:
        return self._producer

    def __exit__(self, *_: object) -> None:
        self._producer.flush()
        self._producer.close()
