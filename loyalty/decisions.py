"""What the engine answers: records to write, entries to book, messages to send, or why not.

Invariants:
  D1 the postings of every entry sum to zero in each currency
  D2 a decision that is not `APPLIED` writes nothing and emits nothing
  D3 every id is derived from (cause source, cause id, leg): deciding twice gives the same ids
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from loyalty.facts import Cause, Message, Return


class Outcome(StrEnum):
    """What became of an event."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


class Code(StrEnum):
    """Why the engine refused an event: the dead letter's `__loyalty.errors.code`. Never reused for another meaning."""

    CONFLICTING_DUPLICATE = "conflicting_duplicate"
    TOO_LATE = "too_late"
    TOO_EARLY = "too_early"
    NO_PROGRAM = "no_program_in_force"
    NOT_ENROLLED = "not_enrolled"
    MEMBER_CLOSED = "member_closed"
    ACCOUNT_FULL = "account_full"
    CURRENCY = "currency_not_accepted"
    BLIND_RETURN = "blind_return"
    UNKNOWN_PURCHASE = "unknown_purchase"
    RETURN_TOO_LATE = "return_window_over"
    RETURN_TOO_MUCH = "returned_more_than_bought"
    SELF_REFERRAL = "self_referral"
    ALREADY_REFERRED = "already_referred"
    UNKNOWN_RULE = "unknown_rule"
    UNKNOWN_ZONE = "unknown_zone"
    NEEDS_APPROVAL = "needs_approval"
    NOT_ENOUGH_POINTS = "not_enough_points"
    UNKNOWN_POINTS = "unknown_points"
    UNKNOWN_TIER = "unknown_tier"
    UNKNOWN_MEMBER = "unknown_member"
    SELF_MERGE = "self_merge"
    MERGE_UNDER_WAY = "merge_under_way"
    ALREADY_MERGED = "already_merged"
    IN_HOUSEHOLD = "in_household"
    UNKNOWN_REDEMPTION = "unknown_redemption"
    REDEMPTION_OVER = "redemption_over"
    REDEMPTION_TOO_OLD = "redemption_too_old"
    UNKNOWN_LIMIT = "unknown_limit"
    ENGINE_FAULT = "engine_fault"


class Refusal(NamedTuple):
    """A code and a sentence that says what to fix."""

    code: Code
    message: str


def engine_failed(fault: Exception) -> Refusal:
    """Why an event is refused on which the engine failed."""
    said = f"the engine failed on this event ({type(fault).__name__}: {fault}): report it, then replay it"
    return Refusal(Code.ENGINE_FAULT, said)


class Posting(NamedTuple):
    """One side of an entry. `amount` is in the smallest unit of the points currency; `lot` may be ""."""

    account: str
    currency: str
    amount: int
    rule: str
    lot: str


class Entry(NamedTuple):
    """One ledger entry. `steps` explain it: plain JSON values, one mapping for each rule that had a say."""

    entry_id: str
    kind: str
    reason: str
    member: str
    program: str
    version: str
    digest: str
    cause: "Cause"
    time_us: int
    recorded_at_us: int
    sequence: int
    postings: tuple[Posting, ...]
    steps: tuple[Mapping[str, Any], ...]


class BalanceChange(NamedTuple):
    """The balance of one currency after one cause. `balances` holds (available, pending) of all currencies."""

    change_id: str
    member: str
    program: str
    currency: str
    available: int
    pending: int
    delta: int
    balances: Mapping[str, tuple[int, int]]
    cause: "Cause"
    time_us: int
    recorded_at_us: int
    sequence: int


class TierChange(NamedTuple):
    """A member's tier changed. `from_tier` is None at first; `valid_until_us` None means for ever.

    `progress` says what is missing to the next tier: {"next", "from", "qualifying", "missing"}, or {} at the top.
    """

    change_id: str
    member: str
    program: str
    from_tier: str | None
    to_tier: str
    reason: str
    benefits: Mapping[str, Any]
    valid_until_us: int | None
    progress: Mapping[str, Any]
    cause: "Cause"
    time_us: int
    recorded_at_us: int
    sequence: int


