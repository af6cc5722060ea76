"""When a rule applies, in words: dates, days, hours, members, places.

Not here: what the rule gives (program_words.py).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from loyalty.program import Duration, EveryYear, FieldTest, Hours, When, Window

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_WEEK: Final = {
    frozenset({1, 2, 3, 4, 5}): "from Monday to Friday",
    frozenset({6, 7}): "on Saturday or Sunday",
}


def circumstances(when: When) -> list[str]:
    """The restrictions, each as the end of a sentence."""
    words = []
    if when.windows is not None:
        words.append(joined((_window(window) for window in when.windows), "or"))
    if when.every_year is not None:
        words.append("every year " + joined((_every_year(days) for days in when.every_year), "or"))
    if when.weekdays is not None:
        words.append(_WEEK.get(when.weekdays) or "on " + _any(_DAYS[day - 1] for day in sorted(when.weekdays)))
    if when.hours is not None:
        words.append("between " + _any(_hours(hours) for hours in when.hours))
    if words and when.store_zone:
        words[-1] += " by the store's clock"
    if when.channels is not None:
        words.append(f"through {listed(when.channels, 'or')}")
    if when.stores is not None:
        words.append(f"in store {listed(when.stores, 'or')}")
    if when.tiers is not None:
        words.append(f"for members of tier {listed(when.tiers, 'or')}")
    if when.segments is not None:
        words.append(f"for members in segment {listed(when.segments, 'or')}")
    words += [word for word in map(_field, when.fields) if word]
    if when.condition is not None:
        words.append(f"if {' '.join(when.condition.source.split())}")
    return words


def joined(parts: Iterable[str], last: str = "and") -> str:
    """One, two and three."""
    items = list(parts)
    return f"{', '.join(items[:-1])} {last} {items[-1]}" if len(items) > 1 else "".join(items)


def listed(names: Iterable[str], last: str = "and") -> str:
    """A set of names in a fixed order; "none at all" when it is empty, for then nothing matches."""
    return joined(sorted(names), last) or "none at all"


def length(duration: Duration) -> str:
    """A duration in words."""
    hours, rest = divmod(duration.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    counts = (
        (duration.months, "month"),
        (duration.days, "day"),
        (hours, "hour"),
        (minutes, "minute"),
        (seconds, "second"),
    )
    return joined(f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in counts if count)


def _any(parts: Iterable[str]) -> str:
    return joined(parts, "or") or "no time at all"


def _window(window: Window) -> str:
    start, end = window.start, window.end
    whole_days = all(bound is None or _midnight(bound) for bound in (start, end))
    if whole_days and start is not None and end is not None and end - start == timedelta(days=1):
        return f"on {start:%Y-%m-%d}"
    first = f"from {start:%Y-%m-%d}" if whole_days and start else f"from {_moment(start)}" if start else ""
    last = ""
    if end is not None:
        last = f"to the end of {end - timedelta(days=1):%Y-%m-%d}" if whole_days else f"before {_moment(end)}"
    return f"{first} {last}".strip()


def _midnight(bound: datetime) -> bool:
    return bound.tzinfo is None and (bound.hour, bound.minute, bound.second) == (0, 0, 0)


def _moment(bound: datetime) -> str:
    return f"{bound:%Y-%m-%d %H:%M}" if bound.tzinfo is None else bound.isoformat(sep=" ")


def _every_year(days: EveryYear) -> str:
    def day(month_day: tuple[int, int]) -> str:
        return f"{_MONTHS[month_day[0] - 1]} {month_day[1]}"

    return f"on {day(days.first)}" if days.first == days.last else f"from {day(days.first)} to {day(days.last)}"


def _hours(hours: Hours) -> str:
    def clock(minute: int) -> str:
        return f"{minute // 60:02d}:{minute % 60:02d}"

    return f"{clock(hours.start_minute)} and {clock(hours.end_minute)}"


def _field(test: FieldTest) -> str:
    value: Any = test.value
    match test.field, test.op:
        case "status", _:
            return ""  # Said by "a published review" already.
        case "text_length", _:
            return f"of {value} characters or more"
        case "rating", _:
            return f"with a rating of {value} or more"
        case "has_photo", _:
            return "with a photo" if value else "without a photo"
        case "verified_purchase", _:
            return "of a product that the member bought" if value else "of a product that the member did not buy"
        case "sku", _:
            return f"of product {listed(value, 'or')}"
        case "network", _:
            return f"on {listed(value, 'or')}"
        case "kind", _:
            return f"of kind {listed(value, 'or')}"
        case "content_id", _:
            return f"of content {listed(value, 'or')}"
        case "activity", _:
            return f"named {listed(value, 'or')}"
        case "code", _:
            return f"with code {listed(value, 'or')}"
        case _:
            raise ValueError(test.field)
