"""The circumstances of one event: what rules and multipliers may ask about, besides its lines.

Not here: line filters (plan.py), what follows when a rule holds (earning.py, activities.py).
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from loyalty.calendar import Local, in_every_year, in_hours, in_window, local_time
from loyalty.program import FieldTest, When


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


class Circumstances:
    """When, where and by whom; for a return, as they were at the purchase."""

    __slots__ = ("_context", "_context_of", "_store_local", "channel", "fact", "local", "segments", "store_id", "tier")

    def __init__(
        self,
        *,
        local: Local,
        tier: str,
        segments: tuple[str, ...],
        fact: object,
        context_of: Callable[[], Mapping[str, Any]],
        store_id: str = "",
        channel: str = "",
        store_zone: str = "",
    ) -> None:
        """`context_of` builds what conditions read; it is called once, and only if a condition asks."""
        self.local = local
        self.tier = tier
        self.segments = segments
        self.fact = fact
        self.store_id = store_id
        self.channel = channel
        self._store_local = local_time(local.time_us, _zone(store_zone)) if store_zone else local
        self._context_of = context_of
        self._context: Mapping[str, Any] | None = None

    def with_tier(self, tier: str) -> "Circumstances":
        """The same, for a member of another tier."""
        other = Circumstances(
            local=self.local,
            tier=tier,
            segments=self.segments,
            fact=self.fact,
            context_of=self._context_of,
            store_id=self.store_id,
            channel=self.channel,
        )
        other._store_local = self._store_local
        return other

    def holds(self, when: When | None) -> bool:
        """Whether every restriction of `when` is met; None has none."""
        if when is None:
            return True
        local = self._store_local if when.store_zone else self.local
        return (
            (when.tiers is None or self.tier in when.tiers)
            and (when.segments is None or not when.segments.isdisjoint(self.segments))
            and (when.stores is None or self.store_id in when.stores)
            and (when.channels is None or self.channel in when.channels)
            and (when.weekdays is None or local.weekday in when.weekdays)
            and (when.every_year is None or any(in_every_year(days, local) for days in when.every_year))
            and (when.windows is None or any(in_window(window, local) for window in when.windows))
            and (when.hours is None or any(in_hours(hours, local) for hours in when.hours))
            and all(self._passes(test) for test in when.fields)
            and (when.condition is None or when.condition.test(self._conditions_context()))
        )

    def _passes(self, test: FieldTest) -> bool:
        value = getattr(self.fact, test.field)
        match test.op:
            case "in":
                return value in test.value
            case "min":
                return bool(value >= test.value)
            case "is":
                return bool(value == test.value)
            case _:
                raise ValueError(test.op)

    def _conditions_context(self) -> Mapping[str, Any]:
        if self._context is None:
            self._context = self._context_of()
        return self._context
