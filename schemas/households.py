"""Households: the model of loyalty.household.v1, its fact, and the models of what their accounts tell each other."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from loyalty.between import HouseholdRequest
from loyalty.facts import Cause
from schemas.canonical import content_digests
from schemas.commands import POINTS_MAX
from schemas.envelope import MemberEnvelope, strict
from schemas.messages import INSTANT_US_MAX, Lots, MessageData
from schemas.scalars import Id, Label, Send

HOUSEHOLD_TYPE = "loyalty.household.v1"


@strict
class HouseholdData(TypedDict):
    """The event's subject joins a household, or leaves it."""

    household_id: Annotated[Id, Field(description="The household.")]
    status: Annotated[Literal["joined", "left"], Field(description="Whether the member joins it or leaves it.")]
    holder: NotRequired[
        Annotated[Id, Field(description="The member whose account is the pool. Required to join; else left out.")]
    ]


class HouseholdEvent(MemberEnvelope):
    """A member joins a household or leaves it; who holds its pool ends it by leaving."""

    type: Annotated[Literal["loyalty.household.v1"], Field(description="The event's type.")]
    data: Annotated[HouseholdData, Field(description="The household."), Send("an object with the household")]


def household_fault(data: HouseholdData) -> str | None:
    """What is wrong between the fields."""
    if (data["status"] == "joined") == ("holder" in data):
        return None
    if "holder" in data:
        return "data.holder is of no use when a member leaves; leave it out"
    return "data.holder is missing; send the member who holds the pool"


def household_fact(event: HouseholdEvent, member: str, time_us: int) -> HouseholdRequest:
    """Translate a validated request."""
    data = event["data"]
    told = (data["household_id"], data["status"], data.get("holder", ""))
    body, content = content_digests(HOUSEHOLD_TYPE, member, time_us, told)
    return HouseholdRequest(Cause(event["source"], event["id"], HOUSEHOLD_TYPE), member, time_us, body, content, *told)


class HouseholdAskData(MessageData):
    """Whether a member may join."""

    household_id: Annotated[Id, Field(description="The household.")]


class HouseholdAskEvent(MemberEnvelope):
    """Internal: a member asks the holder of a pool to let it in. `id` is the membership's from now on."""

    type: Annotated[Literal["loyalty.household.ask.v1"], Field(description="The event's type.")]
    data: Annotated[HouseholdAskData, Field(description="The question."), Send("an object with the question")]


class MembershipData(HouseholdAskData):
    """What is about one membership."""

    membership: Annotated[Id, Field(description="`id` of the question that began the membership.")]


class HouseholdAnswerData(MembershipData):
    """Whether the holder lets the member in."""

    reason: Annotated[Label, Field(description="Why not; empty: it does.")]


class HouseholdAnswerEvent(MemberEnvelope):
    """Internal: the holder of a pool says whether a member is in."""

    type: Annotated[Literal["loyalty.household.answer.v1"], Field(description="The event's type.")]
    data: Annotated[HouseholdAnswerData, Field(description="The answer."), Send("an object with the answer")]


class HouseholdEndEvent(MemberEnvelope):
    """Internal: a membership is over."""

    type: Annotated[Literal["loyalty.household.end.v1"], Field(description="The event's type.")]
    data: Annotated[MembershipData, Field(description="The membership."), Send("an object with the membership")]


class PoolFetchData(MembershipData):
    """What a member asks of the pool."""

    currency: Annotated[Id, Field(description="Which points.")]
    points: Annotated[
        int,
        Field(ge=1, le=POINTS_MAX, description="How many it owes and has given, in the smallest unit."),
        Send(f"a whole number of points in their smallest unit, from 1 to {POINTS_MAX}"),
    ]


class PoolFetchEvent(MemberEnvelope):
    """Internal: a member who owes points asks the pool for some that it has given."""

    type: Annotated[Literal["loyalty.pool.fetch.v1"], Field(description="The event's type.")]
    data: Annotated[PoolFetchData, Field(description="The question."), Send("an object with the question")]


class PooledData(MembershipData):
    """Points on their way."""

    currency: Annotated[Id, Field(description="Which points.")]
    lots: Annotated[Lots, Field(description="The lots that they left: id,earned_us,ends_us,points;...")]
    alive_until_us: Annotated[
        Annotated[int, Field(ge=-INSTANT_US_MAX, le=INSTANT_US_MAX)] | None,
        Field(description="When lots without an end of their own end; null: they have none."),
        Send("microseconds since 1970, or null"),
    ]
    way: Annotated[
        Literal["in", "out", "back"], Field(description="To the pool, out of it, or back from one that took none.")
    ]
    short: Annotated[
        int,
        Field(ge=0, le=POINTS_MAX, description="What was asked of the pool and not to be had."),
        Send("a whole number of points in their smallest unit"),
    ]


class PooledEvent(MemberEnvelope):
    """Internal: points on their way to a pool, out of it or back. `id` is derived from the cause; `time` is its."""

    type: Annotated[Literal["loyalty.pooled.v1"], Field(description="The event's type.")]
    data: Annotated[PooledData, Field(description="The points."), Send("an object with the points")]
