"""A member's standing: adding to the tier basis and rising through the levels.

Not here: the sums themselves (tiers.py), the end of a tier's period (tier_life.py).
"""

from loyalty import tiers as sums
from loyalty.account import TierRise, added_to
from loyalty.calendar import Local, local_time, notice_us, shifted_us, tier_end_us
from loyalty.decisions import TierChange, derived_id
from loyalty.ledger import Work
from loyalty.plan import Plan
from loyalty.program import ActivityRule, PurchaseRule, ReferralRule, Tiers

NO_SUMS = sums.Sums()

QUALIFIED = "qualified"
CONFIRMED = "confirmed"
"""Why a tier is told of: reached, or given a new period."""

NEAR = "tier_near"
NEAR_TOLD = "tier:near"
"""Under which name an account remembers that it was told: no kind of points can be called so."""


def qualify(work: Work, plan: Plan, local: Local, amount: int, lot_id: str) -> None:
    """Add `amount` to the sum of the period of `local`; for points that are pending in the lot, once they mature.

    `plan` is the version that says what qualifies: if it has no tiers, nothing does.
    """
    head, tiers = work.head, plan.program.tiers
    if tiers is None:
        return
    if head.merged_into:
        key, number = plan.qualifying_key, number_of(work, tiers, local)
        told = {"sums": key, "number": number, "points": amount, "lot": lot_id, "enrolled_us": head.enrolled_us}
        work.passed_on.append({"what": "qualify", **told})
        return
    if head.maturing and tiers.basis == "points":
        changed = added_to(head.maturing, lot_id, qualifies=amount)
        if changed is not None:
            head.maturing = changed
            return
    settle(work, plan, local, amount)


def settle(work: Work, plan: Plan, local: Local, amount: int) -> None:
    """Add `amount` to the sum of the period of `local` now; without tiers nothing."""
    head, tiers, key = work.head, plan.program.tiers, plan.qualifying_key
    if tiers is not None:
        number = sums.period_number(tiers, local, head.enrolled_us)
        head.qualifying[key] = sums.added(head.qualifying.get(key, NO_SUMS), number, amount, tiers)


def tier_with(work: Work, tiers: Tiers, local: Local, amount: int) -> str:
    """The tier that the member would have with `amount` more."""
    current = _index(work)
    if current is None:
        return work.head.tier
    number = number_of(work, tiers, local)
    held = work.head.qualifying.get(work.plan.qualifying_key, NO_SUMS)
    index = sums.level_reached(tiers, sums.added(held, number, amount, tiers), number, current)
    return tiers.levels[index].id


def raise_tier(work: Work, local: Local, reason: str, transaction_id: str = "", *, at_least: str = "") -> str:
    """Move the member up to the level that the sums reach; answers the new tier, or "" when nothing changed.

    `transaction_id` is the purchase that may raise: while nothing else holds the tier, it falls with it. `at_least`
    is a level that the member is given, whatever the sums say.
    """
    head, plan = work.head, work.plan
    tiers, least = plan.program.tiers, _index(work)
    if tiers is None or least is None:
        return ""
    if at_least and plan.level_index.get(at_least, -1) >= least:
        least = plan.level_index[at_least]
        head.tier_rises = ()  # Whoever gives a tier by hand means it to stay when a purchase goes back.
    held = head.qualifying.get(plan.qualifying_key, NO_SUMS)
    number = sums.period_number(tiers, local, head.enrolled_us)
    index = sums.level_reached(tiers, held, number, least)
    level = tiers.levels[index]
    raised = level.id != head.tier
    if raised:
        before = TierRise(transaction_id, head.tier, head.tier_until_us, head.tier_review_us)
        head.tier_rises = (*head.tier_rises, before) if transaction_id and tiers.review is not None else ()
        _promise(work, tiers, index, local.ordinal)
        enter(work, tiers, index, reason, sums.qualifying_sum(tiers, held, number))
    elif index and head.tier_until_us is None and tiers.review is not None:
        # Reached under a version that had no reviews: its period begins with what the member does now.
        _promise(work, tiers, index, local.ordinal)
        enter(work, tiers, index, CONFIRMED, sums.qualifying_sum(tiers, held, number))
    if tiers.notice.near is not None and transaction_id:
        _tell_near(work, tiers, index, held, number)
    return level.id if raised else ""


