"""A member's account: the head, read by every decision, and a record for each purchase.

Invariants:
  A1 a record that was given to `decide` is never changed: decisions work on `Head.draft()` and answer with it
  A2 available of a currency = what is left in its lots - its debt; pending = what is left in its maturing lots
  A3 sequences count 1, 2, 3, ... without gaps
  A4 state keys are typed and escape all parts but the last, so that no member id can reach another's records

Not here: how records are encoded (schemas/state.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from loyalty.facts import Line, Return, Scalar, Tender
from loyalty.lots import Lot
from loyalty.tiers import Sums
from loyalty.ties import AwardRecord, GivenPart, Household, Promise, ReferralLink

ACTIVE = "active"
CLOSED = "closed"
MERGED = "merged"


class TierRise(NamedTuple):
    """A purchase that raised a member, and the tier before: its end and its review. `back`: some of it came back."""

    transaction_id: str
    tier: str
    until_us: int | None
    review_us: int | None
    back: bool = False


class Maturing(NamedTuple):
    """Points that cannot be used before `matures_us`; `qualifies` is what they add to the tier basis then.

    `version` is the one that they were earned under: their end and the basis that they add to are its matter.
    """

    currency: str
    lot: Lot
    matures_us: int
    version: str
    qualifies: int = 0


class Parked(NamedTuple):
    """A return that waits for its purchase until then."""

    fact: Return
    until_us: int


class Given(NamedTuple):
    """What an event gave that may be undone (reviews.py). `values` are the fields by which caps count it."""

    key: str
    time_us: int
    version: str
    parts: tuple[GivenPart, ...]
    values: Mapping[str, str]


NOT_ENROLLED_US = -1
"""Stands for the enrollment of an account that only holds returns which wait for their purchase."""


def added_to(
    maturing: tuple[Maturing, ...], lot_id: str, *, points: int = 0, qualifies: int = 0
) -> tuple[Maturing, ...] | None:
    """The pending points with more in one lot; None when the lot is not among them."""
    for at, one in enumerate(maturing):
        if one.lot.lot_id == lot_id:
            more = one._replace(lot=one.lot._replace(left=one.lot.left + points), qualifies=one.qualifies + qualifies)
            return (*maturing[:at], more, *maturing[at + 1 :])
    return None


@dataclass(slots=True)
class Head:
    """The account of one member.

    balances: currency -> (available, pending), smallest units. debts: currency -> owed by the member.
    lots: currency -> lots (lots.py). qualifying: tier basis and window -> sums (tiers.py).
    counters: cap and period -> used (caps.py). seen: memory of events taken (memory.py).

    What few accounts have stands last, is replaced and never changed in place, and holds nothing when it is empty.
    maturing: pending points, in order of booking. active_until: currency -> end of the points that activity keeps
    alive. noticed: currency -> the latest end that the member was told of (tier_life.py keeps notices of tiers there).
    expired: lot -> (points that expired in it and were not returned yet, when they were earned). parked: returns that
    wait for their purchase, in order of arrival (parking.py). given: what reviews gave, the latest last. kept: occasion
    -> the latest one that was decided (occasions.py). birthday_us: event time at which the birthday was told.
    """

    member: str
    enrolled_us: int
    status: str = ACTIVE
    profile_us: int = -1
    """Event time of the latest master data taken, so that a late update does not undo a newer one."""
    birthday: str = ""
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    segments: tuple[str, ...] = ()
    tier: str = ""
    tier_since_us: int = 0
    balances: dict[str, tuple[int, int]] = field(default_factory=dict)
    debts: dict[str, int] = field(default_factory=dict)
    lots: dict[str, str] = field(default_factory=dict)
    qualifying: dict[str, Sums] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    seen: bytes = b""
    ledger_sequence: int = 0
    balances_sequence: int = 0
    tiers_sequence: int = 0
    notices_sequence: int = 0
    due_us: int | None = None
    """No later than the next instant at which time alone changes this account; None when none does (due.py)."""
    tier_until_us: int | None = None
    """The first instant behind the tier's period; None: it has no end."""
    tier_review_us: int | None = None
    """When the tier is reviewed: at the end of its period and the grace that was promised with it."""
    timed_us: int = -1
    """Start of the version by which `due_us` was worked out: once a later one starts, it is done anew (due.py)."""
    active: Mapping[str, int] = field(default_factory=dict)
    """Kind of activity -> event time of the latest; replaced, never changed in place."""
    referral: ReferralLink | None = None
    maturing: tuple[Maturing, ...] = ()
    active_until: Mapping[str, int] = field(default_factory=dict)
    noticed: Mapping[str, int] = field(default_factory=dict)
    expired: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    parked: tuple[Parked, ...] = ()
    given: tuple[Given, ...] = ()
    tier_rises: tuple[TierRise, ...] = ()
    """The purchases that hold the tier, each raising it further; what else raises a tier ends them all."""
    rewards_sequence: int = 0
    birthday_us: int = 0
    kept: Mapping[str, int] = field(default_factory=dict)
    merged_into: str = ""
    """The account that has taken over all that this one had (merging.py); "" while it stands on its own."""
    absorbed: tuple[str, ...] = ()
    """Ids of the accounts that this one has taken in."""
    leaving: str = ""
    """The merge by which this account has asked to end; "" none."""
    promised: tuple[Promise, ...] = ()
    surprised: tuple["Surprised", ...] = ()
    """What surprises gave that goes with its cause (surprises.py), the latest last."""
    household: Household | None = None

    def draft(self) -> "Head":
        """A copy that may be changed without touching this one."""
        # Field by field: this runs for every event, the constructor takes twice as long, and copy.copy ten times.
        draft = Head.__new__(Head)
        draft.member = self.member
        draft.enrolled_us = self.enrolled_us
        draft.status = self.status
        draft.profile_us = self.profile_us
        draft.birthday = self.birthday
        draft.attributes = self.attributes
        draft.segments = self.segments
        draft.tier = self.tier
        draft.tier_since_us = self.tier_since_us
        draft.balances = self.balances.copy()
        draft.debts = self.debts.copy()
        draft.lots = self.lots.copy()
        draft.qualifying = self.qualifying.copy()
        draft.counters = self.counters.copy()
        draft.seen = self.seen
        draft.ledger_sequence = self.ledger_sequence
        draft.balances_sequence = self.balances_sequence
        draft.tiers_sequence = self.tiers_sequence
        draft.notices_sequence = self.notices_sequence
        draft.due_us = self.due_us
        draft.tier_until_us = self.tier_until_us
        draft.tier_review_us = self.tier_review_us
        draft.timed_us = self.timed_us
        draft.active = self.active
        draft.referral = self.referral
        draft.maturing = self.maturing
        draft.active_until = self.active_until
        draft.noticed = self.noticed
        draft.expired = self.expired
        draft.parked = self.parked
        draft.given = self.given
        draft.tier_rises = self.tier_rises
        draft.rewards_sequence = self.rewards_sequence
        draft.birthday_us = self.birthday_us
        draft.kept = self.kept
        draft.merged_into = self.merged_into
        draft.absorbed = self.absorbed
        draft.leaving = self.leaving
        draft.promised = self.promised
        draft.surprised = self.surprised
        draft.household = self.household
        return draft


