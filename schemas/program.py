"""The program file as a marketer writes it: every key, what it may hold, what it means.

The models hold canonical values (program_values.py) and say nothing about other keys: whether names exist
and sums make sense is checked when a program is compiled (program_compile.py). The JSON Schema for editors
is made from these models, so descriptions here are what people see while typing.

Invariants:
  M1 unknown keys are refused everywhere
  M2 a new key has a default, so that it changes the digest of no program that does not use it

Not here: reading files (program_load.py), positions and problems (program_source.py).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from schemas.program_values import (
    MAX_TEXT_CHARS,
    Choice,
    Condition,
    Exact,
    Flag,
    HoursList,
    Id,
    Ids,
    Moment,
    Money,
    MonthDay,
    Name,
    Period,
    PeriodOr,
    Text,
    Texts,
    Version,
    Weekdays,
    Whole,
    Zone,
    came,
    refuse,
)

DEFAULT_EXCLUDED: Final = ("gift_card", "top_up")
"""Categories that never earn unless a program says otherwise: selling a gift card is not a sale yet."""

MAX_RULES: Final = 500


class Model(BaseModel):
    """What all blocks share."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False, use_attribute_docstrings=True)


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


class Points(Model):
    """One kind of points."""

    name: Name
    """What members call it: Beans, Stars."""
    decimals: Annotated[Whole, Field(le=6)] = 0
    """Digits after the point. 0: whole points."""
    rounding: Annotated[str, Choice("floor", "half_up", "half_even", "ceil")] = "floor"
    """How the points of one purchase are rounded, once, after all rules and multipliers."""


class Lines(Model):
    """Which lines of a basket; a line must be in every list that is given."""

    categories: Texts | None = None
    skus: Texts | None = None
    brands: Texts | None = None


class Exclude(Model):
    """Lines that earn nothing under any rule."""

    categories: Texts = DEFAULT_EXCLUDED
    """Categories that never earn. Without this key: gift_card and top_up."""
    skus: Texts = ()
    brands: Texts = ()


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


class When(Dates):
    """When a rule applies. Every key that is given must hold."""

    dates: Annotated[tuple[Dates, ...] | None, BeforeValidator(_one_or_many)] = None
    """Several stretches of time, in place of from and until; any of them."""
    every_year: Annotated[tuple[YearDays, ...] | None, BeforeValidator(_one_or_many)] = None
    """The same days each year: {from: 12-01, to: 12-31}."""
    weekdays: Weekdays | None = None
    """mon, tue, wed, thu, fri, sat, sun."""
    hours: HoursList | None = None
    """Hours of the day: ["07:00-10:00"]. The end is not included."""
    tiers: Ids | None = None
    """Members of these tiers only."""
    segments: Texts | None = None
    """Members in any of these segments only."""
    condition: Annotated[Condition | None, Field(alias="if")] = None
    """A CEL expression, for what the other keys cannot say."""


class PurchaseWhen(When):
    """When a purchase counts. Every key that is given must hold."""

    channels: Annotated[
        tuple[Annotated[str, Choice("store", "online", "app")], ...] | None, BeforeValidator(_one_or_many)
    ] = None
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
    kinds: Annotated[
        tuple[Annotated[str, Choice("share", "ugc", "check_in")], ...] | None, BeforeValidator(_one_or_many)
    ] = None
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


Caps = Annotated[tuple[Cap, ...], BeforeValidator(_one_or_many)]


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


class ActivityRule(Rule):
    """What rules for single activities share."""

    give: Give
    multiplied: Flag = False
    """Whether multipliers apply."""
    qualifies: Flag = False
    """Whether the points count for tiers."""
    at_most: Caps = ()


class EnrollmentRule(ActivityRule):
    """Points for joining, once."""

    on: Literal["enrollment"]
    when: When = When()


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
    PurchaseRule | EnrollmentRule | ReviewRule | ShareRule | EngagementRule | ReferralRule, Field(discriminator="on")
]
RULE_MODELS: Final[Mapping[str, type[Rule]]] = {
    "purchase": PurchaseRule,
    "enrollment": EnrollmentRule,
    "review": ReviewRule,
    "share": ShareRule,
    "engagement": EngagementRule,
    "referral": ReferralRule,
}


class Multiplier(Model):
    """A factor on what multiplied rules give."""

    id: Id
    name: Name | None = None
    factor: Exact
    """For example 2 for double points, "1.5" for half as many again."""
    group: Id = "default"
    """Multipliers of one group meet as multiply.groups says; without it, the best one counts."""
    when: PurchaseWhen = PurchaseWhen()
    lines: LineFilter | None = None
    of: Ids | None = None
    """Ids of the earn rules it applies to. Without it: all multiplied rules."""
    exclusive: Flag = False
    """Silences all other multipliers while it applies."""
    priority: Whole = 0
    """Among exclusive ones the highest applies; no two may be equal."""


