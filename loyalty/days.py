"""What a local day and the member's tier leave to ask of purchase rules and multipliers: seldom more than one or two.

Events come nearly in the order of their time, so what the dates and tiers of a version say is worked out once for
each day and tier. A campaign of last summer costs today's baskets nothing, and on a Monday nobody asks for the day.

Invariants:
  Y1 what is left out of a day would not hold at any instant of it; what is not asked any more holds at every one

Not here: how the rest is tested (circumstances.py), what a rule gives (earning.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from loyalty.calendar import Local, covers, day_end_us, day_start_us, in_every_year, overlaps
from loyalty.circumstances import Circumstances, Predicate, predicate
from loyalty.program import When

if TYPE_CHECKING:
    from loyalty.plan import Factors, RulePlan

Rated: TypeAlias = "tuple[tuple[RulePlan, Predicate | None, Factors | None], ...]"
"""Purchase rules with what is left to ask of the basket, and the factors that multiply them."""

_DAYS_MAX = 1 << 10
_SETS_MAX = 1 << 10


class OnDay(NamedTuple):
    """What is left to ask on a day: of `when` without its tiers and days, with and without its windows."""

    when: When
    within: Predicate | None
    whole: Predicate | None


def on_day(when: When) -> OnDay:
    """`when` made ready for the question what a day leaves of it."""
    # Days at a store are not those of the program: nothing is known of them here.
    rest = replace(when, tiers=None)
    if not when.store_zone:
        rest = replace(rest, weekdays=None, every_year=None)
    return OnDay(when, predicate(rest), predicate(rest if when.store_zone else replace(rest, windows=None)))


def may_hold(when: When, day: Local, tier: str) -> bool:
    """Whether `when` leaves anything of the local day for members of the tier."""
    if when.tiers is not None and tier not in when.tiers:
        return False
    if when.store_zone:
        return True
    if when.weekdays is not None and day.weekday not in when.weekdays:
        return False
    if when.every_year is not None and not any(in_every_year(days, day) for days in when.every_year):
        return False
    if when.windows is None:
        return True
    start_us, end_us = day_start_us(day.ordinal, day.zone), day_end_us(day.ordinal, day.zone)
    return any(overlaps(window, start_us, end_us, day.zone) for window in when.windows)


def left_to_ask(of: OnDay, day: Local) -> Predicate | None:
    """What has to hold besides, at an instant of a day on which it may hold; None: nothing."""
    if of.when.windows is None or of.when.store_zone:
        return of.whole
    start_us, end_us = day_start_us(day.ordinal, day.zone), day_end_us(day.ordinal, day.zone)
    return of.whole if any(covers(window, start_us, end_us, day.zone) for window in of.when.windows) else of.within


class _Day(NamedTuple):
    """What a local day leaves for members of a tier. Sets of multipliers are numbers: bit i stands for index i.

    `certain` are the multipliers that hold the whole day, `asked` those that may, each with its bit. `rated` are the
    rules by the set that is active; days that leave the same share them.
    """

    certain: int
    asked: tuple[tuple[int, Predicate], ...]
    rules: "tuple[tuple[RulePlan, Predicate | None], ...]"
    rated: dict[int, Rated]


class Days:
    """The purchase rules of a version by day and tier. Bounded: what is worked out starts over when it is too much."""

    def __init__(
        self,
        rules: "Sequence[RulePlan]",
        multipliers: Sequence[When],
        factors: "Callable[[tuple[int, ...]], Factors | None]",
    ) -> None:
        """`multipliers` are in the program's order; `factors` makes what those of the given indexes do together."""
        self._rules = [(of, on_day(of.rule.when)) for of in rules]
        self._multipliers = [(1 << i, on_day(when)) for i, when in enumerate(multipliers)]
        self._factors = factors
        self._days: dict[tuple[int, str], _Day] = {}
        self._rated_on: dict[tuple[object, ...], dict[int, Rated]] = {}

    def rated(self, circumstances: Circumstances) -> Rated:
        """The rules that may hold, each with what is left to ask, and the factors that multiply it now, if any."""
        local, tier = circumstances.local, circumstances.tier
        day = self._days.get((local.ordinal, tier)) or self._day(local, tier)
        active, asked, _, rated = day
        for bit, holds in asked:
            if holds(circumstances):
                active |= bit
        known = rated.get(active)
        return self._rated(day, active) if known is None else known

    def _rated(self, day: _Day, active: int) -> Rated:
        if len(day.rated) >= _SETS_MAX:
            day.rated.clear()
        indexes = [i for i in range(len(self._multipliers)) if active >> i & 1]
        found = day.rated[active] = tuple(
            [(of, holds, self._factors(tuple([i for i in indexes if i in of.multipliers]))) for of, holds in day.rules]
        )
        return found

    def _day(self, local: Local, tier: str) -> _Day:
        if len(self._days) >= _DAYS_MAX:
            self._days.clear()
            self._rated_on.clear()
        multipliers = [(bit, left_to_ask(of, local)) for bit, of in self._multipliers if may_hold(of.when, local, tier)]
        certain = sum([bit for bit, holds in multipliers if holds is None])
        asked = tuple([(bit, holds) for bit, holds in multipliers if holds is not None])
        rules = tuple([(of, left_to_ask(on, local)) for of, on in self._rules if may_hold(on.when, local, tier)])
        rated = self._rated_on.setdefault((certain, asked, rules), {})
        found = self._days[local.ordinal, tier] = _Day(certain, asked, rules, rated)
        return found
