"""What happened, as the engine sees it: validated, bounded, free of transport.

Invariants (the schemas establish them; nothing here checks again):
  F1 every instant is an integer count of microseconds since 1970-01-01T00:00:00Z (`*_us`)
  F2 money is an integer in minor units of its currency; quantities are integers in millionths (`*_micro`)
  F3 ids are non-empty and free of control characters
  F4 `body` digests {type, subject, time, data}; `content` digests {type, subject, data}: two deliveries are
     the same event when their bodies agree, two events tell the same story when their contents agree

Facts are NamedTuples and not dataclasses because a basket has many lines: building one costs a third
of a frozen dataclass, and both are immutable.

Not here: what a fact is worth (decide.py), how it looks on the wire (schemas/).
"""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias, TypeGuard, get_args

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

Scalar: TypeAlias = str | int | bool
"""What a field of `attributes` or `properties` may hold. No floats, by design."""

MICRO = 1_000_000
"""Quantities count millionths, so that 0.345 kg is an integer."""

DIGEST_BYTES = 8
"""Length of `body` and `content`: 64 bits, compared only within one member's memory."""


class Cause(NamedTuple):
    """Identity of the event that something follows from: CloudEvents `source`, `id` and `type`."""

    source: str
    id: str
    type: str


class Line(NamedTuple):
    """One line of a basket. `amount_minor` is what was paid after discounts, before tax."""

    line_id: str
    sku: str
    category: str
    brand: str
    quantity_micro: int
    amount_minor: int


class Tender(NamedTuple):
    """One means of payment. `type` "points" is value paid with points: a discount, not money."""

    type: str
    label: str
    amount_minor: int


class Purchase(NamedTuple):
    """A sale to a known member."""

    cause: Cause
    member: str
    time_us: int
    body: bytes
    content: bytes
    transaction_id: str
    store_id: str
    channel: str
    currency: str
    lines: tuple[Line, ...]
    tenders: tuple[Tender, ...]
    tax_minor: int
    shipping_minor: int
    tip_minor: int
    store_zone: str
    """IANA zone of the store, or "" when the event carries none."""
    attributes: Mapping[str, Scalar]


class ReturnLine(NamedTuple):
    """What came back of one line. Quantity 0 with an amount is a price adjustment."""

    line_id: str
    quantity_micro: int
    amount_minor: int


class Return(NamedTuple):
    """Goods that came back. `transaction_id` is "" for a blind return."""

    cause: Cause
    member: str
    time_us: int
    body: bytes
    content: bytes
    return_id: str
    transaction_id: str
    lines: tuple[ReturnLine, ...]
    attributes: Mapping[str, Scalar]


class Review(NamedTuple):
    """A product review; `status` is "published" or "removed"."""

    cause: Cause
    member: str
    time_us: int
    body: bytes
    content: bytes
    review_id: str
    sku: str
    rating: int
    text_length: int
    has_photo: bool
    verified_purchase: bool
    status: str
    attributes: Mapping[str, Scalar]


class Share(NamedTuple):
    """Something shared; `kind` is "share", "ugc" or "check_in"."""

    cause: Cause
    member: str
    time_us: int
    body: bytes
    content: bytes
    share_id: str
    network: str
    content_id: str
    kind: str
    attributes: Mapping[str, Scalar]


class Referral(NamedTuple):
    """A referral; `member` is the referee. `stage` is "signed_up" or "qualified"."""

    cause: Cause
    member: str
    time_us: int
    body: bytes
    content: bytes
    referral_id: str
    referrer_id: str
    code: str
    stage: str
    transaction_id: str
    attributes: Mapping[str, Scalar]


class MemberUpdate(NamedTuple):
    """Master data; `status` is "enrolled", "updated" or "closed".

    Birthday is "", "MM-DD" or "YYYY-MM-DD". `segments` None leaves them as they are.
    """

    cause: Cause
    member: str
    time_us: int
    body: bytes
    content: bytes
    status: str
    birthday: str
    attributes: Mapping[str, Scalar]
    segments: tuple[str, ...] | None


class Engagement(NamedTuple):
    """Any other activity that a program may reward."""

    cause: Cause
    member: str
    time_us: int
    body: bytes
    content: bytes
    activity: str
    activity_id: str
    properties: Mapping[str, Scalar]


