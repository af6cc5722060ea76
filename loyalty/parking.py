"""Returns that came before their purchase: they wait in the member's account, in order of arrival.

When the purchase comes they are decided right after it, as if they came then. When their time is over, or when they
are refused after all, they go out as dead letters and leave no trace, so that they can be sent again.

Invariants:
  K1 at most PARKED_MAX returns wait in an account, of at most PARKED_CHARS_MAX characters together
  K2 a parked return is in no ledger, and enrolls nobody: an account that only waits gives no welcome
  K3 wherever a purchase stands among its returns, the account ends as if it had come first

Not here: what a return takes back (returns.py).
"""

from typing import TYPE_CHECKING

from loyalty.account import Head, Parked, PurchaseRecord, State, head_key, purchase_key
from loyalty.calendar import shifted_us
from loyalty.decisions import Code, Dead, Decision, Outcome, Refusal, engine_failed
from loyalty.facts import Fact, Purchase, Return
from loyalty.households import share_out
from loyalty.ledger import Work
from loyalty.memory import event_digest, key_digest, remember, without
from loyalty.referral_returns import take_back_referral
from loyalty.returns import decide_return

if TYPE_CHECKING:
    from loyalty.plan import Programs

PARKED_MAX = 20
PARKED_CHARS_MAX = 200_000
"""What the parked returns of an account may come to: a few of the largest events."""
_FIELD_CHARS = 48


def park(work: Work, fact: Return) -> Refusal | None:
    """Let the return wait for its purchase; a refusal when the program does not let it, or too many wait."""
    head, program = work.head, work.plan.program
    if program.returns.park is None:
        return Refusal(
            Code.UNKNOWN_PURCHASE,
            f"no purchase {fact.transaction_id!r} of this member is known: publish the purchase, then the return again",
        )
    waiting = (*head.parked, Parked(fact, shifted_us(work.now_us, program.returns.park, program.zone)))
    if len(waiting) > PARKED_MAX or sum(_chars(one.fact) for one in waiting) > PARKED_CHARS_MAX:
        return Refusal(
            Code.UNKNOWN_PURCHASE,
            f"no purchase {fact.transaction_id!r} of this member is known, and too many of its returns wait already: "
            "publish the purchases, then the return again",
        )
    head.parked = waiting
    work.is_due(waiting[-1].until_us)
    return None


def _chars(fact: Return) -> int:
    """About how much room a return takes."""
    lines = sum(_FIELD_CHARS + len(line.line_id) for line in fact.lines)
    return lines + sum(_FIELD_CHARS + len(name) + len(str(value)) for name, value in fact.attributes.items())


def waiting_like(head: Head, fact: Fact) -> tuple[bytes | None, bytes | None]:
    """The body of the parked return with the event's identity, and the content of the one with its business key.

    Returns may wait for longer than events are remembered.
    """
    body = content = None
    for one, _ in head.parked:
        if one.cause.source == fact.cause.source and one.cause.id == fact.cause.id:
            body = one.body
        if isinstance(fact, Return) and one.return_id == fact.return_id:
            content = one.content
    return body, content


def settled(programs: "Programs", state: State, decision: Decision, fact: Purchase, now_us: int) -> Decision:
    """The decision of a purchase, and after it those of the returns that waited for it."""
    key, record_key = head_key(fact.member), purchase_key(fact.member, fact.transaction_id)
    head = decision.writes[key]
    for one in [one for one in head.parked if one.fact.transaction_id == fact.transaction_id]:
        try:
            later = _taken_up(programs, state, decision, (key, record_key), one, now_us)
        except MemoryError:
            raise
        except Exception as fault:  # noqa: BLE001 whatever it is, the purchase is not to blame
            later = _let_go(decision.writes[key], key, one, engine_failed(fault))
        decision = decision.followed_by(later)
    return decision


def _taken_up(
    programs: "Programs", state: State, decision: Decision, keys: tuple[str, str], one: Parked, now_us: int
) -> Decision:
    """Decide a return whose purchase has come."""
    head, record = decision.writes[keys[0]], decision.writes[keys[1]]
    fact = one.fact
    plan, of_purchase = programs.at(fact.time_us), programs.named(record.version)
    if plan is None or of_purchase is None:
        raise LookupError(f"return {fact.return_id!r} waited under versions of the program that are not loaded")
    draft = _without(head, one)
    work = Work(plan, draft, head.balances, fact.cause, fact.time_us, now_us)
    changed = decide_return(work, {**state, **decision.writes}, fact, record, of_purchase)
    if isinstance(changed, PurchaseRecord):
        taken = remember(record.returns, key_digest("return", fact.return_id), fact.content, now_us)
        take_back_referral(programs, work, changed)
        share_out(work)
        return work.decision({keys[0]: draft, **work.writes, keys[1]: changed._replace(returns=taken)})
    return _let_go(head, keys[0], one, changed)  # what was begun above is thrown away with its draft


def _let_go(head: Head, key: str, one: Parked, refusal: Refusal) -> Decision:
    """The return waits no longer, and leaves no trace."""
    draft = _without(head, one)
    draft.seen = _unremembered(draft.seen, one.fact)
    return Decision(Outcome.APPLIED, {key: draft}, dead=(Dead(one.fact, refusal),))


def given_up(work: Work) -> tuple[Dead, ...]:
    """Let go of the returns whose time is over."""
    head = work.head
    over = [one for one in head.parked if one.until_us <= work.time_us]
    if not over:
        return ()
    head.parked = tuple(one for one in head.parked if one.until_us > work.time_us)
    for one in over:
        head.seen = _unremembered(head.seen, one.fact)
    return tuple(
        Dead(
            fact,
            Refusal(
                Code.UNKNOWN_PURCHASE,
                f"purchase {fact.transaction_id!r} of this member did not come while its return waited: "
                "publish the purchase, then the return again",
            ),
        )
        for fact, _ in over
    )


def _without(head: Head, one: Parked) -> Head:
    draft = head.draft()
    draft.parked = tuple(other for other in head.parked if other is not one)
    return draft


def _unremembered(seen: bytes, fact: Return) -> bytes:
    event = event_digest(fact.cause)
    return without(seen, event, key_digest("return", fact.return_id))
