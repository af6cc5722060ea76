"""Redemptions: points are spent on a reward or on paying for a sale, and come back when it comes to nothing.

Invariants:
  S1 a redemption takes all of its points at once, or is refused with a reason and takes none
  S2 lots are used soonest end first; points earned by a sale never pay for the same sale
  S3 points come back into the lots that they came from, with their own ends, the last used first: as if fewer had
     been spent. A debt is paid first; what should have ended by then ends at once, or after the program's grace
  S4 of the points of a redemption, no more come back than were spent, by whatever comes: returns, a cancellation
  S5 nothing here counts towards a tier, or away from it

Not here: what can be redeemed (catalogue.py), what a request comes to (offers.py).
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from loyalty import caps
from loyalty.account import ACTIVE, PurchaseRecord, RedemptionRecord, State, purchase_key, redemption_key
from loyalty.calendar import life_end_us, local_time, shifted_us
from loyalty.catalogue import PAYMENT, Reward
from loyalty.decisions import Code, RedemptionChange, Refusal, RewardOrder, derived_id
from loyalty.earning import POINTS_TENDER
from loyalty.facts import Cause, Line, Purchase, Redemption, RedemptionReport
from loyalty.ledger import NO_BALANCE, Work, lot_id_of
from loyalty.lots import Lot, parsed
from loyalty.offers import Declined, Offer, Reason, limits_id, offered, shown
from loyalty.plan import Plan, Programs
from loyalty.postings import REDEEMED, RESTORED
from loyalty.program import Expiry
from loyalty.purchases import KIND as EARN
from loyalty.spending import put_back, spend

KIND = "redeem"
RESTORE_KIND = "restore"
RETURNED = "returned"
GIFT = "gift"


class Status(StrEnum):
    """Where a redemption stands. AHEAD is of its record alone: it was cancelled before its request came."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    FULFILLED = "fulfilled"
    FAILED = "failed"
    RESTORED = "restored"
    AHEAD = "ahead"


OPEN = frozenset({Status.ACCEPTED, Status.FULFILLED})
"""While a redemption stands so, its points may still come back."""

ORDER_STATUS: Mapping[str, str] = {
    Status.ACCEPTED: "ordered",
    Status.FULFILLED: "fulfilled",
    Status.FAILED: "failed",
    Status.CANCELLED: "returned",
}
"""Status of the redemption -> status of its order."""


# ---------------------------------------------------------------- requests


def decide_redemption(programs: Programs, work: Work, state: State, fact: Redemption) -> None:
    """Take the points and say so, or say why not."""
    key = redemption_key(fact.member, fact.redemption_id)
    answer = _answer(work, state, fact, key)
    if isinstance(answer, Declined):
        _tell_refused(work, fact, answer)
        return
    usable = _usable(work, answer.currency, _own_lot(state, fact, answer.currency))
    until_us = work.head.active_until.get(answer.currency)
    spent = spend(work, answer.currency, answer.points, answer.rule, REDEEMED, usable)
    work.book(KIND, KIND, [{**answer.step, "points": answer.points}])
    if answer.reward is not None and answer.reward.limits:
        local = local_time(fact.time_us, work.plan.program.zone)
        rule = limits_id(answer.rule)
        caps.granted(work.head.counters, rule, answer.reward.limits, fact.quantity, local, fact)
    record = RedemptionRecord(
        fact.redemption_id,
        fact.cause.source,
        fact.cause.id,
        fact.time_us,
        fact.content,
        work.plan.program.version,
        Status.ACCEPTED,
        fact.reward_id,
        fact.quantity,
        answer.currency,
        answer.points,
        answer.value_minor,
        answer.money,
        fact.transaction_id,
        spent,
        until_us,
        0,
        programs.redemption_kept_until_us(fact.time_us, work.now_us),
    )
    work.writes[key] = record
    _tell(work, record, Status.ACCEPTED)
    _order(work, record, answer.reward)


def _answer(work: Work, state: State, fact: Redemption, key: str) -> Offer | Declined:
    if work.head.status != ACTIVE:
        return Declined(Reason.CLOSED, "the member's account is closed")
    if key in state:  # What was accepted is known before: only one that was cancelled ahead is left.
        return Declined(Reason.CANCELLED, "it was cancelled before it was requested: request it anew if it is wanted")

    def available(currency: str) -> int:
        return _available(work, currency, _own_lot(state, fact, currency))

    offer = offered(work, fact, available)
    if isinstance(offer, Declined):
        return offer
    has = available(offer.currency)
    if offer.points > has:
        wanted = shown(work, offer.points, offer.currency)
        return Declined(
            Reason.INSUFFICIENT, f"it takes {wanted}, the member can use {shown(work, has, offer.currency)}"
        )
    return offer


