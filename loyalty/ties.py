"""What an account keeps of its ties to other members: who referred it, what that gave, whom it takes in.

Not here: the account itself (account.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from loyalty.facts import Scalar


class GivenPart(NamedTuple):
    """What one rule gave, into which lot; `qualifies` is what that added to the tier basis."""

    rule: str
    currency: str
    points: int
    lot_id: str
    qualifies: int


class Paid(NamedTuple):
    """What a rule of a referral has paid: `part` to the referee, and to the referrer what the award gave.

    `transaction_id` is the purchase that qualified, "" when none did; `minimum_minor` what it had to come to.
    """

    rule: str
    version: str
    time_us: int
    transaction_id: str
    minimum_minor: int
    part: GivenPart | None
    award_id: str


@dataclass(slots=True)
class ReferralLink:
    """Who referred this member, and what that has paid and still stands."""

    referral_id: str
    referrer: str
    code: str
    attributes: Mapping[str, Scalar]
    linked_us: int
    paid: tuple[Paid, ...] = ()


class AwardRecord(NamedTuple):
    """What an award gave to a member, kept as long as it may be taken back.

    `part` None: nothing, or it has been taken back. `is_over` forbids to give it (again).
    """

    message_id: str
    time_us: int
    version: str
    part: GivenPart | None
    is_over: bool
    due_us: int | None
    """From when nobody can take it back any more, so that this record is dropped; None: it is kept."""


class Promise(NamedTuple):
    """This account takes `member` in, who has so many `ids` and takes so much room, and does not end before."""

    member: str
    ids: int
    chars: int


class Household(NamedTuple):
    """What an account knows of its household (households.py): as a member of it, or as the one that holds its pool.

    A member: `holder`, the id of its membership, whether the holder has let it in, and by currency what it gave to the
    pool and did not get back. The one that holds the pool: `holder` "", and `members`, each with its membership.
    """

    household_id: str
    holder: str
    membership: str
    is_in: bool
    given: Mapping[str, int]
    members: tuple[tuple[str, str], ...]
