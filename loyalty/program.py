"""A program in its compiled form: what a version of the rules says, ready to decide by.

The YAML that a marketer writes is schemas/program.py's matter; here everything is resolved: money in
minor units, rates as exact fractions, names checked against each other, defaults filled in.

Invariants (the loader establishes them):
  P1 ids of rules and multipliers are unique in a version; every name that a rule uses exists
  P2 tiers are in ascending order of threshold, the first at 0
  P3 two exclusive multipliers never share a priority
  P4 windows are half-open and not empty

Not here: how a rule is evaluated (earning.py, rules/), when a window holds (calendar.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from loyalty.conditions import Condition
from loyalty.program_between import PoolingTerms, TransferTerms

if TYPE_CHECKING:
    from loyalty.budgets import LimitTerms, Surprise
    from loyalty.catalogue import Payment, Reward


class Duration(NamedTuple):
    """An ISO 8601 duration in calendar terms: months and days follow the local calendar, seconds do not."""

    months: int = 0
    days: int = 0
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class Expiry:
    """How long points live: `after` they were earned, to the end of the local day, month, quarter or year then.

    With `restart_on` the time counts from the member's latest activity of those kinds instead, for all points of
    the currency together: `restart_for`, or `after` when that is None. `notice` is how long before the end the member
    is told.
    """

    after: Duration
    to_end_of: str = "day"  # day | month | quarter | year
    restart_on: frozenset[str] = frozenset()  # purchase, review, share, referral, engagement
    notice: Duration | None = None
    restart_for: Duration | None = None


@dataclass(frozen=True, slots=True)
class Currency:
    """A kind of points. Amounts of it are integers in its smallest unit, 10 ** -decimals.

    `pending` is how long points wait before they can be used; None not at all. `expiry` None: they never end.
    """

    id: str
    name: str
    decimals: int = 0
    rounding: str = "floor"  # floor | half_up | half_even | ceil
    pending: Duration | None = None
    expiry: Expiry | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open [start, end). A naive bound is wall-clock time in the zone in force, an aware one an instant."""

    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True)
class EveryYear:
    """Days of every year, both (month, day) included; wraps over New Year when `first` is after `last`."""

    first: tuple[int, int]
    last: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Hours:
    """Wall-clock minutes of the day, half-open; wraps over midnight when `start_minute` >= `end_minute`."""

    start_minute: int
    end_minute: int


@dataclass(frozen=True, slots=True)
class FieldTest:
    """A test of one field of an activity: `op` is "in" (value: frozenset), "min" (int) or "is" (bool)."""

    field: str
    op: str
    value: Any


@dataclass(frozen=True, slots=True)
class When:
    """When a rule or multiplier applies to an event as a whole. None means no restriction; an empty set never holds."""

    windows: tuple[Window, ...] | None = None
    every_year: tuple[EveryYear, ...] | None = None
    weekdays: frozenset[int] | None = None  # ISO: Monday 1 .. Sunday 7
    hours: tuple[Hours, ...] | None = None
    tiers: frozenset[str] | None = None
    segments: frozenset[str] | None = None  # any one of them
    stores: frozenset[str] | None = None
    channels: frozenset[str] | None = None
    fields: tuple[FieldTest, ...] = ()
    condition: Condition | None = None
    store_zone: bool = False  # local times are those of the store, where the event carries its zone


@dataclass(frozen=True, slots=True)
class LineFilter:
    """Which lines of a basket count: in every given set, and in none of the excluded ones."""

    categories: frozenset[str] | None = None
    skus: frozenset[str] | None = None
    brands: frozenset[str] | None = None
    not_categories: frozenset[str] = frozenset()
    not_skus: frozenset[str] = frozenset()
    not_brands: frozenset[str] = frozenset()


