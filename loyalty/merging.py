"""Merging two accounts: one ends, and all that it has goes to the other, the survivor.

The account that is to end asks first. The survivor answers whether it is there, and does not end itself before all has
arrived: so merges can make chains, but no circles. Then the account ends, and its content travels in parts.

What comes later for the account that has ended goes to the survivor (decide.py), but for what needs the records that
stayed: a return of an old purchase is decided there, and what it takes back or gives travels on. An account that has
ended keeps nothing.

Invariants:
  M1 what the ended account held is what arrives: lots with their ends, pending points, debts; to the point
  M2 no circle: an account that is ending takes nobody in, and one that is taking somebody in does not end
  M3 once-only stays once: limits count together, and the memory of what was taken goes along
  M4 the tier is the highest that either had or that the sums now reach

Not here: the content and its parts (joining.py).
"""

from typing import TYPE_CHECKING, Any

from loyalty import answers, following
from loyalty.account import ACTIVE, MERGED, Head, State, award_key, purchase_key, redemption_key
from loyalty.between import Joining, MergeAnswer, MergeAsk, MergeRequest, Recoup
from loyalty.closing import let_end
from loyalty.decisions import Code, Decision, Outcome, Refusal, derived_id, refused
from loyalty.facts import Answer, Award, Fact, Purchase, Redemption, RedemptionReport, Return
from loyalty.identity import ACCOUNT_CHARS_MAX, chars
from loyalty.joining import contents, join, swept
from loyalty.ledger import Work
from loyalty.members import closes
from loyalty.referral_returns import take_back_all
from loyalty.ties import Promise

if TYPE_CHECKING:
    from loyalty.plan import Plan, Programs

KIND = "merge"
MERGED_IN = "merge_received"
REFUSED = "merge_refused"
DONE = "merge_done"

ENTRY_POSTINGS_MAX = 2_000
"""From how many postings on another entry is begun, so that entries stay bounded."""

ABSORBED_MAX = 50
"""How many ids one account may have taken in, all together."""


def decide_merge(work: Work, fact: MergeRequest) -> Refusal | None:
    """Ask the survivor; or say why not."""
    head = work.head
    if fact.into == fact.member:
        return Refusal(Code.SELF_MERGE, "into is the account itself, the event's subject: send the other member's id")
    if head.leaving or head.promised:
        return Refusal(Code.MERGE_UNDER_WAY, "the account is being merged already: send it again when that is done")
    if head.household is not None:
        name = head.household.household_id
        said = f"the account is in household {name!r}: publish loyalty.household.v1 `left` for it first"
        return Refusal(Code.IN_HOUSEHOLD, said)
    head.leaving = fact.merge_id
    ids = (fact.member, *head.absorbed)
    message_id = derived_id(work.cause, "merge-ask", fact.member)
    work.messages.append(MergeAsk(*work.heading(fact.into, message_id), fact.merge_id, len(ids), chars(head)))
    return None


def decide_ask(work: Work, fact: MergeAsk) -> None:
    """Say whether this account takes the other in, and promise to stay until it has."""
    head = work.head
    reason = ""
    if fact.from_member == fact.member:
        reason = "merged_before"
    elif head.status != ACTIVE:
        reason = "closed"
    elif head.leaving:
        reason = "under_way"
    elif len(head.absorbed) + fact.ids + sum(one.ids for one in head.promised) > ABSORBED_MAX:
        reason = "too_many"
    elif chars(head) + fact.chars + sum(one.chars for one in head.promised) > ACCOUNT_CHARS_MAX:
        reason = "too_large"
    else:
        head.promised = (*head.promised, Promise(fact.from_member, fact.ids, fact.chars))
    _answer(work, fact, reason)


def _answer(work: Work, fact: MergeAsk, reason: str) -> None:
    message_id = derived_id(fact.cause, "merge-answer", fact.member)
    told = MergeAnswer(*work.heading(fact.from_member, message_id), fact.merge_id, reason, work.head.absorbed)
    work.messages.append(told)


def ask_of_nobody(fact: MergeAsk) -> Decision:
    """Nobody is merged into an account that is not there."""
    message_id = derived_id(fact.cause, "merge-answer", fact.member)
    heading = (fact.cause, fact.from_member, fact.time_us, b"", b"", message_id, fact.member, fact.version)
    return Decision(Outcome.APPLIED, messages=(MergeAnswer(*heading, fact.merge_id, "unknown", ()),))


