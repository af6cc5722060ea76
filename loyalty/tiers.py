"""Tiers: a sum of its own, kept by period, and the level that it reaches.

The sum counts points from qualifying rules before multipliers and after their caps, or money spent; never the
balance. A threshold is reached at >=.

A rolling window needs the sum of every day in it. Like lots, the days are one text that is appended to and
read only when the total says that a level may be in reach.

Invariants:
  T1 sums are kept by basis and kind of window; `total` is the sum of all periods that are kept
  T2 returns lower the sum of the period in which the purchase was made, and not the tier itself
  T3 no period's sum is negative, so no window holds more than `total`

Not here: when a tier ends (tier_life.py).
"""

from typing import Any, NamedTuple

from loyalty.calendar import (
    Local,
    holding_start_ordinal,
    length_days,
    local_time,
    membership_year,
    window_start_ordinal,
)
from loyalty.making import maker
from loyalty.program import Duration, Program, Tiers

_KEPT_AT_LEAST = Duration(months=24)
_CHARS_AT_LEAST = 4 * 2 * length_days(_KEPT_AT_LEAST)
"""Shorter texts need not be counted through: an entry has four characters or more, and no window keeps fewer."""


class Sums(NamedTuple):
    """What qualified, by period: the year, the membership year, the local day's ordinal, or 0 for a lifetime.

    `periods` is `number:amount;...`, a number possibly more than once; `newest` the highest number.
    """

    total: int = 0
    newest: int = 0
    periods: str = ""


_sums = maker(Sums)


def qualifying_key(tiers: Tiers) -> str:
    """Under which name an account keeps the sums of these tiers' basis and kind of window."""
    basis = f"points:{tiers.currency}" if tiers.basis == "points" else "spend"
    return f"{basis}|{tiers.window}"


def period_number(tiers: Tiers, local: Local, enrolled_us: int) -> int:
    """The period that an event at this local time adds to; `enrolled_us` is when the member joined."""
    match tiers.window:
        case "lifetime":
            return 0
        case "calendar_year":
            return local.year
        case "membership_year":
            return membership_year(local.ordinal, local_time(enrolled_us, local.zone).ordinal)
        case _:
            return local.ordinal


def added(sums: Sums, number: int, amount: int, tiers: Tiers) -> Sums:
    """The sums with `amount` more (or less) in period `number`."""
    if not amount:
        return sums
    total, newest, periods = sums
    if tiers.window == "lifetime":
        return Sums(total + amount, 0, "")
    if number < newest:
        if number < _first_kept(tiers, newest):
            return sums  # a day that is forgotten counts for no window any more
    else:
        newest = number
    periods = f"{periods}{number}:{amount};"
    more = _sums(total + amount, newest, periods)
    if len(periods) > _CHARS_AT_LEAST and periods.count(";") > _entries_max(tiers):
        return _compacted(more, tiers)
    return more


def _entries_max(tiers: Tiers) -> int:
    """When to compact: at twice the entries that compaction may leave."""
    kept = tiers.rolling or _KEPT_AT_LEAST
    return 2 * max(2 * length_days(kept), length_days(_KEPT_AT_LEAST))


def _by_period(sums: Sums) -> dict[int, int]:
    found: dict[int, int] = {}
    for text in sums.periods.split(";")[:-1]:
        number, amount = text.split(":")
        found[int(number)] = found.get(int(number), 0) + int(amount)
    return found


def _compacted(sums: Sums, tiers: Tiers) -> Sums:
    by_period = _by_period(sums)
    first = _first_kept(tiers, sums.newest)
    kept = {number: by_period[number] for number in sorted(by_period) if by_period[number] and number >= first}
    return Sums(sum(kept.values()), sums.newest, "".join(f"{number}:{amount};" for number, amount in kept.items()))


def _first_kept(tiers: Tiers, newest: int) -> int:
    """The first period that is kept: twice a rolling window, so that a late event sees its own window whole."""
    if tiers.rolling is None or not newest:
        return 0
    twice = window_start_ordinal(window_start_ordinal(newest, tiers.rolling), tiers.rolling)
    # A later version may have a longer window, and what is forgotten here is forgotten for it as well.
    return min(twice, window_start_ordinal(newest, _KEPT_AT_LEAST))


def qualifying_sum(tiers: Tiers, sums: Sums, number: int) -> int:
    """The higher of two sums: of the window that ends with period `number`, and of the newest one that is known.

    The newest one matters when an event comes late: what it adds counts towards today as well.
    """
    if tiers.window == "lifetime":
        return sums.total
    by_period = _by_period(sums)
    if not by_period:
        return 0
    ends = {number, max(number, sums.newest)}
    if tiers.rolling is None:
        return max(by_period.get(end, 0) for end in ends)
    return max(_rolling_sum(by_period, end, tiers.rolling) for end in ends)


def lengthened_sum(tiers: Tiers, sums: Sums, number: int, last: int) -> int:
    """The sum of the window that ends with period `number`, lengthened up to period `last`.

    A rolling window leaves out the day on which a tier was reached that ends with `number`: nothing counts twice.
    """
    if tiers.window == "lifetime":
        return sums.total
    first = number if tiers.rolling is None else holding_start_ordinal(number, tiers.rolling)
    return sum(amount for period, amount in _by_period(sums).items() if first <= period <= last)


def _rolling_sum(by_day: dict[int, int], end: int, rolling: Duration) -> int:
    first = window_start_ordinal(end, rolling)
    return sum(amount for day, amount in by_day.items() if first <= day <= end)


def level_reached(tiers: Tiers, sums: Sums, number: int, current: int) -> int:
    """The index of the level that the sums reach, not below `current`."""
    levels = tiers.levels
    if current + 1 >= len(levels) or sums.total < levels[current + 1].threshold:
        return current  # T3: not even all periods together reach the next level
    total = qualifying_sum(tiers, sums, number)
    while current + 1 < len(levels) and levels[current + 1].threshold <= total:
        current += 1
    return current


def level_of(tiers: Tiers, total: int) -> int:
    """The index of the level that a sum is enough for."""
    return max(sum(level.threshold <= total for level in tiers.levels) - 1, 0)


def progress(program: Program, index: int, total: int) -> dict[str, Any]:
    """What is missing to the level after `index`; {} at the top."""
    tiers = program.tiers
    if tiers is None or index + 1 >= len(tiers.levels):
        return {}
    following = tiers.levels[index + 1]
    return {
        "next": following.id,
        "from": following.threshold,
        "qualifying": total,
        "missing": max(following.threshold - total, 0),
    }
