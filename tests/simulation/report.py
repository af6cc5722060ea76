"""What came of a run, and how it is told."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Line(NamedTuple):
    """What somebody did. A batch has one line, from its first stage on, with each stage that it came through."""

    step: int
    seconds: float
    who: str
    what: str


@dataclass(slots=True)
class Report:
    """What came of a run. `failure` is "" when every promise held."""

    seed: int
    failure: str = ""
    trace: list[Line] = field(default_factory=list)
    steps: int = 0
    commits: int = 0
    ends: list[str] = field(default_factory=list)

    def text(self, lines_max: int = 60) -> str:
        """The failure, how to see it again, and what led to it."""
        shown = self.trace[-lines_max:]
        lines = [f"{line.step:7} {line.seconds:8.3f}s  {line.who:10} {line.what}" for line in shown]
        again = f'make simulate ARGS="--seed {self.seed}"'
        return "\n".join([f"seed {self.seed}: {self.failure or 'every promise held'}", f"again: {again}", *lines])
