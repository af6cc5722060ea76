"""Points of redemptions that come back: with returns of what they paid for, or all that is left of them at once.

Invariants:
  B1 points come back into the lots that they came from, with their own ends, the last used first: as if fewer had been
     spent. A debt is paid first; what should have ended by then ends at once, or after the program's grace
  B2 of the points of a redemption, no more come back than were spent, by whatever comes: returns, a cancellation

Not here: who asks for all of it (redemption.py).
"""

from typing import Any

from loyalty.account import PurchaseRecord, RedemptionRecord, State, redemption_key
from loyalty.calendar import life_end_us
from loyalty.catalogue import PAYMENT
from loyalty.earning import POINTS_TENDER
from loyalty.facts import Line, Purchase
from loyalty.ledger import Work
from loyalty.lots import Lot
from loyalty.plan import Plan
from loyalty.postings import RESTORED
from loyalty.program import Expiry
from loyalty.reward_news import OPEN, Status, tell
from loyalty.spending import put_back

KIND = "restore"
RETURNED = "returned"


def spent_on(sale: Purchase | PurchaseRecord) -> list[str]:
    """Ids of the redemptions that paid for a sale: the labels of its tenders of type points."""
    labels = (tender.label for tender in sale.tenders if tender.type == POINTS_TENDER and tender.label)
    return list(dict.fromkeys(labels))


def keep_as_long(work: Work, state: State, sale: Purchase, kept_until_us: int | None) -> None:
    """Keep the redemptions that paid for a sale for as long as the sale: it may be long after them."""
    for redemption_id in spent_on(sale):
        key = redemption_key(work.head.member, redemption_id)
        record = state.get(key)
        if isinstance(record, RedemptionRecord) and record.due_us is not None and record.status in OPEN:
            due_us = None if kept_until_us is None else max(record.due_us, kept_until_us)
            if due_us != record.due_us:
                work.writes[key] = record._replace(due_us=due_us)


def restore_spent(
    work: Work, state: State, sale: PurchaseRecord, left_before: tuple[Line, ...], left: tuple[Line, ...], plan: Plan
) -> None:
    """Give back points that paid for goods which come back: their part of the sale, counted over all its returns.

    `plan` is the version of the sale, the lines are what was left of it before and after the return.
    """
    steps: list[dict[str, Any]] = []
    full_only = plan.program.returns.restore_spent == "full_only"
    for redemption_id in spent_on(sale):
        key = redemption_key(work.head.member, redemption_id)
        record = state.get(key)
        if not isinstance(record, RedemptionRecord) or record.status not in OPEN:
            continue
        due = _share_back(record.points, sale.lines, left, full_only=full_only)
        due -= _share_back(record.points, sale.lines, left_before, full_only=full_only)
        back = min(due, record.points - record.restored)
        if back <= 0:
            continue
        record = put_back_last(work, record, back, RESTORED)
        work.writes[key] = record
        steps.append(restored_step(record, back, RETURNED, sale.transaction_id))
        tell(work, record, Status.RESTORED, RETURNED, back)
    work.book(KIND, RETURNED, steps)


def _share_back(points: int, lines: tuple[Line, ...], left: tuple[Line, ...], *, full_only: bool) -> int:
    """How many of the points that paid for `lines` are back when `left` is left of them."""
    if not left:
        return points
    paid = sum(line.amount_minor for line in lines)
    if full_only or not paid:
        return 0
    return points * (paid - sum(line.amount_minor for line in left)) // paid


def put_back_last(work: Work, record: RedemptionRecord, points: int, against: str) -> RedemptionRecord:
    """Put the last used of the points that are not back yet into their lots; `against` is the other side."""
    parts: list[Lot] = []
    skip, wanted = record.restored, points
    for lot in reversed(record.spent):
        skipped = min(skip, lot.left)
        part = min(wanted, lot.left - skipped)
        skip, wanted = skip - skipped, wanted - part
        if part:
            parts.append(lot._replace(left=part))
    rule = record.reward or PAYMENT
    parts = [_with_grace(work, record, lot) for lot in reversed(parts)]
    put_back(work, record.currency, rule, parts, record.until_us, against)
    return record._replace(restored=record.restored + points)


def _with_grace(work: Work, record: RedemptionRecord, lot: Lot) -> Lot:
    """The points with an end of their own, when theirs has passed and the program gives them some more days."""
    grace = work.plan.program.redemptions.grace
    ends_us = lot.ends_us
    if ends_us is None:
        ends_us = work.head.active_until.get(record.currency, record.until_us)
    if grace is None or ends_us is None or ends_us > work.now_us:
        return lot
    return lot._replace(ends_us=max(ends_us, life_end_us(work.time_us, Expiry(grace), work.plan.program.zone)))


def restored_step(record: RedemptionRecord, back: int, why: str, said: str) -> dict[str, Any]:
    """Why points came back, for the entry."""
    step = {"rule": record.reward or PAYMENT, "redemption_id": record.redemption_id, "spent": record.points}
    return {**step, "restored": back, "because": why, **({"said": said} if said else {})}
