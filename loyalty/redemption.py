"""Redemptions: points are spent on a reward or on paying for a sale, and go back when it comes to nothing.

Invariants:
  S1 a redemption takes all of its points at once, or is refused with a reason and takes none
  S2 lots are used soonest end first; points earned by a sale never pay for the same sale
  S3 nothing here counts towards a tier, or away from it
  S4 where there is a stock, points are held from the request until the stock has answered, once: then they are spent,
     or back. Units of a redemption that came to nothing go back to the stock

Not here: what can be redeemed (catalogue.py), what a request comes to (offers.py), how points come back (restoring.py).
"""

from collections.abc import Callable, Mapping

from loyalty import caps, restoring
from loyalty.account import CLOSED, PurchaseRecord, RedemptionRecord, State, purchase_key, redemption_key
from loyalty.calendar import local_time, shifted_us
from loyalty.closing import let_end
from loyalty.decisions import Code, Posting, Refusal
from loyalty.facts import Answer, Cause, Redemption, RedemptionReport
from loyalty.ledger import NO_BALANCE, Work, lot_id_of
from loyalty.limits import STOCK, claim, limit_id, release
from loyalty.lots import Lot, parsed
from loyalty.offers import Declined, Offer, Reason, limits_id, offered, shown
from loyalty.plan import Plan, Programs
from loyalty.postings import HELD, REDEEMED, RESTORED
from loyalty.purchases import KIND as EARN
from loyalty.referrals import KIND as REFERRAL
from loyalty.restoring import put_back_last, restore_spent, restored_step
from loyalty.returns import remaining
from loyalty.reward_news import GIFT, OPEN, Status, order, tell
from loyalty.spending import spend
from loyalty.surprises import KIND as SURPRISE

KIND = "redeem"
HOLD_KIND = "hold"
PURPOSE = "redemption"
"""What claims on stocks say that they are for."""

REPORTABLE: Mapping[str, frozenset[str]] = {
    Status.CANCELLED: OPEN | {Status.HELD},
    Status.FULFILLED: frozenset({Status.ACCEPTED}),
    Status.FAILED: OPEN,
}
"""What is reported -> how the redemption has to stand."""

# ---------------------------------------------------------------- requests


def decide_redemption(programs: Programs, work: Work, state: State, fact: Redemption) -> None:
    """Take the points and say so, or say why not."""
    key = redemption_key(fact.member, fact.redemption_id)
    answer = _answer(programs, work, state, fact, key)
    if isinstance(answer, Declined):
        _tell_refused(work, fact, answer)
        return
    usable = _usable(work, answer.currency, _own_lots(programs, state, fact, answer.currency))
    until_us = work.head.active_until.get(answer.currency)
    stock = limit_id(STOCK, answer.rule)
    waits = answer.reward is not None and stock in work.plan.program.limits
    spent = spend(work, answer.currency, answer.points, answer.rule, HELD if waits else REDEEMED, usable)
    kind = HOLD_KIND if waits else KIND
    work.book(kind, kind, [{**answer.step, "points": answer.points}])
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
        Status.HELD if waits else Status.ACCEPTED,
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
        claim(work, stock, fact.quantity, PURPOSE, fact.redemption_id, fact.transaction_id) if waits else "",
        due_us=programs.redemption_kept_until_us(fact.time_us, work.now_us),
    )
    work.writes[key] = record
    if not waits:
        _accepted(programs, work, state, record)


def _answer(programs: Programs, work: Work, state: State, fact: Redemption, key: str) -> Offer | Declined:
    if work.head.status == CLOSED:
        return Declined(Reason.CLOSED, "the member's account is closed")
    if key in state:  # What was accepted is known before: only one that was cancelled ahead is left.
        return Declined(Reason.CANCELLED, "it was cancelled before it was requested: request it anew if it is wanted")

    def available(currency: str) -> int:
        return _available(work, currency, _own_lots(programs, state, fact, currency))

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


