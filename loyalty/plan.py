"""A program made ready for speed: what can be worked out once for a version is worked out here.

Lines are classed by the set of line filters that they pass (`classes_of`, memoized by sku, category and brand),
so that a basket is a handful of groups and not a list of lines.

Not here: what the rules give (earning.py).
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import compress, pairwise
from math import prod
from operator import itemgetter
from typing import Any

from loyalty.budgets import Surprise, draw_bound
from loyalty.calendar import DAY_US, Lives, length_days, length_us
from loyalty.circumstances import Circumstances, Predicate, predicate
from loyalty.days import Days, Rated
from loyalty.facts import Line
from loyalty.program import (
    ALL_LINES,
    ActivityRule,
    Cap,
    Currency,
    LineFilter,
    Multiplier,
    Program,
    PurchaseRule,
)
from loyalty.rules import EARN_RULES
from loyalty.tiers import qualifying_key

BEST = "best"
"""How multipliers of a group meet unless the program says otherwise."""

FOR_EVER_US = 1 << 62

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


_FILTERED = ("sku", "category", "brand")
"""What filters look at."""
_CLASSES_MAX = 1 << 17


def _asks_for(lines: LineFilter) -> tuple[bool, ...]:
    """Which of the fields in _FILTERED the filter looks at."""
    return (
        lines.skus is not None or bool(lines.not_skus),
        lines.categories is not None or bool(lines.not_categories),
        lines.brands is not None or bool(lines.not_brands),
    )


class _Classes(dict[Any, int]):
    """Class of lines, worked out when it is first asked for. Bounded: it starts over when full.

    `key` cuts out of a line what any filter looks at and nothing else. There are many thousands of skus: a program
    that only asks for categories finds its few classes much sooner, and leaves the rest of each line untouched.
    """

    def __init__(self, excluded: LineFilter, bits: Mapping[LineFilter, int]) -> None:
        super().__init__()
        self._excluded = excluded
        self._bits = bits
        asked = [any(asks) for asks in zip(*map(_asks_for, [excluded, *bits]), strict=True)]
        self._asked = list(compress(_FILTERED, asked)) or ["category"]
        self.key = itemgetter(*map(Line._fields.index, self._asked))

    def __missing__(self, key: str | tuple[str, ...]) -> int:
        if len(self) >= _CLASSES_MAX:
            self.clear()
        values = (key,) if isinstance(key, str) else key
        known = dict(zip(self._asked, values, strict=True))
        sku, category, brand = (known.get(field, "") for field in _FILTERED)
        found = EXCLUDED
        if passes(self._excluded, sku, category, brand):
            found = sum(bit for lines, bit in self._bits.items() if bit and passes(lines, sku, category, brand))
        self[key] = found
        return found


_TABLES_MAX = 1 << 10
"""Sets of active multipliers whose factors are kept, and classes of lines in the factors of each."""


class Factors(dict[int, int]):
    """What multiplies a rule while some multipliers act on it: class of lines -> numerator over `denominator`.

    Worked out when it is first asked for. Bounded: it starts over when full.
    """

    def __init__(self, plan: "Plan", acting: Sequence[int]) -> None:
        """`acting` are the indexes of the multipliers that may act on the rule's lines."""
        super().__init__()
        self._plan = plan
        self._acting = acting
        # However factors are combined, each comes in once: the product is a denominator of every combination.
        self.denominator = prod(plan.program.multipliers[i].factor.denominator for i in acting)
        self._counted: dict[int, Mapping[str, str]] = {}

    def __missing__(self, mask: int) -> int:
        if len(self) >= _TABLES_MAX:
            self.clear()
        factor = combined(self._applied(mask), self._plan.program)
        found = self[mask] = factor.numerator * (self.denominator // factor.denominator)
        return found

    def counted(self, masks: Iterable[int]) -> Mapping[str, str]:
        """The multipliers that count for lines of these classes: id -> factor, as text."""
        found: dict[str, str] = {}
        for mask in masks:
            known = self._counted.get(mask)
            if known is None:
                if len(self._counted) >= _TABLES_MAX:
                    self._counted.clear()
                groups = counting(self._applied(mask), self._plan.program)
                known = self._counted[mask] = {m.id: str(m.factor) for members in groups.values() for m in members}
            found.update(known)
        return found

    def _applied(self, mask: int) -> list[Multiplier]:
        """Those of the acting multipliers whose lines the class is among."""
        bits, multipliers = self._plan.multiplier_bits, self._plan.program.multipliers
        return [multipliers[i] for i in self._acting if mask & bits[i] == bits[i]]


@dataclass(slots=True, eq=False)
class RulePlan:
    """A purchase rule with what can be worked out once."""

    rule: PurchaseRule
    bit: int
    """The class bit that lines must have to count; 0 when all do."""
    line_field: int | None
    """Index in a `Line` of what is measured; None: once for the purchase."""
    multipliers: frozenset[int]
    """Indexes of the multipliers that may act on it."""
    rate_num: int
    rate_den: int
    rate_text: str
    rounding: str
    """Of the rule's currency."""


def _rule_plan(rule: PurchaseRule, bit: int, multipliers: Sequence[Multiplier], rounding: str) -> RulePlan:
    kind = EARN_RULES[rule.kind]
    acting = (i for i, m in enumerate(multipliers) if rule.multiplied and (m.rules is None or rule.id in m.rules))
    return RulePlan(
        rule,
        bit,
        None if kind.LINE_FIELD is None else Line._fields.index(kind.LINE_FIELD),
        frozenset(acting),
        rule.rate.numerator,
        rule.rate.denominator * kind.UNITS,
        str(rule.rate),
        rounding,
    )


def _surprise_caps(rule: Surprise) -> tuple[Cap, ...]:
    """The limits of a surprise for each member: who is drawn for a period gets it once in it."""
    return (*rule.caps, Cap(1, "awards", rule.per)) if rule.draw == "member" else rule.caps


class Plan:
    """One version of a program with its derived tables. Immutable but for memoized results."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.currencies = {currency.id: currency for currency in program.currencies}
        self.lives = {c.id: Lives(c.expiry, program.zone) for c in program.currencies if c.expiry is not None}
        roundings = {currency.id: currency.rounding for currency in program.currencies}
        self.rule_named: dict[str, PurchaseRule] = {rule.id: rule for rule in program.purchase_rules}
        self.activities: dict[str, tuple[tuple[ActivityRule, Predicate | None], ...]] = {
            on: tuple((rule, predicate(rule.when)) for rule in program.activity_rules if rule.on == on)
            for on in dict.fromkeys(rule.on for rule in program.activity_rules)
        }
        used = [rule.lines for rule in program.purchase_rules] + [m.lines for m in program.multipliers]
        filters = list(dict.fromkeys(lines for lines in used if lines != ALL_LINES))
        self._bits = {lines: 1 << i for i, lines in enumerate(filters)} | {ALL_LINES: 0}
        self.rules = tuple(
            _rule_plan(rule, self._bits[rule.lines], program.multipliers, roundings[rule.currency])
            for rule in program.purchase_rules
        )
        self.multiplier_bits = tuple(self._bits[m.lines] for m in program.multipliers)
        self.multiplier_holds = tuple(predicate(m.when) for m in program.multipliers)
        self.referral_holds = tuple(predicate(rule.when) for rule in program.referral_rules)
        self._classes = _Classes(program.excluded_lines, self._bits)
        self._factors: dict[tuple[int, ...], Factors] = {}
        self._days = Days(self.rules, [m.when for m in program.multipliers], self.factors)
        capped = [cap for rule in program.purchase_rules for cap in rule.caps]
        capped += [cap for rule in program.activity_rules for cap in rule.caps]
        capped += [cap for rule in program.referral_rules for cap in rule.referrer_caps]
        capped += [cap for reward in program.rewards for cap in reward.limits]
        capped += [cap for rule in program.surprises for cap in rule.caps]
        self.rolling_days_max = max((length_days(cap.rolling) for cap in capped if cap.rolling is not None), default=0)
        self.kept_alive_by: dict[str, tuple[Currency, ...]] = {
            kind: tuple(c for c in program.currencies if c.expiry is not None and kind in c.expiry.restart_on)
            for kind in {kind for c in program.currencies if c.expiry is not None for kind in c.expiry.restart_on}
        }
        """Kind of activity -> the points whose end it moves."""
        self.surprises: dict[str, tuple[tuple[Surprise, Predicate | None, bytes], ...]] = {
            on: tuple(
                (rule, predicate(rule.when), draw_bound(rule.share)) for rule in program.surprises if rule.on == on
            )
            for on in {rule.on for rule in program.surprises}
        }
        self.surprise_caps = {rule.id: _surprise_caps(rule) for rule in program.surprises}
        occasions = [rule.occasion for rule in program.activity_rules if rule.occasion is not None]
        self.has_occasions = bool(occasions)
        waits = [terms.after.months * 28 + terms.after.days for terms in occasions if terms.activities]
        self.silence_us = min(waits) * DAY_US - DAY_US // 12 if waits else None
        """No silence that a rule waits for is over sooner: so many local days, of which one may lack an hour or two."""
        stream = program.stream
        self.max_late_us = None if stream.max_late is None else length_us(stream.max_late)
        self.max_future_us = length_us(stream.max_future)
        self.rewards = {reward.id: reward for reward in program.rewards}
        self.qualifying_key = qualifying_key(program.tiers) if program.tiers else ""
        self.level_index = {level.id: i for i, level in enumerate(program.tiers.levels)} if program.tiers else {}

    def classes_of(self, lines: Sequence[Line]) -> list[int]:
        """The class of each line: a bit for each filter that it passes, EXCLUDED when it earns nothing."""
        classes = self._classes
        return list(map(classes.__getitem__, map(classes.key, lines)))

    def rated(self, circumstances: Circumstances) -> Rated:
        """The purchase rules that may hold, each with what is left to ask, and the factors that multiply it now."""
        return self._days.rated(circumstances)

    def factors(self, acting: tuple[int, ...]) -> Factors | None:
        """What the multipliers with these indexes make of a rule; None when there are none."""
        if not acting:
            return None
        known = self._factors.get(acting)
        if known is None:
            if len(self._factors) >= _TABLES_MAX:
                self._factors.clear()
            known = self._factors[acting] = Factors(self, acting)
        return known


def counting(multipliers: Sequence[Multiplier], program: Program) -> dict[str, list[Multiplier]]:
    """Of multipliers that apply together those that count, by group.

    An exclusive multiplier silences the others; of several, the highest priority wins. Of a group that takes the
    best, the best counts, the first of equals.
    """
    exclusive = [m for m in multipliers if m.exclusive]
    if exclusive:
        alone = max(exclusive, key=lambda m: m.priority)
        return {alone.group: [alone]}
    groups: dict[str, list[Multiplier]] = {}
    for multiplier in multipliers:
        groups.setdefault(multiplier.group, []).append(multiplier)
    for group, members in groups.items():
        if program.combine.within.get(group, BEST) == BEST:
            groups[group] = [max(members, key=lambda m: m.factor)]
    return groups


def combined(multipliers: Sequence[Multiplier], program: Program) -> Fraction:
    """The factor of multipliers that apply together, by the program's groups; never below 0."""
    total = Fraction(1)
    for group, members in counting(multipliers, program).items():
        factor = _within(program.combine.within.get(group, BEST), [m.factor for m in members])
        total = total * factor if program.combine.across == "multiply" else total + factor - 1
    return max(total, Fraction(0))


def _within(how: str, factors: Sequence[Fraction]) -> Fraction:
    if how == "multiply":
        return prod(factors, start=Fraction(1))
    return 1 + sum((factor - 1 for factor in factors), Fraction(0))  # of the best there is only one


def clock_of(plan: Plan) -> tuple[object, ...]:
    """All that a version says about when time alone does something to an account."""
    program, tiers = plan.program, plan.program.tiers
    return (
        program.zone.key,
        {(rule.on, rule.id, rule.occasion) for rule in program.activity_rules if rule.occasion is not None},
        {terms.id: terms.expiry.notice for terms in program.currencies if terms.expiry is not None},
        None if tiers is None else (tiers.notice.at_risk, frozenset(plan.level_index)),
    )


class Programs:
    """The versions of one program, by the time from which each is in force."""

    def __init__(self, versions: Sequence[Program]) -> None:
        """Take versions of one program; raises ValueError when they are none or not of one program."""
        if len({program.id for program in versions}) != 1:
            raise ValueError("one or more versions of a single program are needed")
        self._plans = sorted((Plan(program) for program in versions), key=lambda plan: plan.program.effective_from_us)
        self._in_force_us = [plan.program.effective_from_us for plan in self._plans]
        streams = [plan.program.stream for plan in self._plans]
        lates = [length_us(stream.max_late) for stream in streams if stream.max_late is not None]
        self.remembered_us: int | None = None
        """How long events are remembered after they were taken; None for ever.

        Lateness is judged by the version of an event's own time, so the longest of all versions counts. An event
        that came early is in time for longer.
        """
        if len(lates) == len(streams):
            self.remembered_us = max(lates) + max(length_us(stream.max_future) for stream in streams) + DAY_US
        keeps = [plan.program.returns.keep for plan in self._plans]
        # Longer than the calendar's: what is kept a day too long harms nothing.
        self.returnable_us = max(length_us(keep) if keep is not None else FOR_EVER_US for keep in keeps) + DAY_US
        """For how long after a purchase anybody may ask for it."""
        spans = [plan.program.redemptions.keep for plan in self._plans]
        redeemable_us = max(length_us(keep) if keep is not None else FOR_EVER_US for keep in spans) + DAY_US
        self.redeemable_us = max(self.returnable_us, redeemable_us)
        """For how long after a redemption anybody may ask for it: to cancel it, or by a return of what it paid for."""
        self.rolling_days_max = max(plan.rolling_days_max for plan in self._plans)
        self._named = {plan.program.version: plan for plan in self._plans}
        self.id = versions[0].id
        self.has_occasions = any(plan.has_occasions for plan in self._plans)
        others = [plan for before, plan in pairwise(self._plans) if clock_of(before) != clock_of(plan)]
        self._timed = [self._plans[0], *others]
        self._starts = [plan.program.effective_from_us for plan in self._timed]

    def kept_until_us(self, time_us: int, now_us: int) -> int | None:
        """Until when a purchase is kept: as long as it may be returned, and as long as it may come again."""
        return self._kept_until_us(time_us + self.returnable_us, now_us)

    def redemption_kept_until_us(self, time_us: int, now_us: int) -> int | None:
        """The same of a redemption."""
        return self._kept_until_us(time_us + self.redeemable_us, now_us)

    def _kept_until_us(self, asked_until_us: int, now_us: int) -> int | None:
        # What is sent in time may come late, so the two times add up.
        return None if self.remembered_us is None else max(asked_until_us, now_us) + self.remembered_us

    @property
    def plans(self) -> Sequence[Plan]:
        """All versions, the earliest first."""
        return self._plans

    def at(self, time_us: int) -> Plan | None:
        """The version in force at the event time, None before the first one."""
        number = bisect_right(self._in_force_us, time_us)
        return self._plans[number - 1] if number else None

    def timed_at(self, time_us: int) -> Plan:
        """The version that says when time alone does something from then on; the first one also before it starts.

        Of versions that follow one another and say the same about that, the first stands for all.
        """
        return self._timed[bisect_right(self._starts, time_us, 1) - 1]

    def start_after(self, time_us: int) -> int | None:
        """From when another version says when time alone does something; None: that stays as it is."""
        if time_us >= self._starts[-1]:
            return None
        return self._starts[bisect_right(self._starts, time_us)]

    def named(self, version: str) -> Plan | None:
        """The version of that name."""
        return self._named.get(version)

    def of(self, version: str, what: str) -> Plan:
        """The version that `what` was decided under. Raises LookupError when it is not loaded."""
        plan = self._named.get(version)
        if plan is None:
            raise LookupError(f"{what} was decided under version {version!r}: not loaded")
        return plan
