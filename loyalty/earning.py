"""What a basket is worth under a version's purchase rules: exact values first, whole points last.

The same functions serve a purchase and, on what remains of its basket, every return of it.

Invariants:
  E1 nothing is rounded before the sum over all rules of one currency is known
  E2 a rule's exact value depends on the sums over its lines, so splitting a line changes nothing
  E3 value paid with points is a discount spread over all lines; other tenders are ways to pay

Not here: caps (caps.py), tiers (tiers.py), postings (purchases.py), explanations (explanation.py).
"""

from collections.abc import Iterable, Sequence
from itertools import compress
from operator import itemgetter
from typing import NamedTuple

from loyalty.account import PurchaseRecord
from loyalty.apportion import ZERO, Exact, plus, rounded, whole_by_currency
from loyalty.circumstances import Circumstances
from loyalty.facts import Line, Purchase, Tender
from loyalty.plan import EXCLUDED, Plan, RulePlan
from loyalty.program import PurchaseRule

POINTS_TENDER = "points"
ONE: Exact = (1, 1)
AMOUNT = Line._fields.index("amount_minor")
_AMOUNT = itemgetter(AMOUNT)
_QUANTITY = itemgetter(Line._fields.index("quantity_micro"))


class Basket(NamedTuple):
    """Lines to be valued.

    masks: the class of each line (plan.py). groups: class -> (amount_minor, quantity_micro), without excluded lines.
    exchange: what one minor unit paid counts for in the program's money. money: of a line's, that is net of points.
    """

    lines: tuple[Line, ...]
    masks: list[int]
    groups: dict[int, tuple[int, int]]
    tenders: tuple[Tender, ...]
    exchange: Exact
    money: Exact


class Earned(NamedTuple):
    """What one rule gives before caps. `base` is `exact` without multipliers."""

    rule: PurchaseRule
    of: RulePlan
    exact: Exact
    base: Exact
    spend_minor: int
    quantity_micro: int
    factors: dict[int, tuple[int, ...]]
    """Class of lines -> indexes of the multipliers that applied to them."""
    counts: Exact
    """What one unit of the measure counts for: the share of the rule's own tenders and, for money, the basket's."""


def basket_of(plan: Plan, purchase: Purchase | PurchaseRecord, lines: tuple[Line, ...] | None = None) -> Basket:
    """The basket of a purchase, or what is left of it when `lines` are given."""
    of_lines = purchase.lines if lines is None else lines
    masks = plan.classes_of(of_lines)
    exchange = _exchange(plan, purchase.currency)
    money = _net_of_points(purchase, exchange) if purchase.tenders else exchange
    return Basket(of_lines, masks, _groups(of_lines, masks), purchase.tenders, exchange, money)


def _groups(lines: Sequence[Line], masks: list[int]) -> dict[int, tuple[int, int]]:
    found = {}
    for mask in dict.fromkeys(masks):
        if mask != EXCLUDED:
            mine = lines if masks.count(mask) == len(masks) else tuple(compress(lines, map(mask.__eq__, masks)))
            found[mask] = (sum(map(_AMOUNT, mine)), sum(map(_QUANTITY, mine)))
    return found


def _exchange(plan: Plan, currency: str) -> Exact:
    if currency == plan.program.money:
        return ONE
    rate = plan.program.exchange[currency]
    return rate.numerator, rate.denominator


def _net_of_points(purchase: Purchase | PurchaseRecord, exchange: Exact) -> Exact:
    paid_with_points = sum(t.amount_minor for t in purchase.tenders if t.type == POINTS_TENDER)
    amount = sum(line.amount_minor for line in purchase.lines) if paid_with_points else 0
    if not amount:
        return exchange
    return max(amount - paid_with_points, 0) * exchange[0], amount * exchange[1]


def counted_spend(basket: Basket) -> Exact:
    """Money for the lines that the program counts, net of points, in minor units of the program's money."""
    return sum([sums[0] for sums in basket.groups.values()]) * basket.money[0], basket.money[1]


