"""Blind returns: goods that come back without their purchase.

Nobody knows what they earned, so they take back what the base gives for their amount: the rules that give for every
amount, without a condition, a line filter, tenders or a minimum, in the version of the return's own time, without
multipliers. What cannot be judged is left to the member.

Invariants:
  N1 a blind return never makes a debt and never touches pending points
  N2 tiers and caps stay as they are: no earning is known that could be lowered

Not here: returns with their purchase (returns.py).
"""

from collections.abc import Iterator
from typing import Any

from loyalty.apportion import whole_by_currency
from loyalty.explanation import reduced
from loyalty.facts import Return
from loyalty.ledger import NO_BALANCE, Work
from loyalty.plan import Plan, RulePlan
from loyalty.program import When
from loyalty.returns import KIND, take_back

REASON = "blind"
PER_AMOUNT = "per_amount"


def decide_blind(work: Work, fact: Return) -> None:
    """Take back what the base gives for the amount that came back, as far as the member has it."""
    amount_minor = sum(line.amount_minor for line in fact.lines)
    rules = list(_base(work.plan))
    exact = [(amount_minor * of.rate_num, of.rate_den) for of in rules]
    shares = [(of.rule.currency, share) for of, share in zip(rules, exact, strict=True)]
    parts = whole_by_currency(shares, work.plan.program.currencies) if shares else []
    steps = []
    for of, share, points in zip(rules, exact, parts, strict=True):
        taken = _take(work, of.rule.currency, of.rule.id, points)
        step: dict[str, Any] = {
            "rule": of.rule.id,
            "kind": PER_AMOUNT,
            "rate": of.rate_text,
            "amount_minor": amount_minor,
            "exact": reduced(share),
            "points": points,
        }
        if taken != points:
            step["not_recouped"] = points - taken
        steps.append(step)
    if any(parts):
        work.book(KIND, REASON, [_came_back(fact), *steps])


def _base(plan: Plan) -> Iterator[RulePlan]:
    """The rules that give for every amount, whatever was bought, when, where and by whom."""
    for of in plan.rules:
        rule = of.rule
        unconditional = rule.when == When() and rule.tenders is None and not rule.min_spend_minor
        if rule.kind == PER_AMOUNT and unconditional and not of.bit:
            yield of


def _came_back(fact: Return) -> dict[str, Any]:
    return {"returned": {line.line_id: [line.quantity_micro, line.amount_minor] for line in fact.lines}}


def _take(work: Work, currency: str, rule_id: str, points: int) -> int:
    """Take points that the member may spend; answers how many there were."""
    available, _ = work.head.balances.get(currency, NO_BALANCE)
    wanted = min(points, max(available, 0))
    return wanted - take_back(work, currency, rule_id, wanted, "") if wanted else 0
