"""Whether an event was taken before, and what an account remembers so that it can tell.

Invariants:
  I1 the same under the same id is a duplicate; something else under it is a conflict, and the first stands
  I2 what was refused leaves no trace in the memory

Not here: how a memory is kept in bytes (memory.py).
"""

from loyalty import caps, households
from loyalty.account import Head, PurchaseRecord, Record, RedemptionRecord
from loyalty.between import (
    HouseholdRequest,
    Joining,
    MergeAnswer,
    MergeAsk,
    MergeRequest,
    Pooled,
    Recoup,
    Transfer,
    TransferRequest,
)
from loyalty.calendar import DAY_US, SECOND_US, local_time
from loyalty.decisions import Code, Decision, Outcome, Refusal, refused
from loyalty.facts import (
    Adjustment,
    Answer,
    Engagement,
    Fact,
    MemberUpdate,
    Purchase,
    Redemption,
    RedemptionReport,
    Referral,
    Restock,
    Return,
    Review,
    Share,
)
from loyalty.ledger import Work
from loyalty.members import closes
from loyalty.memory import event_digest, forget, key_digest, recall, remember
from loyalty.parking import waiting_like
from loyalty.plan import Plan, Programs

COUNTERS_PRUNED_EVERY = 16
"""An account's counters are looked through each time that their number passes a multiple of this."""

ACCOUNT_CHARS_MAX = 1_000_000
"""What an account's lots, memory and counters may come to: far above any member, far below what a topic takes.

Without a bound, one id that thousands share would grow until no transaction that holds it can be written.
"""
_PART_CHARS = 300

DUPLICATE = Decision(Outcome.DUPLICATE)


def keys_of(fact: Fact) -> tuple[bytes, bytes | None]:
    """The memory keys of the event and of what it tells about; a purchase is remembered by its own record."""
    event = event_digest(fact.cause)
    match fact:
        case Purchase() | MemberUpdate() | HouseholdRequest():
            return event, None
        case TransferRequest() | MergeRequest():
            asked = ("transfer", fact.transfer_id) if isinstance(fact, TransferRequest) else ("merge", fact.merge_id)
            return event, key_digest(*asked)
        case Return():
            return event, key_digest("return", fact.return_id)
        case Review():
            return event, key_digest("review", fact.review_id, fact.status)
        case Share():
            return event, key_digest("share", fact.share_id)
        case Referral():
            return event, key_digest("referral", fact.referral_id, fact.stage)
        case Engagement():
            return event, key_digest("engagement", fact.activity, fact.activity_id)
        case Adjustment():
            return event, key_digest("adjustment", fact.adjustment_id)
        case Restock():
            raise TypeError("a restock is remembered by its limit")
        case Redemption() | RedemptionReport():
            reported = (fact.status,) if isinstance(fact, RedemptionReport) else ()
            return event, key_digest("redemption", fact.redemption_id, *reported)
        case _:  # only messages are left, and nothing else has their id
            return key_digest("message", fact.message_id), None


def taken_before(
    head: Head, record: Record | None, fact: Fact, event_key: bytes, business_key: bytes | None
) -> Decision | None:
    """DUPLICATE for the same again, a refusal for something else under the same id, None for what is new."""
    body, waiting = recall(head.seen, event_key), None
    if head.parked:
        waiting_body, waiting = waiting_like(head, fact)
        body = body or waiting_body
    if body is not None:
        return DUPLICATE if body == fact.body else conflict(f"event {fact.cause.id!r} of {fact.cause.source!r}")
    content, name = None, ""
    if business_key is not None:
        content, name = recall(head.seen, business_key) or waiting, f"the {fact.cause.type} with this business key"
    if isinstance(record, PurchaseRecord):
        if isinstance(fact, Purchase):
            content, name = record.content, f"transaction {fact.transaction_id!r}"
        elif content is None and business_key is not None:
            content = recall(record.returns, business_key)
    elif isinstance(record, RedemptionRecord) and isinstance(fact, Redemption) and record.content:
        content, name = record.content, f"redemption {fact.redemption_id!r}"
    if content is None:
        return None
    return DUPLICATE if content == fact.content else conflict(name)


def conflict(name: str) -> Decision:
    """No to something else under a known id."""
    return refused(
        Code.CONFLICTING_DUPLICATE,
        f"{name} was taken before with other content, which stands: give what is new an id of its own",
    )


def untimely(plan: Plan, fact: Fact, now_us: int) -> Refusal | None:
    """Why an event is too late or too early."""
    late_us = now_us - fact.time_us
    if plan.max_late_us is not None and late_us > plan.max_late_us:
        days = late_us // DAY_US
        return Refusal(Code.TOO_LATE, f"the event came {days} days after its time, more than the program's max_late")
    if -late_us > plan.max_future_us:
        seconds = -late_us // SECOND_US
        return Refusal(
            Code.TOO_EARLY, f"the event's time is {seconds} s ahead, more than max_future: check the sender's clock"
        )
    return None


def remembered(
    programs: Programs, work: Work, before: Head | None, fact: Fact, event_key: bytes, business_key: bytes | None
) -> Refusal | None:
    """Remember the event and tidy the account; a refusal when the account is full."""
    head = work.head
    seen = head.seen
    if programs.remembered_us is not None:
        oldest_us = work.now_us - programs.remembered_us
        seen = forget(seen, oldest_us)
        counters_before = len(before.counters) if before is not None else 0
        if len(head.counters) // COUNTERS_PRUNED_EVERY > counters_before // COUNTERS_PRUNED_EVERY:
            oldest = local_time(oldest_us, work.plan.program.zone).ordinal
            caps.prune(head.counters, oldest, programs.rolling_days_max)
    seen = remember(seen, event_key, fact.body, work.now_us)
    if business_key is not None:
        seen = remember(seen, business_key, fact.content, work.now_us)
    head.seen = seen
    size = chars(head)
    if size <= ACCOUNT_CHARS_MAX:
        return None
    if size <= 2 * ACCOUNT_CHARS_MAX and _goes_on(fact):
        return None
    return Refusal(
        Code.ACCOUNT_FULL,
        "the account has taken more events than an account can hold: is one member id shared by many?",
    )


def _goes_on(fact: Fact) -> bool:
    """Whether a full account still takes it for a while: points must go where they belong, who asks must hear."""
    if isinstance(fact, households.MESSAGES):
        return not isinstance(fact, Pooled) or fact.way != households.IN
    is_back = isinstance(fact, Transfer) and fact.is_back
    of_others = isinstance(fact, RedemptionReport | Answer | Recoup | MergeAsk | MergeAnswer | Joining)
    return is_back or of_others or isinstance(fact, Return) or closes(fact)


def chars(head: Head) -> int:
    """About how much room the parts of an account take that grow with its events."""
    others = len(head.counters) + len(head.maturing) + len(head.expired) + len(head.given) + len(head.parked)
    others += len(head.surprised)
    return len(head.seen) + sum(map(len, head.lots.values())) + _PART_CHARS * others
