"""decide(programs, state, fact, now) -> Decision: the one function that everything else serves.

Pure, synchronous and deterministic; it runs in the worker, in replay, in tests and in what-if runs. The order
of the checks is part of the contract: duplicate, conflict, program in force, late, member, then the decision.

Invariants:
  C1 the same arguments give the same decision, to the byte
  C2 a refused or duplicate event leaves no trace in the account
  C3 only the records that `fetched` fetches are looked at

Not here: decoding and partitions, which come before; writing, which comes after.
"""

from collections.abc import Mapping, Sequence
from typing import assert_never

from loyalty import answers, households, limits
from loyalty.account import (
    CLOSED,
    NOT_ENROLLED_US,
    Head,
    PurchaseRecord,
    State,
)
from loyalty.activities import PUBLISHED, decide_activity, enroll
from loyalty.adjustments import decide_adjustment
from loyalty.between import (
    HouseholdAnswer,
    HouseholdAsk,
    HouseholdEnd,
    HouseholdRequest,
    Joining,
    MergeAnswer,
    MergeAsk,
    MergeRequest,
    Pooled,
    PoolFetch,
    Recoup,
    Transfer,
    TransferRequest,
)
from loyalty.blind import decide_blind
from loyalty.calendar import active_end_us
from loyalty.closing import close
from loyalty.decisions import Code, Decision, Outcome, Refusal, refused
from loyalty.due import caught_up
from loyalty.facts import (
    Adjustment,
    Answer,
    Award,
    Claim,
    Command,
    Engagement,
    Fact,
    MemberUpdate,
    Message,
    Purchase,
    Redemption,
    RedemptionReport,
    Referral,
    Release,
    Restock,
    Return,
    Review,
    Share,
    is_message,
)
from loyalty.fetching import reads
from loyalty.identity import keys_of, remembered, taken_before, untimely
from loyalty.ledger import Work
from loyalty.members import STATUS_ENROLLED, closes, decide_member
from loyalty.memory import key_digest, remember
from loyalty.merging import (
    ask_of_nobody,
    decide_answer,
    decide_ask,
    decide_joining,
    decide_merge,
    is_decided_here,
    moved_on,
    pass_on,
)
from loyalty.occasions import note_activity, watch
from loyalty.parking import park, settled
from loyalty.plan import Plan, Programs
from loyalty.purchases import decide_purchase
from loyalty.redemption import decide_redemption, decide_report, unknown_redemption
from loyalty.referral_returns import came_back, decide_recoup, recoup_of_nobody, take_award, take_back_referral
from loyalty.referrals import decide_referral
from loyalty.restoring import keep_as_long
from loyalty.returns import decide_return
from loyalty.reviews import decide_review
from loyalty.surprises import draw_surprises, take_back_with_purchase, take_back_with_review
from loyalty.transfers import decide_arrival, decide_request, sent_back, turned_away


def decide(programs: Programs, state: State, fact: Fact, now_us: int) -> Decision:
    """What `fact` is worth, decided at `now_us` on the records of `state`.

    Raises LedgerImbalance and other exceptions only for faults of the engine or its configuration.
    """
    if isinstance(fact, limits.OF_LIMITS):
        return limits.decide_limit(programs, state, fact, now_us)
    message = fact if is_message(fact) else None
    keys = reads(fact)
    found = state.get(keys[0])
    head = found if isinstance(found, Head) else None
    event_key, business_key = keys_of(fact)
    if head is not None:
        record = state.get(keys[1]) if len(keys) > 1 else None
        answer = taken_before(head, record, fact, event_key, business_key)
        if answer is not None:
            return answer
    plan = programs.at(fact.time_us) if message is None else programs.named(message.version)
    if plan is None:
        return _no_plan(fact)
    is_new = head is None or head.enrolled_us == NOT_ENROLLED_US
    answer = _turned_down(programs, plan, state, None if is_new else head, fact, now_us)
    if answer is not None:
        return answer
    leg = "" if message is None else message.message_id
    draft, balances = (Head(fact.member, NOT_ENROLLED_US), {}) if head is None else (head.draft(), head.balances)
    work = Work(plan, draft, balances, fact.cause, fact.time_us, now_us, leg)
    timing = programs.timed_at(draft.timed_us)
    if head is None:
        timing = programs.timed_at(now_us)
        draft.timed_us = timing.program.effective_from_us
    if is_new and not _precedes_purchase(state, keys, fact):
        draft.enrolled_us = fact.time_us
        if not closes(fact):
            enroll(work, fact)
    _note_activity(work, fact, timing)
    refusal = _taken_in(programs, work, state, keys, fact, head)
    if refusal is not None:
        return Decision(Outcome.REFUSED, refusal=refusal)
    if timing.has_occasions and (is_new or isinstance(fact, MemberUpdate | Joining)):
        watch(work, timing)
    households.share_out(work)
    refusal = remembered(programs, work, head, fact, event_key, business_key)
    if refusal is not None:
        return sent_back(fact) if isinstance(fact, Transfer) else households.not_taken(fact, refusal)
    decision = work.decision({keys[0]: work.head, **work.writes})
    if work.head.parked and isinstance(fact, Purchase):
        decision = settled(programs, state, decision, fact, now_us)
    return decision if work.head.due_us is None else caught_up(programs, decision, keys[0], now_us)


