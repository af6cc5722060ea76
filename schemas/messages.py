"""What accounts tell each other, on its way through the inbox: the models of the internal events, and both directions.

To add a message: a NamedTuple in loyalty/facts.py, its model and a row of `TYPES` here, its type in envelope.py, a line
in decode.py, its examples, and a case in `decide`.

Invariants:
  G1 a message comes back as it went, but for its digests, which are those of what it tells
  G2 `id` is derived from the cause and `time` is the cause's; nobody outside sends one
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field
from typing_extensions import TypedDict

from loyalty.between import (
    HouseholdAnswer,
    HouseholdAsk,
    HouseholdEnd,
    Joining,
    MergeAnswer,
    MergeAsk,
    Pooled,
    PoolFetch,
    Recoup,
    Transfer,
)
from loyalty.facts import Answer, Award, Cause, Claim, Fact, Message, Release, is_message
from schemas.canonical import content_digests
from schemas.encode import instant_text
from schemas.envelope import MemberEnvelope, strict
from schemas.members import CauseData
from schemas.scalars import Flag, Id, Label, Send

UNITS_MAX = 10**12
"""The most units that a claim is about."""

SOURCE = "/loyalty"
"""Source of every message: it is read by the engine alone, under the program version that it names."""

TYPES: Mapping[type, str] = {
    Award: "loyalty.award.v1",
    Recoup: "loyalty.recoup.v1",
    Transfer: "loyalty.transfer.v1",
    MergeAsk: "loyalty.merge.ask.v1",
    MergeAnswer: "loyalty.merge.answer.v1",
    Joining: "loyalty.joining.v1",
    Claim: "loyalty.claim.v1",
    Release: "loyalty.release.v1",
    Answer: "loyalty.answer.v1",
    HouseholdAsk: "loyalty.household.ask.v1",
    HouseholdAnswer: "loyalty.household.answer.v1",
    HouseholdEnd: "loyalty.household.end.v1",
    PoolFetch: "loyalty.pool.fetch.v1",
    Pooled: "loyalty.pooled.v1",
}
"""What a message is called on its way."""

_HEADING = Award._fields.index("version") + 1
"""So many fields do all messages begin with; what follows is a message's own, by the same names in `data`."""

_FROM_JSON: Mapping[str, Callable[[Any], Any]] = {"absorbed": tuple}
"""Own fields that are no plain JSON values: how they are read."""


@strict
class MessageData(TypedDict):
    """What every message carries."""

    from_member: Annotated[Id, Field(description="The member whose event gave it.")]
    version: Annotated[Id, Field(description="The program version that decided it.")]
    cause: Annotated[
        CauseData, Field(description="The event that it follows from."), Send("an object with source, id and type")
    ]


class AwardData(MessageData):
    """What another member's event gives to this one."""

    rule: Annotated[Id, Field(description="The rule that gives; it says how much.")]


class AwardEvent(MemberEnvelope):
    """Internal: an award on its way to another member. `id` is derived from the cause; `time` is the cause's."""

    type: Annotated[Literal["loyalty.award.v1"], Field(description="The event's type.")]
    data: Annotated[AwardData, Field(description="The award."), Send("an object with the award")]


class RecoupData(MessageData):
    """An award that is taken back."""

    award_id: Annotated[Id, Field(description="`id` of the award.")]
    transaction_id: Annotated[Label, Field(description="The purchase that came back; empty: nobody was referred.")]


class RecoupEvent(MemberEnvelope):
    """Internal: what an award gave goes back. `id` is derived from the cause; `time` is the cause's."""

    type: Annotated[Literal["loyalty.recoup.v1"], Field(description="The event's type.")]
    data: Annotated[RecoupData, Field(description="What is taken back."), Send("an object with the award's id")]


INSTANT_US_MAX = 2**60
Lots = Annotated[
    str,
    Field(max_length=200_000, pattern=r"^([^,;]+,-?[0-9]+,(-?[0-9]+)?,[0-9]+;)*$"),
    Send("lots as id,earned_us,ends_us,points; one after the other"),
]


class TransferData(MessageData):
    """Points on their way."""

    transfer_id: Annotated[Id, Field(description="The transfer; unique for the member who gives.")]
    currency: Annotated[Id, Field(description="Which points.")]
    lots: Annotated[Lots, Field(description="The lots that they left: id,earned_us,ends_us,points;...")]
    fees: Annotated[Lots, Field(description="The lots that paid the fee.")]
    alive_until_us: Annotated[
        Annotated[int, Field(ge=-INSTANT_US_MAX, le=INSTANT_US_MAX)] | None,
        Field(description="When lots without an end of their own end; null: they have none."),
        Send("microseconds since 1970, or null"),
    ]
    note: Annotated[Label, Field(description="A word to the receiver; may be empty.")]
    is_first: Annotated[bool, Field(description="True for one message of each transfer."), Send("true or false")]
    is_back: Annotated[bool, Field(description="Whether the points come back."), Send("true or false")]


