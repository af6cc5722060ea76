"""Why a rule gave what it gave: the steps of an entry, as plain JSON values.

A step of a purchase says what the rule counted (`amount_minor`, for items `quantity_micro`), its `rate`, what a
minor unit counted for when that is not one (`counts`), the `multipliers` that applied, the `exact` value before
rounding, the `points` after it, spread over the `lines`, and what caps left (`granted`) and cut (`forfeited`).
How it was rounded (`rounding`) stands there when one rule gave; else a last step for each currency has the sum over
the rules and its rounding.

Not here: the arithmetic (earning.py).
"""

from collections.abc import Iterable, Sequence
from itertools import compress
from math import gcd
from operator import itemgetter, mul
from typing import Any

from loyalty.apportion import Exact, spread, total_of
from loyalty.earning import AMOUNT, ONE, QUANTITY, Basket, Earned
from loyalty.facts import Line
from loyalty.plan import Plan

LINES_MAX = 2_000
"""Lines that the steps of one entry list in all; further steps have sums only, so that entries stay bounded."""

_LINE_ID = itemgetter(Line._fields.index("line_id"))
_QUANTITY = itemgetter(QUANTITY)


def explained(
    plan: Plan, basket: Basket, earned: Sequence[Earned], points: Sequence[int], grants: Sequence[int]
) -> list[dict[str, Any]]:
    """The steps of a purchase: one for each rule that came to points, and how they were rounded."""
    steps: list[dict[str, Any]] = []
    lines = len(basket.classes)
    for one, part, grant in zip(earned, points, grants, strict=True):
        if part:
            steps.append(_step(basket, one, part, grant, list_lines=lines * (len(steps) + 1) <= LINES_MAX))
    if len(earned) > 1:
        steps += _roundings(plan, earned, points)
    elif steps:
        steps[0]["rounding"] = earned[0].of.rounding
    return steps


def _step(basket: Basket, one: Earned, points: int, granted: int, *, list_lines: bool) -> dict[str, Any]:
    """The explanation of one rule's part; without its lines when `list_lines` is false."""
    rule, of, exact, _, spend, quantity, classes, factors, counts = one
    said: dict[str, Any] = {
        "rule": rule.id,
        "kind": rule.kind,
        "amount_minor": spend,
        "rate": of.rate_text,
        "exact": reduced(exact),
        "points": points,
    }
    if of.line_field == QUANTITY:
        said["quantity_micro"] = quantity
    if counts != ONE and of.line_field is not None:
        said["counts"] = reduced(counts)
    if factors is not None:
        counted = factors.counted(classes)
        if counted:
            said["multipliers"] = counted
    if granted != points:
        said["granted"] = granted
        said["forfeited"] = points - granted
    if list_lines and of.line_field is not None:
        said["lines"] = line_points(basket, one, points)
    return said


def _roundings(plan: Plan, earned: Sequence[Earned], points: Sequence[int]) -> list[dict[str, Any]]:
    """A step for each currency of which there are points: the exact sum over its rules, and how it was rounded."""
    said = []
    for currency in plan.program.currencies:
        mine = [(one.exact, part) for one, part in zip(earned, points, strict=True) if one.rule.currency == currency.id]
        whole = sum([part for _, part in mine])
        if whole:
            exact = reduced(total_of([exact for exact, _ in mine]))
            said.append({"currency": currency.id, "exact": exact, "rounding": currency.rounding, "points": whole})
    return said


def reduced(exact: Exact) -> str:
    """In lowest terms: "1999/100", or "20" when it is whole."""
    divisor = gcd(*exact)
    if divisor == exact[1]:
        return str(exact[0] // divisor)
    return f"{exact[0] // divisor}/{exact[1] // divisor}"


def line_points(basket: Basket, one: Earned, points: int) -> dict[str, int]:
    """The rule's points spread over the lines that it counted: whole parts, then the largest remainders.

    Not for what is given once, which no line measures.
    """
    _, of, _, _, _, _, counted, factors, counts = one
    lines: Iterable[Line] = basket.lines
    measures: Sequence[int] = basket.amounts if of.line_field == AMOUNT else list(map(_QUANTITY, lines))
    classes: Iterable[int] = basket.classes
    if len(counted) < basket.classes_number:
        chosen = list(map(counted.__contains__, classes))
        lines, measures = compress(lines, chosen), list(compress(measures, chosen))
        classes = compress(classes, chosen)
    num, den = of.rate_num * counts[0], of.rate_den * counts[1]
    if factors is not None:
        den *= factors.denominator
        if len(counted) == 1:
            [only] = counted
            num *= factors[only]
        else:
            measures = list(map(mul, measures, map(factors.__getitem__, classes)))
    if num != 1:
        measures = [num * measure for measure in measures]
    return dict(zip(map(_LINE_ID, lines), spread(points, measures, den), strict=False))