def _turned_down(
    programs: Programs, plan: Plan, state: State, head: Head | None, fact: Fact, now_us: int
) -> Decision | None:
    """What becomes of a fact that does not go to the account, since there is none or it has ended; or of a late one."""
    if head is not None and head.merged_into and not is_decided_here(state, fact):
        return moved_on(plan, state, head, fact)
    if is_message(fact):
        return _message_turned_down(programs, plan, state, head, fact, now_us)
    refusal = untimely(plan, fact, now_us) or _not_a_member(plan, head, fact)
    return None if refusal is None else Decision(Outcome.REFUSED, refusal=refusal)


def _message_turned_down(
    programs: Programs, plan: Plan, state: State, head: Head | None, fact: Message, now_us: int
) -> Decision | None:
    """The same of what another account says, which is as timely as the event that it follows from."""
    match fact:
        case Transfer():
            return turned_away(plan, head, fact)
        case HouseholdAsk() | HouseholdAnswer() | HouseholdEnd() | PoolFetch() | Pooled():
            return households.turned_away(head, fact)
        case MergeAsk():
            return ask_of_nobody(fact) if head is None else None
        case MergeAnswer() | Joining():
            return None
        case Recoup():
            return recoup_of_nobody(programs, state, fact, now_us) if head is None else None
        case _:
            refusal = _not_a_member(plan, head, fact)
            return None if refusal is None else Decision(Outcome.REFUSED, refusal=refusal)


def _taken_in(
    programs: Programs, work: Work, state: State, keys: Sequence[str], fact: Fact, before: Head | None
) -> Refusal | None:
    """Decide, and send on what that has left in an account that has ended."""
    refusal = _decided(programs, work, state, keys, fact)
    if refusal is None and before is not None and before.merged_into:
        pass_on(work, before)
    return refusal


def _told(programs: Programs, work: Work, state: State, fact: Message) -> Refusal | None:
    """Decide what another account says."""
    match fact:
        case Award():
            return take_award(programs, work, state, fact)
        case Recoup():
            decide_recoup(programs, work, state, fact)
            return None
        case Transfer():
            decide_arrival(work, fact)
            return None
        case MergeAsk():
            decide_ask(work, fact)
            return None
        case MergeAnswer():
            decide_answer(programs, work, fact)
            return None
        case Joining():
            decide_joining(programs, work, state, fact)
            return None
        case Answer():
            return answers.ANSWERED[fact.purpose](programs, work, state, fact)
        case Claim() | Release():
            raise TypeError(f"a {type(fact).__name__} is no matter of a member's account")
        case _:
            households.told(work, fact)
            return None


def _no_plan(fact: Fact) -> Decision:
    if is_message(fact):
        return refused(Code.UNKNOWN_RULE, f"the message is of program version {fact.version!r}: load that version")
    return refused(Code.NO_PROGRAM, "no version of the program is in force at the event's time: check `time`")


def _decided(programs: Programs, work: Work, state: State, keys: Sequence[str], fact: Fact) -> Refusal | None:
    match fact:
        case Purchase():
            return _decided_purchase(programs, work, state, keys, fact)
        case Return():
            return _decided_return(programs, work, state, keys, fact)
        case Review() | Share() | Engagement():
            _decided_activity(programs, work, fact)
            return None
        case MemberUpdate():
            decide_member(work, fact)
            if closes(fact):
                close(work)
                households.end(work, "closed")
            return None
        case Referral():
            return decide_referral(work, fact, came_back(programs, state, fact))
        case Adjustment() | TransferRequest() | MergeRequest() | HouseholdRequest() | Restock():
            return _ordered(programs, work, state, fact)
        case Redemption() | RedemptionReport():
            return _ordered(programs, work, state, fact)
        case _:
            return _told(programs, work, state, fact)


def _ordered(programs: Programs, work: Work, state: State, fact: Command) -> Refusal | None:
    """What the commands topic brings."""
    match fact:
        case Adjustment():
            return decide_adjustment(work, fact)
        case TransferRequest():
            decide_request(work, fact)
            return None
        case MergeRequest():
            return decide_merge(work, fact)
        case HouseholdRequest():
            households.decide_household(work, fact)
            return None
        case Redemption():
            decide_redemption(programs, work, state, fact)
            return None
        case RedemptionReport():
            return decide_report(programs, work, state, fact)
        case Restock():
            raise TypeError("a restock is no matter of a member's account")
        case _:
            assert_never(fact)


