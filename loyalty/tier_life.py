"""The end of a tier's period: confirmed, or down; and the notice before.

A tier holds to the end of its period, and through the grace that was promised with it. Then the member must qualify
in the window that ended with the period, lengthened by the grace; what was reached since counts as well.

Invariants:
  V1 nobody falls before the end of the period and the grace, unless the purchase that raised them came back
  V2 nobody falls below what they qualify for, unless the program says base
  V3 a confirmed tier's new period follows the old one, so that a late review moves no end

Not here: rising (standing.py), when all this is due (due.py).
"""

from loyalty import tiers as sums
from loyalty.account import CLOSED, Head
from loyalty.calendar import Local, local_time, notice_us, tier_end_us
from loyalty.ledger import Work
from loyalty.plan import Plan
from loyalty.program import TierReview, Tiers
from loyalty.standing import CONFIRMED, NO_SUMS, enter, hold_until, is_foreign, number_of

REVIEW = "review"
RETURN = "return"
AT_RISK = "tier_at_risk"
_RISK_TOLD = "tier:at_risk"
"""As `standing.NEAR_TOLD`."""


def review_tier(work: Work) -> None:
    """Confirm the tier or let the member fall, if its review is due; the version in force then decides."""
    head, tiers = work.head, work.plan.program.tiers
    until_us, review_us = head.tier_until_us, head.tier_review_us
    if until_us is None or review_us is None or review_us > work.time_us:
        return
    head.tier_until_us = head.tier_review_us = None
    head.tier_rises = ()
    if tiers is None or tiers.review is None or is_foreign(work) or head.status == CLOSED:
        return  # this version knows no end of it
    total = _total_at(work, tiers, until_us, review_us)
    index, qualified = work.plan.level_index[head.tier], sums.level_of(tiers, total)
    stays = qualified >= index
    if not stays:
        index = _fallen(tiers.review, index, qualified)
    if index:
        hold_until(work, tiers, _next_end_us(work, tiers.review, until_us))
    enter(work, tiers, index, CONFIRMED if stays else REVIEW, total)


def _fallen(review: TierReview, index: int, qualified: int) -> int:
    match review.down:
        case "one_step":
            return index - 1
        case "base":
            return 0
        case _:
            return qualified


def _total_at(work: Work, tiers: Tiers, until_us: int, review_us: int) -> int:
    """What qualifies in the window that ends with the period, and in the grace; or today, if that is more."""
    held = work.head.qualifying.get(work.plan.qualifying_key, NO_SUMS)
    number, last = (number_of(work, tiers, _last_day(work, us)) for us in (until_us, review_us))
    today = number_of(work, tiers, local_time(review_us, work.plan.program.zone))
    return max(sums.lengthened_sum(tiers, held, number, last), sums.qualifying_sum(tiers, held, today))


def _last_day(work: Work, end_us: int) -> Local:
    """The local time just before an end, which is the first instant that does not count."""
    return local_time(end_us - 1, work.plan.program.zone)


def _next_end_us(work: Work, review: TierReview, until_us: int) -> int:
    """The end of the period that follows on one that ended at `until_us`."""
    zone = work.plan.program.zone
    enrolled = local_time(work.head.enrolled_us, zone).ordinal
    last = _last_day(work, until_us).ordinal
    end_us = tier_end_us(last, review, enrolled, zone)
    # Without a length of its own the period of the last day is the one that has just ended.
    return end_us if end_us > until_us else tier_end_us(last + 1, review, enrolled, zone)


def fall_with_return(work: Work, transaction_id: str, local: Local) -> None:
    """If the purchase raised the member and came back in part: down at once, if the tier was reached by it alone.

    `local` is the time of the purchase. Never below the tier that the member had before, unless what raised them to
    that came back as well. Where another purchase has raised them further since, the tier stays until that comes back.
    """
    head, tiers = work.head, work.plan.program.tiers
    came_back = [rise.transaction_id == transaction_id for rise in head.tier_rises]
    if not any(came_back) or tiers is None or tiers.review is None or is_foreign(work):
        return
    rises = [rise._replace(back=rise.back or back) for rise, back in zip(head.tier_rises, came_back, strict=True)]
    held = head.qualifying.get(work.plan.qualifying_key, NO_SUMS)
    total = sums.qualifying_sum(tiers, held, number_of(work, tiers, local))
    qualified, levels = sums.level_of(tiers, total), work.plan.level_index
    index = levels[head.tier]
    while rises and rises[-1].back and qualified < index:
        before = levels.get(rises[-1].tier, 0)
        index = max(qualified, before)
        if index > before:
            break
        rise = rises.pop()
        head.tier_until_us, head.tier_review_us = rise.until_us, rise.review_us
        if rise.review_us is not None:
            work.is_due(rise.review_us)
    head.tier_rises = tuple(rises)
    if index != levels[head.tier]:
        enter(work, tiers, index, RETURN, total)


def risk_told_us(head: Head, plan: Plan) -> int | None:
    """When the member is told that the tier is at risk; None when never, or done."""
    tiers, until_us = plan.program.tiers, head.tier_until_us
    if tiers is None or tiers.notice.at_risk is None or until_us is None or head.tier not in plan.level_index:
        return None
    if until_us <= head.noticed.get(_RISK_TOLD, -1):
        return None
    return notice_us(until_us, tiers.notice.at_risk, plan.program.zone)


def tell_at_risk(work: Work, plan: Plan) -> None:
    """Tell a member who does not qualify yet for the tier that ends soon; `plan` says how long before."""
    head, tiers, until_us = work.head, plan.program.tiers, work.head.tier_until_us
    at_us = risk_told_us(head, plan)
    if at_us is None or at_us > work.time_us or tiers is None or until_us is None:
        return
    head.noticed = {**head.noticed, _RISK_TOLD: until_us}
    held = head.qualifying.get(plan.qualifying_key, NO_SUMS)
    number = sums.period_number(tiers, local_time(until_us - 1, plan.program.zone), head.enrolled_us)
    level = tiers.levels[plan.level_index[head.tier]]
    total = sums.lengthened_sum(tiers, held, number, number)
    is_over = head.tier_review_us is not None and head.tier_review_us <= work.now_us  # a late event brought it
    if total < level.threshold and not is_over and head.status != CLOSED:
        missing = level.threshold - total
        work.notify(AT_RISK, {"tier": level.id, "ends_us": until_us, "qualifying": total, "missing": missing})