def evaluate(plan: Plan, basket: Basket, circumstances: Circumstances, *, test_minimum: bool = True) -> list[Earned]:
    """What each purchase rule that applies gives, exactly, in the program's order."""
    active = [i for i, holds in enumerate(plan.multiplier_holds) if holds is None or holds(circumstances)]
    groups = list(basket.groups.items())
    found = []
    for of in plan.rules:
        holds, bit, rule = of.holds, of.bit, of.rule
        if holds is not None and not holds(circumstances):
            continue
        counted = [group for group in groups if group[0] & bit == bit] if bit else groups
        if not counted:
            continue
        share, money = ONE, basket.money
        if rule.tenders is not None:
            share = _share_of(basket.tenders, rule.tenders)
            if not share[0]:
                continue
            money = (money[0] * share[0], money[1] * share[1])
        if test_minimum and rule.min_spend_minor:
            spend = sum([sums[0] for _, sums in counted])
            if spend * money[0] < rule.min_spend_minor * money[1]:
                continue
        found.append(_earned(plan, of, counted, active, money if of.line_field == AMOUNT else share))
    return found


def _share_of(tenders: Sequence[Tender], ours: frozenset[str]) -> Exact:
    """The share that was paid with these tenders, of all that was not paid with points."""
    # Value paid with points is already out of the basket's money; counting it here would discount it twice.
    paid = [t for t in tenders if t.type != POINTS_TENDER]
    with_ours = sum(t.amount_minor for t in paid if t.label in ours or t.type in ours)
    return (with_ours, sum(t.amount_minor for t in paid)) if with_ours else ZERO


def _earned(
    plan: Plan, of: RulePlan, counted: Sequence[tuple[int, tuple[int, int]]], active: Iterable[int], counts: Exact
) -> Earned:
    spend = quantity = 0
    for _, (amount_minor, quantity_micro) in counted:
        spend += amount_minor
        quantity += quantity_micro
    field = of.line_field
    if field is None:
        measured, rate = 1, (of.rate_num, of.rate_den)
    else:
        measured = spend if field == AMOUNT else quantity
        rate = of.rate_num * counts[0], of.rate_den * counts[1]
    exact = base = (measured * rate[0], rate[1])
    factors: dict[int, tuple[int, ...]] = {}
    multipliers = [i for i in active if i in of.multipliers]
    if multipliers:
        exact, factors = _multiplied(plan, of, counted, multipliers, rate)
    return Earned(of.rule, of, exact, base, spend, quantity, factors, counts)


def _multiplied(
    plan: Plan, of: RulePlan, counted: Sequence[tuple[int, tuple[int, int]]], multipliers: list[int], rate: Exact
) -> tuple[Exact, dict[int, tuple[int, ...]]]:
    """What the rule gives with its multipliers, and which of them applied to which class of lines."""
    field, bits = of.line_field, plan.multiplier_bits
    if field is None:
        counted = [_merged(counted)]
    exact = ZERO
    factors: dict[int, tuple[int, ...]] = {}
    for mask, (amount_minor, quantity_micro) in counted:
        measure = 1 if field is None else amount_minor if field == AMOUNT else quantity_micro
        num, den = measure * rate[0], rate[1]
        which = tuple([i for i in multipliers if mask & bits[i] == bits[i]])
        if which:
            factors[mask] = which
            factor = plan.factor(which)
            num, den = num * factor[0], den * factor[1]
        exact = (num, den) if exact is ZERO else plus(exact, (num, den))
    return exact, factors


def _merged(counted: Sequence[tuple[int, tuple[int, int]]]) -> tuple[int, tuple[int, int]]:
    """All counted lines as one group: it passes a filter if one of its lines does."""
    merged = 0
    for mask, _ in counted:
        merged |= mask
    return merged, (sum(sums[0] for _, sums in counted), sum(sums[1] for _, sums in counted))


def whole_points(plan: Plan, earned: Sequence[Earned]) -> list[int]:
    """Points of each rule before caps: one rounding for each currency, then the largest remainder over its rules."""
    if len(earned) == 1:
        only = earned[0]
        return [rounded(only.exact, plan.currencies[only.rule.currency].rounding)]
    return whole_by_currency([(one.rule.currency, one.exact) for one in earned], plan.program.currencies)
