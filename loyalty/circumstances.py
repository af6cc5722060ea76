"""The circumstances of one event: what rules and multipliers may ask about, besides its lines.

Not here: line filters (plan.py), what follows when a rule holds (earning.py, activities.py).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, reduce
from itertools import repeat
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from loyalty.calendar import Local, in_every_year, in_hours, in_window, local_time
from loyalty.conditions import Condition
from loyalty.facts import Scalar
from loyalty.program import FieldTest, When

_Value = TypeVar("_Value")


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


class Circumstances:
    """When, where and by whom; for a return, as they were at the purchase."""

    __slots__ = (
        "_context_of",
        "attributes",
        "channel",
        "fact",
        "local",
        "segments",
        "store_id",
        "store_local",
        "tier",
    )

    def __init__(
        self,
        local: Local,
        tier: str,
        segments: tuple[str, ...],
        attributes: Mapping[str, Scalar],
        fact: Any,
        context_of: "ContextOf",
    ) -> None:
        """`tier`, `segments` and `attributes` are the member's."""
        self.local = local
        self.store_local = local
        self.tier = tier
        self.segments = segments
        self.attributes = attributes
        self.fact = fact
        self.store_id = ""
        self.channel = ""
        self._context_of = context_of

    def at_store(self, store_id: str, channel: str, zone: str) -> None:
        """Say where it was; `zone` is the store's, or "" when the event carries none."""
        self.store_id = store_id
        self.channel = channel
        if zone:
            self.store_local = local_time(self.local.time_us, _zone(zone))

    def with_tier(self, tier: str) -> "Circumstances":
        """The same, for a member of another tier."""
        other = Circumstances(self.local, tier, self.segments, self.attributes, self.fact, self._context_of)
        other.store_id, other.channel, other.store_local = self.store_id, self.channel, self.store_local
        return other

    def hold(self, condition: Condition) -> bool:
        """Whether the condition holds in them."""
        return condition.test(self._context_of(self, condition.reads))


ContextOf: TypeAlias = Callable[[Circumstances, frozenset[str]], Mapping[str, Any]]
"""Makes the context in which a condition is tested, with what it reads (`Condition.reads`) at least."""
Predicate: TypeAlias = Callable[[Circumstances], bool]


def predicate(when: When) -> Predicate | None:
    """Whether every restriction of `when` is met, as a function; None when there are none.

    Only the restrictions that are there become tests: most rules have one or two, and every event asks them all.
    """
    tests = list(_tests(when))
    return reduce(_both, tests) if tests else None


def _both(one: Predicate, other: Predicate) -> Predicate:
    return lambda circumstances: one(circumstances) and other(circumstances)


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
        yield _any_test(when, when.every_year, in_every_year)
    if when.windows is not None:
        yield _any_test(when, when.windows, in_window)
    if when.hours is not None:
        yield _any_test(when, when.hours, in_hours)
    if when.condition is not None:
        yield _condition_test(when.condition)


def _one_of(field: str, values: frozenset[str]) -> Predicate:
    get = attrgetter(field)
    return lambda circumstances: get(circumstances) in values


def _in_segments(segments: frozenset[str]) -> Predicate:
    return lambda circumstances: not segments.isdisjoint(circumstances.segments)


def _wall_test(when: When, value: _Value, test: Callable[[_Value, Local], bool]) -> Predicate:
    """A test of the local time: the store's where the rule says so and the event carries its zone."""
    if when.store_zone:
        return lambda circumstances: test(value, circumstances.store_local)
    return lambda circumstances: test(value, circumstances.local)


def _is_weekday(weekdays: frozenset[int], wall: Local) -> bool:
    return wall.weekday in weekdays


def _any_test(when: When, values: Sequence[_Value], lies_in: Callable[[_Value, Local], bool]) -> Predicate:
    if len(values) == 1:
        return _wall_test(when, values[0], lies_in)
    return _wall_test(when, values, lambda each, wall: any(map(lies_in, each, repeat(wall))))


def _condition_test(condition: Condition) -> Predicate:
    return lambda circumstances: circumstances.hold(condition)


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
