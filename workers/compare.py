"""Replays the same events under two programs, side by side, in one pass over the files.

Memory holds the accounts of both; ledgers are summed up while they pass (comparison.py).

Not here: reading files and their order (replay.py).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction

from typing_extensions import override

from loyalty.account import Head, Limit
from loyalty.decisions import Decision, RedemptionChange
from loyalty.plan import Programs
from loyalty.program import Program
from loyalty.reward_news import Status
from workers.batch import Engine
from workers.comparison import Comparison, Letters, Run, Tally, compared
from workers.ndjson import Source
from workers.records import DeadLetter
from workers.replay import Line, Progress, Replay, Taken, drive


class _Unwritten:
    """Outputs that nobody keeps."""

    def add(self, name: str, line: bytes) -> None:
        """Keep nothing."""

    def restart(self) -> None:
        """There is nothing to forget."""

    def write_accounts(self, heads: Iterable[Head], limits: Iterable[Limit]) -> None:
        """Keep nothing."""


class _Tallied(Replay):
    """A replay whose ledger is summed up."""

    def __init__(self, programs: Sequence[Program], zone_of: Program) -> None:
        super().__init__(Engine(Programs(programs), partitions=1), _Unwritten())
        self.programs = programs
        self.tally = Tally(zone_of.zone)

    @override
    def restart(self) -> None:
        super().restart()
        self.tally = Tally(self.tally.zone)

    @override
    def write(self, taken: Taken, messages: Sequence[tuple[str, bytes, bytes]]) -> None:
        place = ("", 0) if taken.line is None else (taken.line.path, taken.line.number)
        if isinstance(taken.answer, Decision):
            for entry in taken.answer.entries:
                self.tally.book(entry)
            for change in taken.answer.rewards:
                if isinstance(change, RedemptionChange) and change.status == Status.REFUSED:
                    self.tally.refused.setdefault(place, []).append(change.reason)
        elif isinstance(taken.answer, DeadLetter):
            self.tally.refused.setdefault(place, []).append(str(taken.answer.code))

    def result(self) -> Run:
        return Run(self.programs, self.tally, {head.member: head for head in self.heads()})


class _Pair:
    """Two replays that take each event one after the other."""

    def __init__(self, old: Sequence[Program], new: Sequence[Program]) -> None:
        self.old = _Tallied(old, old[-1])
        self.new = _Tallied(new, old[-1])
        self.restart()

    def restart(self) -> None:
        self.old.restart()
        self.new.restart()
        self.letters = Letters()
        self.events = 0

    def take(self, lines: Sequence[Line]) -> None:
        self.events += len(lines)
        self.old.take(lines)
        self.new.take(lines)
        self.letters.compare(self.old.tally.refused, self.new.tally.refused)
        self.old.tally.refused.clear()
        self.new.tally.refused.clear()


def compare(
    old: Sequence[Program],
    new: Sequence[Program],
    sources_of: Callable[[], Sequence[Source]],
    progress: Progress,
    *,
    values: Mapping[str, Fraction],
    movers_max: int,
) -> Comparison:
    """Replay event files under the versions of two programs, each the earliest first; see `drive` and `compared`."""
    pair = _Pair(old, new)
    drive(pair, sources_of, progress)
    return compared(
        pair.old.result(),
        pair.new.result(),
        pair.letters,
        events=pair.events,
        values=values,
        movers_max=movers_max,
    )
