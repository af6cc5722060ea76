"""Who takes part: how each is started, what it promises, and when it took the first and the last event.

All take the same purchases from a topic of one run and write ledger and balances of the same run, under one prefix.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from kafka import KafkaConsumer, TopicPartition

from benchmarks.baskets import program_file
from benchmarks.peers.environments import accrual_command, quix_python
from benchmarks.peers.job import Job, Span, reported
from benchmarks.watched import Watched
from workers.local_kafka import free_port
from workers.positions import JournalRecord
from workers.topic_words import JOURNAL

WAIT_SECONDS = 600

WORKER = "this worker"
FAUST = "Faust agent"
QUIX_ONCE = "Quix Streams, exactly once"
QUIX_AT_LEAST = "Quix Streams, at least once"
STREAMS = "Kafka Streams (Java), exactly once"
BARE_SEND = "bare aiokafka loop, send"
BARE_BATCH = "bare aiokafka loop, send_batch"


def wait_for_report(job: Job, processes: Sequence[Watched]) -> Span:
    """When a peer took the first and the last event, as it says itself. What it has sent need not have arrived."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        for process in processes:
            process.check()
        span = reported(job.directory)
        if span is not None:
            return span
        time.sleep(0.1)
    raise TimeoutError(f"{job.prefix}: not every event was taken in {WAIT_SECONDS} s")


class Contender(NamedTuple):
    """One of them. `command` raises Missing when it cannot run on this machine."""

    name: str
    command: Callable[[Job], Sequence[str]]
    environment: Callable[[Job], Mapping[str, str]] = lambda _: {}
    followed: Callable[[Job, Sequence[Watched]], Span] = wait_for_report
    programs: frozenset[str] | None = None
    """The programs that it knows; None: all of them."""
    decides: bool = True
    """Whether it decides at all, and so can take events that nobody has decided before."""


def wait_for_journal(job: Job, processes: Sequence[Watched]) -> Span:
    """From when the worker began its first batch, as it wrote down itself, to when its last is seen committed."""
    journal = KafkaConsumer(
        bootstrap_servers=job.bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        fetch_max_wait_ms=20,
    )
    journal.assign([TopicPartition(f"{job.prefix}{JOURNAL}", number) for number in range(job.partitions)])
    journal.seek_to_beginning()
    taken, first_us = 0, list[int]()
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        while time.monotonic() < deadline:
            for process in processes:
                process.check()
            for records in journal.poll(timeout_ms=20).values():
                for batch in (JournalRecord.decode(record.value) for record in records):
                    taken += sum(run.records for run in batch.runs)
                    first_us += [batch.now_us] if batch.runs else []
            if taken >= job.events:
                return Span(min(first_us) / 1_000_000, time.time())
    finally:
        journal.close()
    raise TimeoutError(f"{job.prefix}: the worker took {taken} of {job.events} events in {WAIT_SECONDS} s")


def worker_environment(job: Job) -> dict[str, str]:
    """The settings of a worker; each call is one worker."""
    port = free_port()
    return {
        "LOYALTY_BOOTSTRAP_SERVERS": job.bootstrap,
        "LOYALTY_PREFIX": job.prefix,
        "LOYALTY_PARTITIONS": str(job.partitions),
        "LOYALTY_PROGRAMS": str(program_file(job.program)),
        "LOYALTY_DATA_DIRECTORY": str(job.directory / f"worker-{port}"),
        "LOYALTY_METRICS_PORT": str(port),
    }


def _peer(module: str, *first: str) -> Callable[[Job], Sequence[str]]:
    return lambda job: (sys.executable, "-m", f"benchmarks.peers.{module}", *first, *job.arguments())


def _quix(guarantee: str) -> Callable[[Job], Sequence[str]]:
    return lambda job: (str(quix_python()), "-m", "benchmarks.peers.quix_app", guarantee, *job.arguments())


def worker_command(_: Job) -> Sequence[str]:
    """`loyalty worker`."""
    return (sys.executable, "-c", "from workers.cli import main; main()", "worker")


def unsafe_worker_command(_: Job) -> Sequence[str]:
    """The worker without transactions."""
    return (sys.executable, "-m", "benchmarks.peers.worker_without_transactions")


WORKER_ITSELF = Contender(WORKER, worker_command, worker_environment, wait_for_journal)

CONTENDERS: Sequence[Contender] = (
    WORKER_ITSELF,
    Contender(FAUST, _peer("faust_agent")),
    Contender(QUIX_AT_LEAST, _quix("at-least-once")),
    Contender(QUIX_ONCE, _quix("exactly-once")),
    Contender(BARE_SEND, _peer("bare_loop", "send"), decides=False),
    Contender(BARE_BATCH, _peer("bare_loop", "send_batch"), decides=False),
    Contender(
        STREAMS,
        lambda job: (*accrual_command(), *job.arguments()),
        programs=frozenset({"one-per-unit"}),
    ),
)