ALL_LINES = LineFilter()


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `max_amount` points or awards for a member in a period.

    `per` is transaction, day, week, month, year, lifetime or rolling (then `rolling` says how long, in days
    of the local calendar). `each` names a field of the event (sku, content_id, ...): the cap then counts
    for each of its values on its own.
    """

    max_amount: int
    unit: str = "points"  # points | awards
    per: str = "transaction"
    rolling: Duration | None = None
    each: str = ""


@dataclass(frozen=True, slots=True)
class PurchaseRule:
    """Points for a purchase. `kind` is a key of `rules.EARN_RULES`; `rate` is what its measure is multiplied by.

    per_amount: points (smallest unit) for each minor unit of money. per_item: for each item (1.0 of quantity).
    fixed: once for the purchase, when any line counts. `min_spend_minor` is tested on the lines that count.
    `tenders` are labels or types of tenders; each line then counts by their share of what was paid.
    """

    id: str
    name: str
    currency: str
    kind: str
    rate: Fraction
    when: When = When()
    lines: LineFilter = ALL_LINES
    tenders: frozenset[str] | None = None
    min_spend_minor: int = 0
    multiplied: bool = True
    qualifies: bool = True
    caps: tuple[Cap, ...] = ()


@dataclass(frozen=True, slots=True)
class Occasion:
    """When time alone makes a rule give: on a day of the member's, or after a silence.

    `lead` is how long before the day. `late` is how long after it (the day itself apart) it still reaches members who
    could not be reached before. `leap` is where February 29 is kept in other years. `from_year` is the first
    anniversary that counts. `after` is how long the silence lasts, `activities` what breaks it.
    """

    lead: Duration = Duration()
    late: Duration = Duration()
    leap: str = "feb_28"  # feb_28 | mar_1
    from_year: int = 1
    after: Duration = Duration()
    activities: frozenset[str] = frozenset()  # purchase, review, share, referral, engagement


@dataclass(frozen=True, slots=True)
class ActivityRule:
    """Fixed points for a review, share, engagement or enrollment (`on`), or on an occasion.

    `ends_after` is a life of their own, from their day to the end of the local day then; None: that of their kind.
    With `notice` the member is told of them. `reward` is given in place of points, as an order that costs nothing.
    """

    id: str
    name: str
    on: str
    currency: str
    points: int
    when: When = When()
    multiplied: bool = False
    qualifies: bool = False
    caps: tuple[Cap, ...] = ()
    ends_after: Duration | None = None
    notice: bool = False
    reward: str = ""
    occasion: Occasion | None = None


@dataclass(frozen=True, slots=True)
class ReferralRule:
    """Points for both sides of a referral, decided in the account of the referee, paid once.

    `stage` is the referral event's stage that pays ("signed_up" or "qualified"). With
    `qualifying_spend_minor` not None a purchase of the referee of at least that much (all lines that the
    program counts) within `within` of the sign-up qualifies too. `referrer_caps` limit the referrer's part.
    """

    id: str
    name: str
    currency: str
    referrer_points: int
    referee_points: int
    stage: str = "qualified"
    qualifying_spend_minor: int | None = None
    within: Duration | None = None
    when: When = When()
    referrer_caps: tuple[Cap, ...] = ()
    qualifies: bool = False


@dataclass(frozen=True, slots=True)
class Multiplier:
    """A factor on what multiplied rules give. `rules` None: all of them."""

    id: str
    name: str
    factor: Fraction
    group: str = "default"
    when: When = When()
    lines: LineFilter = ALL_LINES
    rules: frozenset[str] | None = None
    exclusive: bool = False
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Combine:
    """How multipliers meet: `within` a group best (default), add or multiply; `across` groups add or multiply."""

    within: Mapping[str, str] = field(default_factory=dict)
    across: str = "add"


@dataclass(frozen=True, slots=True)
class Level:
    """A tier. `threshold` is in points (smallest unit) or money (minor units), by the basis."""

    id: str
    name: str
    threshold: int
    multiplier: Fraction = Fraction(1)
    benefits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TierReview:
    """Until when a tier above the first holds, and what happens then.

    It holds for `after` from the day on which it was reached, and on to the end of the local day, month, quarter,
    year or membership year then. `grace` after that it is reviewed: who does not qualify for it falls.
    """

    after: Duration = Duration()
    to_end_of: str = "day"  # day | month | quarter | year | membership_year
    grace: Duration = Duration()
    down: str = "to_qualified"  # to_qualified | one_step | base


@dataclass(frozen=True, slots=True)
class TierNotice:
    """What a member is told: `near` (points or money, by the basis) before the next tier, `at_risk` before the end."""

    near: int | None = None
    at_risk: Duration | None = None


@dataclass(frozen=True, slots=True)
class Tiers:
    """How members rise, and fall. `window` is lifetime, calendar_year, membership_year or rolling (`rolling` long).

    `review` None: members only rise.
    """

    levels: tuple[Level, ...]
    basis: str = "points"  # points | spend
    currency: str = ""  # of points, when the basis is points
    spend_includes: frozenset[str] = frozenset()  # tax, shipping, tip
    window: str = "lifetime"
    rolling: Duration | None = None
    crossing: str = "before"  # before | same: which tier's rate the crossing purchase earns at
    review: TierReview | None = None
    notice: TierNotice = TierNotice()


@dataclass(frozen=True, slots=True)
class Returns:
    """`keep` is how long a purchase is remembered for returns; None for ever.

    `park` is how long a return waits for its purchase; None not at all.
    """

    keep: Duration | None = Duration(days=400)
    keep_threshold: bool = False  # True: minimum spend is not tested again
    negative: str = "allow"  # allow | clamp
    park: Duration | None = Duration(days=30)
    blind: str = "base"  # base | refuse
    reviews: str = "take_back"  # take_back | keep: what a removed review gave
    restore_spent: str = "pro_rata"  # pro_rata | full_only: points that paid for what came back
    referrals: str = "below_min"  # below_min | full_return | never: when what a referral gave goes back


@dataclass(frozen=True, slots=True)
class Stream:
    """Which events are too late or too early. `max_late` None accepts any age."""

    max_late: Duration | None = Duration(days=30)
    max_future: Duration = Duration(seconds=300)


@dataclass(frozen=True, slots=True)
class Adjustments:
    """What operators may do by hand. Above `approve_above` points (whole, not smallest units) a second one approves."""

    negative: str = "refuse"  # refuse | allow
    approve_above: Fraction | None = None
    qualifies: bool = False


@dataclass(frozen=True, slots=True)
class Redemptions:
    """`keep` is how long a redemption can be cancelled; None for ever.

    `grace` is how long points live that are put back after their end; None: they end at once.
    """

    keep: Duration | None = Duration(days=400)
    grace: Duration | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """One version of a program."""

    id: str
    version: str
    digest: str  # sha256 of the canonical form, hex
    effective_from_us: int
    zone: ZoneInfo
    money: str
    money_decimals: int
    exchange: Mapping[str, Fraction]  # other money accepted: minor units of `money` for one minor unit of it
    currencies: tuple[Currency, ...]
    excluded_lines: LineFilter  # lines in its `not_*` sets earn nothing under any rule
    purchase_rules: tuple[PurchaseRule, ...] = ()
    activity_rules: tuple[ActivityRule, ...] = ()
    referral_rules: tuple[ReferralRule, ...] = ()
    multipliers: tuple[Multiplier, ...] = ()  # tier multipliers are among them, in group "tier"
    combine: Combine = Combine()
    tiers: Tiers | None = None
    returns: Returns = Returns()
    stream: Stream = Stream()
    adjustments: Adjustments = Adjustments()
    enrollment: str = "automatic"  # automatic | required
    name: str = ""
    rewards: "tuple[Reward, ...]" = ()
    payment: "Payment | None" = None
    redemptions: Redemptions = Redemptions()
    limits: "Mapping[str, LimitTerms]" = field(default_factory=dict)  # by the limit's id (limits.py): stock:mug
    surprises: "tuple[Surprise, ...]" = ()
    transfers: tuple[TransferTerms, ...] = ()  # () when members cannot give points to each other
    pooling: PoolingTerms | None = None  # None when households have no pool
    closing: str = "keep"  # keep | expire: what happens to the points of a member who leaves
