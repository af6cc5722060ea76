"""The figures of a comparison as people read them, for the table and the page alike.

Not here: the sums (comparison.py).
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from schemas.currencies import MINOR_DIGITS
from workers.comparison import Comparison, Kind, Row, Side

NONE = "-"
ROWS_MAX = 5_000
"""How many lines of rules by month a page shows."""
CHANGED_MAX = 20
"""How many of those that change a table shows."""


class Grid(NamedTuple):
    """A table: its caption, the names of its columns, its lines. The first column names, the others count."""

    caption: str
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def side_words(side: Side) -> str:
    """A program and its versions."""
    return f"{side.program} {', '.join(side.versions)}"


def summary(comparison: Comparison) -> list[str]:
    """What would change, in a few sentences."""
    sides = f"under {side_words(comparison.old)} and under {side_words(comparison.new)}"
    said = [f"{comparison.events:,} events of {comparison.members:,} members, {sides}."]
    if comparison.letters.alike:
        said.append(f"Events that both programs refuse, for the same reason: {comparison.letters.alike:,}.")
    if not comparison.changes:
        return [*said, "Nothing would change."]
    for kind in comparison.kinds:
        total = kind.total
        share = f" ({_percent(total)})" if total.old else ""
        said.append(
            f"{kind.name}: {points(total.old, kind)} become {points(total.new, kind)}, "
            f"{points(total.difference, kind, sign=True)}{share}{_cost_words(total, kind, comparison.money)}. "
            f"Members: {kind.gain:,} gain, {kind.lose:,} lose, {kind.same:,} stay."
        )
    moved = sum(count for (old, new), count in comparison.tiers.items() if old != new)
    if len(comparison.tier_order) > 1:
        said.append(f"Members who end in another tier: {moved:,}.")
    letters = sum(comparison.letters.counts.values())
    if letters:
        said.append(f"Events that one program alone refuses, or for another reason: {letters:,}.")
    return said


def grids(comparison: Comparison) -> Iterator[Grid]:
    """All tables, in the order in which people ask."""
    for kind in comparison.kinds:
        yield rules_grid(kind, comparison.money)
        yield months_grid(kind, comparison.money)
        yield changed_grid(kind, comparison.money)
    for kind in comparison.kinds:
        yield members_grid(kind)
        if kind.movers:
            yield movers_grid(kind)
    if len(comparison.tier_order) > 1:
        yield tiers_grid(comparison)
    if comparison.letters.counts:
        yield from (letters_grid(comparison), examples_grid(comparison))


def rules_grid(kind: Kind, money: str) -> Grid:
    """Points by rule, and their sum."""
    lines = tuple(_counted(row, kind, money) for row in (*kind.by_rule, kind.total))
    return Grid(f"{kind.name} by rule", ("rule", *_columns(kind, money)), lines)


def months_grid(kind: Kind, money: str) -> Grid:
    """Points by month."""
    lines = tuple(_counted(row, kind, money) for row in kind.by_month)
    return Grid(f"{kind.name} by month", ("month", *_columns(kind, money)), lines)


def rule_months_grid(kind: Kind, money: str) -> Grid:
    """Points by month and rule."""
    lines = tuple(
        (month, *_counted(row, kind, money)) for month, row in kind.by_rule_and_month[:ROWS_MAX] if row.old or row.new
    )
    return Grid(f"{kind.name} by month and rule", ("month", "rule", *_columns(kind, money)), lines)


def changed_grid(kind: Kind, money: str) -> Grid:
    """Points by month and rule where they change, the largest changes first."""
    changed = [(month, row) for month, row in kind.by_rule_and_month if row.difference]
    changed.sort(key=lambda each: -abs(each[1].difference))
    lines = tuple((month, *_counted(row, kind, money)) for month, row in changed[:CHANGED_MAX])
    caption = f"{kind.name} by month and rule, the largest changes"
    return Grid(caption, ("month", "rule", *_columns(kind, money)), lines)


def members_grid(kind: Kind) -> Grid:
    """How many members gain or lose how much."""
    lines = tuple((group.name, f"{group.members:,}") for group in kind.groups)
    return Grid(f"Members by what they gain or lose in {kind.name}", ("difference", "members"), lines)


def movers_grid(kind: Kind) -> Grid:
    """Who gains or loses the most."""
    lines = tuple(
        (
            mover.member,
            points(mover.old, kind),
            points(mover.new, kind),
            points(mover.difference, kind, sign=True),
            mover.old_tier or NONE,
            mover.new_tier or NONE,
        )
        for mover in kind.movers
    )
    head = ("member", "old", "new", "difference", "old tier", "new tier")
    return Grid(f"Largest movers in {kind.name}", head, lines)


def tiers_grid(comparison: Comparison) -> Grid:
    """Members by old tier (lines) and new tier (columns)."""
    used = {tier for pair in comparison.tiers for tier in pair}
    tiers = [tier for tier in comparison.tier_order if tier in used or tier]
    lines = tuple((old or NONE, *(f"{comparison.tiers.get((old, new), 0):,}" for new in tiers)) for old in tiers)
    return Grid("Members by tier: from (lines) to (columns)", ("tier", *(tier or NONE for tier in tiers)), lines)


def letters_grid(comparison: Comparison) -> Grid:
    """Dead letters that differ."""
    lines = tuple(
        (old or "taken", new or "taken", f"{count:,}")
        for (old, new), count in sorted(comparison.letters.counts.items())
    )
    return Grid("Events that are refused otherwise", ("old", "new", "events"), lines)


def examples_grid(comparison: Comparison) -> Grid:
    """The first of them."""
    lines = tuple(
        (f"{each.file}:{each.line}", each.old or "taken", each.new or "taken") for each in comparison.letters.examples
    )
    return Grid("The first of these events", ("event", "old", "new"), lines)


def points(amount: int, kind: Kind, *, sign: bool = False) -> str:
    """Points with thousands and digits as the program has them."""
    return _decimal(Fraction(amount, 10**kind.decimals), kind.decimals, sign=sign)


def money_words(minor: Fraction, money: str, *, sign: bool = False) -> str:
    """An amount of money, rounded half to even for show."""
    digits = MINOR_DIGITS[money]
    return f"{_decimal(minor / 10**digits, digits, sign=sign)} {money}"


def _decimal(value: Fraction, digits: int, *, sign: bool) -> str:
    whole = round(value * 10**digits)
    text = str(abs(whole)).rjust(digits + 1, "0")
    front, back = (text[:-digits], "." + text[-digits:]) if digits else (text, "")
    before = "-" if whole < 0 else "+" if sign and whole else ""
    return f"{before}{int(front):,}{back}"


def _columns(kind: Kind, money: str) -> Sequence[str]:
    costs = () if kind.value_minor is None else (f"cost old, {money}", f"cost new, {money}", f"difference, {money}")
    return ("old", "new", "difference", *costs)


def _counted(row: Row, kind: Kind, money: str) -> tuple[str, ...]:
    counts = (points(row.old, kind), points(row.new, kind), points(row.difference, kind, sign=True))
    costs = []
    for amount, sign in ((row.old, False), (row.new, False), (row.difference, True)):
        cost = kind.cost_minor(amount)
        if cost is not None:
            costs.append(money_words(cost, money, sign=sign).removesuffix(f" {money}"))
    return (row.name, *counts, *costs)


def _cost_words(total: Row, kind: Kind, money: str) -> str:
    old, new, more = (kind.cost_minor(amount) for amount in (total.old, total.new, total.difference))
    if old is None or new is None or more is None:
        return ""
    return f", that is {money_words(old, money)} and {money_words(new, money)}, {money_words(more, money, sign=True)}"


def _percent(total: Row) -> str:
    return f"{_decimal(Fraction(total.difference * 100, abs(total.old)), 1, sign=True)}%"
