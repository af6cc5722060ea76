"""Why a rule gave what it gave: the steps of an entry, as plain JSON values.

A step of a purchase says what the rule counted (`amount_minor`, for items `quantity_micro`), its `rate`, what a
minor unit counted for when that is not one (`counts`), the `multipliers` that applied, the `exact` value before
rounding, the `points` after it, spread over the `lines`, and what caps left (`granted`) and cut (`forfeited`).
How it was rounded (`rounding`) stands there when one rule gave; else a last step for each currency has the sum over
the rules and its rounding.

Not here: the arithmetic (earning.py).
"""

from collections.abc import Sequence
from itertools import compress
from math import gcd
from operator import mul
from typing import Any

from loyalty.apportion import Exact, spread, total_of
from loyalty.earning import ONE, Basket, Earned
from loyalty.facts import Line
from loyalty.plan import EXCLUDED, Plan

LINES_MAX = 2_000
"""Lines that the steps of one entry list in all; further steps have sums only, so that entries stay bounded."""

_LINE_ID = Line._fields.index("line_id")


def explained(
    plan: Plan, basket: Basket, earned: Sequence[Earned], points: Sequence[int], grants: Sequence[int]
) -> list[dict[str, Any]]:
    """The steps of a purchase: one for each rule that came to points, and how they were rounded."""
    steps: list[dict[str, Any]] = []
    lines = len(basket.classes)
    for one, part, grant in zip(earned, points, grants, strict=True):
        if part:
            list_lines = lines * (len(steps) + 1) <= LINES_MAX
            steps.append(_step(basket, one, part, grant, list_lines=list_lines))
    if len(earned) > 1:
        steps += _roundings(plan, earned, points)
    elif steps:
        steps[0]["rounding"] = plan.currencies[earned[0].rule.currency].rounding
    return steps


def _step(basket: Basket, one: Earned, points: int, granted: int, *, list_lines: bool) -> dict[str, Any]:
    """The explanation of one rule's part; without its lines when `list_lines` is false."""
    rule = one.rule
    said: dict[str, Any] = {"rule": rule.id, "kind": rule.kind, "amount_minor": one.spend_minor}
    if rule.kind == "per_item":
        said["quantity_micro"] = one.quantity_micro
    said["rate"] = one.of.rate_text
    if one.counts != ONE and one.of.line_field is not None:
        said["counts"] = reduced(one.counts)
    if one.factors is not None:
        counted = one.factors.counted(one.classes)
        if counted:
            said["multipliers"] = counted
    said["exact"] = reduced(one.exact)
    said["points"] = points
    if granted != points:
        said["granted"] = granted
        said["forfeited"] = points - granted
    if list_lines and one.of.line_field is not None:
        said["lines"] = line_points(basket, one, points)
    return said


def _roundings(plan: Plan, earned: Sequence[Earned], points: Sequence[int]) -> list[dict[str, Any]]:
    """A step for each currency of which there are points: the exact sum over its rules, and how it was rounded."""
    said = []
    for currency in plan.program.currencies:
        mine = [i for i, one in enumerate(earned) if one.rule.currency == currency.id]
        whole = sum([points[i] for i in mine])
        if whole:
            exact = reduced(total_of([earned[i].exact for i in mine]))
            said.append({"currency": currency.id, "exact": exact, "rounding": currency.rounding, "points": whole})
    return said


def reduced(exact: Exact) -> str:
    """In lowest terms: "1999/100", or "20" when it is whole."""
    divisor = gcd(*exact)
    num, den = exact[0] // divisor, exact[1] // divisor
    return str(num) if den == 1 else f"{num}/{den}"


def line_points(basket: Basket, one: Earned, points: int) -> dict[str, int]:
    """The rule's points spread over the lines that it counted: whole parts, then the largest remainders."""
    of, factors, classes, field = one.of, one.factors, basket.classes, one.of.line_field
    if field is None:
        return {}
    ids: Sequence[str] = basket.columns[_LINE_ID]
    measures: Sequence[int] = basket.columns[field]
    if of.bit or EXCLUDED in classes:
        counts = [each in one.classes for each in classes]
        ids, measures = list(compress(ids, counts)), list(compress(measures, counts))
        classes = list(compress(classes, counts))
    num, den = of.rate_num * one.counts[0], of.rate_den * one.counts[1]
    if factors is not None:
        measures, den = list(map(mul, measures, map(factors.__getitem__, classes))), den * factors.denominator
    shares = measures if num == 1 else [num * measure for measure in measures]
    return dict(zip(ids, spread(points, shares, den), strict=True))
