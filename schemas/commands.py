"""What somebody asks for: the model of loyalty.adjustment.v1, and its fact.

Beyond the bounds of each field:
  A1 points are 0 or more in an opening, and never 0 otherwise
  A2 tier, earned_at and ends_at are of an opening alone; they are instants, and the end lies after the earning
  A3 nobody approves an own adjustment
"""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from loyalty.facts import Adjustment, Cause
from schemas.canonical import content_digests
from schemas.envelope import MemberEnvelope, strict
from schemas.scalars import Id, NotAnInstantError, Send, Time, instant_us

POINTS_MAX = 10**12
_OPENING = "opening"


@strict
class AdjustmentData(TypedDict):
    """Points that an operator gives or takes, or that a member brings from an older system."""

    adjustment_id: Annotated[Id, Field(description="The adjustment; unique for the member.")]
    kind: Annotated[
        Literal["goodwill", "correction", "opening"],
        Field(description="A kindness, a mistake put right, or a balance from an older system."),
        Send('"goodwill", "correction" or "opening"'),
    ]
    points: Annotated[
        int,
        Field(
            ge=-POINTS_MAX,
            le=POINTS_MAX,
            description="In the smallest unit of the points; below 0 takes away. An opening has 0 or more.",
        ),
        Send(f"a whole number of points in their smallest unit, from -{POINTS_MAX} to {POINTS_MAX}"),
    ]
    currency: NotRequired[Annotated[Id, Field(description="Which points. Absent: the program's first.")]]
    reason: Annotated[Id, Field(description="Why, for whoever reads the ledger. No personal data.")]
    operator: Annotated[Id, Field(description="Who asks for it: an id, no name.")]
    approved_by: NotRequired[Annotated[Id, Field(description="A second operator, where the program asks for one.")]]
    reference: NotRequired[Annotated[Id, Field(description="A ticket, a complaint, a row of the older system.")]]
    tier: NotRequired[Annotated[Id, Field(description="Opening only: the tier that the member had. It only rises.")]]
    earned_at: NotRequired[
        Annotated[Time, Field(description="Opening only: when the points were earned. Absent: the event's time.")]
    ]
    ends_at: NotRequired[
        Annotated[Time, Field(description="Opening only: when the points end. Absent: as the program says.")]
    ]


class AdjustmentEvent(MemberEnvelope):
    """An operator gives or takes points, or opens an account with what an older system held."""

    type: Annotated[Literal["loyalty.adjustment.v1"], Field(description="The event's type.")]
    data: Annotated[AdjustmentData, Field(description="The adjustment."), Send("an object with the adjustment")]


def adjustment_fault(data: AdjustmentData) -> str | None:
    """Say which of A1 to A3 does not hold, or None."""
    if data["kind"] == _OPENING:
        if data["points"] < 0:
            return "data.points is below 0 in an opening; send 0 or more, and a correction for what is to be taken"
    else:
        if data["points"] == 0:
            return "data.points is 0; send the points to give, or below 0 to take"
        for name in ("tier", "earned_at", "ends_at"):
            if name in data:
                return f'data.{name} belongs to an opening; leave it out, or send kind "opening"'
    if data.get("approved_by") == data["operator"]:
        return "data.approved_by is the operator; send the id of somebody else, or leave it out"
    try:
        earned_us, ends_us = _instant(data, "earned_at"), _instant(data, "ends_at")
    except NotAnInstantError as error:
        return f"{error}; send a time of RFC 3339 with its offset, or leave it out"
    if earned_us is not None and ends_us is not None and ends_us <= earned_us:
        return "data.ends_at is not after data.earned_at; send the instant from which the points are gone"
    return None


def _instant(data: AdjustmentData, name: Literal["earned_at", "ends_at"]) -> int | None:
    text = data.get(name)
    if text is None:
        return None
    try:
        return instant_us(text)
    except NotAnInstantError as error:
        raise NotAnInstantError(f"data.{name} {error}") from None


def adjustment_fact(event: AdjustmentEvent, member: str, time_us: int) -> Adjustment:
    """Translate a validated adjustment."""
    data = event["data"]
    told = (
        data["adjustment_id"],
        data["kind"],
        data.get("currency", ""),
        data["points"],
        data["reason"],
        data["operator"],
        data.get("reference", ""),
        data.get("approved_by", ""),
        data.get("tier", ""),
        _instant(data, "earned_at"),
        _instant(data, "ends_at"),
    )
    body, content = content_digests("loyalty.adjustment.v1", member, time_us, told)
    cause = Cause(event["source"], event["id"], "loyalty.adjustment.v1")
    return Adjustment(cause, member, time_us, body, content, *told)
