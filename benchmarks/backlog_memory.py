"""Memory of a worker with a backlog: small events that wait, sampled while it takes them.

As many members each time, and events that leave nothing in an account but that they were taken. So what grows with the
backlog would be what the worker holds of what waits. What the accounts take is shown beside it: it grows a little, by
the ids that they remember.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import orjson
from kafka import KafkaConsumer, TopicPartition

from benchmarks.baskets import ROOT, SCRATCH, program_file
from config.settings import Settings
from config.topics import topic_name
from workers.cluster import admin_client, consumer_client, producer_client
from workers.local_kafka import LocalKafka
from workers.positions import JournalRecord
from workers.topic_words import ACCOUNTS, JOURNAL
from workers.topics import create_topics

PARTITIONS: Final = 4
MEMBERS: Final = 10_000
SAMPLE_SECONDS: Final = 0.1
WAIT_SECONDS: Final = 3_000
MB: Final = 1_000_000


class Taken(NamedTuple):
    """What one backlog took."""

    events: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    """The highest of the process, as the kernel counted."""
    sampled_bytes: Sequence[int]
    """In order of time."""
    state_bytes: int


def events(count: int) -> Iterator[tuple[bytes, bytes]]:
    """(key, event): an activity that no rule rewards, of each member in turn."""
    now = datetime.now(UTC).isoformat()
    for number in range(count):
        member = f"member-{number % MEMBERS:05d}"
        data = {"activity": "app_opened", "activity_id": f"a{number}"}
        event = {"specversion": "1.0", "id": f"e{number}", "source": "/app", "type": "loyalty.engagement.v1"}
        yield member.encode(), orjson.dumps({**event, "time": now, "subject": member, "data": data})


def publish(settings: Settings, count: int) -> None:
    """Make the topics of one run, with the events waiting in them."""
    with admin_client(settings) as admin:
        create_topics(admin, prefix=settings.prefix, partitions=PARTITIONS, replicas=1)
    with producer_client(settings, linger_ms=20, batch_size=200_000, acks="all") as producer:
        topic = topic_name(settings.prefix, "engagements")
        for key, value in events(count):
            producer.send(topic, key=key, value=value)


def environment(settings: Settings, directory: Path) -> Mapping[str, str]:
    """Of the worker."""
    own = {
        "LOYALTY_BOOTSTRAP_SERVERS": settings.bootstrap_servers[0],
        "LOYALTY_PREFIX": settings.prefix,
        "LOYALTY_PARTITIONS": str(settings.partitions),
        "LOYALTY_PROGRAMS": str(program_file("one-per-unit")),
        "LOYALTY_DATA_DIRECTORY": str(directory / "worker"),
        "LOYALTY_STORE": settings.store,
        "LOYALTY_METRICS_PORT": "0",
    }
    return {name: value for name, value in os.environ.items() if not name.startswith("LOYALTY_")} | own


def take(settings: Settings, directory: Path, count: int) -> Taken:
    """Start a worker and watch it until it has taken everything."""
    command = (sys.executable, "-c", "from workers.cli import main; main()", "worker")
    sampled: list[int] = []
    with (directory / "worker.log").open("wb") as log, everything(settings, JOURNAL) as journal:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(settings, directory), stdout=log, stderr=log)
        try:
            began, taken = time.monotonic(), 0
            while taken < count:
                if process.poll() is not None or time.monotonic() - began > WAIT_SECONDS:
                    raise RuntimeError(f"the worker took {taken} of {count}: see {log.name}")
                for polled in journal.poll(timeout_ms=20).values():
                    taken += sum(run.records for each in polled for run in JournalRecord.decode(each.value).runs)
                sampled.append(status_bytes(process.pid, "RssAnon"))
                time.sleep(SAMPLE_SECONDS)
            seconds, peak, cpu = time.monotonic() - began, status_bytes(process.pid, "VmHWM"), cpu_of(process.pid)
        finally:
            process.terminate()
            process.wait(60)
    return Taken(count, seconds, cpu, peak, sampled, state_bytes(settings))


@contextmanager
def everything(settings: Settings, word: str) -> Iterator[KafkaConsumer]:
    """A consumer at the beginning of all partitions of a topic."""
    with consumer_client(settings) as consumer:
        topic = topic_name(settings.prefix, word)
        consumer.assign([TopicPartition(topic, number) for number in range(settings.partitions)])
        consumer.seek_to_beginning()
        yield consumer


def status_bytes(pid: int, name: str) -> int:
    """A figure of a process; 0 when it has none yet."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def cpu_of(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def state_bytes(settings: Settings) -> int:
    """Keys and values of what the changelog holds."""
    sizes: dict[tuple[int, bytes], int] = {}
    with everything(settings, ACCOUNTS) as consumer:
        ends = consumer.end_offsets(consumer.assignment())
        while any(consumer.position(tp) < end for tp, end in ends.items()):
            for polled in consumer.poll(timeout_ms=100).values():
                sizes.update({(each.partition, each.key): len(each.key) + len(each.value or b"") for each in polled})
    return sum(sizes.values())


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backlog_memory", description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--store", choices=("memory", "disk"), default="memory")
    options = parser.parse_args(arguments)
    SCRATCH.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=SCRATCH, prefix="backlog-") as folder,
        LocalKafka(Path(folder) / "kafka", heap_mb=1024) as kafka,
    ):
        for count in options.events:
            settings = Settings(
                bootstrap_servers=(kafka.bootstrap,),
                prefix=f"backlog-{count}.",
                partitions=PARTITIONS,
                store=options.store,
            )
            own = Path(folder) / str(count)
            own.mkdir()
            publish(settings, count)
            report(take(settings, own, count))


def report(taken: Taken) -> None:
    """A line."""
    size = len(taken.sampled_bytes)
    quarters = [taken.sampled_bytes[(size - 1) * quarter // 4] / MB for quarter in range(1, 5)]
    print(
        f"{taken.events:,} events of {MEMBERS:,} members: at most {taken.peak_bytes / MB:,.0f} MB; at a quarter, half, "
        f"three quarters and the end {', '.join(f'{each:,.0f}' for each in quarters)} MB; "
        f"accounts {taken.state_bytes / MB:,.0f} MB; "
        f"{taken.cpu_seconds / taken.events * 1_000_000:.0f} us of CPU for each event, start-up included",
        flush=True,
    )


if __name__ == "__main__":
    main()
