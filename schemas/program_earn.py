"""Earn rules as a marketer writes them: what happens, which lines, when, how many points, how often.

Invariants:
  M1 unknown keys are refused everywhere
  M2 a new key has a default, so that it changes the digest of no program that does not use it

Not here: multipliers, tiers and the program as a whole (program.py).
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from schemas.program_values import (
    Choice,
    Condition,
    Exact,
    Flag,
    HoursList,
    Id,
    Ids,
    Moment,
    MonthDay,
    Name,
    OneOrMany,
    Period,
    Text,
    Texts,
    Weekdays,
    Whole,
    as_set,
)

Channel: TypeAlias = Annotated[str, Choice("store", "online", "app")]
ShareKind: TypeAlias = Annotated[str, Choice("share", "ugc", "check_in")]


class Model(BaseModel):
    """What all blocks share."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False, use_attribute_docstrings=True)


class Lines(Model):
    """Which lines of a basket; a line must be in every list that is given."""

    categories: Texts | None = None
    skus: Texts | None = None
    brands: Texts | None = None


class LineFilter(Lines):
    """Which lines of a basket count."""

    exclude: Annotated[Lines | None, Field(alias="except")] = None
    """But not these."""


class YearDays(Model):
    """Days of every year, both included."""

    first: Annotated[MonthDay, Field(alias="from")]
    """Month-day of the first day, for example 12-01."""
    last: Annotated[MonthDay, Field(alias="to")]
    """Month-day of the last day, included; may lie after New Year."""


class Dates(Model):
    """A stretch of time."""

    start: Annotated[Moment | None, Field(alias="from")] = None
    """First day (from its midnight), or the moment from which."""
    end: Annotated[Moment | None, Field(alias="until")] = None
    """Last day (included to its end), or the moment before which."""


class Times(Dates):
    """Times. Every key that is given must hold."""

    dates: Annotated[tuple[Dates, ...], OneOrMany()] | None = None
    """Several stretches of time, in place of from and until; any of them."""
    every_year: Annotated[tuple[YearDays, ...], OneOrMany()] | None = None
    """The same days each year: {from: 12-01, to: 12-31}."""
    weekdays: Weekdays | None = None
    """mon, tue, wed, thu, fri, sat, sun."""
    hours: HoursList | None = None
    """Hours of the day: ["07:00-10:00"]. The end is not included."""


class When(Times):
    """When a rule applies. Every key that is given must hold."""

    tiers: Ids | None = None
    """Members of these tiers only."""
    segments: Texts | None = None
    """Members in any of these segments only."""
    condition: Annotated[Condition | None, Field(alias="if")] = None
    """A CEL expression, for what the other keys cannot say."""


class PurchaseWhen(When):
    """When a purchase counts. Every key that is given must hold."""

    channels: Annotated[tuple[Channel, ...], AfterValidator(as_set), OneOrMany()] | None = None
    """store, online, app."""
    stores: Texts | None = None
    """Ids of stores."""
    zone: Annotated[str, Choice("program", "store")] = "program"
    """Whose clock days and hours go by: the program's, or the store's where the purchase says it."""


class PurchaseRuleWhen(PurchaseWhen):
    """When a purchase earns. Every key that is given must hold."""

    min_spend: Exact | None = None
    """At least this much money on the lines that count."""
    tenders: Texts | None = None
    """Only what was paid with these types or labels of tender; lines count by their share of it."""


class ReviewWhen(When):
    """When a review earns. Every key that is given must hold. Only published reviews earn."""

    min_text_length: Whole | None = None
    """At least so many characters."""
    min_rating: Annotated[Whole | None, Field(ge=1, le=5)] = None
    photo: Flag | None = None
    """true: only with a photo."""
    verified: Flag | None = None
    """true: only by members who bought the product."""
    skus: Texts | None = None
    """Reviews of these products only."""


class ShareWhen(When):
    """When a share earns. Every key that is given must hold."""

    networks: Texts | None = None
    kinds: Annotated[tuple[ShareKind, ...], AfterValidator(as_set), OneOrMany()] | None = None
    """share, ugc (own content), check_in."""
    contents: Texts | None = None
    """Ids of what was shared."""


class EngagementWhen(When):
    """When an engagement earns. Every key that is given must hold."""

    activities: Texts | None = None
    """Names of activities, as the app sends them."""


class ReferralWhen(When):
    """When a referral pays. Every key that is given must hold, when the referee's event happens."""

    stage: Annotated[str, Choice("signed_up", "qualified")] = "qualified"
    """The stage of the referral that pays."""
    codes: Texts | None = None
    """Referrals with these codes only."""


class Cap(Model):
    """At most so many points or awards in a period."""

    points: Exact | None = None
    awards: Whole | None = None
    per: Annotated[str, Choice("transaction", "day", "week", "month", "year", "lifetime")] | None = None
    """A period of the local calendar, or one transaction."""
    rolling: Period | None = None
    """In place of per: the days before, for example P30D."""
    each: Text | None = None
    """A field of the event: the limit then counts for each of its values, for example sku."""


Caps = Annotated[tuple[Cap, ...], OneOrMany()]


class PurchaseGive(Model):
    """What a purchase earns: {points: 1, per: "1.00"}, {points: 2, per_item: true} or {points: 50}."""

    points: Exact
    per: Exact | None = None
    """For each so much money on the lines that count."""
    per_item: Flag = False
    """For each item on the lines that count."""
    kind_of_points: Annotated[Id | None, Field(alias="in")] = None
    """Which points; the first of the program if left out."""