def _own_lot(state: State, fact: Redemption, currency: str) -> str:
    """The lot of what the same sale has earned, "" when it has not been decided yet."""
    sale = state.get(purchase_key(fact.member, fact.transaction_id)) if fact.transaction_id else None
    if not isinstance(sale, PurchaseRecord):
        return ""
    return lot_id_of(Cause(sale.source, sale.event_id, ""), fact.member, EARN, currency)


def _usable(work: Work, currency: str, own_lot: str) -> Callable[[Lot], bool]:
    """Which lots may be used now: by the event's own time, and not the lot of the same sale."""
    active_until = work.head.active_until.get(currency)
    time_us = work.time_us

    def is_usable(lot: Lot) -> bool:
        ends_us = active_until if lot.ends_us is None else lot.ends_us
        return lot.lot_id != own_lot and (ends_us is None or ends_us > time_us)

    return is_usable


def _available(work: Work, currency: str, own_lot: str) -> int:
    available, _ = work.head.balances.get(currency, NO_BALANCE)
    usable = _usable(work, currency, own_lot)
    return min(available, sum(lot.left for lot in parsed(work.head.lots.get(currency, "")) if usable(lot)))


def give_reward(programs: Programs, work: Work, reward: Reward, rule_id: str) -> str:
    """Order one piece of a reward as a gift; answers the redemption's id. Nothing is spent, so nothing comes back.

    Prices, tiers and limits of the catalogue are those of members who redeem: a rule that gives has its own.
    """
    redemption_id = derived_id(work.cause, "gift", work.head.member, rule_id)
    record = RedemptionRecord(
        redemption_id,
        work.cause.source,
        work.cause.id,
        work.time_us,
        b"",
        work.plan.program.version,
        Status.ACCEPTED,
        reward.id,
        1,
        reward.currency,
        money=work.plan.program.money,
        due_us=programs.redemption_kept_until_us(work.time_us, work.now_us),
    )
    work.writes[redemption_key(work.head.member, redemption_id)] = record
    _tell(work, record, Status.ACCEPTED, GIFT)
    _order(work, record, reward)
    return redemption_id


# ---------------------------------------------------------------- what becomes of them


def decide_report(programs: Programs, work: Work, state: State, fact: RedemptionReport) -> Refusal | None:
    """Take a cancellation or a delivery partner's report."""
    key = redemption_key(fact.member, fact.redemption_id)
    record = state.get(key)
    if not isinstance(record, RedemptionRecord) or record.status == Status.AHEAD:
        return _unknown(programs, work, fact, key)
    plan = programs.named(record.version)
    if plan is None:
        raise LookupError(f"redemption {record.redemption_id!r} is of version {record.version!r}: not loaded")
    keep = plan.program.redemptions.keep
    if keep is not None and fact.time_us >= shifted_us(record.time_us, keep, plan.program.zone):
        return Refusal(
            Code.REDEMPTION_TOO_OLD,
            f"redemption {fact.redemption_id!r} is older than `redemptions.keep`: correct the points by hand",
        )
    is_late = fact.status == Status.FULFILLED and record.status != Status.ACCEPTED
    if is_late or record.status not in OPEN:
        return Refusal(
            Code.REDEMPTION_OVER,
            f"redemption {fact.redemption_id!r} is {record.status} already: there is nothing more to do",
        )
    back = 0
    if fact.status != Status.FULFILLED:
        back = record.points - record.restored
        record = _put_back(work, record, back)
        work.book(RESTORE_KIND, fact.status, [_restored_step(record, back, fact.status, fact.reason)] if back else [])
        _free_limits(work, plan, record)
    record = record._replace(status=fact.status)
    work.writes[key] = record
    _tell(work, record, fact.status, fact.reason, back)
    _order(work, record, plan.rewards.get(record.reward))
    return None


def unknown_redemption(fact: RedemptionReport) -> Refusal:
    """No redemption of that id is known; nobody becomes a member by one."""
    return Refusal(
        Code.UNKNOWN_REDEMPTION,
        f"no redemption {fact.redemption_id!r} of this member is known: send the redemption_id and member of its order",
    )


