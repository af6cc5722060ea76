"""The spec file as a marketer writes it: cases of given, when and then, for one program.

What is not said takes the default that stands here, so that a case says only what it is about. The JSON Schema for
editors is made from these models, so descriptions here are what people see while typing.

Invariants:
  M1 unknown keys are refused everywhere
  M2 every key but a step's own verb has a default

Not here: reading files (spec_load.py), the events that a case stands for (spec_events.py).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias

from pydantic import ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from schemas.program_earn import Channel, Model, ShareKind
from schemas.program_values import Choice, Flag, Money, Name, OneOrMany, Text, Texts, Whole, Zone
from schemas.spec_values import (
    HAS_PRICE,
    Amount,
    Figure,
    Figures,
    Moment,
    ShortBack,
    ShortLine,
    StartMoment,
    Tenders,
)

MEMBER: Final = "member"
"""The member of a step that names nobody."""

TIME: Final = "time"
"""The verb of a step that lets time pass."""

MAX_CASES: Final = 500
MAX_STEPS: Final = 200

Attributes: TypeAlias = Annotated[dict[str, str | int | bool], Field(max_length=32)]


class Line(Model):
    """A line of a receipt. Short: coffee 4.50 x2 brand=house sku=A-1."""

    category: Text | None = None
    sku: Text | None = None
    """Without it, the category."""
    brand: Text | None = None
    price: Amount | None = None
    """Of one."""
    quantity: Amount = "1"
    amount: Amount | None = None
    """What was paid for all of them, in place of price."""


class BackLine(Model):
    """A line that comes back. Short: coffee x1."""

    line: Text
    """Its category, its sku, or its place on the receipt, from 1."""
    quantity: Amount | None = None
    """How much of it; without it, all that is left. 0 with an amount: the price is lowered afterwards."""
    amount: Amount | None = None
    """What was paid back; without it, the share of what was paid."""


class Step(Model):
    """What all steps share."""

    at: Moment | None = None
    """When, by the wall clock of the program's zone. Without it: a minute after the step before."""
    who: Text = MEMBER
    """Which member; a name of your own."""
    id: Text | None = None
    """The step's own id; without it, one that nothing else has."""


class PurchaseStep(Step):
    """Somebody buys."""

    purchase: Annotated[
        tuple[Annotated[Line, ShortLine(HAS_PRICE, "coffee 4.50 x2", number=True)], ...],
        Field(min_length=1, max_length=1000),
        OneOrMany(),
    ]
    """The receipt: coffee 4.50 x2."""
    store: Text = "1"
    channel: Channel = "store"
    currency: Money | None = None
    """Without it, the program's money."""
    tender: Tenders | None = None
    """How it was paid: house-card, or {house-card: "5.00", cash: rest}. points are those of the member's latest step
    that redeemed."""
    tax: Amount = "0"
    shipping: Amount = "0"
    tip: Amount = "0"
    zone: Zone | None = None
    """The store's time zone; the step's time is then that of its wall clock."""
    attributes: Attributes = {}  # noqa: RUF012 - pydantic copies it


class ReturnStep(Step):
    """Goods come back."""

    goods: Annotated[
        tuple[Annotated[BackLine, ShortBack("", "coffee x1", number=True)], ...],
        Field(min_length=1, max_length=1000, alias="return"),
        OneOrMany(),
    ]
    """What comes back: coffee x1; or all, which is all that is left."""
    of: Text | None = None
    """The id of the purchase; without it, the member's latest."""


class ReviewStep(Step):
    """Somebody reviews a product."""

    review: Text
    """The product: its sku."""
    rating: Annotated[Whole, Field(ge=1, le=5), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 5})] = 5
    length: Whole = 100
    """Characters of text."""
    photo: Flag = False
    verified: Flag = True
    """Whether the shop knows that the member bought it."""
    status: Annotated[str, Choice("published", "removed")] = "published"
    attributes: Attributes = {}  # noqa: RUF012 - pydantic copies it


class ShareStep(Step):
    """Somebody shares something."""

    share: Text
    """The network."""
    content: Text | None = None
    """What is shared; without it, something new each time."""
    kind: ShareKind = "share"
    attributes: Attributes = {}  # noqa: RUF012 - pydantic copies it


class ReferralStep(Step):
    """Somebody was brought by another member; `who` is the one who was brought."""

    referral: Text
    """The member who brought them."""
    stage: Annotated[str, Choice("signed_up", "qualified")] = "signed_up"
    code: Text = "FRIEND"
    purchase: Text | None = None
    """The id of the purchase that qualified, if one did."""
    attributes: Attributes = {}  # noqa: RUF012 - pydantic copies it


class EngagementStep(Step):
    """Somebody does something else that the program may reward."""

    engagement: Text
    """The activity."""
    properties: Attributes = {}  # noqa: RUF012 - pydantic copies it


class MemberStep(Step):
    """Somebody joins, changes or leaves."""

    member: Annotated[str, Choice("enrolled", "updated", "closed")]
    birthday: Text | None = None
    segments: Texts | None = None
    attributes: Attributes = {}  # noqa: RUF012 - pydantic copies it


class RedeemStep(Step):
    """Somebody wants a reward for points."""

    redeem: Text
    """The reward."""
    quantity: Annotated[Whole, Field(ge=1), WithJsonSchema({"type": "integer", "minimum": 1})] = 1
    sale: Text | None = None
    """The id of the purchase that it is used in."""


class PayStep(Step):
    """Somebody pays for a sale with points; without amount and points, with as many as can be."""

    pay: Amount
    """What the sale comes to in all, in the program's money. The purchase follows, with a tender points."""
    amount: Amount | None = None
    """How much of it points shall pay."""
    points: Amount | None = None
    """How many points shall be used."""
    sale: Text | None = None
    """The id of the purchase; without it, one that nothing else has."""