def decide_answer(programs: "Programs", work: Work, fact: MergeAnswer) -> None:
    """End the account if the survivor takes it in; else say why it does not."""
    head = work.head
    if head.leaving != fact.merge_id:
        return
    head.leaving = ""
    into = fact.from_member
    if fact.reason:
        work.notify(REFUSED, {"merge_id": fact.merge_id, "into": into, "reason": fact.reason})
        return
    link = head.referral
    ids = {into, *fact.absorbed, head.member, *head.absorbed}
    if link is not None and link.referrer in ids:
        take_back_all(programs, work, link)
    work.notify(DONE, {"merge_id": fact.merge_id, "into": into})
    step = {"rule": KIND, "merge_id": fact.merge_id, "into": into}
    parts: list[tuple[str, str]] = []
    for part in contents(work):
        if len(work.postings) > ENTRY_POSTINGS_MAX:
            work.book(KIND, f"ended:{len(parts)}", [step])
        parts.append(part)
    work.book(KIND, "ended", [step])
    _send(work, into, fact.merge_id, parts, ends=True)
    head.status, head.merged_into = MERGED, into
    head.tier_until_us = head.tier_review_us = None
    head.tier_rises = ()


def _send(work: Work, into: str, merge_id: str, parts: list[tuple[str, str]], *, ends: bool) -> None:
    for number, (kind, content) in enumerate(parts):
        message_id = derived_id(work.cause, "joining", work.head.member, work.leg, str(number))
        is_last = ends and number == len(parts) - 1
        work.messages.append(Joining(*work.heading(into, message_id), merge_id, kind, content, is_last))


def decide_joining(programs: "Programs", work: Work, state: State, fact: Joining) -> None:
    """Take in a part of what the other account had."""
    if fact.kind == following.KIND:
        following.take_in(work, state, fact)
        return
    head = work.head
    step: dict[str, Any] = {"rule": KIND, "merge_id": fact.merge_id, "from_member": fact.from_member}
    join(programs, work, fact, step)
    work.book(KIND, fact.kind, [step] if work.postings else [])
    if head.status != ACTIVE:
        let_end(work)
    if not fact.is_last:
        return
    head.promised = tuple(one for one in head.promised if one.member != fact.from_member)
    link = head.referral
    if link is not None and link.paid and link.referrer in head.absorbed:
        take_back_all(programs, work, link)
    work.notify(MERGED_IN, {"merge_id": fact.merge_id, "from_member": fact.from_member})


# ------------------------------------------------------------------ what comes to an account that has ended


def is_decided_here(state: State, fact: Fact) -> bool:
    """Whether a fact about an account that has ended needs a record that stayed with it."""
    match fact:
        case Return():
            return purchase_key(fact.member, fact.transaction_id) in state
        case Answer():
            return any(key in state for key in answers.reads(fact))
        case RedemptionReport():
            return redemption_key(fact.member, fact.redemption_id) in state
        case Redemption():  # It was cancelled ahead, here.
            return redemption_key(fact.member, fact.redemption_id) in state
        case Award():  # It was taken back ahead, here.
            return award_key(fact.member, fact.message_id) in state
        case Recoup():
            return award_key(fact.member, fact.award_id) in state
        case Joining():  # The survivor has no place for it.
            return following.is_sent_back(fact)
        case _:
            return False


def moved_on(plan: "Plan", state: State, head: Head, fact: Fact) -> Decision:
    """Send a fact on to the survivor, after what goes with it; a second merge of the ended account is refused."""
    if closes(fact):
        return refused(
            Code.MEMBER_CLOSED,
            f"the account has ended, merged into {head.merged_into!r}: close that one if the member leaves",
        )
    if isinstance(fact, MergeRequest):
        return refused(
            Code.ALREADY_MERGED,
            f"the account was merged into {head.merged_into!r}: merge that one, or nothing more is to be done",
        )
    if isinstance(fact, Purchase) and fact.tenders:
        return following.go_along(plan, state, head, fact)
    return Decision(Outcome.APPLIED, moved_to=head.merged_into)


def pass_on(work: Work, before: Head) -> None:
    """Send to the survivor what a decision has left in the account that has ended."""
    parts = swept(work, before)
    work.book(KIND, "passed_on", [{"rule": KIND, "into": work.head.merged_into}] if work.postings else [])
    _send(work, work.head.merged_into, "", parts, ends=False)
