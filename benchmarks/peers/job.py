"""What every peer is told, and what it tells: the job as its arguments, and when it took the first and the last event.

Imports nothing beyond the standard library: peers also run in environments of their own.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

REPORT = "report.json"
ENDLESS = 0
"""As `events`: there is no last event, so nothing is reported."""


class Span(NamedTuple):
    """From the first event taken to the last, in seconds since 1970."""

    first: float
    last: float

    @property
    def seconds(self) -> float:
        """How long that is."""
        return self.last - self.first


class Job(NamedTuple):
    """One run of one contender."""

    bootstrap: str
    prefix: str
    partitions: int
    program: str
    events: int
    """How many purchases there are; ENDLESS when more keep coming."""
    directory: Path
    """For files of its own, and for the report."""

    def arguments(self) -> list[str]:
        """As arguments of a process."""
        return [str(field) for field in self]

    @classmethod
    def from_arguments(cls, arguments: Sequence[str]) -> Self:
        """What `arguments` wrote."""
        bootstrap, prefix, partitions, program, events, directory = arguments
        return cls(bootstrap, prefix, int(partitions), program, int(events), Path(directory))


class Meter:
    """Counts what was taken, and writes the report after the last event."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._taken = 0
        self._first = 0.0

    def took(self) -> None:
        """One event was taken."""
        if not self._taken:
            self._first = time.time()
        self._taken += 1
        if self._taken == self._job.events:
            unfinished = self._job.directory / "report.part"
            unfinished.write_text(json.dumps({"first": self._first, "last": time.time()}))
            unfinished.rename(self._job.directory / REPORT)


def reported(directory: Path) -> Span | None:
    """What the peer of this directory has reported; None: nothing yet."""
    path = directory / REPORT
    return Span(**json.loads(path.read_bytes())) if path.exists() else None
