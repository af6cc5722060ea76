"""What would change under another program: sums over the ledgers of two runs, and what became of their members.

Ledgers are summed up while they pass; only the accounts are kept. Both runs see the same events in the same order,
and a month is that of the old program's zone on both sides.

Invariants:
  M1 over rules or over months, the sums of a side are those of its ledger
  M2 a program compared with itself differs in nothing

Not here: running the programs (compare.py), showing it (commands/compare.py, comparison_page.py).
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from loyalty.account import Head
from loyalty.calendar import local_time
from loyalty.decisions import Entry
from loyalty.postings import EARNED, RETURNED
from loyalty.program import Program
from workers.books.kinds import is_members

EXAMPLES_MAX = 20
"""How many events are named whose dead letters differ."""

_GIVEN = (EARNED, RETURNED)
_STEPS = (1, 10, 100, 1_000, 10_000)
"""Bounds of the groups by how much members gain or lose, in whole points."""


class Cell(NamedTuple):
    """What a sum of points is made of."""

    rule: str
    """The rule, or for what no rule gives the other side of the books, such as `redeemed`."""
    currency: str
    month: str


@dataclass(slots=True)
class Tally:
    """What one program made of the events: points in smallest units, less what was taken back."""

    zone: ZoneInfo
    points: Counter[Cell] = field(default_factory=Counter)
    refused: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    """(file, line) -> codes, of the events since it was last emptied."""

    def book(self, entry: Entry) -> None:
        """Count an entry by the side that is not the member's."""
        month = ""
        for posting in entry.postings:
            if is_members(posting):
                continue
            if not month:
                local = local_time(entry.time_us, self.zone)
                month = f"{local.year:04d}-{local.month:02d}"
            what = posting.rule if posting.account in _GIVEN else posting.account.removeprefix("program:")
            self.points[Cell(what, posting.currency, month)] -= posting.amount


class Letter(NamedTuple):
    """An event that is refused by one program, or by both for different reasons; "" stands for taken."""

    file: str
    line: int
    old: str
    new: str


@dataclass(slots=True)
class Letters:
    """Dead letters that differ."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: list[Letter] = field(default_factory=list)
    alike: int = 0
    """Events that both programs refuse for the same reason."""

    def compare(self, old: Mapping[tuple[str, int], list[str]], new: Mapping[tuple[str, int], list[str]]) -> None:
        """Take what was refused of the same events."""
        for place in sorted(old.keys() | new.keys()):
            was, becomes = (", ".join(side.get(place, ())) for side in (old, new))
            if was == becomes:
                self.alike += 1
            else:
                self.counts[was, becomes] += 1
                if len(self.examples) < EXAMPLES_MAX:
                    self.examples.append(Letter(*place, was, becomes))


class Row(NamedTuple):
    """A sum of points on both sides, in smallest units."""

    name: str
    old: int
    new: int

    @property
    def difference(self) -> int:
        """What changes."""
        return self.new - self.old


class Mover(NamedTuple):
    """A member's points and tier at the end, on both sides."""

    member: str
    old: int
    new: int
    old_tier: str
    new_tier: str

    @property
    def difference(self) -> int:
        """What changes."""
        return self.new - self.old


class Group(NamedTuple):
    """How many members gain or lose about as much."""

    name: str
    members: int


class Kind(NamedTuple):
    """All about one kind of points."""

    currency: str
    name: str
    decimals: int
    value_minor: Fraction | None
    """What a point costs, in minor units of money."""
    by_rule: tuple[Row, ...]
    by_month: tuple[Row, ...]
    by_rule_and_month: tuple[tuple[str, Row], ...]
    """Month and the rule's row, by month."""
    total: Row
    gain: int
    lose: int
    same: int
    groups: tuple[Group, ...]
    movers: tuple[Mover, ...]

    def cost_minor(self, amount: int) -> Fraction | None:
        """What points cost, in minor units of money; None when nobody said what one is worth."""
        return None if self.value_minor is None else Fraction(amount, 10**self.decimals) * self.value_minor


class Side(NamedTuple):
    """Which program it was."""

    program: str
    versions: tuple[str, ...]


class Comparison(NamedTuple):
    """What would change."""

    old: Side
    new: Side
    money: str
    events: int
    members: int
    kinds: tuple[Kind, ...]
    tiers: Mapping[tuple[str, str], int]
    """(old, new) -> members; "" stands for none."""
    tier_order: tuple[str, ...]
    letters: Letters

    @property
    def changes(self) -> bool:
        """Whether anything differs."""
        return (
            any(old != new for old, new in self.tiers)
            or bool(self.letters.counts)
            or any(kind.gain or kind.lose for kind in self.kinds)
            or any(row.difference for kind in self.kinds for _, row in kind.by_rule_and_month)
        )


class Run(NamedTuple):
    """One side when all is decided."""

    programs: Sequence[Program]
    tally: Tally
    heads: Mapping[str, Head]


