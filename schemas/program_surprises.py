"""Surprises as a marketer writes them, and as the domain takes them: what is given to whom, by which draw.

Invariants:
  M1 unknown keys are refused everywhere
  M2 a new key has a default, so that it changes the digest of no program that does not use it

Not here: the draw (loyalty/surprises.py), the program as a whole (program.py).
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from loyalty.budgets import LimitTerms, Surprise
from loyalty.limits import BUDGET, limit_id
from loyalty.program import FieldTest
from schemas.program_earn import Caps, Model, PurchaseWhen
from schemas.program_values import Choice, Exact, Flag, Id, Name, Text, Texts, exact

if TYPE_CHECKING:
    from schemas.program_rules import Rules
    from schemas.program_source import TreePath

MAX_SURPRISES: Final = 50
_PERCENT: Final = 100


class SurpriseWhen(PurchaseWhen):
    """When an event takes part in the draw. Every key that is given must hold."""

    min_spend: Exact | None = None
    """Purchases: at least this much money on lines that can earn."""
    activities: Texts | None = None
    """Engagements: names of activities, as the app sends them."""


class SurpriseGive(Model):
    """What is given: {points: 50}, or {times: 3} for three times what the purchase earned."""

    points: Exact | None = None
    """Fixed points."""
    times: Exact | None = None
    """Purchases: so many times what they earned, in place of points."""
    kind_of_points: Annotated[Id | None, Field(alias="in")] = None
    """Which points; the first of the program if left out."""


class Budget(Model):
    """What all members together can get."""

    points: Exact
    """Points; what would go over it is not given."""
    per: Annotated[str, Choice("day", "week", "month", "year", "lifetime")] = "lifetime"
    """The period of the local calendar that it is for; lifetime: in all."""
    refill: Flag = False
    """true: what is taken back from members can be given to others."""


class SurpriseRule(Model):
    """Points for a share of events or of members, by a draw that anybody can do again."""

    id: Id
    """Unique among rules and multipliers; stands in every ledger entry of the surprise."""
    name: Name | None = None
    """For people."""
    on: Annotated[str, Choice("purchase", "review", "share", "engagement")]
    """What takes part."""
    draw: Annotated[str, Choice("event", "member")] = "event"
    """Each event draws for itself, or each member once a period: who is drawn gets it with the first event then."""
    percent: Exact
    """How many of a hundred are drawn."""
    per: Annotated[str, Choice("day", "week", "month", "year", "lifetime")] | None = None
    """With draw: member, the period of the local calendar. Without it: month."""
    seed: Text | None = None
    """What the draw begins with; without it, the id. Another seed draws others."""
    give: SurpriseGive
    when: SurpriseWhen = SurpriseWhen()
    at_most: Caps = ()
    """Limits for each member, in points or awards. Several must all hold."""
    budget: Budget
    """What all members together can get."""
    returns: Annotated[str, Choice("take_back", "keep")] = "take_back"
    """The points go when the purchase comes back or the review is removed (take_back), or stay."""


def budget_of(surprise: str) -> str:
    """The id of the limit that a surprise's budget is."""
    return limit_id(BUDGET, surprise)


def compiled_surprises(file: Sequence[SurpriseRule], rules: "Rules") -> tuple[Surprise, ...]:
    """The surprises of a program, in the order of the file."""
    return tuple(_surprise(rule, rules, ("surprises", index)) for index, rule in enumerate(file))


def budgets(file: Sequence[SurpriseRule], rules: "Rules") -> dict[str, LimitTerms]:
    """The limits that surprises' budgets are, by id."""
    found = {}
    for index, rule in enumerate(file):
        path: TreePath = ("surprises", index, "budget", "points")
        currency = rule.give.kind_of_points or rules.scope.default_points
        if currency in rules.scope.decimals:
            points = rules.scope.points(rule.budget.points, currency, path)
            found[budget_of(rule.id)] = LimitTerms(points, rule.budget.per)
    return found


def _surprise(rule: SurpriseRule, rules: "Rules", path: "TreePath") -> Surprise:
    scope = rules.scope
    currency = scope.currency(rule.give.kind_of_points, (*path, "give", "in"))
    of_purchases = rule.on == "purchase"
    if (rule.give.points is None) == (rule.give.times is None):
        scope.report((*path, "give"), "a surprise gives either points or times", "for example {points: 50}")
    times = None if rule.give.times is None else exact(rule.give.times)
    if times is not None and not of_purchases:
        scope.report((*path, "give", "times"), "only purchases earn something to multiply", "give points", at_key=True)
    if times is not None and not 1 < times <= _PERCENT:
        scope.report((*path, "give", "times"), f"{rule.give.times} came, more than 1 and at most 100 was expected")
    share = exact(rule.percent) / _PERCENT
    if not 0 < share <= 1:
        scope.report((*path, "percent"), f"{rule.percent} came, more than 0 and at most 100 was expected")
    if rule.per is not None and rule.draw == "event":
        scope.report((*path, "per"), "per only matters with draw: member", at_key=True)
    _check_when(rule, rules, path)
    min_spend = rule.when.min_spend
    return Surprise(
        id=rule.id,
        name=rule.name or rule.id,
        on=rule.on,
        currency=currency,
        share=share or Fraction(1),
        seed=rule.seed or rule.id,
        budget=budget_of(rule.id),
        points=scope.points(rule.give.points, currency, (*path, "give", "points")) if rule.give.points else 0,
        times=times,
        draw=rule.draw,
        per=(rule.per or "month") if rule.draw == "member" else "",
        when=rules.purchase_when(rule.when, (*path, "when"), rule.on, tuple(_fields(rule))),
        min_spend_minor=scope.minor(min_spend, (*path, "when", "min_spend")) if min_spend else 0,
        caps=rules.caps(rule.at_most, rule.on, currency, (*path, "at_most")),
        returns=rule.returns,
        refill=rule.budget.refill,
    )


def _fields(rule: SurpriseRule) -> Iterable[FieldTest]:
    """Tests of the event's own fields; a removed review takes part in nothing."""
    if rule.on == "review":
        yield FieldTest("status", "in", frozenset({"published"}))
    if rule.when.activities is not None:
        yield FieldTest("activity", "in", frozenset(rule.when.activities))


def _check_when(rule: SurpriseRule, rules: "Rules", path: "TreePath") -> None:
    """Report what only another kind of event has."""
    when = rule.when
    only: dict[str, dict[str, object]] = {
        "purchase": {"channels": when.channels, "stores": when.stores, "min_spend": when.min_spend},
        "engagement": {"activities": when.activities},
    }
    for on, keys in only.items():
        for key, value in keys.items():
            if value is not None and rule.on != on:
                rules.scope.report((*path, "when", key), f"{key} fits surprises on {on}", at_key=True)
    for index, cap in enumerate(rule.at_most):
        if cap.each is not None:
            place = (*rules.scope.item_path((*path, "at_most"), index), "each")
            rules.scope.report(place, "a surprise is limited for each member as a whole", "leave each out", at_key=True)