class Give(Model):
    """What an activity earns."""

    points: Exact
    kind_of_points: Annotated[Id | None, Field(alias="in")] = None
    """Which points; the first of the program if left out."""


class ReferralGive(Model):
    """What each side of a referral earns."""

    referrer: Exact = "0"
    """Points for the member who referred."""
    referee: Exact = "0"
    """Points for the member who was referred."""
    kind_of_points: Annotated[Id | None, Field(alias="in")] = None
    """Which points; the first of the program if left out."""


class Rule(Model):
    """What all earn rules share."""

    id: Id
    """Unique in the program; stands in every ledger entry of the rule."""
    name: Name | None = None
    """For people."""


class PurchaseRule(Rule):
    """Points for purchases."""

    on: Literal["purchase"]
    give: PurchaseGive
    lines: LineFilter | None = None
    """Only these lines count. Without it: all lines that are not excluded."""
    when: PurchaseRuleWhen = PurchaseRuleWhen()
    multiplied: Flag | None = None
    """Whether multipliers apply. Without it: yes for points per money or item, no for fixed points."""
    qualifies: Flag | None = None
    """Whether the points count for tiers. Without it: yes for points per money or item, no for fixed points."""
    at_most: Caps = ()
    """Limits for each member, in points or awards. Several must all hold."""


class ActivityRule(Rule):
    """What rules for single activities share."""

    give: Give
    multiplied: Flag = False
    """Whether multipliers apply."""
    qualifies: Flag = False
    """Whether the points count for tiers."""
    at_most: Caps = ()
    """Limits for each member, in points or awards. Several must all hold."""


class GiftRule(ActivityRule):
    """What rules share that give without a deed."""

    on: str
    when: When = When()
    ends_after: Period | None = None
    """A life of their own, from the day on, for example P30D. Without it they live as all points of the kind."""
    notice: Flag = False
    """true: the member is told, on the topic notices."""


class EnrollmentRule(GiftRule):
    """Points for joining, once."""

    on: Literal["enrollment"]


class OccasionGive(Give):
    """What an occasion gives: {points: 100}, or {reward: cake}."""

    points: Exact = "0"
    reward: Id | None = None
    """In place of points: a reward of the catalogue, as a gift. An order goes out that costs nothing."""


class OccasionRule(GiftRule):
    """What rules share that time alone fulfils."""

    give: OccasionGive
    late: Period | None = None
    """For how long after the day it still reaches who could not be reached before: who has just joined, or told it."""


class BirthdayRule(OccasionRule):
    """Points on the birthday, once for each calendar year of the birthday."""

    on: Literal["birthday"]
    lead: Period | None = None
    """How long before the day they are given, for example P7D."""
    leap: Annotated[str, Choice("feb_28", "mar_1")] = "feb_28"
    """When February 29 is kept in years that have none."""


class AnniversaryRule(OccasionRule):
    """Points on the anniversaries of joining."""

    on: Literal["anniversary"]
    lead: Period | None = None
    """How long before the day they are given, for example P7D."""
    from_year: Annotated[Whole, Field(ge=1, le=100)] = 1
    """The first anniversary that counts; 2: from two years of membership on."""


class InactivityRule(OccasionRule):
    """Points to win back members who have not been seen for a while, once for each such silence."""

    on: Literal["inactivity"]
    after: Period
    """For how long nothing came from the member, for example P60D: so many whole days."""
    of: Annotated[
        tuple[Annotated[str, Choice("purchase", "review", "share", "referral", "engagement")], ...],
        AfterValidator(as_set),
        Field(min_length=1),
        OneOrMany(),
    ] = ("purchase",)
    """What counts as being seen; without it, purchases."""


class ReviewRule(ActivityRule):
    """Points for product reviews."""

    on: Literal["review"]
    when: ReviewWhen = ReviewWhen()


class ShareRule(ActivityRule):
    """Points for sharing."""

    on: Literal["share"]
    when: ShareWhen = ShareWhen()


class EngagementRule(ActivityRule):
    """Points for any other activity."""

    on: Literal["engagement"]
    when: EngagementWhen = EngagementWhen()


class QualifyingPurchase(Model):
    """The referee's purchase that makes a referral pay."""

    min_spend: Exact = "0"
    """At least this much money on lines that can earn."""
    within: Period
    """How long after the sign-up."""


class ReferralRule(Rule):
    """Points for both sides of a referral, once for each referee."""

    on: Literal["referral"]
    give: ReferralGive
    when: ReferralWhen = ReferralWhen()
    qualifying_purchase: QualifyingPurchase | None = None
    """A purchase of the referee that qualifies, besides a referral event of the stage."""
    qualifies: Flag = False
    """Whether the points count for tiers."""
    at_most: Caps = ()
    """Limits of the referrer's part."""


EarnRule = Annotated[
    PurchaseRule
    | EnrollmentRule
    | ReviewRule
    | ShareRule
    | EngagementRule
    | ReferralRule
    | BirthdayRule
    | AnniversaryRule
    | InactivityRule,
    Field(discriminator="on"),
]
RULE_MODELS: Final[Mapping[str, type[Rule]]] = {
    "purchase": PurchaseRule,
    "enrollment": EnrollmentRule,
    "review": ReviewRule,
    "share": ShareRule,
    "engagement": EngagementRule,
    "referral": ReferralRule,
    "birthday": BirthdayRule,
    "anniversary": AnniversaryRule,
    "inactivity": InactivityRule,
}