def _decided_purchase(
    programs: Programs, work: Work, state: State, keys: Sequence[str], fact: Purchase
) -> Refusal | None:
    kept_until_us = programs.kept_until_us(fact.time_us, work.now_us)
    if fact.tenders:
        keep_as_long(work, state, fact, kept_until_us)
    refusal = decide_purchase(work, fact, keys[1], kept_until_us)
    if refusal is None:
        draw_surprises(work, fact, ACTIVITY[Purchase])
    return refusal


def _decided_activity(programs: Programs, work: Work, fact: Review | Share | Engagement) -> None:
    if isinstance(fact, Review):
        decide_review(programs, work, fact)
        if fact.status != PUBLISHED:
            take_back_with_review(programs, work, fact.review_id)
    else:
        decide_activity(work, fact, ACTIVITY[type(fact)])
    draw_surprises(work, fact, ACTIVITY[type(fact)])


ACTIVITY: Mapping[type, str] = {
    Purchase: "purchase",
    Review: "review",
    Share: "share",
    Referral: "referral",
    Engagement: "engagement",
}


def _note_activity(work: Work, fact: Fact, timing: Plan) -> None:
    """Remember that the member was active, and move the end of points that live as long as that."""
    kind = ACTIVITY.get(type(fact))
    if kind is None or (isinstance(fact, Review) and fact.status != PUBLISHED):
        return
    note_activity(work, kind, fact.time_us, timing)
    if not work.plan.kept_alive_by:
        return
    held = work.head.active_until
    for terms in work.plan.kept_alive_by.get(kind, ()):
        if terms.expiry is not None:
            ends_us = active_end_us(fact.time_us, terms.expiry, work.plan.program.zone)
            # A late event does not shorten what a newer one has given. What comes later, or waits, asks for it too.
            held = {**held, terms.id: max(held.get(terms.id, 0), ends_us)}
            if terms.id in work.head.lots:
                work.is_due_with(terms.id, held[terms.id])
    work.head.active_until = held


def _decided_return(programs: Programs, work: Work, state: State, keys: Sequence[str], fact: Return) -> Refusal | None:
    if not fact.transaction_id:
        if work.plan.program.returns.blind == "refuse":
            return Refusal(
                Code.BLIND_RETURN, "the program takes no return without transaction_id: send that of the purchase"
            )
        decide_blind(work, fact)
        return None
    key = keys[1]
    record = state.get(key)
    if not isinstance(record, PurchaseRecord):
        return park(work, fact)
    plan = programs.of(record.version, f"purchase {fact.transaction_id!r}")
    changed = decide_return(work, state, fact, record, plan)
    if isinstance(changed, Refusal):
        return changed
    taken = remember(record.returns, key_digest("return", fact.return_id), fact.content, work.now_us)
    work.writes[key] = changed._replace(returns=taken)
    take_back_referral(programs, work, changed)
    take_back_with_purchase(programs, work, changed)
    return None


def _not_a_member(plan: Plan, head: Head | None, fact: Fact) -> Refusal | None:
    if head is not None and head.status != CLOSED:
        return None
    if isinstance(fact, Answer):
        # What a limit grants to an account that was closed meanwhile has to go back.
        gone = "the answer of a limit is for an account that is not there"
        return Refusal(Code.NOT_ENROLLED, gone) if head is None else None
    if isinstance(fact, MergeRequest):  # A closed account may end in another: so its points can be used again.
        unknown = Refusal(Code.UNKNOWN_MEMBER, "there is no account of the subject: send the id of the one that ends")
        return unknown if head is None else None
    enrolls = isinstance(fact, MemberUpdate) and fact.status == STATUS_ENROLLED
    if head is None:
        if plan.program.enrollment == "required" and not enrolls:
            return Refusal(
                Code.NOT_ENROLLED, "the program requires enrollment: publish a loyalty.member.v1 `enrolled` first"
            )
        return unknown_redemption(fact) if isinstance(fact, RedemptionReport) else None
    # A closed account answers a redemption as it answers others: with a reason.
    if not closes(fact) and not isinstance(fact, Redemption):
        return Refusal(Code.MEMBER_CLOSED, "the member's account is closed: it takes no more events")
    return None


def _precedes_purchase(state: State, keys: Sequence[str], fact: Fact) -> bool:
    """Whether it is a return that may wait for its purchase: that enrolls nobody."""
    return isinstance(fact, Return) and bool(fact.transaction_id) and keys[1] not in state
