"""Transfers: a member gives points to another.

The giver's account decides, and books the points out at once. They travel with their ends; the receiver's account takes
them, or sends them back when it is closed, or not enrolled where the program requires it. Then they return into the
lots that they came from, the fee too, and limits have their room again.

Invariants:
  X1 a transfer moves exactly its points, or it is refused with a reason in a notice and moves nothing
  X2 what was given and did not come back has arrived; nothing is sent back twice
  X3 points that were given count for no tier

Not here: lots on their way (carried.py).
"""

from collections.abc import Sequence

from loyalty import caps, lots
from loyalty.account import ACTIVE, Head
from loyalty.between import Transfer, TransferRequest
from loyalty.calendar import local_time
from loyalty.carried import LOTS_MAX, arriving, available, post_out, put_in, returning, take_out
from loyalty.closing import let_end
from loyalty.decisions import Decision, Outcome, derived_id
from loyalty.ledger import Work
from loyalty.lots import Lot
from loyalty.plan import Plan
from loyalty.postings import FEES
from loyalty.program_between import TransferTerms

KIND = "transfer"
FEE = "transfer_fee"
SENT = "transfer_sent"
RECEIVED = "transfer_received"
REFUSED = "transfer_refused"
RETURNED = "transfer_returned"


def decide_request(work: Work, fact: TransferRequest) -> None:
    """Send the points on their way, or say in a notice why not."""
    currency = fact.currency or work.plan.program.currencies[0].id
    terms = _terms(work.plan, currency)
    said = {"transfer_id": fact.transfer_id, "to_member": fact.to_member, "currency": currency, "points": fact.points}
    reason = _refused(work, fact, terms)
    if terms is None or reason:
        work.notify(REFUSED, {**said, "reason": reason})
        return
    local = local_time(work.time_us, work.plan.program.zone)
    caps.granted(work.head.counters, _counted(currency), terms.caps, fact.points, local, fact)
    gone = take_out(work, currency, fact.points + terms.fee)
    given, fees = _split(gone, fact.points)
    post_out(work, currency, given, KIND)
    post_out(work, currency, fees, FEE, FEES)
    fee = {"fee": terms.fee} if terms.fee else {}
    step = {"rule": KIND, "transfer_id": fact.transfer_id, "to_member": fact.to_member, "points": fact.points, **fee}
    work.book(KIND, "sent", [step])
    work.notify(SENT, {**said, **fee})
    marked = [*((lot, False) for lot in given), *((lot, True) for lot in fees)]
    for number, first in enumerate(range(0, len(marked), LOTS_MAX)):
        part = marked[first : first + LOTS_MAX]
        work.messages.append(
            Transfer(
                *work.heading(fact.to_member, derived_id(work.cause, KIND, fact.member, str(number))),
                fact.transfer_id,
                currency,
                lots.joined(lot for lot, is_fee in part if not is_fee),
                lots.joined(lot for lot, is_fee in part if is_fee),
                work.head.active_until.get(currency),
                fact.note,
                number == 0,
                False,
            )
        )


def _terms(plan: Plan, currency: str) -> TransferTerms | None:
    return next((terms for terms in plan.program.transfers if terms.currency == currency), None)


def _counted(currency: str) -> str:
    """Under which name limits count; no rule has such an id."""
    return f"{KIND}:{currency}"


def _refused(work: Work, fact: TransferRequest, terms: TransferTerms | None) -> str:
    """Why the transfer is refused; "" when it is not."""
    if terms is None:
        return "not_offered"
    if fact.to_member in {fact.member, *work.head.absorbed}:
        return "oneself"
    if fact.points < terms.min_points:
        return "too_few"
    if terms.max_points is not None and fact.points > terms.max_points:
        return "too_many"
    if available(work, terms.currency) < fact.points + terms.fee:
        return "insufficient"
    local = local_time(work.time_us, work.plan.program.zone)
    used = dict(work.head.counters)
    room = caps.granted(used, _counted(terms.currency), terms.caps, fact.points, local, fact)
    return "" if room == fact.points else "limit"


def _split(gone: Sequence[Lot], points: int) -> tuple[list[Lot], list[Lot]]:
    """The lots of the first so many points, and of the others."""
    first: list[Lot] = []
    others: list[Lot] = []
    for lot in gone:
        part = min(lot.left, points)
        points -= part
        first += [lot._replace(left=part)] if part else []
        others += [lot._replace(left=lot.left - part)] if lot.left > part else []
    return first, others


def turned_away(plan: Plan, head: Head | None, fact: Transfer) -> Decision | None:
    """Send points back that nobody is there for; None when somebody is. It says no more when it comes twice."""
    is_there = plan.program.enrollment != "required" if head is None else head.status == ACTIVE
    return None if is_there or fact.is_back else sent_back(fact)


def sent_back(fact: Transfer) -> Decision:
    """The points on their way back; nothing else is said."""
    message_id = derived_id(fact.cause, "back", fact.message_id)
    back = fact._replace(member=fact.from_member, from_member=fact.member, message_id=message_id, is_back=True)
    return Decision(Outcome.APPLIED, messages=(back,))


def decide_arrival(work: Work, fact: Transfer) -> None:
    """Take what another member gave, or what came back."""
    if fact.is_back:
        _take_back(work, fact)
        return
    came = arriving(work, fact.currency, fact.lots, fact.alive_until_us, KIND)
    points = put_in(work, fact.currency, came, KIND)
    if not points:
        return
    said = {"transfer_id": fact.transfer_id, "from_member": fact.from_member}
    work.book(KIND, "received", [{"rule": KIND, **said, "points": points}])
    note = {"note": fact.note} if fact.note else {}
    work.notify(RECEIVED, {**said, "currency": fact.currency, "points": points, **note})


def _take_back(work: Work, fact: Transfer) -> None:
    """Put what could not be given into the lots that it came from."""
    head, currency = work.head, fact.currency
    came, fees = (returning(work, currency, text, fact.alive_until_us) for text in (fact.lots, fact.fees))
    points = put_in(work, currency, came, KIND)
    fee = put_in(work, currency, fees, FEE, FEES)
    said = {"transfer_id": fact.transfer_id, "to_member": fact.from_member}
    amounts = {"points": points, **({"fee": fee} if fee else {})}
    work.book(KIND, "returned", [{"rule": KIND, **said, **amounts, "came_back": True}])
    terms = _terms(work.plan, currency)
    if terms is not None:
        local = local_time(fact.time_us, work.plan.program.zone)
        caps.freed(head.counters, _counted(currency), terms.caps, points, int(fact.is_first), local, fact)
    if head.status == ACTIVE:
        work.notify(RETURNED, {**said, "currency": currency, **amounts})
    else:
        let_end(work)