class TransferEvent(MemberEnvelope):
    """Internal: points on their way to another member, or back. `id` is derived from the cause; `time` is its."""

    type: Annotated[Literal["loyalty.transfer.v1"], Field(description="The event's type.")]
    data: Annotated[TransferData, Field(description="The points."), Send("an object with the points")]


Units = Annotated[int, Field(ge=0, le=UNITS_MAX), Send(f"a whole number of units from 0 to {UNITS_MAX}")]
Reference = Annotated[Label, Field(description="The transaction or review that it is about, or nothing.")]


class ClaimData(MessageData):
    """What an account asks a limit for."""

    units: Annotated[Units, Field(description="How many.")]
    purpose: Annotated[Id, Field(description="Who takes the answer.")]
    key: Annotated[Id, Field(description="What it is for, in the words of who takes the answer.")]
    reference: Reference


class ClaimEvent(MemberEnvelope):
    """Internal: units of a limit that an account asks for. `subject` is the limit; `id` is the claim's."""

    type: Annotated[Literal["loyalty.claim.v1"], Field(description="The event's type.")]
    data: Annotated[ClaimData, Field(description="The claim."), Send("an object with the claim")]


class ReleaseData(MessageData):
    """How much of a claim is still needed."""

    claim_id: Annotated[Id, Field(description="The claim.")]
    left: Annotated[Units, Field(description="Units that are still needed; the others can be given to others.")]


class ReleaseEvent(MemberEnvelope):
    """Internal: units that an account gives back to a limit. `subject` is the limit."""

    type: Annotated[Literal["loyalty.release.v1"], Field(description="The event's type.")]
    data: Annotated[ReleaseData, Field(description="The release."), Send("an object with the release")]


class AnswerData(MessageData):
    """What a limit says to a claim."""

    claim_id: Annotated[Id, Field(description="The claim.")]
    units: Annotated[Units, Field(description="How many were asked for.")]
    granted: Annotated[Flag, Field(description="Whether they are granted: all of them, or none.")]
    purpose: Annotated[Id, Field(description="As the claim said.")]
    key: Annotated[Id, Field(description="As the claim said.")]
    reference: Reference


class AnswerEvent(MemberEnvelope):
    """Internal: a limit's answer on its way to the account that asked; `from_member` is the limit."""

    type: Annotated[Literal["loyalty.answer.v1"], Field(description="The event's type.")]
    data: Annotated[AnswerData, Field(description="The answer."), Send("an object with the answer")]


def encode_message(message: Message) -> bytes:
    """Encode a message as an event of its type; `decode` reads it back."""
    own = dict(zip(message._fields[_HEADING:], message[_HEADING:], strict=True))
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": message.message_id,
            "source": SOURCE,
            "type": TYPES[type(message)],
            "time": instant_text(message.time_us),
            "subject": message.member,
            "datacontenttype": "application/json",
            "data": {
                "from_member": message.from_member,
                **own,
                "version": message.version,
                "cause": message.cause._asdict(),
            },
        },
        default=tuple,  # records within a message are NamedTuples
    )


def reader_of_message(kind: type[Message]) -> Callable[[Any, str, int], Message]:
    """How a validated event becomes a message of this kind. Its cause is the event that it follows from, not itself."""
    event_type = TYPES[kind]
    own = [(name, _FROM_JSON.get(name)) for name in kind._fields[_HEADING:]]

    def fact(event: Any, member: str, time_us: int) -> Message:
        data = event["data"]
        cause = Cause(**data["cause"])
        told = (data["from_member"], data["version"], *(read(data[name]) if read else data[name] for name, read in own))
        body, content = content_digests(event_type, member, time_us, (cause, *told))
        return kind(cause, member, time_us, body, content, event["id"], *told)

    return fact


def type_of(fact: Fact) -> str:
    """The event's type; the cause of a message has the type of the event that it follows from."""
    return TYPES.get(type(fact)) or fact.cause.type


def readdressed(fact: Fact, raw: bytes, member: str) -> bytes:
    """The same event for another member. `raw` are its bytes, unless it is a message."""
    if is_message(fact):
        return encode_message(fact._replace(member=member))
    return orjson.dumps({**orjson.loads(raw), "subject": member})