class PurchaseRecord(NamedTuple):
    """A purchase as it was decided: the basket, and all that a return needs to decide it again.

    tier, segments, member_attributes: the member as of the purchase. granted: rule -> points that it gave,
    after caps. held: rule -> what is left of that after returns. qualified: what it added to the sums under
    `qualifying_key`, and what is left of that. returned: line -> (quantity_micro, amount_minor) so far.
    """

    transaction_id: str
    source: str
    event_id: str
    time_us: int
    content: bytes
    version: str
    tier: str
    segments: tuple[str, ...]
    member_attributes: Mapping[str, Scalar]
    store_id: str
    channel: str
    currency: str
    lines: tuple[Line, ...]
    tenders: tuple[Tender, ...]
    tax_minor: int
    shipping_minor: int
    tip_minor: int
    store_zone: str
    attributes: Mapping[str, Scalar]
    granted: Mapping[str, int]
    held: Mapping[str, int]
    qualifying_key: str = ""
    qualified: int = 0
    qualified_held: int = 0
    raised_to: str = ""
    """The tier that this purchase raised the member to, or ""."""
    returned: Mapping[str, tuple[int, int]] = {}
    returns: bytes = b""
    """Memory (memory.py) of the returns that were taken, by return_id: kept as long as the purchase."""
    due_us: int | None = None
    """From when nothing asks for this record any more, so that it is dropped; None: it is kept."""


