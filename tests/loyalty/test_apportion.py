"""Rounding and shares against fractions and decimals."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.apportion import Exact, ceiling, largest_remainder, lesser, plus, rounded, spread, total_of, whole

EXACTS = st.tuples(st.integers(0, 10**6), st.sampled_from([1, 2, 3, 7, 100, 150, 10**9, 3 * 10**12]))
MODES = {"floor": ROUND_FLOOR, "ceil": ROUND_CEILING, "half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN}


@given(EXACTS, EXACTS)
def test_sums_and_orders_are_those_of_fractions(a: Exact, b: Exact) -> None:
    assert Fraction(*plus(a, b)) == Fraction(*a) + Fraction(*b)
    assert Fraction(*lesser(a, b)) == min(Fraction(*a), Fraction(*b))
    assert ceiling(a) == -(-a[0] // a[1])


@given(st.integers(0, 10**9), st.sampled_from([1, 2, 4, 5, 8, 10, 16, 100, 10**6]), st.sampled_from(sorted(MODES)))
def test_rounding_is_that_of_decimals(num: int, den: int, mode: str) -> None:
    with localcontext() as context:
        context.prec = 60
        assert rounded((num, den), mode) == int((Decimal(num) / den).to_integral_value(MODES[mode]))


@given(st.lists(EXACTS, max_size=8), st.sampled_from(sorted(MODES)))
def test_parts_add_up_and_stay_beside_their_shares(shares: list[Exact], mode: str) -> None:
    total = total_of(shares)
    assert Fraction(*total) == sum((Fraction(*share) for share in shares), Fraction(0))
    parts = whole(shares, mode)
    assert sum(parts) == rounded(total, mode)
    assert parts == largest_remainder(sum(parts), shares, [ceiling(share) for share in shares])
    for part, (num, den) in zip(parts, shares, strict=True):
        assert num // den <= part <= ceiling((num, den))
    for part, share in zip(parts, shares, strict=True):  # a larger remainder is never passed over
        for other, another in zip(parts, shares, strict=True):
            if part > share[0] // share[1] and other == another[0] // another[1]:
                assert Fraction(*share) % 1 >= Fraction(*another) % 1


@given(st.lists(st.tuples(EXACTS, st.integers(0, 10**6)), max_size=8), st.integers(0, 8))
def test_bounds_hold(shares: list[tuple[Exact, int]], extra: int) -> None:
    exacts = [share for share, _ in shares]
    bounds = [min(bound, ceiling(share)) for share, bound in shares]
    total = min(sum(num // den for num, den in exacts) + extra, sum(bounds))
    parts = largest_remainder(total, exacts, bounds)
    assert all(0 <= part <= bound for part, bound in zip(parts, bounds, strict=True))
    assert sum(parts) == max(total, sum(parts))


@pytest.mark.parametrize(
    ("total", "shares", "parts"),
    [
        (2, [(1, 2), (1, 2), (1, 1)], [1, 0, 1]),
        (3, [(5, 3), (5, 3)], [2, 1]),
        (1, [(1, 3), (2, 3)], [0, 1]),
        (0, [(1, 3), (1, 3)], [0, 0]),
        (0, [], []),
    ],
)
def test_ties_go_to_the_first(total: int, shares: list[Exact], parts: list[int]) -> None:
    common = total_of(shares)[1]
    assert spread(total, [num * (common // den) for num, den in shares], common) == parts
    assert largest_remainder(total, shares, [ceiling(share) for share in shares]) == parts
