"""Points by hand: what an operator gives or takes, and what members bring with them from an older system.

Invariants:
  H1 an adjustment moves exactly its points, or it is refused and moves nothing
  H2 the entry says who did it, why, and who approved it
  H3 an opening never lowers a tier and never counts towards one

Points given by hand wait and end as all points of their currency do, from the event's time, or from when an opening
says that they were earned. An opening may name its points' own end.

Not here: orders of operators other than these.
"""

from typing import Any

from loyalty.calendar import local_time
from loyalty.decisions import Code, Refusal
from loyalty.facts import Adjustment
from loyalty.ledger import NO_BALANCE, Work, lot_id_of
from loyalty.postings import ADJUSTED, OPENING
from loyalty.program import Currency
from loyalty.returns import take_back
from loyalty.standing import qualify, raise_tier

KIND = "adjustment"
OPENING_KIND = "opening"


def decide_adjustment(work: Work, fact: Adjustment) -> Refusal | None:
    """Book an adjustment, or say why it cannot be."""
    plan = work.plan
    terms = plan.currencies.get(fact.currency) if fact.currency else plan.program.currencies[0]
    if terms is None:
        return Refusal(
            Code.UNKNOWN_POINTS,
            f"the program has no points {fact.currency!r}: send one of its kinds of points, or none for the first",
        )
    if fact.tier and fact.tier not in plan.level_index:
        return Refusal(Code.UNKNOWN_TIER, f"the program has no tier {fact.tier!r}: send the id of one of its tiers")
    refusal = _unapproved(work, fact, terms) or _not_enough(work, fact, terms)
    if refusal is not None:
        return refusal
    lot_id = lot_id_of(work.cause, fact.member, KIND, terms.id)
    if fact.points < 0:
        # In the order of use; what is not there becomes a debt.
        take_back(work, terms.id, fact.kind, -fact.points, "", debt=True, against=ADJUSTED)
    else:
        earned_us = work.time_us if fact.earned_at_us is None else fact.earned_at_us
        against = OPENING if fact.kind == OPENING_KIND else ADJUSTED
        parts = [(fact.kind, fact.points)]
        work.credit(terms.id, parts, lot_id, against, earned=(earned_us, plan), ends_us=fact.ends_at_us)
    work.book(KIND, fact.kind, [_step(fact)])
    _rise(work, fact, terms.id, lot_id)
    return None


def _unapproved(work: Work, fact: Adjustment, terms: Currency) -> Refusal | None:
    limit = work.plan.program.adjustments.approve_above
    if limit is None or abs(fact.points) <= limit * 10**terms.decimals or fact.approved_by not in {"", fact.operator}:
        return None
    return Refusal(
        Code.NEEDS_APPROVAL,
        f"more than {limit} points need a second operator: send it again with approved_by, not the operator's own id",
    )


def _not_enough(work: Work, fact: Adjustment, terms: Currency) -> Refusal | None:
    has = sum(work.head.balances.get(terms.id, NO_BALANCE))
    if work.plan.program.adjustments.negative == "allow" or fact.points >= 0 or has + fact.points >= 0:
        return None
    return Refusal(
        Code.NOT_ENOUGH_POINTS,
        f"the member has {has} {terms.id} in the smallest unit: take no more than that, or let the program allow it",
    )


def _step(fact: Adjustment) -> dict[str, Any]:
    said = {
        "rule": fact.kind,
        "adjustment_id": fact.adjustment_id,
        "reason": fact.reason,
        "operator": fact.operator,
        "approved_by": fact.approved_by,
        "reference": fact.reference,
        "tier": fact.tier,
    }
    return {name: value for name, value in said.items() if value}


def _rise(work: Work, fact: Adjustment, currency: str, lot_id: str) -> None:
    """What the adjustment does for the member's tier."""
    tiers = work.plan.program.tiers
    if tiers is None:
        return
    local = local_time(work.time_us, work.plan.program.zone)
    if fact.kind == OPENING_KIND:
        if fact.tier:
            raise_tier(work, local, OPENING_KIND, at_least=fact.tier)
    elif work.plan.program.adjustments.qualifies and fact.points > 0 and tiers.currency == currency:
        qualify(work, work.plan, local, fact.points, lot_id)
        raise_tier(work, local, "qualified")
