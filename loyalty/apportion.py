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
    if not a[0]:
        return b
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


def total_of(shares: Sequence[Exact]) -> Exact:
    """The exact sum of all."""
    common = lcm(*[den for _, den in shares])
    return sum([num * (common // den) for num, den in shares]), common


def spread(total: int, numerators: Sequence[int], denominator: int) -> list[int]:
    """Spread `total` over shares of one denominator: each gets its whole part, the largest remainders one more.

    Ties go to the first. `total` must lie between the sum of the whole parts and the sum of the parts rounded up.
    """
    rests = [num % denominator for num in numerators]
    extra = total - (sum(numerators) - sum(rests)) // denominator
    if extra <= 0:
        return [num // denominator for num in numerators]
    least = sorted(rests)[-extra]
    up = denominator - least
    parts = [(num + up) // denominator for num in numerators]
    over = sum(parts) - total
    if over:  # of equal remainders the last ones get nothing
        for i in [i for i, rest in enumerate(rests) if rest == least][-over:]:
            parts[i] -= 1
    return parts


def largest_remainder(total: int, shares: Sequence[Exact], at_most: Sequence[int]) -> list[int]:
    """Spread `total` over `shares` as `spread` does, no part above its bound in `at_most`.

    What then finds no place is left out, so the parts may sum to less.
    """
    parts = [min(num // den, bound) for (num, den), bound in zip(shares, at_most, strict=True)]
    extra = total - sum(parts)
    if extra <= 0:
        return parts
    candidates = [
        i for i, (num, den) in enumerate(shares) if num % den and parts[i] == num // den and parts[i] < at_most[i]
    ]
    common = lcm(*(shares[i][1] for i in candidates))
    candidates.sort(key=lambda i: -(shares[i][0] % shares[i][1]) * (common // shares[i][1]))
    for i in candidates[:extra]:
        parts[i] += 1
    return parts


def whole(shares: Sequence[Exact], rounding: str) -> list[int]:
    """Whole points for exact shares: one rounding of their sum, then the largest remainder."""
    if len(shares) == 1:
        return [rounded(shares[0], rounding)]
    common = lcm(*[den for _, den in shares])
    numerators = [num * (common // den) for num, den in shares]
    return spread(rounded((sum(numerators), common), rounding), numerators, common)


def whole_by_currency(shares: Sequence[tuple[str, Exact]], currencies: Sequence[Currency]) -> list[int]:
    """Whole points for (currency, exact) shares, each currency by itself."""
    if len(currencies) == 1:
        return whole([exact for _, exact in shares], currencies[0].rounding)
    points = [0] * len(shares)
    for currency in currencies:
        mine = [i for i, (of, _) in enumerate(shares) if of == currency.id]
        for i, part in zip(mine, whole([shares[i][1] for i in mine], currency.rounding), strict=True):
            points[i] = part
    return points
