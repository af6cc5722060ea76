"""The program file as a marketer writes it: every key, what it may hold, what it means.

The models hold canonical values (program_values.py) and say nothing about other keys: whether names exist
and sums make sense is checked when a program is compiled (program_compile.py). The JSON Schema for editors
is made from these models, so descriptions here are what people see while typing.

Invariants:
  M1 unknown keys are refused everywhere
  M2 a new key has a default, so that it changes the digest of no program that does not use it

The rules that give points are in program_earn.py, what they buy is in program_rewards.py.

Not here: reading files (program_load.py), positions and problems (program_source.py).
"""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from schemas.program_between import ClosingFile, PoolingFile, TransfersFile
from schemas.program_earn import EarnRule, LineFilter, Model, PurchaseWhen
from schemas.program_rewards import PayWithPoints, Redemptions, Reward
from schemas.program_surprises import MAX_SURPRISES, SurpriseRule
from schemas.program_values import (
    MAX_TEXT_CHARS,
    Choice,
    Exact,
    Flag,
    Id,
    Ids,
    Moment,
    Money,
    Name,
    OneOrMany,
    Period,
    PeriodOr,
    Texts,
    Version,
    Whole,
    Zone,
    as_set,
    came,
    refuse,
)

DEFAULT_EXCLUDED: Final = ("gift_card", "top_up")
"""Categories that never earn unless a program says otherwise: selling a gift card is not a sale yet."""

MAX_RULES: Final = 500


class Expiry(Model):
    """When points end."""

    after: Period
    """How long they live, for example P12M. Days, weeks, months or years."""
    to_end_of: Annotated[str, Choice("day", "month", "quarter", "year")] = "day"
    """They live on to the end of the day, month, quarter or year that is reached then."""
    restart_on: Annotated[
        tuple[Annotated[str, Choice("purchase", "review", "share", "referral", "engagement")], ...],
        AfterValidator(as_set),
        OneOrMany(),
    ] = ()
    """Points end by inactivity: each activity of these kinds begins the time anew, for all points of the kind."""
    restart_for: Period | None = None
    """How long they live from such an activity; left out, as long as from their earning."""
    notice: Period | None = None
    """How long before the end the member is told, on the topic notices."""


class Points(Model):
    """One kind of points."""

    name: Name
    """What members call it: Beans, Stars."""
    decimals: Annotated[Whole, Field(le=6)] = 0
    """Digits after the point. 0: whole points."""
    rounding: Annotated[str, Choice("floor", "half_up", "half_even", "ceil")] = "floor"
    """How the points of one purchase are rounded, once, after all rules and multipliers."""
    pending: Period | None = None
    """How long points wait before they can be used, for example P14D. Their life begins when they are earned."""
    expiry: Expiry | None = None
    """When points end. Without it they never do."""


class Exclude(Model):
    """Lines that earn nothing under any rule."""

    categories: Texts = DEFAULT_EXCLUDED
    """Categories that never earn. Without this key: gift_card and top_up."""
    skus: Texts = ()
    brands: Texts = ()


class Multiplier(Model):
    """A factor on what multiplied rules give."""

    id: Id
    """Unique among rules and multipliers."""
    name: Name | None = None
    """For people."""
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

    groups: dict[Id, Annotated[str, Choice("best", "add", "multiply")]] = {}  # noqa: RUF012 - pydantic copies it
    """For each group: best (only the best counts), add (2x and 3x make 4x) or multiply (6x)."""
    across: Annotated[str, Choice("add", "multiply")] = "add"
    """How the groups meet."""
    rules: Annotated[tuple[Multiplier, ...], Field(max_length=MAX_RULES)] = ()
    """The multipliers; their order does not matter."""


class Rolling(Model):
    """The days before."""

    rolling: Period
    """For example P12M."""


class TierReview(Model):
    """Until when a tier holds, and what happens then."""

    after: Period | None = None
    """How long it holds from the day it was reached, for example P12M. Without it: to the end of the period in hand."""
    to_end_of: Annotated[str, Choice("day", "month", "quarter", "year", "membership_year")] = "day"
    """It holds on to the end of the day, month, quarter, year or membership year that is reached then."""
    grace: Period | None = None
    """How long after that members keep the tier and can still qualify for it."""
    down: Annotated[str, Choice("to_qualified", "one_step", "base")] = "to_qualified"
    """Who does not qualify falls to the tier they qualify for, by one tier, or to the first one (base)."""


