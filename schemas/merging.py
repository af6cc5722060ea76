"""Two accounts become one: the model of loyalty.merge.v1, its fact, and the models of what the two tell each other."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from loyalty.between import MergeRequest
from loyalty.facts import Cause
from loyalty.merging import ABSORBED_MAX
from schemas.canonical import content_digests
from schemas.envelope import MemberEnvelope, strict
from schemas.messages import MessageData
from schemas.scalars import NO_CONTROL_PATTERNS, Flag, Id, Label, Send

MERGE_TYPE = "loyalty.merge.v1"
PART_CHARS_MAX = 200_000


@strict
class MergeData(TypedDict):
    """The account of the event's subject ends, and all that it has goes to another."""

    merge_id: Annotated[Id, Field(description="The merge; unique for the member.")]
    into: Annotated[Id, Field(description="The member whose account stays.")]
    operator: Annotated[Id, Field(description="Who asks for it: an id, no name.")]
    reference: NotRequired[Annotated[Id, Field(description="A ticket, or why it is known that both are one.")]]


class MergeEvent(MemberEnvelope):
    """Two accounts are one member's; `subject` is the one that ends."""

    type: Annotated[Literal["loyalty.merge.v1"], Field(description="The event's type.")]
    data: Annotated[MergeData, Field(description="The merge."), Send("an object with the merge")]


def merge_fact(event: MergeEvent, member: str, time_us: int) -> MergeRequest:
    """Translate a validated merge."""
    data = event["data"]
    told = (data["merge_id"], data["into"], data["operator"], data.get("reference", ""))
    body, content = content_digests(MERGE_TYPE, member, time_us, told)
    return MergeRequest(Cause(event["source"], event["id"], MERGE_TYPE), member, time_us, body, content, *told)


class MergeAskData(MessageData):
    """Whether an account may end in this one."""

    merge_id: Annotated[Id, Field(description="The merge.")]
    ids: Annotated[
        int, Field(ge=1, le=10_000, description="How many ids the other account has."), Send("a whole number from 1")
    ]
    chars: Annotated[
        int,
        Field(ge=0, le=10**9, description="About how much room the other account takes."),
        Send("a whole number of characters"),
    ]


class MergeAskEvent(MemberEnvelope):
    """Internal: an account asks whether it may end in this one."""

    type: Annotated[Literal["loyalty.merge.ask.v1"], Field(description="The event's type.")]
    data: Annotated[MergeAskData, Field(description="The question."), Send("an object with the question")]


class MergeAnswerData(MessageData):
    """Whether an account takes the other in."""

    merge_id: Annotated[Id, Field(description="The merge.")]
    reason: Annotated[Label, Field(description="Why not; empty: it does.")]
    absorbed: Annotated[
        list[Id],
        Field(max_length=2 * ABSORBED_MAX, description="The accounts that it has taken in before."),
        Send("a list of ids"),
    ]


class MergeAnswerEvent(MemberEnvelope):
    """Internal: an account says whether it takes another in."""

    type: Annotated[Literal["loyalty.merge.answer.v1"], Field(description="The event's type.")]
    data: Annotated[MergeAnswerData, Field(description="The answer."), Send("an object with the answer")]


class JoiningData(MessageData):
    """A part of what an ended account had."""

    merge_id: Annotated[Label, Field(description="The merge; empty when it is over.")]
    kind: Annotated[Id, Field(description="What it is.")]
    part: Annotated[
        str,
        Field(max_length=PART_CHARS_MAX, pattern=NO_CONTROL_PATTERNS[1], description="JSON, as a text."),
        Send("a text of JSON"),
    ]
    is_last: Annotated[Flag, Field(description="Whether it is the last part.")]


class JoiningEvent(MemberEnvelope):
    """Internal: a part of what an ended account had, on its way to its survivor."""

    type: Annotated[Literal["loyalty.joining.v1"], Field(description="The event's type.")]
    data: Annotated[JoiningData, Field(description="The part."), Send("an object with the part")]
