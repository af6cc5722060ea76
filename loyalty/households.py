"""Households: members earn into one pool, which is the account of one of them.

The account that joins asks the holder's, which counts who is in. From the answer on, a share of what each decision
makes spendable for the member goes to the holder at once. When a return leaves the member with a debt, the member
asks the pool for it, for as much as it has given. Each membership has an id of its own, so that what is still on its
way when it ends does no harm to a later one.

Invariants:
  H1 points that were earned go to the pool or stay, to the point; on their way they stand against `program:transferred`
  H2 a member gets no more out of the pool than it gave, and a pool never owes
  H3 an account is in one household, as a member or as the holder; a holder is nobody's member, so there are no circles
  H4 an account in a household is merged into no other, so who is in it stays who it was

Not here: lots on their way (carried.py).
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias, assert_never

from loyalty import lots
from loyalty.account import ACTIVE, Head
from loyalty.between import HouseholdAnswer, HouseholdAsk, HouseholdEnd, HouseholdRequest, Pooled, PoolFetch
from loyalty.carried import LOTS_MAX, arriving, available, post_out, put_in, returning
from loyalty.closing import let_end
from loyalty.decisions import Decision, Outcome, Refusal, derived_id
from loyalty.facts import Fact
from loyalty.ledger import Work
from loyalty.lots import Lot
from loyalty.postings import DEBT, EARNED, available_of
from loyalty.program_between import PoolingTerms
from loyalty.ties import Household

KIND = "household"
JOINED = "household_joined"
LEFT = "household_left"
REFUSED = "household_refused"
STATUS_JOINED = "joined"

IN, OUT, BACK = "in", "out", "back"
_MATURE = "mature"
"""Kind of the entries by which points that waited can be spent (due.py)."""

HouseholdMessage: TypeAlias = HouseholdAsk | HouseholdAnswer | HouseholdEnd | PoolFetch | Pooled
MESSAGES = (HouseholdAsk, HouseholdAnswer, HouseholdEnd, PoolFetch, Pooled)

# ------------------------------------------------------------------ who is in


def decide_household(work: Work, fact: HouseholdRequest) -> None:
    """Ask the holder, or leave; or say in a notice why not."""
    head, household = work.head, work.head.household
    said = {"household_id": fact.household_id, **({"holder": fact.holder} if fact.holder else {})}
    if fact.status != STATUS_JOINED:
        if household is None or household.household_id != fact.household_id:
            work.notify(REFUSED, {**said, "reason": "not_in_it"})
        else:
            end(work, "asked")
        return
    reason = ""
    if work.plan.program.pooling is None:
        reason = "not_offered"
    elif fact.holder in {fact.member, *head.absorbed}:
        reason = "oneself"
    elif household is not None:
        reason = "in_household"
    elif head.leaving:
        reason = "merging"
    if reason:
        work.notify(REFUSED, {**said, "reason": reason})
        return
    membership = derived_id(work.cause, KIND, fact.member)
    head.household = Household(fact.household_id, fact.holder, membership, False, {}, ())
    work.messages.append(HouseholdAsk(*work.heading(fact.holder, membership), fact.household_id))


def end(work: Work, reason: str) -> None:
    """Let the account be in no household any more: a member leaves, a holder ends it. What was given stays given."""
    household = work.head.household
    if household is None:
        return
    work.head.household = None
    others = ((household.holder, household.membership),) if household.holder else household.members
    for other, membership in others:
        _say_end(work, other, household.household_id, membership)
    if work.head.status == ACTIVE:
        work.notify(LEFT, {"household_id": household.household_id, "reason": reason})


def _say_end(work: Work, other: str, household_id: str, membership: str) -> None:
    message_id = derived_id(work.cause, "household-end", work.head.member, membership, work.leg)
    work.messages.append(HouseholdEnd(*work.heading(other, message_id), household_id, membership))


def told(work: Work, fact: HouseholdMessage) -> None:
    """Take what another account of the household says."""
    match fact:
        case HouseholdAsk():
            _asked(work, fact)
        case HouseholdAnswer():
            _answered(work, fact)
        case HouseholdEnd():
            _ended(work, fact)
        case PoolFetch():
            _fetched(work, fact)
        case Pooled():
            _arrived(work, fact)
        case _:
            assert_never(fact)


def _asked(work: Work, fact: HouseholdAsk) -> None:
    """Let the member in, or say why not."""
    household = work.head.household
    # Who asks anew has left before: the message that says so may be on its way.
    others = () if household is None else tuple(one for one in household.members if one[0] != fact.from_member)
    reason = _not_let_in(work, fact, len(others))
    if not reason:
        members = (*others, (fact.from_member, fact.message_id))
        work.head.household = Household(fact.household_id, "", "", True, {}, members)
    heading = work.heading(fact.from_member, _answer_id(fact))
    work.messages.append(HouseholdAnswer(*heading, fact.household_id, fact.message_id, reason))


def _not_let_in(work: Work, fact: HouseholdAsk, others: int) -> str:
    head, terms = work.head, work.plan.program.pooling
    household = head.household
    if head.status != ACTIVE:
        return "closed"
    if fact.from_member in {fact.member, *head.absorbed}:
        return "oneself"
    if head.leaving:
        return "merging"
    if household is not None and household.holder:
        return "in_household"
    if household is not None and household.household_id != fact.household_id:
        return "other_household"
    # The member and the holder are in it as well.
    return "full" if terms is None or others + 2 > terms.max_members else ""


def _answer_id(fact: HouseholdAsk) -> str:
    return derived_id(fact.cause, "household-answer", fact.message_id)


def _answered(work: Work, fact: HouseholdAnswer) -> None:
    household = work.head.household
    if household is None or household.membership != fact.membership:
        if not fact.reason:  # The account has left before it was in.
            _say_end(work, fact.from_member, fact.household_id, fact.membership)
        return
    said = {"household_id": fact.household_id, "holder": fact.from_member}
    if fact.reason:
        work.head.household = None
        work.notify(REFUSED, {**said, "reason": fact.reason})
    else:
        work.head.household = household._replace(holder=fact.from_member, is_in=True)
        work.notify(JOINED, said)


def _ended(work: Work, fact: HouseholdEnd) -> None:
    """A member has left, or the holder has ended the household."""
    household = work.head.household
    if household is None:
        return
    if household.holder:
        if household.membership == fact.membership:
            work.head.household = None
            work.notify(LEFT, {"household_id": household.household_id, "reason": "ended"})
        return
    members = tuple(one for one in household.members if one[1] != fact.membership)
    work.head.household = household._replace(members=members) if members else None


def turned_away(head: Head | None, fact: HouseholdMessage) -> Decision | None:
    """What becomes of a message that nobody is there for; None when the account decides it."""
    if isinstance(fact, Pooled):
        is_there = head is not None and head.status == ACTIVE
        return sent_back(fact) if fact.way == IN and not is_there else None
    if isinstance(fact, HouseholdAsk) and head is None:
        heading = (fact.cause, fact.from_member, fact.time_us, b"", b"", _answer_id(fact), fact.member, fact.version)
        unknown = HouseholdAnswer(*heading, fact.household_id, fact.message_id, "unknown")
        return Decision(Outcome.APPLIED, messages=(unknown,))
    return None


# ------------------------------------------------------------------ points


def sent_back(fact: Pooled) -> Decision:
    """Points for a pool that takes none, on their way back; nothing else is said."""
    message_id = derived_id(fact.cause, "pooled-back", fact.message_id)
    back = fact._replace(member=fact.from_member, from_member=fact.member, message_id=message_id, way=BACK)
    return Decision(Outcome.APPLIED, messages=(back,))


def not_taken(fact: Fact, refusal: Refusal) -> Decision:
    """What a full account says: points for its pool go back, everything else is refused."""
    if isinstance(fact, Pooled) and fact.way == IN:
        return sent_back(fact)
    return Decision(Outcome.REFUSED, refusal=refusal)


def share_out(work: Work) -> None:
    """Give the pool its share of what the decision has earned, and ask it for what the decision has left owing."""
    household = work.head.household
    if household is None or not household.is_in or not household.holder or not work.entries:
        return
    owed = _owed(work)
    terms = work.plan.program.pooling
    if terms is not None:
        _give(work, terms, household)
    for currency, points in owed.items():
        _ask_for(work, currency, points)


def _earned(work: Work, currencies: Sequence[str]) -> dict[str, dict[str, int]]:
    """Currency -> lot -> points that can be spent since this decision and were earned; not what paid a debt."""
    account = available_of(work.head.member)
    found: dict[str, dict[str, int]] = {}
    for entry in work.entries:
        if entry.kind != _MATURE and all(posting.account != EARNED for posting in entry.postings):
            continue
        for to, currency, amount, _, lot in entry.postings:
            if to == account and amount > 0 and lot != DEBT and currency in currencies:
                by_lot = found.setdefault(currency, {})
                by_lot[lot] = by_lot.get(lot, 0) + amount
    return found


def _owed(work: Work) -> dict[str, int]:
    """Currency -> debt that this decision has made."""
    account = available_of(work.head.member)
    found: dict[str, int] = {}
    for entry in work.entries:
        for of, currency, amount, _, lot in entry.postings:
            if of == account and amount < 0 and lot == DEBT:
                found[currency] = found.get(currency, 0) - amount
    return found


def _give(work: Work, terms: PoolingTerms, household: Household) -> None:
    steps: list[dict[str, Any]] = []
    for currency, by_lot in _earned(work, terms.currencies).items():
        alive = {lot.lot_id for lot in lots.parsed(work.head.lots.get(currency, "")) if not _is_over(work, lot)}
        earned = sum(points for lot_id, points in by_lot.items() if lot_id in alive)
        gone = work.take_usable(currency, earned * terms.share // 100, _among(alive & by_lot.keys()))
        points = sum(lot.left for lot in gone)
        if not points:
            continue
        post_out(work, currency, gone, KIND)
        steps.append(_step(household.household_id, currency, points, "holder", household.holder))
        _count(work, household.membership, currency, points)
        _send(work, household.holder, (household.household_id, household.membership), currency, gone, IN)
    work.book(KIND, "pooled", steps)


def _among(lot_ids: AbstractSet[str]) -> Callable[[Lot], bool]:
    return lambda lot: lot.lot_id in lot_ids


def _is_over(work: Work, lot: Lot) -> bool:
    """Whether a lot has ended when it is earned, since what earned it came late: it ends where it is."""
    return lot.ends_us is not None and lot.ends_us <= work.now_us


def _send(
    work: Work, to: str, of: tuple[str, str], currency: str, gone: Sequence[Lot], way: str, short: int = 0
) -> None:
    """Send lots on their way; `of` is the household and the membership. Without lots there is one message as well."""
    for number, first in enumerate(range(0, len(gone) or 1, LOTS_MAX)):
        message_id = derived_id(work.cause, f"pooled-{way}", work.head.member, work.leg, currency, str(number))
        work.messages.append(
            Pooled(
                *work.heading(to, message_id),
                *of,
                currency,
                lots.joined(gone[first : first + LOTS_MAX]),
                work.head.active_until.get(currency),
                way,
                0 if number else short,
            )
        )


def _count(work: Work, membership: str, currency: str, points: int) -> None:
    """Count what was given to the pool, or came back; of a membership that is over nobody counts."""
    household = work.head.household
    if household is None or not household.holder or household.membership != membership:
        return
    given = {**household.given, currency: household.given.get(currency, 0) + points}
    if not given[currency]:
        del given[currency]
    work.head.household = household._replace(given=given)


def _ask_for(work: Work, currency: str, points: int) -> None:
    """Ask the pool for what is owed, as far as it was given. It counts as back unless the pool says it is short."""
    head, household = work.head, work.head.household
    if household is None:
        return
    asked = min(points, head.debts.get(currency, 0), household.given.get(currency, 0))
    if asked <= 0:
        return
    _count(work, household.membership, currency, -asked)
    message_id = derived_id(work.cause, "pool-fetch", head.member, work.leg, currency)
    heading = work.heading(household.holder, message_id)
    work.messages.append(PoolFetch(*heading, household.household_id, household.membership, currency, asked))


def _fetched(work: Work, fact: PoolFetch) -> None:
    """Give back what is there of what a member asks for."""
    points = min(fact.points, max(available(work, fact.currency), 0)) if work.head.status == ACTIVE else 0
    gone = work.take_usable(fact.currency, points)
    post_out(work, fact.currency, gone, KIND)
    step = _step(fact.household_id, fact.currency, points, "to_member", fact.from_member)
    work.book(KIND, "fetched", [step] if gone else [])
    of = fact.household_id, fact.membership
    _send(work, fact.from_member, of, fact.currency, gone, OUT, fact.points - points)


def _arrived(work: Work, fact: Pooled) -> None:
    """Take what came to the pool, out of it, or back from it. A debt is paid first."""
    head, currency = work.head, fact.currency
    if fact.way == BACK:
        came = returning(work, currency, fact.lots, fact.alive_until_us)
    else:
        came = arriving(work, currency, fact.lots, fact.alive_until_us, f"{KIND}-{fact.way}")
    points = put_in(work, currency, came, KIND)
    step = _step(fact.household_id, currency, points, "from_member", fact.from_member)
    work.book(KIND, fact.way, [step] if points else [])
    if fact.way == BACK:
        _count(work, fact.membership, currency, -points)
    elif fact.short:
        _count(work, fact.membership, currency, fact.short)
    if head.status != ACTIVE:
        let_end(work)


def _step(household_id: str, currency: str, points: int, side: str, member: str) -> dict[str, Any]:
    return {"rule": KIND, "household_id": household_id, side: member, "currency": currency, "points": points}
