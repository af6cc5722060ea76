"""What members ask for that touches other members, and what their accounts tell each other then: facts (facts.py).

Not here: what becomes of it (referral_returns.py, transfers.py, merging.py).
"""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from loyalty.facts import Cause


class Recoup(NamedTuple):
    """A message: what an award gave goes back, since what it was given for came back."""

    cause: "Cause"
    member: str
    time_us: int
    body: bytes
    content: bytes
    message_id: str
    from_member: str
    version: str
    award_id: str
    transaction_id: str


class TransferRequest(NamedTuple):
    """A member asks to give points to another.

    `currency` "" means the program's first; `points` is in the smallest unit.
    """

    cause: "Cause"
    member: str
    time_us: int
    body: bytes
    content: bytes
    transfer_id: str
    to_member: str
    currency: str
    points: int
    note: str


class Transfer(NamedTuple):
    """A message: points from one member to another, or back again (`is_back`).

    `lots` are those that they left (lots.py), `fees` those that paid the fee. Lots without an end of their own end
    `alive_until_us`, if that is not None. `is_first` is true for one message of each transfer.
    """

    cause: "Cause"
    member: str
    time_us: int
    body: bytes
    content: bytes
    message_id: str
    from_member: str
    version: str
    transfer_id: str
    currency: str
    lots: str
    fees: str
    alive_until_us: int | None
    note: str
    is_first: bool
    is_back: bool


class MergeRequest(NamedTuple):
    """An operator lets the account of `member` end in that of `into`. `reference` may be ""."""

    cause: "Cause"
    member: str
    time_us: int
    body: bytes
    content: bytes
    merge_id: str
    into: str
    operator: str
    reference: str


class MergeAsk(NamedTuple):
    """A message: may `from_member`, who has so many `ids` and takes about `chars` of room, end in this account?"""

    cause: "Cause"
    member: str
    time_us: int
    body: bytes
    content: bytes
    message_id: str
    from_member: str
    version: str
    merge_id: str
    ids: int
    chars: int


class MergeAnswer(NamedTuple):
    """A message: `from_member` takes the account in, or not because of `reason`. `absorbed` are those it took in."""

    cause: "Cause"
    member: str
    time_us: int
    body: bytes
    content: bytes
    message_id: str
    from_member: str
    version: str
    merge_id: str
    reason: str
    absorbed: tuple[str, ...]


class Joining(NamedTuple):
    """A message: a part of what an account that has ended had, or has been left since (joining.py)."""

    cause: "Cause"
    member: str
    time_us: int
    body: bytes
    content: bytes
    message_id: str
    from_member: str
    version: str
    merge_id: str
    kind: str
    part: str
    is_last: bool


class HouseholdRequest(NamedTuple):
    """A member joins a household, whose pool `holder` holds, or leaves it; `status` is "joined" or "left".

    `holder` is "" when the member leaves.
    """

    cause: "Cause"
    member: str
    time_us: int
    body: bytes
    content: bytes
    household_id: str
    status: str
    holder: str


class HouseholdAsk(NamedTuple):
    """A message: may `from_member` join the household? Its `message_id` is the membership's id from now on."""

    cause: "Cause"
    member: str
    time_us: int
    body: bytes
    content: bytes
    message_id: str
    from_member: str
    version: str
    household_id: str


class HouseholdAnswer(NamedTuple):
    """A message: `from_member` holds the pool and has let the member in, or has not because of `reason`."""

    cause: "Cause"
    member: str
    time_us: int
    body: bytes
    content: bytes
    message_id: str
    from_member: str
    version: str
    household_id: str
    membership: str
    reason: str


class HouseholdEnd(NamedTuple):
    """A message: a membership is over, said by whoever ended it."""

    cause: "Cause"
    member: str
    time_us: int
    body: bytes
    content: bytes
    message_id: str
    from_member: str
    version: str
    household_id: str
    membership: str


class PoolFetch(NamedTuple):
    """A message: a member owes points, and asks for some of those that it has given to the pool."""

    cause: "Cause"
    member: str
    time_us: int
    body: bytes
    content: bytes
    message_id: str
    from_member: str
    version: str
    household_id: str
    membership: str
    currency: str
    points: int


class Pooled(NamedTuple):
    """A message: points on their way to a pool (`way` "in"), out of it ("out"), or back from one that took none.

    `way` is "back" then. `lots` and `alive_until_us` are as in a transfer. `short` is what was asked of the pool and
    not to be had.
    """

    cause: "Cause"
    member: str
    time_us: int
    body: bytes
    content: bytes
    message_id: str
    from_member: str
    version: str
    household_id: str
    membership: str
    currency: str
    lots: str
    alive_until_us: int | None
    way: str
    short: int