def _own_lots(programs: Programs, state: State, fact: Redemption, currency: str) -> frozenset[str]:
    """The lots of what the same sale has earned: by its rules, as a referral, by a surprise. Not of a welcome."""
    sale = state.get(purchase_key(fact.member, fact.transaction_id)) if fact.transaction_id else None
    if not isinstance(sale, PurchaseRecord):
        return frozenset()
    plan = programs.named(sale.version)
    surprises = () if plan is None else plan.program.surprises
    kinds = (EARN, REFERRAL, *(f"{SURPRISE}:{rule.id}" for rule in surprises))
    cause = Cause(sale.source, sale.event_id, "")
    return frozenset(lot_id_of(cause, fact.member, kind, currency) for kind in kinds)


def _usable(work: Work, currency: str, own_lots: frozenset[str]) -> Callable[[Lot], bool]:
    """Which lots may be used now: by the event's own time, and not the lot of the same sale."""
    active_until = work.head.active_until.get(currency)
    time_us = work.time_us

    def is_usable(lot: Lot) -> bool:
        ends_us = active_until if lot.ends_us is None else lot.ends_us
        return lot.lot_id not in own_lots and (ends_us is None or ends_us > time_us)

    return is_usable


def _available(work: Work, currency: str, own_lots: frozenset[str]) -> int:
    available, _ = work.head.balances.get(currency, NO_BALANCE)
    usable = _usable(work, currency, own_lots)
    return min(available, sum(lot.left for lot in parsed(work.head.lots.get(currency, "")) if usable(lot)))


def _accepted(programs: Programs, work: Work, state: State, record: RedemptionRecord) -> None:
    """Say so. What has come back already of the sale that it pays for brings its part of the points back."""
    tell(work, record, Status.ACCEPTED, "" if record.points else GIFT)
    order(work, record, work.plan.rewards.get(record.reward))
    sale = state.get(purchase_key(work.head.member, record.transaction_id)) if record.transaction_id else None
    if not isinstance(sale, PurchaseRecord) or not sale.returned:
        return
    plan = programs.of(sale.version, f"purchase {sale.transaction_id!r}")
    key = redemption_key(work.head.member, record.redemption_id)
    restore_spent(work, {key: record}, sale, sale.lines, remaining(sale.lines, sale.returned), plan)


def answered(programs: Programs, work: Work, state: State, fact: Answer) -> None:
    """Spend what is held when the stock has granted it, or put it back."""
    key = redemption_key(fact.member, fact.key)
    record = state.get(key)
    if not isinstance(record, RedemptionRecord) or record.status != Status.HELD:
        if fact.granted:  # It was cancelled meanwhile.
            release(work, fact.from_member, fact.claim_id)
        return
    if fact.granted and work.head.status != CLOSED:  # Of one that has ended, what is decided goes on.
        rule, currency, points = record.reward, record.currency, record.points
        if points:
            work.postings += [Posting(HELD, currency, -points, rule, ""), Posting(REDEEMED, currency, points, rule, "")]
        granted = {"rule": rule, "redemption_id": record.redemption_id, "granted": fact.units, "points": points}
        work.book(KIND, KIND, [granted])
        record = record._replace(status=Status.ACCEPTED)
        work.writes[key] = record
        _accepted(programs, work, state, record)
        return
    reason, message = str(Reason.OUT_OF_STOCK), f"fewer than {fact.units} are left of {record.reward}"
    if fact.granted:
        reason, message = str(Reason.CLOSED), "the member's account was closed meanwhile"
        release(work, fact.from_member, fact.claim_id)
    record = put_back_last(work, record, record.points, HELD)
    work.book(restoring.KIND, reason, [restored_step(record, record.points, reason, "")])
    _free_limits(work, work.plan, record)
    work.writes[key] = None  # As of every redemption that is refused.
    tell(work, record._replace(points=0), Status.REFUSED, reason, message=message)
    if work.head.status == CLOSED:
        let_end(work)


