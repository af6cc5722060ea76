"""What a basket is worth under a version's purchase rules: exact values first, whole points last.

The same functions serve a purchase and, on what remains of its basket, every return of it.

Invariants:
  E1 nothing is rounded before the sum over all rules of one currency is known
  E2 a rule's exact value depends on the sums over its lines, so splitting a line changes nothing
  E3 value paid with points is a discount spread over all lines; other tenders are ways to pay

Not here: caps (caps.py), tiers (tiers.py), postings (purchases.py).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from loyalty.account import PurchaseRecord
from loyalty.apportion import ZERO, Exact, largest_remainder, plus, rounded
from loyalty.circumstances import Circumstances
from loyalty.facts import Line, Purchase, Tender
from loyalty.plan import Plan
from loyalty.program import Multiplier, PurchaseRule
from loyalty.rules import EARN_RULES

POINTS_TENDER = "points"
EXPLAINED_LINES_MAX = 200
"""Lines that one step of an explanation lists; a longer basket is summed up, so that entries stay bounded."""


class Basket(NamedTuple):
    """Lines to be valued. `net` is the share of the lines' amounts that was not paid with points, at the purchase."""

    lines: tuple[Line, ...]
    tenders: tuple[Tender, ...]
    currency: str
    net: Exact


class Earned(NamedTuple):
    """What one rule gives before caps. `base` is `exact` without multipliers."""

    rule: PurchaseRule
    exact: Exact
    base: Exact
    spend_minor: int
    quantity_micro: int
    factors: tuple[tuple[int, tuple[int, ...]], ...]
    """(class of lines, indexes of the multipliers that applied to them)"""
    money: Exact
    """What one minor unit of the lines counts for: net of points, exchanged, this rule's tenders."""


def basket_of(purchase: Purchase | PurchaseRecord, lines: tuple[Line, ...] | None = None) -> Basket:
    """The basket of a purchase, or what is left of it when `lines` are given."""
    paid_with_points = sum(t.amount_minor for t in purchase.tenders if t.type == POINTS_TENDER)
    net = (1, 1)
    if paid_with_points:
        amount = sum(line.amount_minor for line in purchase.lines)
        net = (max(amount - paid_with_points, 0), amount) if amount else (1, 1)
    return Basket(purchase.lines if lines is None else lines, purchase.tenders, purchase.currency, net)


def evaluate(plan: Plan, basket: Basket, circumstances: Circumstances, *, test_minimum: bool = True) -> list[Earned]:
    """What each purchase rule that applies gives, exactly, in the program's order."""
    groups = _groups(plan, basket.lines)
    active = [i for i, when in enumerate(plan.multiplier_whens) if circumstances.holds(when)]
    found = []
    for rule, bit, when in zip(plan.purchase_rules, plan.rule_bits, plan.rule_whens, strict=True):
        if not circumstances.holds(when):
            continue
        counted = [(mask, sums) for mask, sums in groups.items() if mask & bit == bit]
        if not counted:
            continue
        money = _money(plan, basket, rule)
        spend = sum(sums[0] for _, sums in counted)
        if not money[0] and rule.tenders is not None:
            continue
        if test_minimum and rule.min_spend_minor and spend * money[0] < rule.min_spend_minor * money[1]:
            continue
        found.append(_earned(plan, rule, counted, active, money))
    return found


def _groups(plan: Plan, lines: Sequence[Line]) -> dict[int, list[int]]:
    """Class of lines -> [amount_minor, quantity_micro]; excluded lines are left out."""
    classify = plan.classify
    groups: dict[int, list[int]] = {}
    for _, sku, category, brand, quantity_micro, amount_minor in lines:
        mask = classify(sku, category, brand)
        if mask >= 0:
            sums = groups.get(mask)
            if sums is None:
                groups[mask] = [amount_minor, quantity_micro]
            else:
                sums[0] += amount_minor
                sums[1] += quantity_micro
    return groups


def _money(plan: Plan, basket: Basket, rule: PurchaseRule) -> Exact:
    num, den = basket.net
    if basket.currency != plan.program.money:
        rate = plan.program.exchange[basket.currency]
        num, den = num * rate.numerator, den * rate.denominator
    tenders = rule.tenders
    if tenders is not None:
        # Value paid with points is already out of `net`; counting it here again would discount it twice.
        paid = [t for t in basket.tenders if t.type != POINTS_TENDER]
        ours = sum(t.amount_minor for t in paid if t.label in tenders or t.type in tenders)
        total = sum(t.amount_minor for t in paid)
        num, den = (num * ours, den * total) if ours else (0, 1)
    return num, den


def _is_of(multiplier: Multiplier, rule: PurchaseRule) -> bool:
    return multiplier.rules is None or rule.id in multiplier.rules


