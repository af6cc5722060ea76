"""Caps: how much of what a rule gives may be granted, and the counters that say how much was.

Counters are kept by rule, unit, period and, where a cap counts each sku or content on its own, that value.
They count net of returns in the period of the event that earned. A version that changes a cap's maximum goes
on with the same counter.

Not here: what happens with what is over (it is forfeited and recorded, purchases.py and activities.py).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

from loyalty.calendar import Local, period_key, period_last_ordinal, window_start_ordinal
from loyalty.program import Cap, Duration

PER_TRANSACTION = "transaction"
_AWARDS = "awards"


def _value(cap: Cap, fact: object) -> str:
    return str(getattr(fact, cap.each)) if cap.each else ""


def _counter(rule_id: str, cap: Cap, period: str, value: str) -> str:
    each = f"{cap.each}={value}" if cap.each else ""
    return f"{rule_id}|{cap.unit}|{'r' if cap.rolling else ''}{period}|{each}"


def _used(counters: dict[str, int], rule_id: str, cap: Cap, local: Local, value: str) -> int:
    if cap.rolling is None:
        return counters.get(_counter(rule_id, cap, period_key(cap.per, local), value), 0)
    by_day = _used_by_day(counters, _counter(rule_id, cap, "d", value))
    return _used_rolling(by_day, cap.rolling, local.ordinal)


def _used_by_day(counters: dict[str, int], counter: str) -> list[tuple[int, int]]:
    """(day, used) of the days that have a counter, in order; `counter` is its name without the day."""
    *before, day, each = counter.split("|", 3)
    start = "|".join([*before, day])
    found = []
    for name, used in counters.items():
        if name.startswith(start):
            number, _, of = name[len(start) :].partition("|")
            if of == each:
                found.append((int(number), used))
    return sorted(found)


def _used_rolling(by_day: list[tuple[int, int]], rolling: Duration, today: int) -> int:
    """What the fullest of the windows that hold this day has used.

    A late event lies in windows that others began to fill: looking back alone would let one of them overflow.
    Few days have a counter, so those are looked for, and not all the days of the windows.
    """
    days = [day for day, _ in by_day]
    sums = [0, *accumulate(used for _, used in by_day)]
    ends = [today, *(day for day in days if day > today and window_start_ordinal(day, rolling) <= today)]
    return max(
        sums[bisect_right(days, end)] - sums[bisect_left(days, window_start_ordinal(end, rolling))] for end in ends
    )


def granted(
    counters: dict[str, int], rule_id: str, caps: Sequence[Cap], points: int, local: Local, fact: object
) -> int:
    """How many of `points` the caps leave; what is left is counted as used."""
    if not caps or not points:
        return points
    grant = points
    for cap in caps:
        if cap.per == PER_TRANSACTION:
            room = cap.max_amount
        else:
            room = max(cap.max_amount - _used(counters, rule_id, cap, local, _value(cap, fact)), 0)
        if cap.unit == _AWARDS:
            room = points if room else 0
        grant = min(grant, room)
    if grant:
        _count(counters, rule_id, caps, grant, 1, local, fact)
    return grant


def freed(
    counters: dict[str, int], rule_id: str, caps: Sequence[Cap], points: int, awards: int, local: Local, fact: object
) -> None:
    """Give back to the counters of the earning's period what a return took; room freed serves later events."""
    _count(counters, rule_id, caps, -points, -awards, local, fact)


def _count(
    counters: dict[str, int], rule_id: str, caps: Sequence[Cap], points: int, awards: int, local: Local, fact: object
) -> None:
    seen = set()
    for cap in caps:
        if cap.per == PER_TRANSACTION:
            continue
        key = _counter(rule_id, cap, period_key(cap.per, local), _value(cap, fact))
        if key in seen:  # two caps of a rule may share a counter
            continue
        seen.add(key)
        left = counters.get(key, 0) + (awards if cap.unit == _AWARDS else points)
        if left > 0:
            counters[key] = left
        else:
            counters.pop(key, None)


def prune(counters: dict[str, int], before_ordinal: int, rolling_days_max: int) -> None:
    """Drop counters of periods that ended before the local day `before_ordinal`; rolling ones live longer."""
    gone = []
    for key in counters:
        period = key.split("|")[2]
        rolling = period.startswith("r")
        last = period_last_ordinal(period.removeprefix("r"))
        if last is not None and last + (rolling_days_max if rolling else 0) < before_ordinal:
            gone.append(key)
    for key in gone:
        del counters[key]
