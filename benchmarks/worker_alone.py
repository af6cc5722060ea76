"""Our worker alone: what its transactions cost, and what a second worker brings.

Safety: the worker against itself with its transactions taken out, in turns (peers/worker_without_transactions.py).
Workers: one and two of them share the partitions; all are ready before the baskets come.
"""

import argparse
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.baskets import baskets
from benchmarks.contenders import WORKER_ITSELF, unsafe_worker_command
from benchmarks.peers.job import Job
from benchmarks.results import SideBySide
from benchmarks.runs import PARTITIONS, Measured, broker, expected_books, run_once
from benchmarks.side_by_side import rates_of, table
from benchmarks.watched import Watched

PROGRAM = "one-per-unit"
UNSAFE = "without transactions"
WORKERS = {1: "one worker", 2: "two workers"}
_READY_SECONDS = 120
_SETTLED_SECONDS = 3.0

UNSAFE_WORKER = WORKER_ITSELF._replace(name=UNSAFE, command=unsafe_worker_command)


def measure_safety(bootstrap: str, directory: Path, count: int, rounds: int) -> SideBySide:
    """With and without transactions, in turns."""
    events, expected = baskets(count), expected_books(PROGRAM, count)
    found: dict[str, list[Measured]] = {}
    for number in range(rounds):
        for contender in (WORKER_ITSELF, UNSAFE_WORKER):
            prefix = f"safety-{number}-{contender is WORKER_ITSELF:d}."
            job = Job(bootstrap, prefix, PARTITIONS, PROGRAM, count, directory / prefix)
            _add(found, contender.name, run_once(contender, job, events, expected))
    return _result(found, count, rounds)


def measure_workers(bootstrap: str, directory: Path, count: int, rounds: int) -> SideBySide:
    """One and two workers, in turns."""
    events, expected = baskets(count), expected_books(PROGRAM, count)
    found: dict[str, list[Measured]] = {}
    for number in range(rounds):
        for processes, name in WORKERS.items():
            prefix = f"workers-{number}-{processes}."
            job = Job(bootstrap, prefix, PARTITIONS, PROGRAM, count, directory / prefix)
            measured = run_once(WORKER_ITSELF, job, events, expected, processes=processes, ready=wait_until_ready)
            _add(found, name, measured)
    return _result(found, count, rounds)


def wait_until_ready(environments: Sequence[Mapping[str, str]], watched: Sequence[Watched]) -> None:
    """Wait until every worker has been ready for some seconds. Raises TimeoutError."""
    deadline = time.monotonic() + _READY_SECONDS
    settled = time.monotonic()
    while time.monotonic() - settled < _SETTLED_SECONDS:
        for process in watched:
            process.check()
        if not all(_is_ready(int(each["LOYALTY_METRICS_PORT"])) for each in environments):
            settled = time.monotonic()
        if time.monotonic() > deadline:
            raise TimeoutError(f"not every worker was ready within {_READY_SECONDS} s")
        time.sleep(0.2)


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _add(found: dict[str, list[Measured]], name: str, measured: Measured) -> None:
    found.setdefault(name, []).append(measured)
    rate, cpu = measured.events_per_second, measured.cpu_seconds_per_million
    print(f"  {name}: {rate:,.0f} events/s, {cpu:,.0f} CPU s a million", flush=True)


def _result(found: Mapping[str, Sequence[Measured]], count: int, rounds: int) -> SideBySide:
    contenders = {name: rates_of(runs) for name, runs in found.items()}
    return SideBySide(program=PROGRAM, baskets=count, rounds=rounds, contenders=contenders, absent={})


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worker_alone", description=__doc__)
    parser.add_argument("--baskets", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("part", nargs="?", choices=("safety", "workers"), help="default: both")
    options = parser.parse_args(arguments)
    with broker("worker-alone") as (bootstrap, folder):
        if options.part != "workers":
            print(table(measure_safety(bootstrap, folder, options.baskets, options.rounds)))
        if options.part != "safety":
            print(table(measure_workers(bootstrap, folder, options.baskets, options.rounds)))


if __name__ == "__main__":
    main()
