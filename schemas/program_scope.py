"""What the parts of one program may refer to while it is compiled: names, money, kinds of points.

Names are taken from the file's tree, not from the validated model, so that a rule which was left out
because it is broken does not make all who refer to it look broken too.

Not here: what rules mean (program_rules.py).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from loyalty.program import Duration
from schemas import program as whole
from schemas import program_earn as model
from schemas.currencies import MINOR_DIGITS
from schemas.program_source import Source, TreePath
from schemas.program_values import did_you_mean, exact, longest_days, period

MAX_POINTS: Final = 10**12
MAX_ROLLING_DAYS: Final = 10 * 12 * 31
BUILT_IN_GROUPS: Final = ("default", "tier")


@dataclass(frozen=True, slots=True)
class Scope:
    """The names of one program, and where its problems go."""

    source: Source
    money: str
    zone: str
    decimals: Mapping[str, int]
    rewards: frozenset[str]
    pending: Mapping[str, Duration]
    """How long points wait, of the kinds that do."""
    default_points: str
    tiers: frozenset[str] | None
    groups: frozenset[str]
    rule_ids: frozenset[str]
    unmultiplied: Mapping[str, bool]
    """Rules whose points are not multiplied; True where the author can change that."""

    @classmethod
    def of(cls, file: whole.ProgramFile, source: Source) -> "Scope":
        """The scope of a validated file."""
        tree = source.tree
        levels = _items(tree.get("tiers"), "levels") if "tiers" in tree else None
        return cls(
            source=source,
            money=file.money,
            zone=file.zone,
            decimals={key: points.decimals for key, points in file.points.items()},
            rewards=frozenset(_ids(_items(tree, "rewards"))),
            pending={key: period(points.pending) for key, points in file.points.items() if points.pending is not None},
            default_points=next(iter(file.points)),
            tiers=None if levels is None else frozenset(_ids(levels)),
            groups=frozenset({*BUILT_IN_GROUPS, *_block(_block(tree, "multiply"), "groups")}),
            rule_ids=frozenset(_ids(_items(tree, "earn"))),
            unmultiplied=dict(_unmultiplied(file.earn)),
        )

    def report(self, path: TreePath, message: str, hint: str = "", *, at_key: bool = False) -> None:
        """Note a problem. A last part that names an item of a list is looked up in it."""
        here = path
        if here not in self.source.values and isinstance(here[-1], str):
            found = _index_of(self.source.tree, here[:-1], here[-1])
            here = (*here[:-1], found) if found is not None else here[:-1] if not at_key else here
        self.source.report(here, message, hint, at_key=at_key)

    def report_inside(self, path: TreePath, text: str, place: tuple[int, int], message: str, hint: str = "") -> None:
        """Note a problem at a line and column (from 1) within a text value."""
        here = path
        line, column = self.source.values.get(here, (1, 1))
        style = self.source.styles.get(here)
        if "\n" not in text and place[0] == 1 and style is not None and style not in "|>":
            # An escape in the quotes shifts what follows; the column is then a little early.
            column += place[1] - 1 + len(style)
        self.source.report_at((line, column), here, message, hint)

    def item_path(self, path: TreePath, index: int) -> TreePath:
        """Where an item of a list stands: a single one may be written without a list."""
        listed = (*path, index) in self.source.values
        return (*path, index) if listed else path

    def known_name(self, name: str, known: Collection[str], path: TreePath, what: str) -> bool:
        """Report a name that does not exist."""
        if name in known:
            return True
        self.report((*path, name), f"there is no {what} {name}", did_you_mean(name, sorted(known)))
        return False

    def currency(self, name: str | None, path: TreePath) -> str:
        """The kind of points that is meant."""
        if name is None:
            return self.default_points
        return name if self.known_name(name, self.decimals, path, "kind of points") else self.default_points

    def points(self, text: str, currency: str, path: TreePath, *, zero: bool = False) -> int:
        """An amount of points in its smallest unit."""
        decimals = self.decimals[currency]
        amount = exact(text) * 10**decimals
        if amount.denominator != 1:
            wanted = "whole numbers" if decimals == 0 else f"at most {decimals} digits after the point"
            self.report(path, f"{text} came, but {currency} come in {wanted}")
        if amount == 0 and not zero:
            self.report(path, "0 came, a number of points above 0 was expected")
        if amount > MAX_POINTS:
            self.report(path, f"{text} came, which is more than {MAX_POINTS // 10**decimals} points")
        return int(amount)

    def minor(self, text: str, path: TreePath, *, zero: bool = True) -> int:
        """An amount of money in minor units."""
        digits = MINOR_DIGITS[self.money]
        amount = exact(text) * 10**digits
        if amount.denominator != 1:
            wanted = "no digits" if digits == 0 else f"at most {digits} digits"
            self.report(path, f"{text} came, but {self.money} has {wanted} after the point")
        if amount == 0 and not zero:
            self.report(path, "0 came, an amount above 0 was expected")
        return int(amount)

    def calendar_period(self, text: str, path: TreePath) -> Duration:
        """A period of whole local days."""
        duration = period(text)
        if duration.seconds:
            self.report(path, f"{text} came, a period of days, weeks, months or years was expected", "for example P30D")
        if longest_days(duration) > MAX_ROLLING_DAYS:
            self.report(path, f"{text} came, at most ten years were expected", "there is lifetime, too")
        return duration


def _block(tree: Any, key: str) -> dict[str, Any]:
    found = tree.get(key) if isinstance(tree, dict) else None
    return found if isinstance(found, dict) else {}


def _items(tree: Any, key: str) -> list[Any]:
    found = tree.get(key) if isinstance(tree, dict) else None
    return found if isinstance(found, list) else []


def _ids(items: Iterable[Any]) -> Iterable[str]:
    return (str(item["id"]) for item in items if isinstance(item, dict) and "id" in item)


def _unmultiplied(rules: Iterable[model.Rule]) -> Iterable[tuple[str, bool]]:
    for rule in rules:
        if isinstance(rule, model.PurchaseRule):
            if not purchase_rule_multiplied(rule):
                yield rule.id, True
        elif isinstance(rule, model.ActivityRule):
            if not rule.multiplied:
                yield rule.id, True
        else:
            yield rule.id, False


def purchase_rule_multiplied(rule: model.PurchaseRule) -> bool:
    """Whether multipliers apply: what is measured is multiplied, what is fixed is not, unless the rule says so."""
    measured = rule.give.per is not None or rule.give.per_item
    return measured if rule.multiplied is None else rule.multiplied


def _index_of(tree: Any, path: TreePath, word: str) -> int | None:
    for part in path:
        if isinstance(tree, dict) and isinstance(part, str):
            tree = tree.get(part)
        elif isinstance(tree, list) and isinstance(part, int) and part < len(tree):
            tree = tree[part]
        else:
            return None
    if not isinstance(tree, list):
        return None
    return next((index for index, item in enumerate(tree) if str(item) == word), None)
