"""Ledger against balances, cause by cause: what the entries of a cause move is what its balance changes say.

A cause of a member, booked at one `now`, has its entries in one topic and its changes in another. Both sides are added
up here and forgotten as soon as they agree, in whichever order they come; what stays disagrees. Read side by side in
the order of booking, the two topics are apart by one batch at most, and so is what has to be remembered.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from workers.audit.findings import Place
from workers.audit.published import Cause


class About(NamedTuple):
    """What is added up together."""

    member: str
    currency: str
    booked: str
    cause: Cause


@dataclass(slots=True)
class Sums:
    """What both sides have said so far, and where the latest record of each side lies."""

    entries: tuple[int, int] = (0, 0)
    """What entries moved: available, pending."""
    changes: tuple[int, int] = (0, 0)
    entry: tuple[Place, str] | None = None
    change: tuple[Place, str] | None = None
    only_total: bool = False
    """Whether a change does not say what is available and what pending: the one before it is not kept any more."""

    @property
    def agree(self) -> bool:
        """Whether both sides say the same."""
        return sum(self.entries) == sum(self.changes) if self.only_total else self.entries == self.changes


class Causes:
    """The causes of which both sides do not agree yet."""

    def __init__(self, open_max: int | None) -> None:
        """`open_max`: more cannot be waiting for their other side, so the oldest of more disagree for good."""
        self._open: dict[About, Sums] = {}
        self._open_max = open_max

    def entry(self, about: About, moved: tuple[int, int], place: Place, entry_id: str) -> None:
        """Add what an entry moved."""
        sums = self._open.setdefault(about, Sums())
        sums.entries = sums.entries[0] + moved[0], sums.entries[1] + moved[1]
        sums.entry = place, entry_id
        if sums.agree:
            del self._open[about]

    def change(
        self, about: About, moved: tuple[int, int], place: Place, change_id: str, *, only_total: bool = False
    ) -> None:
        """Add what a balance change says; with `only_total` the split into pots is not known."""
        sums = self._open.setdefault(about, Sums())
        sums.changes = sums.changes[0] + moved[0], sums.changes[1] + moved[1]
        sums.change = place, change_id
        sums.only_total |= only_total
        if sums.agree:
            del self._open[about]

    def over(self) -> Iterator[tuple[About, Sums]]:
        """The oldest causes, as far as there are too many; they are forgotten."""
        while self._open_max is not None and len(self._open) > self._open_max:
            about = next(iter(self._open))
            yield about, self._open.pop(about)

    def left(self) -> Iterator[tuple[About, Sums]]:
        """The causes of which the two sides disagree."""
        yield from self._open.items()