def _unknown(programs: Programs, work: Work, fact: RedemptionReport, key: str) -> Refusal | None:
    """A cancellation may overtake its request, which is then refused; nothing else comes before it."""
    if fact.status != Status.CANCELLED:
        return unknown_redemption(fact)
    remembered_us = programs.remembered_us
    record = RedemptionRecord(
        fact.redemption_id,
        fact.cause.source,
        fact.cause.id,
        fact.time_us,
        b"",
        work.plan.program.version,
        Status.AHEAD,
        due_us=None if remembered_us is None else work.now_us + remembered_us,
    )
    work.writes[key] = record
    _tell(work, record, Status.CANCELLED, "not_requested")
    return None


def _free_limits(work: Work, plan: Plan, record: RedemptionRecord) -> None:
    reward = plan.rewards.get(record.reward)
    if reward is not None and reward.limits and record.points:  # a gift used none of them
        local = local_time(record.time_us, plan.program.zone)
        caps.freed(work.head.counters, limits_id(reward.id), reward.limits, record.quantity, 1, local, record)


# ---------------------------------------------------------------- points that come back


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
        record = _put_back(work, record, back)
        work.writes[key] = record
        steps.append(_restored_step(record, back, RETURNED, sale.transaction_id))
        _tell(work, record, Status.RESTORED, RETURNED, back)
    work.book(RESTORE_KIND, RETURNED, steps)


def _share_back(points: int, lines: tuple[Line, ...], left: tuple[Line, ...], *, full_only: bool) -> int:
    """How many of the points that paid for `lines` are back when `left` is left of them."""
    if not left:
        return points
    paid = sum(line.amount_minor for line in lines)
    if full_only or not paid:
        return 0
    return points * (paid - sum(line.amount_minor for line in left)) // paid


def _put_back(work: Work, record: RedemptionRecord, points: int) -> RedemptionRecord:
    """Put the last used of the points that are not back yet into their lots."""
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
    put_back(work, record.currency, rule, parts, record.until_us, RESTORED)
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


def _restored_step(record: RedemptionRecord, back: int, why: str, said: str) -> dict[str, Any]:
    step = {"rule": record.reward or PAYMENT, "redemption_id": record.redemption_id, "spent": record.points}
    return {**step, "restored": back, "because": why, **({"said": said} if said else {})}


# ---------------------------------------------------------------- what others are told


def _tell_refused(work: Work, fact: Redemption, declined: Declined) -> None:
    record = RedemptionRecord(
        fact.redemption_id,
        fact.cause.source,
        fact.cause.id,
        fact.time_us,
        b"",
        work.plan.program.version,
        Status.REFUSED,
        fact.reward_id,
        fact.quantity,
        transaction_id=fact.transaction_id,
    )
    _tell(work, record, Status.REFUSED, declined.reason, message=declined.message)


def _tell(
    work: Work, record: RedemptionRecord, status: str, reason: str = "", restored: int = 0, message: str = ""
) -> None:
    head = work.head
    head.rewards_sequence += 1
    work.rewards.append(
        RedemptionChange(
            derived_id(work.cause, "redemption", head.member, record.redemption_id, status),
            head.member,
            work.plan.program.id,
            record.redemption_id,
            str(status),
            str(reason),
            message,
            record.reward,
            record.quantity,
            record.currency,
            record.points,
            restored,
            record.value_minor,
            record.money,
            record.transaction_id,
            work.cause,
            work.time_us,
            work.now_us,
            head.rewards_sequence,
        )
    )


def _order(work: Work, record: RedemptionRecord, reward: Reward | None) -> None:
    """Tell the delivery partner what to do; nobody has to do anything about a payment."""
    if reward is None:
        return
    head = work.head
    head.rewards_sequence += 1
    request = Cause(record.source, record.event_id, "")
    work.rewards.append(
        RewardOrder(
            derived_id(work.cause, "order", head.member, record.redemption_id, record.status),
            head.member,
            work.plan.program.id,
            derived_id(request, "order", head.member, record.redemption_id),
            record.redemption_id,
            ORDER_STATUS[record.status],
            reward.id,
            reward.name,
            reward.kind,
            reward.sku,
            record.quantity,
            reward.face_value_minor,
            record.money,
            work.cause,
            work.time_us,
            work.now_us,
            head.rewards_sequence,
        )
    )