def compared(
    old: Run, new: Run, letters: Letters, *, events: int, values: Mapping[str, Fraction], movers_max: int
) -> Comparison:
    """Set two runs side by side. `values` is what one point costs by kind, in minor units; "" stands for any kind."""
    members = sorted(old.heads.keys() | new.heads.keys())
    tiers = Counter((_tier(old.heads.get(member)), _tier(new.heads.get(member))) for member in members)
    currencies = {each.id: each for side in (old, new) for program in side.programs for each in program.currencies}
    kinds = []
    for currency in currencies.values():
        # A kind may be counted in finer units on one side.
        decimals = [_decimals(side.programs, currency.id) for side in (old, new)]
        finest = max(decimals)
        value = values.get(currency.id, values.get(""))
        factors = (10 ** (finest - decimals[0]), 10 ** (finest - decimals[1]))
        kinds.append(
            _kind(
                currency.id,
                currency.name,
                finest,
                value,
                _rows(old, new, currency.id, factors),
                _moved(old, new, currency.id, factors, members),
                movers_max,
            )
        )
    return Comparison(
        _side(old.programs),
        _side(new.programs),
        old.programs[-1].money,
        events,
        len(members),
        tuple(kinds),
        dict(tiers),
        _tier_order(old.programs, new.programs),
        letters,
    )


def _kind(
    currency: str,
    name: str,
    decimals: int,
    value: Fraction | None,
    cells: Mapping[tuple[str, str], Row],
    moved: Sequence[Mover],
    movers_max: int,
) -> Kind:
    changed = [mover for mover in moved if mover.difference]
    return Kind(
        currency,
        name,
        decimals,
        value,
        tuple(sorted(_summed((rule, row) for (_, rule), row in cells.items()), key=lambda row: -max(row.old, row.new))),
        tuple(_summed((month, row) for (month, _), row in cells.items())),
        tuple((month, row) for (month, _), row in sorted(cells.items())),
        next(iter(_summed(("all", row) for row in cells.values())), Row("all", 0, 0)),
        sum(mover.difference > 0 for mover in moved),
        sum(mover.difference < 0 for mover in moved),
        len(moved) - len(changed),
        tuple(_groups(moved, 10**decimals)),
        tuple(heapq.nsmallest(movers_max, changed, key=lambda mover: (-abs(mover.difference), mover.member))),
    )


def _rows(old: Run, new: Run, currency: str, factors: tuple[int, int]) -> dict[tuple[str, str], Row]:
    """(month, rule) -> what it came to."""
    cells = sorted(
        {(cell.month, cell.rule) for side in (old, new) for cell in side.tally.points if cell.currency == currency}
    )
    return {
        (month, rule): Row(
            rule,
            old.tally.points[Cell(rule, currency, month)] * factors[0],
            new.tally.points[Cell(rule, currency, month)] * factors[1],
        )
        for month, rule in cells
    }


def _summed(named: Iterable[tuple[str, Row]]) -> Iterator[Row]:
    """Rows of one name made one, in the order of their names."""
    old: Counter[str] = Counter()
    new: Counter[str] = Counter()
    for name, row in named:
        old[name] += row.old
        new[name] += row.new
    return (Row(name, old[name], new[name]) for name in sorted(old.keys() | new.keys()))


def _moved(old: Run, new: Run, currency: str, factors: tuple[int, int], members: Iterable[str]) -> list[Mover]:
    return [
        Mover(
            member,
            _held(old.heads.get(member), currency) * factors[0],
            _held(new.heads.get(member), currency) * factors[1],
            _tier(old.heads.get(member)),
            _tier(new.heads.get(member)),
        )
        for member in members
    ]


def _groups(moved: Sequence[Mover], unit: int) -> Iterator[Group]:
    """Members by how much they gain or lose, in steps of ten; what is below one point counts with the first step."""
    counts: Counter[int] = Counter()
    for mover in moved:
        whole = abs(mover.difference) // unit
        step = sum(whole >= bound for bound in _STEPS[1:]) + 1
        counts[0 if not mover.difference else step if mover.difference > 0 else -step] += 1
    used = max((abs(step) for step in counts), default=0)
    for step in range(-used, used + 1):
        yield Group(_step_name(step), counts[step])


def _step_name(step: int) -> str:
    if not step:
        return "no change"
    sign, low = ("+" if step > 0 else "-"), _STEPS[abs(step) - 1]
    if abs(step) == len(_STEPS):
        return f"{sign}{low:,} or {'more' if step > 0 else 'less'}"
    near, far = f"{sign}{low:,}", f"{sign}{_STEPS[abs(step)] - 1:,}"
    return f"{near} to {far}" if step > 0 else f"{far} to {near}"


def _tier(head: Head | None) -> str:
    return head.tier if head is not None else ""


def _held(head: Head | None, currency: str) -> int:
    return sum(head.balances.get(currency, (0, 0))) if head is not None else 0


def _side(programs: Sequence[Program]) -> Side:
    return Side(programs[-1].id, tuple(program.version for program in programs))


def _decimals(programs: Sequence[Program], currency: str) -> int:
    return next((each.decimals for program in programs for each in program.currencies if each.id == currency), 0)


def _tier_order(old: Sequence[Program], new: Sequence[Program]) -> tuple[str, ...]:
    """All tiers, the lowest first, the old program's order before the new one's."""
    levels = [level.id for program in (*old, *new) if program.tiers for level in program.tiers.levels]
    return tuple(dict.fromkeys(["", *levels]))
