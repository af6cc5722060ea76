"""Points from one member to another: the model of loyalty.transfer.requested.v1, and its fact.

Whether the transfer may be made is the engine's answer, not a fault of the event.
"""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from loyalty.between import TransferRequest
from loyalty.facts import Cause
from schemas.canonical import content_digests
from schemas.commands import POINTS_MAX
from schemas.envelope import MemberEnvelope, strict
from schemas.scalars import Id, Send

TRANSFER_TYPE = "loyalty.transfer.requested.v1"


@strict
class TransferData(TypedDict):
    """Points that a member (the event's subject) wants to give to another."""

    transfer_id: Annotated[Id, Field(description="The transfer; unique for the member.")]
    to_member: Annotated[Id, Field(description="Who is to get the points.")]
    points: Annotated[
        int,
        Field(ge=1, le=POINTS_MAX, description="In the smallest unit of the points. They keep their ends."),
        Send(f"a whole number of points in their smallest unit, from 1 to {POINTS_MAX}"),
    ]
    currency: NotRequired[Annotated[Id, Field(description="Which points. Absent: the program's first.")]]
    note: NotRequired[
        Annotated[Id, Field(description="A word to the other member; it goes into their notice and nowhere else.")]
    ]


class TransferRequestEvent(MemberEnvelope):
    """A member asks to give points to another; `subject` is the one who gives."""

    type: Annotated[Literal["loyalty.transfer.requested.v1"], Field(description="The event's type.")]
    data: Annotated[TransferData, Field(description="The transfer."), Send("an object with the transfer")]


def transfer_fact(event: TransferRequestEvent, member: str, time_us: int) -> TransferRequest:
    """Translate a validated request."""
    data = event["data"]
    told = (data["transfer_id"], data["to_member"], data.get("currency", ""), data["points"], data.get("note", ""))
    body, content = content_digests(TRANSFER_TYPE, member, time_us, told)
    cause = Cause(event["source"], event["id"], TRANSFER_TYPE)
    return TransferRequest(cause, member, time_us, body, content, *told)
