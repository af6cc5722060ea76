"""What time alone does to an account: points mature and end, tiers are reviewed, parked returns are given up.

An account says in `due_us` when it has to be looked at next, so that a batch costs what is due and not what exists.
That instant may be too early, never too late: whoever adds something with an instant moves it forward, and only a
look at the whole account moves it back. It was worked out by one version of the program; when a version starts that
times things otherwise, the account is looked at as well, whatever it says, and then goes by that version.

Invariants:
  U1 instants are taken in their order, each as a decision of its own, at the time when it was due
  U2 after `decide_due` the account's `due_us` lies behind `now_us`, or the next call goes on from there
  U3 deciding again what has been decided changes nothing
  U4 each instant is decided by the version that is in force then, however late that is

Not here: who is due (the worker's index of instants).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from loyalty.account import ACTIVE, NOT_ENROLLED_US, Head, Maturing, Record, State
from loyalty.calendar import DAY_US, local_time, notice_us
from loyalty.decisions import Decision, Outcome, Posting
from loyalty.facts import Cause
from loyalty.households import share_out
from loyalty.ledger import NO_BALANCE, Work
from loyalty.lots import Lot, joined, parsed, put_back
from loyalty.memory import key_digest
from loyalty.occasions import keep, moments
from loyalty.parking import given_up
from loyalty.postings import DEBT, EXPIRED, available_of, pending_of
from loyalty.standing import raise_tier, settle
from loyalty.tier_life import review_tier, risk_told_us, tell_at_risk

if TYPE_CHECKING:
    from loyalty.plan import Plan, Programs

SOURCE = "/loyalty/time"
TYPE = "loyalty.due.v1"
"""Source and type of the cause: no event, but the clock."""

MATURITY = "maturity"
EXPIRY = "expiry"
POINTS_EXPIRING = "points_expiring"

ENTRY_LOTS_MAX = 1_000
"""Lots that one entry books, so that entries stay bounded."""


def look_us(programs: "Programs", record: Record) -> int | None:
    """When the record has to be looked at next; None: never, as far as is known."""
    if not isinstance(record, Head):
        return record.due_us
    start_us = programs.start_after(record.timed_us)
    if start_us is None or record.due_us is None:
        return record.due_us if start_us is None else start_us
    return min(start_us, record.due_us)


def is_due(programs: "Programs", record: Record, now_us: int) -> bool:
    """Whether the record has to be looked at."""
    at_us = look_us(programs, record)
    return at_us is not None and at_us <= now_us


def decide_due(programs: "Programs", state: State, key: str, now_us: int) -> Decision:
    """Decide the earliest of what is due in the record under `key`; it may be due again at once.

    A record that nobody can ask for any more is dropped.
    """
    record = state[key]
    if not isinstance(record, Head):
        return Decision(Outcome.APPLIED, {key: None})
    draft = record.draft()
    timing = programs.timed_at(draft.timed_us)
    at_us = min(_instants(draft, timing), default=None)
    start_us = programs.start_after(draft.timed_us)
    if start_us is not None and start_us <= now_us and (at_us is None or start_us <= at_us):
        draft.timed_us = start_us
        draft.due_us = min(_instants(draft, programs.timed_at(start_us)), default=None)
        return Decision(Outcome.APPLIED, {key: draft})
    if at_us is None or at_us > now_us:
        draft.due_us = at_us
        return Decision(Outcome.APPLIED, {key: draft})
    plan = programs.at(at_us) or timing
    # A late event may bring back an instant that has been decided: the sequence keeps the ids apart. An id is bounded,
    # so a digest stands for the member.
    sequence = draft.ledger_sequence + draft.notices_sequence + draft.tiers_sequence
    cause = Cause(SOURCE, f"{at_us}/{key_digest('due', draft.member).hex()}/{sequence}", TYPE)
    work = Work(plan, draft, record.balances, cause, at_us, now_us)
    _mature(work, programs)
    _expire(work)
    dead = given_up(work)
    review_tier(work)
    # By the version that times the account: what an older one does not tell would stay due for ever.
    tell_at_risk(work, timing)
    _give_notice(work, timing)
    keep(programs, work, timing)
    if programs.remembered_us is not None:
        # A return that is in time may come late.
        oldest_us = at_us - programs.returnable_us - programs.remembered_us
        draft.expired = {lot: held for lot, held in draft.expired.items() if held[1] > oldest_us}
    share_out(work)
    draft.due_us = min(_instants(draft, timing), default=None)
    return work.decision({key: None if _only_waited(draft) else draft, **work.writes}, dead)


def put_off(programs: "Programs", record: Record, now_us: int) -> Record:
    """The record, to be looked at a day later: what is due in it could not be decided."""
    later_us = now_us + DAY_US
    if not isinstance(record, Head):
        return record._replace(due_us=later_us)
    timed_us = max(record.timed_us, programs.timed_at(now_us).program.effective_from_us)
    return replace(record, due_us=later_us, timed_us=timed_us)


def _only_waited(head: Head) -> bool:
    """Whether the account was there for parked returns alone, and none is left."""
    return head.enrolled_us == NOT_ENROLLED_US and not head.parked


def caught_up(programs: "Programs", decision: Decision, key: str, now_us: int) -> Decision:
    """The decision, and after it what it left due under `key`: a late event may bring points whose life has ended.

    What fails is no matter of the event's: it stays due, and who looks at the account next meets the fault again.
    """
    head = decision.writes.get(key)
    while isinstance(head, Head) and is_due(programs, head, now_us):
        try:
            later = decide_due(programs, decision.writes, key, now_us)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 whatever it is, the event that was decided stands
            return decision
        decision = decision.followed_by(later)
        head = decision.writes[key]
    return decision


def _instants(head: Head, plan: "Plan") -> Iterator[int]:
    """All instants at which something happens to the account by itself."""
    for one in head.maturing:
        yield one.matures_us
    for waiting in head.parked:
        yield waiting.until_us
    if head.tier_review_us is not None:
        yield head.tier_review_us
        told_us = risk_told_us(head, plan)
        if told_us is not None:
            yield told_us
    for moment in moments(head, plan):
        yield moment.at_us
    for currency in head.lots:
        for end in _ends(head, currency):
            yield end.ends_us
            told_us = _told_us(head, plan, currency, end)
            if told_us is not None:
                yield told_us


class _End(NamedTuple):
    """So many points end at an instant; the first of them were earned at `earned_us`."""

    ends_us: int
    points: int
    earned_us: int


def _ends(head: Head, currency: str) -> list[_End]:
    """When points of a currency end, in that order."""
    found: dict[int, _End] = {}
    for lot in parsed(head.lots[currency]):
        ends_us = _end_of(head, currency, lot)
        if ends_us is not None:
            same = found.get(ends_us)
            points, earned_us = (0, lot.earned_us) if same is None else same[1:]
            found[ends_us] = _End(ends_us, points + lot.left, min(earned_us, lot.earned_us))
    return sorted(found.values())


def _end_of(head: Head, currency: str, lot: Lot) -> int | None:
    return head.active_until.get(currency) if lot.ends_us is None else lot.ends_us


def _told_us(head: Head, plan: "Plan", currency: str, end: _End) -> int | None:
    """When the member is told of points that end, not before they were earned; None when never, or done."""
    terms = plan.currencies.get(currency)
    if terms is None or terms.expiry is None or terms.expiry.notice is None or head.status != ACTIVE:
        return None
    if end.ends_us <= head.noticed.get(currency, -1):
        return None
    return max(end.earned_us, notice_us(end.ends_us, terms.expiry.notice, plan.program.zone))


def _mature(work: Work, programs: "Programs") -> None:
    head = work.head
    mature = [one for one in head.maturing if one.matures_us <= work.time_us]
    if not mature:
        return
    head.maturing = tuple(one for one in head.maturing if one.matures_us > work.time_us)
    plans = [programs.named(one.version) or work.plan for one in mature]
    for one, plan in zip(mature, plans, strict=True):
        if one.lot.left:
            _mature_lot(work, one, plan)
    steps = [_step(MATURITY, one.currency, one.lot) for one in mature if one.lot.left]
    work.book("mature", MATURITY, steps)
    for one, plan in zip(mature, plans, strict=True):
        if plan.program.tiers is None or not one.qualifies:
            continue
        # They count for the period in which they were earned, as what comes late does.
        local = local_time(one.lot.earned_us, plan.program.zone)
        settle(work, plan, local, one.qualifies)
        if head.status == ACTIVE:
            raise_tier(work, local, "qualified")


def _mature_lot(work: Work, one: Maturing, plan: "Plan") -> None:
    """Make pending points of one lot spendable: they pay a debt first. `plan` is the version of their earning."""
    head, currency, lot = work.head, one.currency, one.lot
    owed = head.debts.get(currency, 0)
    paid = min(owed, lot.left)
    available = available_of(head.member)
    work.postings.append(Posting(pending_of(head.member), currency, -lot.left, MATURITY, lot.lot_id))
    if paid:
        work.postings.append(Posting(available, currency, paid, MATURITY, DEBT))
        head.debts[currency] = owed - paid
        if owed == paid:
            del head.debts[currency]
    if lot.left > paid:
        work.postings.append(Posting(available, currency, lot.left - paid, MATURITY, lot.lot_id))
        head.lots[currency] = put_back(head.lots.get(currency, ""), lot._replace(left=lot.left - paid))
        if lot.ends_us is None:
            work.end_of_life(currency, lot.earned_us, plan)
    work.move(currency, lot.left, -lot.left)


def _expire_lot(work: Work, currency: str, lot: Lot) -> None:
    """Book the end of a lot, which the account holds no more."""
    work.postings.append(Posting(EXPIRED, currency, lot.left, EXPIRY, ""))
    work.postings.append(Posting(available_of(work.head.member), currency, -lot.left, EXPIRY, lot.lot_id))
    work.move(currency, -lot.left)


def _expire(work: Work) -> None:
    head = work.head
    gone: list[tuple[str, Lot]] = []
    for currency in list(head.lots):
        left: list[Lot] = []
        before = len(gone)
        for lot in parsed(head.lots[currency]):
            if _is_over(_end_of(head, currency, lot), work.time_us):
                gone.append((currency, lot))
            else:
                left.append(lot)
        if left and len(gone) > before:
            head.lots[currency] = joined(left)
        elif not left:
            del head.lots[currency]
    head.active_until = {currency: ends_us for currency, ends_us in head.active_until.items() if ends_us > work.time_us}
    for number, first in enumerate(range(0, len(gone), ENTRY_LOTS_MAX)):
        some = gone[first : first + ENTRY_LOTS_MAX]
        steps = []
        for currency, lot in some:
            _expire_lot(work, currency, lot)
            steps.append(_step(EXPIRY, currency, lot))
        work.book("expire", f"{EXPIRY}:{number}" if number else EXPIRY, steps)
    if gone:
        expired = dict(head.expired)
        for _, lot in gone:
            # A return may have moved points back into a lot that had ended.
            already, _ = expired.get(lot.lot_id, NO_BALANCE)
            expired[lot.lot_id] = (already + lot.left, lot.earned_us)
        head.expired = expired


def _step(rule: str, currency: str, lot: Lot) -> dict[str, Any]:
    return {"rule": rule, "lot": lot.lot_id, "currency": currency, "points": lot.left, "earned_us": lot.earned_us}


def _is_over(ends_us: int | None, at_us: int) -> bool:
    return ends_us is not None and ends_us <= at_us


def _give_notice(work: Work, plan: "Plan") -> None:
    head = work.head
    told: dict[str, int] = {}
    for currency in head.lots:
        for end in _ends(head, currency):
            told_us = _told_us(head, plan, currency, end)
            if told_us is not None and told_us <= work.time_us:
                told[currency] = end.ends_us
                work.notify(POINTS_EXPIRING, {"currency": currency, "points": end.points, "ends_us": end.ends_us})
    if told:
        head.noticed = {**head.noticed, **told}
