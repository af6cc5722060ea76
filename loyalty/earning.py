"""What a basket is worth under a version's purchase rules: exact values first, whole points last.

The same functions serve a purchase and, on what remains of its basket, every return of it.

Invariants:
  E1 nothing is rounded before the sum over all rules of one currency is known
  E2 a rule's exact value depends on the sums over its lines, so splitting a line changes nothing
  E3 value paid with points is a discount spread over all lines; other tenders are ways to pay

Not here: caps (caps.py), tiers (tiers.py), postings (purchases.py), explanations (explanation.py).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from loyalty.account import PurchaseRecord
from loyalty.apportion import ZERO, Exact, rounded, whole_by_currency
from loyalty.circumstances import Circumstances
from loyalty.facts import Line, Purchase, Tender
from loyalty.making import maker
from loyalty.plan import EXCLUDED, Factors, Plan, RulePlan
from loyalty.program import PurchaseRule

POINTS_TENDER = "points"
ONE: Exact = (1, 1)
AMOUNT = Line._fields.index("amount_minor")
QUANTITY = Line._fields.index("quantity_micro")
_AMOUNT = itemgetter(AMOUNT)
_QUANTITY = itemgetter(QUANTITY)


class Basket(NamedTuple):
    """Lines to be valued.

    amounts: `amount_minor` of each line. classes: the class of each line (plan.py), of which there are `classes_number`
    different ones. spend: class -> amount_minor, without excluded lines. exchange: what one minor unit paid counts for
    in the program's money. money: of a line's, that is net of points.
    """

    lines: tuple[Line, ...]
    amounts: Sequence[int]
    classes: Sequence[int]
    classes_number: int
    spend: Mapping[int, int]
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
    """Of the lines that count, where the rule counts items; else 0."""
    classes: Collection[int]
    """The classes of lines that count; for what is given once, of all of them as one."""
    factors: Factors | None
    """What multiplies lines, by their class."""
    counts: Exact
    """What one unit of the measure counts for: the share of the rule's own tenders and, for money, the basket's.

    What is given once counts whole."""


_basket, _earned = maker(Basket), maker(Earned)


def basket_of(plan: Plan, purchase: Purchase | PurchaseRecord, lines: tuple[Line, ...] | None = None) -> Basket:
    """The basket of a purchase, or what is left of it when `lines` are given."""
    of_lines = purchase.lines if lines is None else lines
    amounts = list(map(_AMOUNT, of_lines))
    classes = plan.classes_of(of_lines)
    exchange = _exchange(plan, purchase.currency)
    money = _net_of_points(purchase, exchange) if purchase.tenders else exchange
    spend = _by_class(classes, amounts)
    number = len(spend)
    spend.pop(EXCLUDED, None)
    return _basket(of_lines, amounts, classes, number, spend, purchase.tenders, exchange, money)


def _by_class(classes: Sequence[int], measures: Sequence[int]) -> dict[int, int]:
    """The sum of a measure over the lines of each class."""
    if not classes:
        return {}
    if classes.count(classes[0]) == len(classes):
        return {classes[0]: sum(measures)}
    found = dict.fromkeys(classes, 0)
    for each, measure in zip(classes, measures, strict=True):
        found[each] += measure
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
    return sum(basket.spend.values()) * basket.money[0], basket.money[1]


def evaluate(plan: Plan, basket: Basket, circumstances: Circumstances, *, test_minimum: bool = True) -> list[Earned]:
    """What each purchase rule that applies gives, exactly, in the program's order."""
    by_class = basket.spend
    found: list[Earned] = []
    if not by_class:
        return found
    total, passed = sum(by_class.values()), _passed(by_class)
    for of, holds, factors in plan.rated(circumstances):
        rule, bit = of.rule, of.bit
        if (bit and not bit & passed) or (holds is not None and not holds(circumstances)):
            continue
        counted: Collection[int] = by_class
        spend = total
        if bit:
            counted = [each for each in by_class if each & bit]
            spend = sum([by_class[each] for each in counted])
        share, money = ONE, basket.money
        if rule.tenders is not None:
            share = _share_of(basket.tenders, rule.tenders)
            if not share[0]:
                continue
            money = (money[0] * share[0], money[1] * share[1])
        if test_minimum and rule.min_spend_minor and spend * money[0] < rule.min_spend_minor * money[1]:
            continue
        if of.line_field == AMOUNT:
            found.append(_measured(of, factors, by_class, counted, spend, money, spend))
        elif of.line_field is None:  # all lines as one: it passes a filter if one of them does
            merged = _passed(counted)
            found.append(_measured(of, factors, {merged: 1}, (merged,), 1, ONE, spend))
        else:
            by_items = _by_class(basket.classes, list(map(_QUANTITY, basket.lines)))
            items = sum([by_items[each] for each in counted])
            found.append(_measured(of, factors, by_items, counted, items, share, spend))
    return found


def _passed(classes: Iterable[int]) -> int:
    """The bits of all filters that any of the classes passes."""
    passed = 0
    for each in classes:
        passed |= each
    return passed


def _share_of(tenders: Sequence[Tender], ours: frozenset[str]) -> Exact:
    """The share that was paid with these tenders, of all that was not paid with points."""
    if not tenders:
        return ZERO
    # Value paid with points is already out of the basket's money; counting it here would discount it twice.
    paid = [t for t in tenders if t.type != POINTS_TENDER]
    with_ours = sum(t.amount_minor for t in paid if t.label in ours or t.type in ours)
    return (with_ours, sum(t.amount_minor for t in paid)) if with_ours else ZERO


def _measured(
    of: RulePlan,
    factors: Factors | None,
    by_class: Mapping[int, int],
    counted: Collection[int],
    measure: int,
    counts: Exact,
    spend: int,
) -> Earned:
    """What a rule gives for the classes of lines that count; `measure` is the sum of what it measures in them."""
    num, den = of.rate_num * counts[0], of.rate_den * counts[1]
    exact = base = (measure * num, den)
    if factors is not None:
        exact = (sum([by_class[each] * factors[each] for each in counted]) * num, den * factors.denominator)
    quantity = measure if of.line_field == QUANTITY else 0
    return _earned(of.rule, of, exact, base, spend, quantity, counted, factors, counts)


def whole_points(plan: Plan, earned: Sequence[Earned]) -> list[int]:
    """Points of each rule before caps: one rounding for each currency, then the largest remainder over its rules."""
    if len(earned) == 1:
        return [rounded(earned[0].exact, earned[0].of.rounding)]
    return whole_by_currency([(one.rule.currency, one.exact) for one in earned], plan.program.currencies)
