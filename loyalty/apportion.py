"""Exact shares into whole points: one rounding of the total, then the largest remainder.

Shares are pairs (numerator, denominator) of integers, denominator > 0, not reduced: they come out of products
of a few integers, and reducing them would cost more than the larger numbers do.

Source of the method: the largest-remainder (Hamilton) apportionment, ties by position.
"""

from collections.abc import Sequence
from math import lcm

from loyalty.program import Currency

Exact = tuple[int, int]
ZERO: Exact = (0, 1)


def plus(a: Exact, b: Exact) -> Exact:
    """The exact sum."""
    if a[1] == b[1]:
        return (a[0] + b[0], a[1])
    common = lcm(a[1], b[1])  # not the product: over many terms that would grow without bound
    return (a[0] * (common // a[1]) + b[0] * (common // b[1]), common)


def lesser(a: Exact, b: Exact) -> Exact:
    """The smaller of the two."""
    return a if a[0] * b[1] <= b[0] * a[1] else b


def ceiling(a: Exact) -> int:
    """The smallest integer that is not below `a`."""
    return -(-a[0] // a[1])


def rounded(a: Exact, mode: str) -> int:
    """`a`, not negative, as an integer: mode floor, ceil, half_up or half_even."""
    whole, rest = divmod(a[0], a[1])
    if rest == 0 or mode == "floor":
        return whole
    if mode == "ceil":
        return whole + 1
    twice = 2 * rest - a[1]
    if twice == 0:
        return whole + 1 if mode == "half_up" else whole + whole % 2
    return whole + (twice > 0)


def largest_remainder(total: int, shares: Sequence[Exact], at_most: Sequence[int] | None = None) -> list[int]:
    """Spread `total` over `shares`: each gets its whole part, the largest remainders one more, ties to the first.

    `at_most` bounds each part. What then finds no place is left out, so the parts may sum to less.
    `total` must lie between the sum of the whole parts and the sum of the parts rounded up.
    """
    parts = [n // d for n, d in shares]
    if at_most is not None:
        parts = [min(part, bound) for part, bound in zip(parts, at_most, strict=True)]
    extra = total - sum(parts)
    if extra <= 0:
        return parts
    candidates = [
        i
        for i, (n, d) in enumerate(shares)
        if n % d and parts[i] == n // d and (at_most is None or parts[i] < at_most[i])
    ]
    common = lcm(*(shares[i][1] for i in candidates))
    candidates.sort(key=lambda i: -(shares[i][0] % shares[i][1]) * (common // shares[i][1]))
    for i in candidates[:extra]:
        parts[i] += 1
    return parts


def whole_by_currency(shares: Sequence[tuple[str, Exact]], currencies: Sequence[Currency]) -> list[int]:
    """Whole points for (currency, exact) shares: one rounding for each currency, then the largest remainder."""
    points = [0] * len(shares)
    for currency in currencies:
        mine = [i for i, (of, _) in enumerate(shares) if of == currency.id]
        if mine:
            exact = [shares[i][1] for i in mine]
            total = ZERO
            for share in exact:
                total = plus(total, share)
            for i, part in zip(mine, largest_remainder(rounded(total, currency.rounding), exact), strict=True):
                points[i] = part
    return points