# ---------------------------------------------------------------- what becomes of them


def decide_report(programs: Programs, work: Work, state: State, fact: RedemptionReport) -> Refusal | None:
    """Take a cancellation or a delivery partner's report."""
    key = redemption_key(fact.member, fact.redemption_id)
    record = state.get(key)
    if not isinstance(record, RedemptionRecord) or record.status == Status.AHEAD:
        return _unknown(programs, work, fact, key)
    plan = programs.of(record.version, f"redemption {record.redemption_id!r}")
    keep = plan.program.redemptions.keep
    if keep is not None and fact.time_us >= shifted_us(record.time_us, keep, plan.program.zone):
        return Refusal(
            Code.REDEMPTION_TOO_OLD,
            f"redemption {fact.redemption_id!r} is older than `redemptions.keep`: correct the points by hand",
        )
    if record.status == Status.HELD and fact.status != Status.CANCELLED:
        return Refusal(
            Code.UNKNOWN_REDEMPTION,
            f"the stock is still being asked for redemption {fact.redemption_id!r}: send the report when it is ordered",
        )
    if record.status not in REPORTABLE[fact.status]:
        return Refusal(
            Code.REDEMPTION_OVER,
            f"redemption {fact.redemption_id!r} is {record.status} already: there is nothing more to do",
        )
    back = 0
    if fact.status != Status.FULFILLED:
        back = record.points - record.restored
        record = put_back_last(work, record, back, HELD if record.status == Status.HELD else RESTORED)
        work.book(restoring.KIND, fact.status, [restored_step(record, back, fact.status, fact.reason)] if back else [])
        _free_limits(work, plan, record)
        if record.claim_id and record.status != Status.HELD:  # else when its answer comes
            release(work, limit_id(STOCK, record.reward), record.claim_id)
    was_ordered = record.status != Status.HELD
    record = record._replace(status=fact.status)
    work.writes[key] = record
    tell(work, record, fact.status, fact.reason, back)
    if was_ordered:
        order(work, record, plan.rewards.get(record.reward))
    return None


def unknown_redemption(fact: RedemptionReport) -> Refusal:
    """No redemption of that id is known; nobody becomes a member by one."""
    return Refusal(
        Code.UNKNOWN_REDEMPTION,
        f"no redemption {fact.redemption_id!r} of this member is known: send the redemption_id and member of its order",
    )


def _unknown(programs: Programs, work: Work, fact: RedemptionReport, key: str) -> Refusal | None:
    """A cancellation may overtake its request, which is then refused; nothing else does, nor after a merge."""
    if fact.status != Status.CANCELLED:
        return unknown_redemption(fact)
    if work.head.absorbed:  # It may be with one of those, where nothing that is kept here would stop it.
        return Refusal(
            Code.UNKNOWN_REDEMPTION,
            f"no redemption {fact.redemption_id!r} is known here, where other accounts have ended: send the id that "
            "asked for it as the subject, or this again when its request has come",
        )
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
    tell(work, record, Status.CANCELLED, "not_requested")
    return None


def _free_limits(work: Work, plan: Plan, record: RedemptionRecord) -> None:
    local = local_time(record.time_us, plan.program.zone)
    if record.gift_of:  # Nothing was there to give; what was ordered stays counted, whatever becomes of it.
        if record.status == Status.HELD:
            for rule in plan.program.activity_rules:
                if rule.id == record.gift_of:
                    caps.freed(work.head.counters, rule.id, rule.caps, 1, 1, local, record)
        return
    reward = plan.rewards.get(record.reward)
    if reward is not None and reward.limits:
        caps.freed(work.head.counters, limits_id(reward.id), reward.limits, record.quantity, 1, local, record)


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
    tell(work, record, Status.REFUSED, declined.reason, message=declined.message)