class Award(NamedTuple):
    """A message: points that another member's event gave to this one."""

    cause: Cause
    member: str
    time_us: int
    body: bytes
    content: bytes
    message_id: str
    from_member: str
    version: str
    rule: str


class Adjustment(NamedTuple):
    """Points that an operator gives or takes; `kind` is "goodwill", "correction" or "opening".

    `currency` "" means the program's first, `approved_by` "" nobody, `tier` "" none. `points` is in the smallest unit;
    below 0 takes away. `earned_at_us` and `ends_at_us` are of an opening: when its points were earned and when they
    end, None: at the event's time, and as the program says.
    """

    cause: Cause
    member: str
    time_us: int
    body: bytes
    content: bytes
    adjustment_id: str
    kind: str
    currency: str
    points: int
    reason: str
    operator: str
    reference: str
    approved_by: str
    tier: str
    earned_at_us: int | None
    ends_at_us: int | None


class Claim(NamedTuple):
    """A message to a limit (limits.py): `from_member` asks for units; `message_id` is the claim's id.

    `purpose` says who takes the answer; `key` and `reference` come back with it.
    """

    cause: Cause
    member: str
    time_us: int
    body: bytes
    content: bytes
    message_id: str
    from_member: str
    version: str
    units: int
    purpose: str
    key: str
    reference: str


class Release(NamedTuple):
    """A message to a limit: of a claim only `left` units are still needed."""

    cause: Cause
    member: str
    time_us: int
    body: bytes
    content: bytes
    message_id: str
    from_member: str
    version: str
    claim_id: str
    left: int


class Answer(NamedTuple):
    """A message of a limit, which `from_member` names: whether a claim's units are granted, all of them or none."""

    cause: Cause
    member: str
    time_us: int
    body: bytes
    content: bytes
    message_id: str
    from_member: str
    version: str
    claim_id: str
    units: int
    granted: bool
    purpose: str
    key: str
    reference: str


class Restock(NamedTuple):
    """Units that an operator adds to a limit, or takes from it. `member` is the limit's id (limits.py)."""

    cause: Cause
    member: str
    time_us: int
    body: bytes
    content: bytes
    restock_id: str
    units: int
    reason: str
    operator: str
    reference: str


class Redemption(NamedTuple):
    """A member asks to spend points: on `quantity` of a reward, or on paying for a sale (then `reward_id` is "").

    `transaction_id` names the sale that it is used in, "" none; `basket_minor` is what is to be paid for a sale, in
    `money`. The member pays `amount_minor` of it, or with `points` (smallest unit); both None: as much as can be.
    """

    cause: Cause
    member: str
    time_us: int
    body: bytes
    content: bytes
    redemption_id: str
    reward_id: str
    quantity: int
    transaction_id: str
    basket_minor: int
    money: str
    amount_minor: int | None
    points: int | None


class RedemptionReport(NamedTuple):
    """What became of a redemption: `status` is "cancelled", "fulfilled" or "failed" (to deliver)."""

    cause: Cause
    member: str
    time_us: int
    body: bytes
    content: bytes
    redemption_id: str
    status: str
    reason: str


Message: TypeAlias = (
    Award
    | Claim
    | Release
    | Answer
    | Recoup
    | Transfer
    | MergeAsk
    | MergeAnswer
    | Joining
    | HouseholdAsk
    | HouseholdAnswer
    | HouseholdEnd
    | PoolFetch
    | Pooled
)
"""What one account tells another; travels through the inbox. `member` is the receiver, `from_member` the sender.

All begin with the same eight fields. `cause` is the event that they follow from, `time_us` its time and `version` the
program version that decided it: what they do is booked under these. `message_id` is derived from the cause, so sending
one twice is harmless.
"""

Command: TypeAlias = (
    Adjustment | Restock | Redemption | RedemptionReport | TransferRequest | MergeRequest | HouseholdRequest
)
"""What the commands topic brings."""

Fact: TypeAlias = Purchase | Return | Review | Share | Referral | MemberUpdate | Engagement | Message | Command
"""Everything that `decide` decides. A closed set: mypy refuses a match that forgets one."""

_MESSAGES = frozenset(get_args(Message))


def is_message(fact: Fact) -> TypeGuard[Message]:
    """Whether another account says it. Asked several times for each event: `isinstance` would go through all."""
    return type(fact) in _MESSAGES