class RedemptionRecord(NamedTuple):
    """A redemption: which points it took, and how many of them have come back.

    `status` is one of redemption.py's. `reward` is "" for a payment. points: what was spent, in the smallest unit.
    value_minor: what that pays or is worth, in `money`. spent: out of which lots, in the order of use, with their own
    ends; `until_us` is when those would have ended that activity keeps alive. restored: how many points came back.
    claim_id: what it claimed of a stock, "" when there is none. asked_as: the id that asked for it, once the account of
    that id has ended and it was sent on; "" before (following.py).
    gift_of: the rule that gave it, "" for one that was asked for.
    """

    redemption_id: str
    source: str
    event_id: str
    time_us: int
    content: bytes
    version: str
    status: str
    reward: str = ""
    quantity: int = 0
    currency: str = ""
    points: int = 0
    value_minor: int = 0
    money: str = ""
    transaction_id: str = ""
    spent: tuple[Lot, ...] = ()
    until_us: int | None = None
    restored: int = 0
    claim_id: str = ""
    asked_as: str = ""
    gift_of: str = ""
    due_us: int | None = None
    """From when nothing asks for this record any more, so that it is dropped; None: it is kept."""


def _escaped(part: str) -> str:
    """The part, so that no other begins behind it."""
    return part.replace("%", "%25").replace("|", "%7C") if "|" in part or "%" in part else part


def head_key(member: str) -> str:
    """The state key of a member's head."""
    return f"m|{member}"


def purchase_key(member: str, transaction_id: str) -> str:
    """The state key of a purchase's record."""
    return f"p|{_escaped(member)}|{transaction_id}"


def redemption_key(member: str, redemption_id: str) -> str:
    """The state key of a redemption's record."""
    return f"r|{_escaped(member)}|{redemption_id}"


def award_key(member: str, message_id: str) -> str:
    """The state key of what an award gave."""
    return f"a|{_escaped(member)}|{message_id}"


class Surprised(NamedTuple):
    """What a surprise gave, for a purchase or review (`on`) of the id `reference`: what is left of it, in which lot."""

    rule: str
    on: str
    reference: str
    claim_id: str
    time_us: int
    version: str
    currency: str
    points: int
    lot_id: str


class Restocked(NamedTuple):
    """Units that an operator added to a limit, or took from it (below 0)."""

    restock_id: str
    time_us: int
    units: int
    reason: str
    operator: str
    reference: str


class Limit(NamedTuple):
    """The account of a limit over many members (limits.py), in units: pieces, places or points in their smallest unit.

    taken, added: period (calendar.py) -> units that claims hold, and what restocks added. closed_to: the last local day
    of the periods that were let go. restocks: the latest, to be shown; seen: the memory of all. due_us: always None.
    capacity, per, period: what the program said when the limit was last asked, and the period that it was asked about.
    """

    limit: str
    taken: Mapping[str, int] = {}
    added: Mapping[str, int] = {}
    closed_to: int = 0
    restocks: tuple[Restocked, ...] = ()
    capacity: int = 0
    per: str = ""
    period: str = ""
    seen: bytes = b""
    due_us: int | None = None


class ClaimRecord(NamedTuple):
    """What a limit knows of one claim: what it asked for (a digest), for whom, and the units that it still holds."""

    content: bytes
    member: str
    period: str
    held: int
    due_us: int | None
    """From when it can no longer be released, so that it is dropped; None: it is kept."""


def limit_key(limit: str) -> str:
    """The state key of a limit's account."""
    return f"l|{limit}"


def claim_key(limit: str, claim_id: str) -> str:
    """The state key of a claim on a limit."""
    return f"c|{_escaped(limit)}|{claim_id}"


Record = Head | PurchaseRecord | Limit | ClaimRecord | RedemptionRecord | AwardRecord
State = Mapping[str, Record]
"""What a decision may read: state key -> record."""