def _promise(work: Work, tiers: Tiers, index: int, ordinal: int) -> None:
    """Begin the period of a level that was reached on local day `ordinal`; it shortens none that was promised."""
    head = work.head
    if not index or tiers.review is None:
        head.tier_until_us = head.tier_review_us = None
        return
    zone = work.plan.program.zone
    until_us = tier_end_us(ordinal, tiers.review, local_time(head.enrolled_us, zone).ordinal, zone)
    if head.tier_until_us is None or until_us > head.tier_until_us:
        hold_until(work, tiers, until_us)


def hold_until(work: Work, tiers: Tiers, until_us: int) -> None:
    """Let the tier end then, and be reviewed after the grace."""
    head, zone = work.head, work.plan.program.zone
    head.tier_until_us = head.tier_review_us = until_us
    if tiers.review is not None:
        head.tier_review_us = shifted_us(until_us, tiers.review.grace, zone)
    work.is_due(head.tier_review_us)
    if tiers.notice.at_risk is not None:
        work.is_due(notice_us(until_us, tiers.notice.at_risk, zone))


def enter(work: Work, tiers: Tiers, index: int, reason: str, total: int) -> None:
    """Put the member into a level, or tell of it again; `total` is what qualifies."""
    head, level = work.head, tiers.levels[index]
    head.tiers_sequence += 1
    legs = ("tier", head.member, level.id, work.leg)
    work.tiers.append(
        TierChange(
            derived_id(work.cause, *legs) if level.id != head.tier else derived_id(work.cause, *legs, reason),
            head.member,
            work.plan.program.id,
            head.tier or None,
            level.id,
            reason,
            level.benefits,
            head.tier_until_us,
            sums.progress(work.plan.program, index, total),
            work.cause,
            work.time_us,
            work.now_us,
            head.tiers_sequence,
        )
    )
    if level.id != head.tier:
        head.tier = level.id
        head.tier_since_us = work.time_us
    if NEAR_TOLD in head.noticed:
        head.noticed = {kind: at for kind, at in head.noticed.items() if kind != NEAR_TOLD}


def _tell_near(work: Work, tiers: Tiers, index: int, held: sums.Sums, number: int) -> None:
    """Tell a member who is close to the next level, once until the tier changes or another year begins."""
    near = tiers.notice.near or 0
    if index + 1 >= len(tiers.levels) or held.total < tiers.levels[index + 1].threshold - near:
        return
    following, total = tiers.levels[index + 1], sums.qualifying_sum(tiers, held, number)
    period = 0 if tiers.window in {"lifetime", "rolling"} else max(number, held.newest)
    if total < following.threshold - near or work.head.noticed.get(NEAR_TOLD, -1) >= period:
        return
    work.head.noticed = {**work.head.noticed, NEAR_TOLD: period}
    work.notify(
        NEAR,
        {
            "tier": tiers.levels[index].id,
            "next": following.id,
            "qualifying": total,
            "missing": following.threshold - total,
        },
    )


def counts(tiers: Tiers, rule: PurchaseRule | ActivityRule | ReferralRule) -> bool:
    """Whether what the rule gives adds to a tier basis of points."""
    return tiers.basis == "points" and rule.qualifies and rule.currency == tiers.currency


def number_of(work: Work, tiers: Tiers, local: Local) -> int:
    """The period that an event of the member at this local time adds to."""
    return sums.period_number(tiers, local, work.head.enrolled_us)


def is_foreign(work: Work) -> bool:
    """Whether the member has a tier that the event's version does not know: a late event must not take it away."""
    return _index(work) is None


def _index(work: Work) -> int | None:
    """The level that the member is in, the lowest before the first; None when the event's version does not know it."""
    tier = work.head.tier
    return work.plan.level_index.get(tier) if tier else 0
