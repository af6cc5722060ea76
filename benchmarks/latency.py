"""How long a member waits: from when a basket was due to be sent to when a reader of committed records has its entry.

An open-loop generator (open_loop.py) sends at 10 % and at 50 % of the highest rate of each contender, as side_by_side
found it. A basket's wait counts from its scheduled time, so a stall is felt by all that were due meanwhile. The reader
and the generator are processes of their own beside the contender and the broker, so on two cores the waits of fast
contenders hold some of theirs.
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.baskets import BASKETS_ALL, ROOT, baskets
from benchmarks.contenders import CONTENDERS, WORKER, Contender
from benchmarks.peers.environments import Missing
from benchmarks.peers.job import ENDLESS, Job
from benchmarks.results import Latency, Wait
from benchmarks.runs import PARTITIONS, broker, prepared
from benchmarks.waits import percentile
from benchmarks.watched import Watched

LOADS_PERCENT = (10, 50)
PROGRAM = "one-per-unit"
_WARM_SECONDS = 5
_DRAIN_SECONDS = 60
_CAUSE = re.compile(rb'"cause":\{"source":"[^"]*","id":"([^"]*)"')


def measure(bootstrap: str, directory: Path, rates: Mapping[str, float], seconds: float) -> Latency:
    """Both loads for each contender that `rates` names and that can run here."""
    found: dict[str, Mapping[str, Wait]] = {}
    for number, contender in enumerate(CONTENDERS):
        if contender.name not in rates or not contender.decides:
            continue
        prefix = f"wait-{number}."
        job = Job(bootstrap, prefix, PARTITIONS, PROGRAM, ENDLESS, directory / prefix)
        try:
            found[contender.name] = _waits(contender, job, rates[contender.name], seconds)
        except (Missing, TimeoutError) as reason:
            print(f"  {contender.name} is left out: {reason}", flush=True)
    return Latency(seconds=seconds, contenders=found)


def _waits(contender: Contender, job: Job, highest: float, seconds: float) -> dict[str, Wait]:
    """Waits by load; before them some seconds that are not counted, until the contender runs and is warm."""
    command, environment = contender.command(job), contender.environment(job)
    with prepared(job), Watched(command, job.directory / "log", environment) as process:
        # The year has to last for all of it.
        highest = min(highest, BASKETS_ALL / (_WARM_SECONDS + seconds) / (sum(LOADS_PERCENT) / 100))
        first, found = 0, dict[str, Wait]()
        rate = highest * LOADS_PERCENT[-1] / 100
        warm = int(rate * _WARM_SECONDS) + 1
        asyncio.run(_phase(job, process, first, warm, rate))
        first += warm
        for load in LOADS_PERCENT:
            rate = highest * load / 100
            count = int(rate * seconds)
            found[str(load)] = wait = asyncio.run(_phase(job, process, first, count, rate))
            first += count
            print(
                f"  {contender.name} at {load} % ({rate:,.0f}/s): p50 {wait.p50_ms:,.0f} ms, p95 {wait.p95_ms:,.0f} ms,"
                f" p99 {wait.p99_ms:,.0f} ms",
                flush=True,
            )
    return found


async def _phase(job: Job, process: Watched, first: int, count: int, rate: float) -> Wait:
    """Send baskets `first` and following at a rate, and see when their entries come."""
    # A basket below one dollar has no entry.
    numbers = {
        basket.id.encode(): number
        for number, basket in enumerate(baskets(count, start=first))
        if basket.total_minor >= 100
    }
    consumer = AIOKafkaConsumer(
        bootstrap_servers=job.bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="latest",
        fetch_max_wait_ms=10,
    )
    await consumer.start()
    generator: asyncio.subprocess.Process | None = None
    try:
        consumer.assign([TopicPartition(f"{job.prefix}ledger", number) for number in range(job.partitions)])
        for tp in consumer.assignment():
            await consumer.position(tp)  # From here on; what the phase before left is drained already.
        sizes = (str(job.partitions), str(first), str(count), str(rate))
        command = (sys.executable, "-m", "benchmarks.open_loop", job.bootstrap, f"{job.prefix}purchases", *sizes)
        generator = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=subprocess.PIPE)
        arrived = await _arrivals(consumer, process, numbers, deadline=time.monotonic() + count / rate + _DRAIN_SECONDS)
        told = json.loads((await generator.communicate())[0])
    finally:
        await consumer.stop()
        if generator is not None and generator.returncode is None:
            generator.kill()
            await generator.wait()
    waits = [(at - (told["start"] + number / rate)) * 1_000 for number, at in arrived.items()]
    p50, p95, p99 = (round(percentile(waits, percent), 1) for percent in (50, 95, 99))
    return Wait(
        events_per_second=round(rate, 1),
        events=count,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        late_ms=round(told["late_ms"], 1),
    )


async def _arrivals(
    consumer: AIOKafkaConsumer, process: Watched, numbers: Mapping[bytes, int], *, deadline: float
) -> dict[int, float]:
    """When the entry of each basket was there, by the basket's number. Raises TimeoutError."""
    arrived: dict[int, float] = {}
    while len(arrived) < len(numbers):
        polled = await consumer.getmany(timeout_ms=200)
        now = time.time()
        for records in polled.values():
            for record in records:
                cause = _CAUSE.search(record.value)
                if cause is not None and cause[1] in numbers:
                    arrived.setdefault(numbers[cause[1]], now)
        process.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(numbers) - len(arrived)} of {len(numbers)} baskets have no entry")
    return arrived


def table(result: Latency) -> str:
    """Percentiles by contender and load."""
    lines = [f"{'ms, from the scheduled time':36}{'load':>6}{'events/s':>10}{'p50':>9}{'p95':>9}{'p99':>9}"]
    for name, loads in result.contenders.items():
        for load, wait in loads.items():
            lines.append(
                f"{name:36}{load + ' %':>6}{wait.events_per_second:10,.0f}"
                f"{wait.p50_ms:9,.0f}{wait.p95_ms:9,.0f}{wait.p99_ms:9,.0f}"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument(
        "--highest",
        nargs=2,
        action="append",
        metavar=("NAME", "RATE"),
        help=f'a contender and its highest rate; default: "{WORKER}" 6000',
    )
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args(arguments)
    rates = {name: float(rate) for name, rate in options.highest or [(WORKER, 6_000)]}
    with broker("latency") as (bootstrap, folder):
        result = measure(bootstrap, folder, rates, options.seconds)
    print(table(result))


if __name__ == "__main__":
    main()