class TierNotice(Model):
    """What members are told of tiers, on the topic notices."""

    near: Exact | None = None
    """When a purchase brings them to within so much of the next tier: points or money, by the basis."""
    at_risk: Period | None = None
    """How long before the end of their tier, when they do not qualify for it yet."""


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
    """For people."""
    threshold: Annotated[Exact, Field(alias="from")]
    """Reached with this much, inclusive. The first level is from 0."""
    multiplier: Exact = "1"
    """Factor on what multiplied rules give to members of the tier, in group "tier"."""
    benefits: Annotated[dict[Id, Benefit], Field(max_length=32)] = {}  # noqa: RUF012 - pydantic copies it
    """What the tier brings; told to other systems with every tier change."""


class Tiers(Model):
    """How members rise."""

    basis: Annotated[str, Choice("points", "spend")] = "points"
    """points: base points before multipliers. spend: money on lines that can earn."""
    counts: Id | None = None
    """Which points; the first of the program if left out."""
    spend_includes: Annotated[
        tuple[Annotated[str, Choice("tax", "shipping", "tip")], ...], AfterValidator(as_set), OneOrMany()
    ] = ()
    """With basis spend: what counts besides the lines."""
    window: Annotated[
        Annotated[Annotated[str, Choice("lifetime", "calendar_year", "membership_year")], Tag("word")]
        | Annotated[Rolling, Tag("period")],
        Discriminator(_window_tag),
    ] = "lifetime"
    """Over which time it is summed: lifetime, calendar_year, membership_year or {rolling: P12M}."""
    crossing: Annotated[str, Choice("before", "same")] = "before"
    """The purchase that reaches a tier earns at the tier before, or at the new one (same)."""
    review: TierReview | None = None
    """When tiers end. Without it members only rise."""
    notice: TierNotice = TierNotice()
    levels: Annotated[tuple[Level, ...], Field(min_length=1, max_length=50)]


class Returns(Model):
    """What happens to points when goods come back."""

    keep: Annotated[str, PeriodOr("forever")] = "P400D"
    """How long purchases are kept for returns; or forever."""
    keep_threshold: Flag = False
    """true: min_spend is not tested again on what the member keeps."""
    negative: Annotated[str, Choice("allow", "clamp")] = "allow"
    """When the points are spent: allow a negative balance, or stop at zero (clamp)."""
    park: Annotated[str, PeriodOr("none")] = "P30D"
    """How long a return waits for its purchase; none: it is refused at once."""
    blind: Annotated[str, Choice("base", "refuse")] = "base"
    """A return that names no purchase takes back what the base rules give for its amount (base), or is refused."""
    reviews: Annotated[str, Choice("take_back", "keep")] = "take_back"
    """What a review gave is taken back when it is removed (take_back), or stays."""
    restore_spent: Annotated[str, Choice("pro_rata", "full_only")] = "pro_rata"
    """Points that paid for what comes back: a part of them with each return, or all with the last of it (full_only)."""
    referrals: Annotated[str, Choice("below_min", "full_return", "never")] = "below_min"
    """What a referral gave goes back when too little is left of the purchase that qualified: less than its minimum
    (below_min), nothing (full_return); or it stays (never)."""


class Stream(Model):
    """Which events are too late or too early."""

    max_late: Annotated[str, PeriodOr("none")] = "P30D"
    """Events older than this are refused; none: any age is fine."""
    max_future: Period = "PT5M"
    """Events further in the future than this are refused: a till's clock is wrong."""


class Adjustments(Model):
    """What operators may do by hand, with loyalty.adjustment.v1."""

    negative: Annotated[str, Choice("refuse", "allow")] = "refuse"
    """Taking more points than the member has: refuse it, or allow a negative balance."""
    approve_above: Exact | None = None
    """More points than this, given or taken, need a second operator. Without it: none ever do."""
    qualifies: Flag = False
    """true: points that are given count towards tiers. Opening balances never do."""


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
    exchange: dict[Money, Exact] = {}  # noqa: RUF012 - pydantic copies it
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
    adjustments: Adjustments = Adjustments()
    rewards: Annotated[tuple[Reward, ...], Field(max_length=MAX_RULES)] = ()
    """What points buy."""
    pay_with_points: PayWithPoints | None = None
    """How points pay for a sale. Without it they do not."""
    redemptions: Redemptions = Redemptions()
    transfers: TransfersFile | None = None
    """Members give points to each other. Without it they cannot."""
    pooling: PoolingFile | None = None
    """Members of a household earn into one pool. Without it there are none."""
    closing: ClosingFile = ClosingFile()
    """What happens to points when a member leaves."""
    surprises: Annotated[tuple[SurpriseRule, ...], Field(max_length=MAX_SURPRISES)] = ()
    """Points for a share of events or members, by a draw, within a budget."""


def program_json_schema() -> dict[str, Any]:
    """The JSON Schema of a program file, for editors."""
    schema = ProgramFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