class ReportStep(Step):
    """What becomes of a redemption."""

    report: Annotated[str, Choice("cancelled", "fulfilled", "failed")]
    of: Text | None = None
    """The id of the step that redeemed; without it, the member's latest."""


class TimeStep(Step):
    """Nothing happens, but what falls due by then: write at."""

    time: Annotated[str, Choice("passes")]


class EventStep(Step):
    """Any other event, as it stands on the wire."""

    event: Text
    """Its type, for example loyalty.return.v1."""
    data: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it
    """Its data, as a point of sale would send it; nothing is filled in."""


STEPS: Final[Mapping[str, type[Step]]] = {
    "purchase": PurchaseStep,
    "return": ReturnStep,
    "review": ReviewStep,
    "share": ShareStep,
    "referral": ReferralStep,
    "engagement": EngagementStep,
    "member": MemberStep,
    "event": EventStep,
    TIME: TimeStep,
    "redeem": RedeemStep,
    "pay": PayStep,
    "report": ReportStep,
}
"""A step's verb -> what may stand beside it."""


def verb_of(value: Any) -> str | None:
    """The verb of a step, written or validated; None when there is none. A referral may name a purchase."""
    if isinstance(value, Step):
        return next(verb for verb, model in STEPS.items() if type(value) is model)
    if not isinstance(value, dict):
        return None
    verbs = [verb for verb in STEPS if verb in value]
    return "referral" if "referral" in verbs else next(iter(verbs), None)


def _tag(value: Any) -> str | None:
    verb = verb_of(value)
    # In brackets: a location that names the branch must not be taken for a key of the step.
    return None if verb is None else f"[{verb}]"


AnyStep: TypeAlias = Annotated[
    Annotated[PurchaseStep, Tag("[purchase]")]
    | Annotated[ReturnStep, Tag("[return]")]
    | Annotated[ReviewStep, Tag("[review]")]
    | Annotated[ShareStep, Tag("[share]")]
    | Annotated[ReferralStep, Tag("[referral]")]
    | Annotated[EngagementStep, Tag("[engagement]")]
    | Annotated[MemberStep, Tag("[member]")]
    | Annotated[EventStep, Tag("[event]")]
    | Annotated[TimeStep, Tag("[time]")]
    | Annotated[RedeemStep, Tag("[redeem]")]
    | Annotated[PayStep, Tag("[pay]")]
    | Annotated[ReportStep, Tag("[report]")],
    Discriminator(_tag),
]
Steps: TypeAlias = Annotated[tuple[AnyStep, ...], Field(max_length=MAX_STEPS), OneOrMany()]


class GivenMember(Model):
    """What is known of a member before the case."""

    new: Flag = False
    """true: nobody knows the member yet; the first step joins. Otherwise the member joined before, with no points."""
    tier: Text | None = None
    """Without it, the first."""
    qualifying: Amount | None = None
    """What counts for tiers so far, in points or money; without it, what the tier takes."""
    balance: Figures = {}  # noqa: RUF012 - pydantic copies it
    """Points on the account; without it, none."""
    segments: Texts = ()
    attributes: Attributes = {}  # noqa: RUF012 - pydantic copies it
    birthday: Text | None = None


class Given(GivenMember):
    """What was before. What it gave is not counted."""

    earlier: Steps = ()
    """What happened before, as steps."""
    members: Annotated[dict[Text, GivenMember], Field(max_length=50)] = {}  # noqa: RUF012 - pydantic copies it
    """Other members, by name."""
    lucky: Texts = ()
    """Ids of surprises that are drawn for every event of the case; all others are never drawn."""


class ThenMember(Model):
    """What comes out for a member. What is not said is not looked at."""

    points: Figures | None = None
    """What the steps of `when` gave, less what they took back: 42, or {beans: 42}."""
    rules: Annotated[dict[str, Figure], Field(max_length=500)] = {}  # noqa: RUF012 - pydantic copies it
    """The same by rule; rules that are not named are not looked at."""
    forfeited: Figures | None = None
    """What limits cut off, in all or by rule: 6, or {own-cup: 6}."""
    balance: Figures | None = None
    """Points on the account at the end."""
    tier: Text | None = None
    """The tier at the end."""
    notices: Texts | None = None
    """Kinds of notices that the member got through the steps of `when`, each as often as it came; none: []."""


class Then(ThenMember):
    """What comes out."""

    refused: Texts = ()
    """Codes of the steps that are refused (docs/dead-letters.md, docs/redemption.md). Without it, none may be."""
    members: Annotated[dict[Text, ThenMember], Field(max_length=50)] = {}  # noqa: RUF012 - pydantic copies it
    """Other members, by name."""


class Case(Model):
    """One case: given, when, then."""

    name: Name
    """What the program does, in a sentence."""
    given: Given = Given()
    when: Annotated[tuple[AnyStep, ...], Field(min_length=1, max_length=MAX_STEPS), OneOrMany()]
    """What happens, step by step."""
    then: Then


class SpecFile(Model):
    """The cases of one program: the file beside it whose name ends in .spec.yaml."""

    model_config = ConfigDict(title="Cases of a loyalty program")

    at: StartMoment | None = None
    """When cases begin that do not say it. Without it: the first Monday of the program's version, at noon."""
    versions: Texts = ()
    """Files beside this one with other versions of the program that the cases need."""
    cases: Annotated[tuple[Case, ...], Field(min_length=1, max_length=MAX_CASES)]


def spec_json_schema() -> dict[str, Any]:
    """The JSON Schema of a spec file, for editors."""
    schema = SpecFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
