"""Events a second: our worker against an idiomatic Faust agent that makes the same decisions (faust_agent.py).

One real broker on this machine, the same baskets in topics of their own for each run, published before the run
begins. The two take turns. Counted is from the first event taken to the last: for the agent as it says itself, so
that what it has sent need not have arrived; for our worker until a read_committed consumer of its journal sees the
last transaction complete.

The accounts of every run must be those of the offline replay, to the byte: what is fast and wrong does not count.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

from kafka import KafkaConsumer, TopicPartition

from benchmarks.baskets import ROOT, SCRATCH, baskets_file, program_file, programs_named
from benchmarks.faust_agent import ACCOUNTS_FILE, REPORT, accounts_of
from config.settings import Settings
from workers.batch import Engine
from workers.cluster import admin_client
from workers.local_kafka import LocalKafka
from workers.ndjson import Source
from workers.positions import JournalRecord
from workers.publish import Publisher, Valid, validate
from workers.replay import replay
from workers.replay_files import Files
from workers.topic_words import ACCOUNTS, JOURNAL
from workers.topics import create_topics

PARTITIONS = 4
WAIT_SECONDS = 600
LOG_LINES_SHOWN = 20


def published(settings: Settings, events: Path) -> None:
    """The topics of one run, with all baskets in them."""
    with admin_client(settings) as admin:
        create_topics(admin, prefix=settings.prefix, partitions=settings.partitions, replicas=1)
    with Publisher(settings) as publisher:
        for line in Source(str(events)).lines():
            judged = validate(line)
            if not isinstance(judged, Valid):
                raise TypeError(f"{line.where}: {judged}")
            publisher.send(judged)


def reader(settings: Settings, word: str) -> KafkaConsumer:
    """A read_committed consumer at the beginning of all partitions of one topic."""
    consumer = KafkaConsumer(
        bootstrap_servers=list(settings.bootstrap_servers),
        isolation_level="read_committed",
        enable_auto_commit=False,
        fetch_max_wait_ms=20,
    )
    consumer.assign([TopicPartition(f"{settings.prefix}{word}", number) for number in range(settings.partitions)])
    consumer.seek_to_beginning()
    return consumer


def our_rate(settings: Settings, directory: Path, events: int) -> tuple[float, bytes]:
    """Events a second of `loyalty worker`, and its accounts."""
    own = {
        "LOYALTY_BOOTSTRAP_SERVERS": settings.bootstrap_servers[0],
        "LOYALTY_PREFIX": settings.prefix,
        "LOYALTY_PARTITIONS": str(settings.partitions),
        "LOYALTY_PROGRAMS": str(settings.programs[0]),
        "LOYALTY_DATA_DIRECTORY": str(directory / "worker"),
        "LOYALTY_METRICS_PORT": "0",
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith("LOYALTY_")}
    command = (sys.executable, "-c", "from workers.cli import main; main()", "worker")
    journal = reader(settings, JOURNAL)
    with (directory / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=others | own, stdout=log, stderr=log)
        try:
            seconds = followed(process, journal, events)
        finally:
            journal.close()
            process.terminate()
            process.wait(WAIT_SECONDS)
    return events / seconds, committed_accounts(settings)


def followed(process: subprocess.Popen[bytes], journal: KafkaConsumer, events: int) -> float:
    """Seconds from when the worker took its first batch, as it wrote down itself, to when the last is committed."""
    taken = 0
    first_us: list[int] = []
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for records in journal.poll(timeout_ms=20).values():
            for batch in (JournalRecord.decode(record.value) for record in records):
                taken += sum(run.records for run in batch.runs)
                first_us += [batch.now_us] if batch.runs else []
        if taken >= events:
            return time.time() - min(first_us) / 1_000_000
    raise TimeoutError(f"the worker ended, or took {taken} of {events} events in {WAIT_SECONDS} s")


def committed_accounts(settings: Settings) -> bytes:
    """The accounts that the changelog holds."""
    consumer = reader(settings, ACCOUNTS)
    held: dict[bytes, bytes] = {}
    ends = consumer.end_offsets(consumer.assignment())
    while any(consumer.position(tp) < end for tp, end in ends.items()):
        for records in consumer.poll(timeout_ms=100).values():
            held.update({record.key: record.value for record in records if record.key.startswith(b"m|")})
    consumer.close()
    return accounts_of(list(held.values()))


def faust_rate(settings: Settings, directory: Path, program: str, events: int) -> tuple[float, bytes]:
    """Events a second of the Faust agent, and its accounts."""
    fields = (settings.bootstrap_servers[0], settings.prefix, settings.partitions, program, events, directory)
    command = (sys.executable, "-m", "benchmarks.faust_agent", *map(str, fields))
    log = directory / "faust.log"
    with log.open("wb") as errors:
        subprocess.run(command, cwd=ROOT, stdout=errors, stderr=errors, timeout=WAIT_SECONDS, check=False)
    if not (directory / REPORT).exists():
        last = log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
        raise RuntimeError("\n".join(["the Faust agent ended before its last event; its log ends:", *last]))
    report = json.loads((directory / REPORT).read_bytes())
    return report["events"] / report["seconds"], (directory / ACCOUNTS_FILE).read_bytes()


def replayed_accounts(events: Path, program: str, directory: Path) -> bytes:
    """What the accounts must be."""
    with Files(directory) as files:
        replay(Engine(programs_named(program), partitions=1), lambda: [Source(str(events))], files, lambda _: None)
    return (directory / ACCOUNTS_FILE).read_bytes()


def measure(
    bootstrap: str, program: str, events: Path, count: int, rounds: int, directory: Path
) -> Mapping[str, list[float]]:
    """Rates by contender, in turns."""
    expected = replayed_accounts(events, program, directory / "replay")
    rates: dict[str, list[float]] = {"loyalty worker": [], "Faust agent": []}
    contenders: Mapping[str, Callable[[Settings, Path], tuple[float, bytes]]] = {
        "loyalty worker": lambda settings, own: our_rate(settings, own, count),
        "Faust agent": lambda settings, own: faust_rate(settings, own, program, count),
    }
    for number in range(rounds):
        for name, run in contenders.items():
            prefix = f"bench-{program}-{name.split()[0].lower()}-{number}."
            settings = Settings(
                bootstrap_servers=(bootstrap,),
                prefix=prefix,
                partitions=PARTITIONS,
                programs=(program_file(program),),
            )
            own = directory / prefix
            own.mkdir()
            published(settings, events)
            rate, accounts = run(settings, own)
            if accounts != expected:
                raise AssertionError(f"{name}: the accounts are not those of the replay (see {own})")
            print(f"  {program}, round {number + 1}, {name}: {rate:,.0f} events/s, accounts as replayed", flush=True)
            rates[name].append(rate)
    return rates


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worker_vs_faust", description=__doc__)
    parser.add_argument("--baskets", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--program", action="append", help="a shipped program; repeatable")
    options = parser.parse_args(arguments)
    events = baskets_file(options.baskets)
    SCRATCH.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=SCRATCH, prefix="worker-vs-faust-") as folder,
        LocalKafka(Path(folder) / "kafka", heap_mb=1024) as kafka,
    ):
        for program in options.program or ["one-per-unit"]:
            rates = measure(kafka.bootstrap, program, events, options.baskets, options.rounds, Path(folder))
            ours, faust = (median(rates[name]) for name in ("loyalty worker", "Faust agent"))
            print(f"{program}: {ours:,.0f} to {faust:,.0f} events/s, medians of {options.rounds}: {ours / faust:.1f}x")


if __name__ == "__main__":
    main()
