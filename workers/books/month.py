"""A month of the books, for finance: what members held, what came and went, what they hold, by currency and rule.

By the time of booking. An entry is never booked into a month that is over, so a closed month never changes, whatever
comes late.

Opening and closing are summed from the members' side of the postings, the movements from the program's side. That
opening + movements = closing is therefore a check of the books, not of this sum.

Invariants:
  M1 the closing of a month is the opening of the next, row by row
  M2 memory holds a line for each currency, rule and column
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from loyalty.decisions import Entry
from workers.books.kinds import column_of, columns, is_members, pot_of
from workers.books.moments import Span

PENDING = "pending"
Key = tuple[str, str]
"""(currency, rule)."""


class Row(NamedTuple):
    """A rule's points, or with rule None all of a currency. Signed: what members lose is negative."""

    currency: str
    rule: str | None
    opening: int
    movements: dict[str, int]
    """Column -> points; a column without movement is left out."""
    closing: int
    pending: int
    """How many of `closing` are not mature yet."""

    @property
    def off(self) -> int:
        """What is missing or too much in closing: 0, or the books do not add up."""
        return self.closing - self.opening - sum(self.movements.values())


class Month:
    """Sums over the entries of a ledger, in any order."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._opening: Counter[Key] = Counter()
        self._closing: Counter[Key] = Counter()
        self._pending: Counter[Key] = Counter()
        self._movements: dict[Key, Counter[str]] = {}
        self.entries = 0
        """Entries of the month."""
        self.late = 0
        """Of these: whose cause happened before the month began."""
        self.entries_before = 0

    def take(self, entry: Entry) -> None:
        """Add an entry."""
        at_us = entry.recorded_at_us
        if at_us >= self._span.end_us:
            return
        before = at_us < self._span.start_us
        if before:
            self.entries_before += 1
        else:
            self.entries += 1
            self.late += entry.time_us < self._span.start_us
        for posting in entry.postings:
            key = posting.currency, posting.rule
            if is_members(posting):
                self._closing[key] += posting.amount
                if before:
                    self._opening[key] += posting.amount
                if pot_of(posting) == PENDING:
                    self._pending[key] += posting.amount
            elif not before:
                self._movements.setdefault(key, Counter())[column_of(posting.account)] -= posting.amount

    def rows(self) -> list[Row]:
        """A row for each rule that ever moved a point, by currency and name."""
        return [
            Row(
                *key,
                self._opening[key],
                {column: amount for column, amount in self._movements.get(key, {}).items() if amount},
                self._closing[key],
                self._pending[key],
            )
            for key in sorted(self._closing.keys() | self._movements.keys())
        ]

    def columns(self) -> list[str]:
        """The columns that its rows need, in order."""
        return columns({column for sums in self._movements.values() for column in sums})


def totals(rows: Iterable[Row]) -> list[Row]:
    """The sum of the rows of each currency."""
    found: dict[str, Row] = {}
    for row in rows:
        held = found.setdefault(row.currency, Row(row.currency, None, 0, {}, 0, 0))
        movements = Counter(held.movements)
        movements.update(row.movements)  # Not +, which drops what is negative.
        found[row.currency] = Row(
            row.currency,
            None,
            held.opening + row.opening,
            dict(movements),
            held.closing + row.closing,
            held.pending + row.pending,
        )
    return list(found.values())


def csv_lines(month: str, zone: str, rows: Sequence[Row], named: Sequence[str]) -> Iterator[list[str]]:
    """The report as rows of text, the head first: amounts in the currency's smallest unit, and no totals."""
    yield ["month", "zone", "currency", "rule", "opening", *(_field(name) for name in named), "closing", "pending"]
    for row in rows:
        amounts = [row.opening, *(row.movements.get(name, 0) for name in named), row.closing, row.pending]
        yield [month, zone, row.currency, row.rule or "", *map(str, amounts)]


def _field(name: str) -> str:
    return name.replace(" ", "_")
