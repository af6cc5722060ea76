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
from math import gcd, lcm
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from loyalty.apportion import ZERO, Exact, plus
from loyalty.earning import ONE, Basket, Earned
from loyalty.plan import EXCLUDED, Plan

if TYPE_CHECKING:
    from collections.abc import Collection

    from loyalty.facts import Line

LINES_MAX = 2_000
"""Lines that the steps of one entry list in all; further steps have sums only, so that entries stay bounded."""


def explained(
    plan: Plan, basket: Basket, earned: Sequence[Earned], points: Sequence[int], grants: Sequence[int]
) -> list[dict[str, Any]]:
    """The steps of a purchase: one for each rule that came to points, and how they were rounded."""
    steps: list[dict[str, Any]] = []
    for one, part, grant in zip(earned, points, grants, strict=True):
        if part:
            list_lines = len(basket.lines) * (len(steps) + 1) <= LINES_MAX
            steps.append(_step(plan, basket, one, part, grant, list_lines=list_lines))
    if len(earned) > 1:
        steps += _roundings(plan, earned, points)
    elif steps:
        steps[0]["rounding"] = plan.currencies[earned[0].rule.currency].rounding
    return steps


def _step(plan: Plan, basket: Basket, one: Earned, points: int, granted: int, *, list_lines: bool) -> dict[str, Any]:
    """The explanation of one rule's part; without its lines when `list_lines` is false."""
    rule = one.rule
    said: dict[str, Any] = {"rule": rule.id, "kind": rule.kind, "amount_minor": one.spend_minor}
    if rule.kind == "per_item":
        said["quantity_micro"] = one.quantity_micro
    said["rate"] = one.of.rate_text
    if one.counts != ONE and one.of.line_field is not None:
        said["counts"] = reduced(one.counts)
    if one.factors:
        said["multipliers"] = _multipliers(plan, one.factors.values())
    said["exact"] = reduced(one.exact)
    said["points"] = points
    if granted != points:
        said["granted"] = granted
        said["forfeited"] = points - granted
    if list_lines and one.of.line_field is not None:
        said["lines"] = line_points(plan, basket, one, points)
    return said


def _multipliers(plan: Plan, applied: "Collection[tuple[int, ...]]") -> dict[str, str]:
    counted: dict[str, str] = {}
    for which in applied:
        counted.update(plan.counted(which))
    return counted


def _roundings(plan: Plan, earned: Sequence[Earned], points: Sequence[int]) -> list[dict[str, Any]]:
    """A step for each currency of which there are points: the exact sum over its rules, and how it was rounded."""
    said = []
    for currency in plan.program.currencies:
        mine = [i for i, one in enumerate(earned) if one.rule.currency == currency.id]
        whole = sum([points[i] for i in mine])
        if whole:
            total = ZERO
            for i in mine:
                total = plus(total, earned[i].exact)
            said.append(
                {"currency": currency.id, "exact": reduced(total), "rounding": currency.rounding, "points": whole}
            )
    return said


def reduced(exact: Exact) -> str:
    """In lowest terms: "1999/100", or "20" when it is whole."""
    divisor = gcd(*exact)
    num, den = exact[0] // divisor, exact[1] // divisor
    return str(num) if den == 1 else f"{num}/{den}"


def line_points(plan: Plan, basket: Basket, one: Earned, points: int) -> dict[str, int]:
    """The rule's points spread over the lines that it counted: whole parts, then the largest remainders.

    Ties go to the first line. The same method as `apportion.largest_remainder`, but with one denominator for all
    lines, since there are many of them.
    """
    field, bit = one.of.line_field, one.of.bit
    if field is None:
        return {}
    numerators, denominator = _factors(plan, one)
    plain = numerators[None]
    counted: Sequence[Line] = basket.lines
    masks: Sequence[int] = basket.masks
    if bit or EXCLUDED in masks:
        picked = [mask != EXCLUDED and mask & bit == bit for mask in masks]
        counted, masks = list(compress(counted, picked)), list(compress(masks, picked))
    measured = map(itemgetter(field), counted)
    if one.factors:
        shares = [each * numerators.get(mask, plain) for each, mask in zip(measured, masks, strict=True)]
    else:
        shares = [each * plain for each in measured]
    wholes = [share // denominator for share in shares]
    extra = points - sum(wholes)
    if extra > 0:
        rests = [share % denominator for share in shares]
        for i in sorted(range(len(rests)), key=rests.__getitem__, reverse=True)[:extra]:
            wholes[i] += 1
    return dict(zip([line[0] for line in counted], wholes, strict=True))


def _factors(plan: Plan, one: Earned) -> tuple[dict[int | None, int], int]:
    """Numerator by class of lines (None: those without multipliers), over one denominator."""
    of = one.of
    rate_num, rate_den = of.rate_num * one.counts[0], of.rate_den * one.counts[1]
    if not one.factors:
        return {None: rate_num}, rate_den
    common = lcm(*(plan.factor(which)[1] for which in one.factors.values()))
    numerators: dict[int | None, int] = {None: rate_num * common}
    for mask, which in one.factors.items():
        num, den = plan.factor(which)
        numerators[mask] = rate_num * num * (common // den)
    return numerators, rate_den * common