def _earned(
    plan: Plan, rule: PurchaseRule, counted: list[tuple[int, list[int]]], active: list[int], money: Exact
) -> Earned:
    kind = EARN_RULES[rule.kind]
    multipliers, bits = plan.program.multipliers, plan.multiplier_bits
    mine = [i for i in active if _is_of(multipliers[i], rule)] if rule.multiplied else []
    if not kind.BY_LINE:
        merged = 0
        for mask, _ in counted:
            merged |= mask
        counted_groups = [(merged, [sum(s[0] for _, s in counted), sum(s[1] for _, s in counted)])]
    else:
        counted_groups = counted
    money_num, money_den = money if rule.kind != "fixed" else (1, 1)
    rate_num, rate_den = rule.rate.numerator * money_num, rule.rate.denominator * money_den * kind.UNITS
    exact = ZERO
    measured = spend = quantity = 0
    factors = []
    for mask, (amount_minor, quantity_micro) in counted_groups:
        spend += amount_minor
        quantity += quantity_micro
        measure = kind.measure(amount_minor, quantity_micro)
        measured += measure
        which = tuple(i for i in mine if mask & bits[i] == bits[i]) if mine else ()
        if which:
            factor = plan.factor(which)
            part = (measure * rate_num * factor.numerator, rate_den * factor.denominator)
            factors.append((mask, which))
        else:
            part = (measure * rate_num, rate_den)
        exact = part if exact is ZERO else plus(exact, part)
    return Earned(rule, exact, (measured * rate_num, rate_den), spend, quantity, tuple(factors), money)


def whole_points(plan: Plan, earned: Sequence[Earned]) -> list[int]:
    """Points of each rule before caps: one rounding for each currency, then the largest remainder over its rules."""
    if len(earned) == 1:
        only = earned[0]
        return [rounded(only.exact, plan.currencies[only.rule.currency].rounding)]
    points = [0] * len(earned)
    for currency in plan.program.currencies:
        mine = [i for i, one in enumerate(earned) if one.rule.currency == currency.id]
        if mine:
            shares = [earned[i].exact for i in mine]
            total = ZERO
            for share in shares:
                total = plus(total, share)
            for i, part in zip(mine, largest_remainder(rounded(total, currency.rounding), shares), strict=True):
                points[i] = part
    return points


def line_points(plan: Plan, basket: Basket, one: Earned, points: int) -> dict[str, int]:
    """The rule's points spread over the lines that it counted, by the largest remainder; {} when it counts no lines."""
    kind = EARN_RULES[one.rule.kind]
    if not kind.BY_LINE:
        return {}
    bit = plan.rule_bits[plan.purchase_rules.index(one.rule)]
    rate_num = one.rule.rate.numerator * one.money[0]
    rate_den = one.rule.rate.denominator * one.money[1] * kind.UNITS
    factor_of = {mask: plan.factor(which) for mask, which in one.factors}
    ids, shares = [], []
    for line_id, sku, category, brand, quantity_micro, amount_minor in basket.lines:
        mask = plan.classify(sku, category, brand)
        if mask >= 0 and mask & bit == bit:
            measure = kind.measure(amount_minor, quantity_micro)
            factor = factor_of.get(mask)
            ids.append(line_id)
            shares.append(
                (measure * rate_num, rate_den)
                if factor is None
                else (measure * rate_num * factor.numerator, rate_den * factor.denominator)
            )
    return dict(zip(ids, largest_remainder(points, shares), strict=True))


def step(plan: Plan, basket: Basket, one: Earned, points: int, granted: int) -> dict[str, Any]:
    """The explanation of one rule's part: what it counted, at which rate and factors, what caps left of it."""
    said: dict[str, Any] = {"rule": one.rule.id, "kind": one.rule.kind, "amount_minor": one.spend_minor}
    if one.rule.kind == "per_item":
        said["quantity_micro"] = one.quantity_micro
    said["rate"] = str(one.rule.rate)
    if one.money != (1, 1):
        said["counts"] = f"{one.money[0]}/{one.money[1]}"
    applied = dict.fromkeys(i for _, which in one.factors for i in which)
    if applied:
        multipliers = plan.program.multipliers
        said["multipliers"] = {multipliers[i].id: str(multipliers[i].factor) for i in applied}
    said["exact"] = f"{one.exact[0]}/{one.exact[1]}"
    said["points"] = points
    if granted != points:
        said["granted"] = granted
        said["forfeited"] = points - granted
    by_line = line_points(plan, basket, one, points) if len(basket.lines) <= EXPLAINED_LINES_MAX else {}
    if by_line:
        said["lines"] = by_line
    return said
