"""The figures of a run as a file: what the charts and the tables of docs/performance.md are made from.

Nothing in it names a person, a machine or a path.
"""

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil
from pydantic import BaseModel, ConfigDict

from benchmarks.baskets import ROOT, SCRATCH
from workers.compiled import engine
from workers.kafka_jars import KAFKA

KEPT: Final = ROOT / "benchmarks" / "latest.json"
"""The last full run, in the repository."""
UNKEPT: Final = SCRATCH / "results.json"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Machine(_Model):
    """What it was measured on."""

    processor: str
    cores: int
    memory_gb: int
    python: str
    kafka: str
    faust: str
    engine: str


class Rates(_Model):
    """Medians of the runs of one contender."""

    events_per_second: float
    cpu_seconds_per_million: float
    peak_mb: float
    runs: Sequence[float]
    """Events a second of each run."""


class SideBySide(_Model):
    """All contenders under one program."""

    program: str
    baskets: int
    rounds: int
    contenders: Mapping[str, Rates]
    absent: Mapping[str, str]
    """Who could not run, and why."""


class Wait(_Model):
    """Latency at one load, in milliseconds."""

    events_per_second: float
    events: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    late_ms: float
    """99th percentile of how late the generator sent."""


class Latency(_Model):
    """By contender, then by load in percent of its highest rate."""

    seconds: float
    contenders: Mapping[str, Mapping[str, Wait]]


class Growth(_Model):
    """CPU microseconds for each event, by size."""

    members: Mapping[int, float]
    bytes_per_member: Mapping[int, float]
    rules: Mapping[int, float]
    lines: Mapping[int, Mapping[str, float]]
    """By stage."""


class Results(_Model):
    """Whatever a run has measured."""

    taken: str
    """Day and time, UTC."""
    beside: str
    """What else the machine did."""
    machine: Machine
    side_by_side: Sequence[SideBySide] = ()
    safety: SideBySide | None = None
    workers: SideBySide | None = None
    latency: Latency | None = None
    growth: Growth | None = None


def this_machine() -> Machine:
    """What we run on."""
    return Machine(
        processor=_processor(),
        cores=psutil.cpu_count() or 0,
        memory_gb=round(psutil.virtual_memory().total / (1 << 30)),
        python=platform.python_version(),
        kafka=KAFKA.rpartition(":")[2],
        faust=version("faust-streaming"),
        engine=engine(),
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def now_text() -> str:
    """The minute, for `taken`."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M")


def save(results: Results, path: Path) -> None:
    """Write them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(results.model_dump_json(indent=1) + "\n")


def load(path: Path) -> Results:
    """Read what `save` wrote."""
    return Results.model_validate_json(path.read_bytes())