class Notice(NamedTuple):
    """Something that the member may want to be told. `details` are plain JSON values, by the kind."""

    notice_id: str
    kind: str
    member: str
    program: str
    details: Mapping[str, Any]
    cause: "Cause"
    time_us: int
    recorded_at_us: int
    sequence: int


class RedemptionChange(NamedTuple):
    """What became of a redemption. `status` and `reason` are redemption.py's words; `reason` "" where there is none.

    `points` were spent, of the smallest unit of `currency`; `restored` came back by this change. `value_minor` is
    what a payment pays, or the face value of what was redeemed, in `money`; 0 where that says nothing.
    """

    change_id: str
    member: str
    program: str
    redemption_id: str
    status: str
    reason: str
    message: str
    reward: str
    quantity: int
    currency: str
    points: int
    restored: int
    value_minor: int
    money: str
    transaction_id: str
    cause: "Cause"
    time_us: int
    recorded_at_us: int
    sequence: int


class RewardOrder(NamedTuple):
    """What a delivery partner has to do, once for each `order_id`, or what became of it."""

    change_id: str
    member: str
    program: str
    order_id: str
    redemption_id: str
    status: str
    reward: str
    name: str
    kind: str
    sku: str
    quantity: int
    face_value_minor: int
    money: str
    cause: "Cause"
    time_us: int
    recorded_at_us: int
    sequence: int


class Dead(NamedTuple):
    """An event that was taken to wait, and is refused after all."""

    fact: "Return"
    refusal: Refusal


class Decision(NamedTuple):
    """The answer to one fact.

    `writes` maps state keys (account.py) to their new record; None deletes.
    `messages` go to other accounts through the inbox; `dead` waited before, and are refused now.
    """

    outcome: Outcome
    writes: Mapping[str, Any] = {}
    entries: tuple[Entry, ...] = ()
    balances: tuple[BalanceChange, ...] = ()
    tiers: tuple[TierChange, ...] = ()
    messages: "tuple[Message, ...]" = ()
    refusal: Refusal | None = None
    notices: tuple[Notice, ...] = ()
    dead: tuple[Dead, ...] = ()
    rewards: tuple[RedemptionChange | RewardOrder, ...] = ()
    moved_to: str = ""
    """The member to whom the fact goes instead, right after `messages`, since the account has ended in theirs."""

    def followed_by(self, later: "Decision") -> "Decision":
        """Both of them as one; what the later one writes stands."""
        return Decision(
            self.outcome,
            {**self.writes, **later.writes},
            self.entries + later.entries,
            self.balances + later.balances,
            self.tiers + later.tiers,
            self.messages + later.messages,
            self.refusal,
            self.notices + later.notices,
            self.dead + later.dead,
            self.rewards + later.rewards,
        )


def refused(code: Code, message: str) -> Decision:
    """No to an event, with a sentence that says what to fix."""
    return Decision(Outcome.REFUSED, refusal=Refusal(code, message))


_SEPARATOR = "\x1f"
"""Between the parts of an id's source text; no id holds control characters."""
_ID_BYTES = 16


@lru_cache(maxsize=16)
def hash_of(cause: "Cause") -> blake2b:
    """The hash of a cause's source and id: a decision derives half a dozen ids and keys from it. Copy it to go on."""
    return blake2b(f"{cause.source}{_SEPARATOR}{cause.id}{_SEPARATOR}".encode(), digest_size=_ID_BYTES)


def derived_id(cause: "Cause", *legs: str) -> str:
    """32 hex digits from the cause's source and id and the legs; the same input gives the same id."""
    found = hash_of(cause).copy()
    found.update(_SEPARATOR.join(legs).encode())
    return found.hexdigest()
