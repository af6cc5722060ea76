"""A program made ready for speed: what can be worked out once for a version is worked out here.

Lines are classed by the set of line filters that they pass (`classify`, memoized by sku, category and brand),
so that a basket is a handful of groups and not a list of lines.

Not here: what the rules give (earning.py).
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from loyalty.program import ALL_LINES, ActivityRule, LineFilter, Multiplier, Program, PurchaseRule, When

EXCLUDED = -1
"""The class of a line that earns nothing under any rule."""


def passes(lines: LineFilter, sku: str, category: str, brand: str) -> bool:
    """Whether a line with these fields passes the filter."""
    return (
        (lines.categories is None or category in lines.categories)
        and (lines.skus is None or sku in lines.skus)
        and (lines.brands is None or brand in lines.brands)
        and category not in lines.not_categories
        and sku not in lines.not_skus
        and brand not in lines.not_brands
    )


def _restriction(when: When) -> When | None:
    """None for what always holds, so that asking costs nothing."""
    return None if when == When() else when


class Plan:
    """One version of a program with its derived tables. Immutable but for memoized results."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.currencies = {currency.id: currency for currency in program.currencies}
        self.purchase_rules = program.purchase_rules
        self.rule_named: dict[str, PurchaseRule] = {rule.id: rule for rule in program.purchase_rules}
        self.activities: dict[str, tuple[ActivityRule, ...]] = {
            on: tuple(rule for rule in program.activity_rules if rule.on == on)
            for on in {rule.on for rule in program.activity_rules}
        }
        used = [rule.lines for rule in program.purchase_rules] + [m.lines for m in program.multipliers]
        filters = list(dict.fromkeys(lines for lines in used if lines != ALL_LINES))
        self._bits = {lines: 1 << i for i, lines in enumerate(filters)} | {ALL_LINES: 0}
        self.rule_bits = tuple(self._bits[rule.lines] for rule in program.purchase_rules)
        self.multiplier_bits = tuple(self._bits[m.lines] for m in program.multipliers)
        self.rule_whens = tuple(_restriction(rule.when) for rule in program.purchase_rules)
        self.multiplier_whens = tuple(_restriction(m.when) for m in program.multipliers)
        excluded = program.excluded_lines

        @lru_cache(maxsize=1 << 17)
        def classify(sku: str, category: str, brand: str) -> int:
            if not passes(excluded, sku, category, brand):
                return EXCLUDED
            return sum(bit for lines, bit in self._bits.items() if bit and passes(lines, sku, category, brand))

        self.classify = classify
        self._factors: dict[tuple[int, ...], Fraction] = {}
        capped = [cap for rule in program.purchase_rules for cap in rule.caps]
        capped += [cap for rule in program.activity_rules for cap in rule.caps]
        capped += [cap for rule in program.referral_rules for cap in rule.referrer_caps]
        self.rolling_days_max = max(
            (cap.rolling.months * 31 + cap.rolling.days for cap in capped if cap.rolling is not None), default=0
        )
        self.level_index = {level.id: i for i, level in enumerate(program.tiers.levels)} if program.tiers else {}

    def factor(self, which: tuple[int, ...]) -> Fraction:
        """The combined factor of the multipliers with these indexes."""
        known = self._factors.get(which)
        if known is None:
            chosen = [self.program.multipliers[i] for i in which]
            known = self._factors[which] = combined(chosen, self.program)
        return known


def combined(multipliers: Sequence[Multiplier], program: Program) -> Fraction:
    """The factor of multipliers that apply together, by the program's groups; never below 0.

    An exclusive multiplier silences the others; of several, the highest priority wins.
    """
    exclusive = [m for m in multipliers if m.exclusive]
    if exclusive:
        return max(exclusive, key=lambda m: m.priority).factor
    groups: dict[str, list[Fraction]] = {}
    for multiplier in multipliers:
        groups.setdefault(multiplier.group, []).append(multiplier.factor)
    total = Fraction(1)
    for group, factors in groups.items():
        factor = _within(program.combine.within.get(group, "best"), factors)
        total = total * factor if program.combine.across == "multiply" else total + factor - 1
    return max(total, Fraction(0))


def _within(how: str, factors: Sequence[Fraction]) -> Fraction:
    if how == "add":
        return 1 + sum((factor - 1 for factor in factors), Fraction(0))
    if how == "multiply":
        product = Fraction(1)
        for factor in factors:
            product *= factor
        return product
    return max(factors)


class Programs:
    """The versions of one program, by the time from which each is in force."""

    def __init__(self, versions: Sequence[Program]) -> None:
        """Take versions of one program; raises ValueError when they are none or not of one program."""
        if len({program.id for program in versions}) != 1:
            raise ValueError("one or more versions of a single program are needed")
        self._plans = sorted((Plan(program) for program in versions), key=lambda plan: plan.program.effective_from_us)
        self._named = {plan.program.version: plan for plan in self._plans}
        self.id = versions[0].id

    @property
    def plans(self) -> Sequence[Plan]:
        """All versions, the earliest first."""
        return self._plans

    def at(self, time_us: int) -> Plan | None:
        """The version in force at the event time, None before the first one."""
        for plan in reversed(self._plans):
            if plan.program.effective_from_us <= time_us:
                return plan
        return None

    def named(self, version: str) -> Plan | None:
        """The version of that name."""
        return self._named.get(version)
