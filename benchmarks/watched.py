"""Processes under measurement: what they used, seen from outside in the same way for all of them.

Every 20 ms their CPU time and memory are noted, so that what was used between two moments is known afterwards, and no
contender has to measure itself. Start-up is left out that way.
"""

import os
import subprocess
import threading
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import psutil

from benchmarks.baskets import ROOT
from benchmarks.peers.job import Span

_EVERY_SECONDS = 0.02
_LOG_LINES_SHOWN = 20


class Ended(Exception):
    """A process ended that should run; the message has the end of its log."""


class _Sample(NamedTuple):
    at: float
    cpu_seconds: float


def memory_bytes(name: str, pid: int | None = None) -> int:
    """What the kernel says of a process, or of this one: VmHWM, RssAnon or RssFile; 0 when it has none yet."""
    for line in Path(f"/proc/{pid or 'self'}/status").read_text("ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


class Watched:
    """One process, killed on exit of the context: how it would end well is not measured."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        others = {name: value for name, value in os.environ.items() if not name.startswith("LOYALTY_")}
        self._log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=others | dict(environment or {}), stdout=file, stderr=file
            )
        self._samples: list[_Sample] = []
        self.peak_bytes = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        """Starts watching."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kills it."""
        self._stopping.set()
        self._process.kill()
        self._process.wait()
        self._thread.join()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def check(self) -> None:
        """Raises Ended when it runs no more."""
        if self._process.poll() is not None:
            last = self._log.read_text(errors="replace").splitlines()[-_LOG_LINES_SHOWN:]
            raise Ended("\n".join([f"a process ended with {self._process.returncode}; its log ends:", *last]))

    def cpu_seconds(self, span: Span) -> float:
        """CPU time of user and system within the span, straight lines between samples."""
        return self._at(span.last) - self._at(span.first)

    def _at(self, moment: float) -> float:
        samples = list(self._samples)
        after = bisect_left(samples, moment, key=lambda sample: sample.at)
        if after == 0 or after == len(samples):
            return samples[min(after, len(samples) - 1)].cpu_seconds
        one, two = samples[after - 1], samples[after]
        return one.cpu_seconds + (two.cpu_seconds - one.cpu_seconds) * (moment - one.at) / (two.at - one.at)

    def _watch(self) -> None:
        seen = psutil.Process(self._process.pid)
        while not self._stopping.wait(_EVERY_SECONDS):
            try:
                with seen.oneshot():
                    times, memory = seen.cpu_times(), seen.memory_info()
            except psutil.NoSuchProcess:
                return
            self._samples.append(_Sample(time.time(), times.user + times.system))
            self.peak_bytes = max(self.peak_bytes, memory.rss)
