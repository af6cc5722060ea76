"""The circumstances of one event: what rules and multipliers may ask about, besides its lines.

Not here: line filters (plan.py), what follows when a rule holds (earning.py, activities.py).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import repeat
from typing import Any, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from loyalty.calendar import Local, in_every_year, in_hours, in_window, local_time
from loyalty.conditions import Condition
from loyalty.program import FieldTest, When

_Value = TypeVar("_Value")


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


class Circumstances:
    """When, where and by whom; for a return, as they were at the purchase."""

    __slots__ = ("_context", "_context_of", "channel", "fact", "local", "segments", "store_id", "store_local", "tier")

    def __init__(
        self,
        *,
        local: Local,
        tier: str,
        segments: tuple[str, ...],
        fact: object,
        context_of: Callable[[str], Mapping[str, Any]],
        store_id: str = "",
        channel: str = "",
        store_zone: str = "",
    ) -> None:
        """`context_of` builds what conditions read, for a tier; it is called once, and only if a condition asks."""
        self.local = local
        self.tier = tier
        self.segments = segments
        self.fact = fact
        self.store_id = store_id
        self.channel = channel
        self.store_local = local_time(local.time_us, _zone(store_zone)) if store_zone else local
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
        other.store_local = self.store_local
        return other

    def conditions_context(self) -> Mapping[str, Any]:
        """What conditions read."""
        if self._context is None:
            self._context = self._context_of(self.tier)
        return self._context


Predicate: TypeAlias = Callable[[Circumstances], bool]


def predicate(when: When) -> Predicate | None:
    """Whether every restriction of `when` is met, as a function; None when there are none.

    Only the restrictions that are there become tests: most rules have one or two, and every event asks them all.
    """
    tests = list(_tests(when))
    if len(tests) > 1:
        return lambda circumstances: all(test(circumstances) for test in tests)
    return tests[0] if tests else None


def _tests(when: When) -> Iterator[Predicate]:
    """The tests of the restrictions that are set, the cheap ones first."""
    for field, values in (("tier", when.tiers), ("store_id", when.stores), ("channel", when.channels)):
        if values is not None:
            yield _one_of(field, values)
    if when.segments is not None:
        yield _in_segments(when.segments)
    yield from (_field_test(test) for test in when.fields)
    if when.weekdays is not None:
        yield _wall_test(when, when.weekdays, _is_weekday)
    if when.every_year is not None:
        yield _wall_test(when, when.every_year, _in_any(in_every_year))
    if when.windows is not None:
        yield _wall_test(when, when.windows, _in_any(in_window))
    if when.hours is not None:
        yield _wall_test(when, when.hours, _in_any(in_hours))
    if when.condition is not None:
        yield _condition_test(when.condition)


def _one_of(field: str, values: frozenset[str]) -> Predicate:
    return lambda circumstances: getattr(circumstances, field) in values


def _in_segments(segments: frozenset[str]) -> Predicate:
    return lambda circumstances: not segments.isdisjoint(circumstances.segments)


def _wall_test(when: When, value: _Value, test: Callable[[Local, _Value], bool]) -> Predicate:
    """A test of the local time: the store's where the rule says so and the event carries its zone."""
    if when.store_zone:
        return lambda circumstances: test(circumstances.store_local, value)
    return lambda circumstances: test(circumstances.local, value)


def _is_weekday(wall: Local, weekdays: frozenset[int]) -> bool:
    return wall.weekday in weekdays


def _in_any(lies_in: Callable[[_Value, Local], bool]) -> Callable[[Local, Sequence[_Value]], bool]:
    return lambda wall, each: any(map(lies_in, each, repeat(wall)))


def _condition_test(condition: Condition) -> Predicate:
    return lambda circumstances: condition.test(circumstances.conditions_context())


def _field_test(test: FieldTest) -> Predicate:
    field, value = test.field, test.value
    match test.op:
        case "in":
            return lambda circumstances: getattr(circumstances.fact, field) in value
        case "min":
            return lambda circumstances: bool(getattr(circumstances.fact, field) >= value)
        case "is":
            return lambda circumstances: bool(getattr(circumstances.fact, field) == value)
        case _:
            raise ValueError(test.op)
