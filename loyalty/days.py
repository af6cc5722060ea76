"""Which purchase rules and multipliers a local day leaves: a campaign of last summer costs today's baskets nothing.

Events come nearly in the order of their time, so what the dates of a version say is worked out once for each day.

Invariants:
  Y1 what is left out of a day would not hold at any instant of it; what is not is asked as ever

Not here: whether a rule holds (circumstances.py), what it gives (earning.py).
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from loyalty.calendar import Local, day_start_us, in_every_year, overlaps
from loyalty.circumstances import Circumstances, Predicate
from loyalty.program import When

if TYPE_CHECKING:
    from loyalty.plan import Factors, RulePlan

Rated: TypeAlias = "tuple[tuple[RulePlan, Factors | None], ...]"
"""Purchase rules with the factors that multiply them."""

_DAYS_MAX = 1 << 9
_SETS_MAX = 1 << 10


def may_hold_on(when: When, day: Local) -> bool:
    """Whether the dates of `when` leave anything of the local day. Of days at a store nothing is known here."""
    if when.store_zone:
        return True
    if when.weekdays is not None and day.weekday not in when.weekdays:
        return False
    if when.every_year is not None and not any(in_every_year(days, day) for days in when.every_year):
        return False
    if when.windows is None:
        return True
    start_us, end_us = day_start_us(day.ordinal, day.zone), day_start_us(day.ordinal + 1, day.zone)
    return any(overlaps(window, start_us, end_us, day.zone) for window in when.windows)


class _Day(NamedTuple):
    """What a local day leaves: the multipliers with their tests, the rules, and both together by who is active."""

    multipliers: tuple[tuple[int, Predicate | None], ...]
    rules: "tuple[RulePlan, ...]"
    rated: dict[tuple[int, ...], Rated]


class Days:
    """The purchase rules of a version by day. Bounded: what is worked out starts over when it is too much."""

    def __init__(
        self,
        rules: "Sequence[RulePlan]",
        multipliers: Sequence[tuple[When, Predicate | None]],
        factors: "Callable[[tuple[int, ...]], Factors | None]",
    ) -> None:
        """`multipliers` are in the program's order; `factors` makes what those of the given indexes do together."""
        self._rules = rules
        self._multipliers = multipliers
        self._factors = factors
        self._days: dict[int, _Day] = {}

    def rated(self, circumstances: Circumstances) -> Rated:
        """The rules that may hold, each with the factors that multiply it now; None: nothing does."""
        day = self._days.get(circumstances.local.ordinal)
        if day is None:
            day = self._day(circumstances.local)
        active = tuple([i for i, holds in day.multipliers if holds is None or holds(circumstances)])
        known = day.rated.get(active)
        if known is None:
            if len(day.rated) >= _SETS_MAX:
                day.rated.clear()
            acting = [tuple([i for i in active if i in of.multipliers]) for of in day.rules]
            known = tuple([(of, self._factors(mine)) for of, mine in zip(day.rules, acting, strict=True)])
            day.rated[active] = known
        return known

    def _day(self, local: Local) -> _Day:
        if len(self._days) >= _DAYS_MAX:
            self._days.clear()
        multipliers = [(i, holds) for i, (when, holds) in enumerate(self._multipliers) if may_hold_on(when, local)]
        rules = [of for of in self._rules if may_hold_on(of.rule.when, local)]
        found = self._days[local.ordinal] = _Day(tuple(multipliers), tuple(rules), {})
        return found
