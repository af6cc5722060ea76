"""Memory of a worker with a backlog: small events that wait, sampled while it takes them.

As many members each time, and events that leave nothing in an account but that they were taken. So what grows with the
backlog would be what the worker holds of what waits. What the accounts take is shown beside it: it grows a little, by
the ids that they remember.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, NamedTuple

import orjson
from kafka import KafkaConsumer, TopicPartition

from benchmarks.contenders import worker_command, worker_environment
from benchmarks.peers.job import Job, Span
from benchmarks.runs import PARTITIONS, broker, prepared
from benchmarks.watched import Watched, memory_bytes
from config.settings import Settings
from config.topics import topic_name
from workers.cluster import consumer_client, producer_client
from workers.positions import JournalRecord
from workers.topic_words import ACCOUNTS, JOURNAL

MEMBERS: Final = 10_000
SAMPLE_SECONDS: Final = 0.1
WAIT_SECONDS: Final = 3_000
MB: Final = 1_000_000


class Taken(NamedTuple):
    """What one backlog took."""

    events: int
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
    """Let events wait in their topic."""
    with producer_client(settings, linger_ms=20, batch_size=200_000, acks="all") as producer:
        topic = topic_name(settings.prefix, "engagements")
        for key, value in events(count):
            producer.send(topic, key=key, value=value)


def take(settings: Settings, job: Job, store: str) -> Taken:
    """Start a worker and watch it until it has taken everything."""
    environment = worker_environment(job) | {"LOYALTY_STORE": store}
    sampled: list[int] = []
    with (
        everything(settings, JOURNAL) as journal,
        Watched(worker_command(job), job.directory / "log", environment) as worker,
    ):
        began, taken = time.time(), 0
        while taken < job.events:
            worker.check()
            if time.time() - began > WAIT_SECONDS:
                raise TimeoutError(f"the worker took {taken} of {job.events} events in {WAIT_SECONDS} s")
            for polled in journal.poll(timeout_ms=20).values():
                taken += sum(run.records for each in polled for run in JournalRecord.decode(each.value).runs)
            sampled.append(memory_bytes("RssAnon", worker.pid))
            time.sleep(SAMPLE_SECONDS)
        cpu, peak = worker.cpu_seconds(Span(began, time.time())), memory_bytes("VmHWM", worker.pid)
    return Taken(job.events, cpu, peak, sampled, state_bytes(settings))


@contextmanager
def everything(settings: Settings, word: str) -> Iterator[KafkaConsumer]:
    """A consumer at the beginning of all partitions of a topic."""
    with consumer_client(settings) as consumer:
        topic = topic_name(settings.prefix, word)
        consumer.assign([TopicPartition(topic, number) for number in range(settings.partitions)])
        consumer.seek_to_beginning()
        yield consumer


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
    with broker("backlog") as (bootstrap, folder):
        for count in options.events:
            prefix = f"backlog-{count}."
            job = Job(bootstrap, prefix, PARTITIONS, "one-per-unit", count, folder / prefix)
            settings = Settings(bootstrap_servers=(bootstrap,), prefix=prefix, partitions=PARTITIONS)
            with prepared(job):
                publish(settings, count)
                report(take(settings, job, options.store))


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