class Multiply(Model):
    """Multipliers, and how they meet."""

    groups: dict[Id, Annotated[str, Choice("best", "add", "multiply")]] = {}
    """For each group: best (only the best counts), add (2x and 3x make 4x) or multiply (6x)."""
    across: Annotated[str, Choice("add", "multiply")] = "add"
    """How the groups meet."""
    rules: Annotated[tuple[Multiplier, ...], Field(max_length=MAX_RULES)] = ()


class Rolling(Model):
    """The days before."""

    rolling: Period
    """For example P12M."""


def _window_tag(value: Any) -> str:
    return "period" if isinstance(value, dict | Rolling) else "word"


def _benefit(value: Any) -> str | int | bool:
    if not isinstance(value, bool | int | str) or (isinstance(value, str) and not 0 < len(value) <= MAX_TEXT_CHARS):
        refuse(f"{came(value)}, a text, a whole number, true or false was expected")
    return value


Benefit = Annotated[Any, BeforeValidator(_benefit), WithJsonSchema({"type": ["string", "integer", "boolean"]})]


class Level(Model):
    """A tier."""

    id: Id
    name: Name | None = None
    threshold: Annotated[Exact, Field(alias="from")]
    """Reached with this much, inclusive. The first level is from 0."""
    multiplier: Exact = "1"
    """Factor on what multiplied rules give to members of the tier, in group "tier"."""
    benefits: Annotated[dict[Id, Benefit], Field(max_length=32)] = {}
    """What the tier brings; told to other systems with every tier change."""


class Tiers(Model):
    """How members rise."""

    basis: Annotated[str, Choice("points", "spend")] = "points"
    """points: base points before multipliers. spend: money on lines that can earn."""
    counts: Id | None = None
    """Which points; the first of the program if left out."""
    spend_includes: Annotated[
        tuple[Annotated[str, Choice("tax", "shipping", "tip")], ...], BeforeValidator(_one_or_many)
    ] = ()
    """With basis spend: what counts besides the lines."""
    window: Annotated[
        Annotated[Annotated[str, Choice("lifetime", "calendar_year")], Tag("word")] | Annotated[Rolling, Tag("period")],
        Discriminator(_window_tag),
    ] = "lifetime"
    """Over which time it is summed: lifetime, calendar_year or {rolling: P12M}."""
    crossing: Annotated[str, Choice("before", "same")] = "before"
    """The purchase that reaches a tier earns at the tier before, or at the new one (same)."""
    levels: Annotated[tuple[Level, ...], Field(min_length=1, max_length=50)]


class Returns(Model):
    """What happens to points when goods come back."""

    keep: Annotated[str, PeriodOr("forever")] = "P400D"
    """How long purchases are kept for returns; or forever."""
    keep_threshold: Flag = False
    """true: min_spend is not tested again on what the member keeps."""
    negative: Annotated[str, Choice("allow", "clamp")] = "allow"
    """When the points are spent: allow a negative balance, or stop at zero (clamp)."""


class Stream(Model):
    """Which events are too late or too early."""

    max_late: Annotated[str, PeriodOr("none")] = "P30D"
    """Events older than this are refused; none: any age is fine."""
    max_future: Period = "PT5M"


class ProgramFile(Model):
    """A loyalty program: one version of it."""

    model_config = ConfigDict(title="Loyalty program")

    program: Id
    """Id of the program, the same in all its versions."""
    name: Name | None = None
    """For people."""
    version: Version
    """Name of this version, in quotes: "2026.1". Written into every ledger entry."""
    effective_from: Moment
    """From when this version counts. A bare date: from its local midnight."""
    zone: Zone
    """The time zone of days, months and hours, for example America/New_York."""
    money: Money
    """The currency of all prices here."""
    exchange: dict[Money, Exact] = {}
    """Other currencies that are accepted: one of it in the program's money, for example {CAD: "0.73"}."""
    enrollment: Annotated[str, Choice("automatic", "required")] = "automatic"
    """automatic: a member joins with the first event. required: only by an enrollment."""
    points: Annotated[dict[Id, Points], Field(min_length=1, max_length=10)]
    """The kinds of points; rules give the first one unless they say otherwise."""
    exclude: Exclude = Exclude()
    """What never earns."""
    earn: Annotated[tuple[EarnRule, ...], Field(max_length=MAX_RULES)] = ()
    """The rules that give points. Several may apply; they add up."""
    multiply: Multiply = Multiply()
    """What multiplies them."""
    tiers: Tiers | None = None
    """How members rise."""
    returns: Returns = Returns()
    stream: Stream = Stream()


def program_json_schema() -> dict[str, Any]:
    """The JSON Schema of a program file, for editors."""
    schema = ProgramFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
