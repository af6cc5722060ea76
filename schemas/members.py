"""Who takes part and who brought whom: the models of loyalty.member.v1, referral.v1 and award.v1, and their facts.

Beyond the bounds of each field:
  M1 a birthday is a day that exists; February 29 needs no year
The award is internal: it travels through the inbox from the member whose event gave it to the member who gets it.
"""

from datetime import date
from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from loyalty.facts import Cause, MemberUpdate, Referral
from schemas.canonical import content_digests
from schemas.envelope import MemberEnvelope, strict
from schemas.scalars import SEGMENTS_MAX, Attributes, Id, Send

_LEAP_YEAR = "2000"


@strict
class MemberData(TypedDict):
    """Master data of a member."""

    status: Annotated[
        Literal["enrolled", "updated", "closed"],
        Field(description="The member joined, changed something, or left for good."),
        Send('"enrolled", "updated" or "closed"'),
    ]
    birthday: NotRequired[
        Annotated[
            str,
            Field(
                pattern=r"^([12][0-9]{3}-)?(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
                description="MM-DD or YYYY-MM-DD. Absent: unchanged.",
                examples=["02-29", "1990-07-14"],
            ),
            Send('a day that exists as "MM-DD" or "YYYY-MM-DD", or leave it out'),
        ]
    ]
    attributes: NotRequired[Annotated[Attributes, Field(description="Own fields, which conditions can read.")]]
    segments: NotRequired[
        Annotated[
            list[Id],
            Field(max_length=SEGMENTS_MAX, description="All segments of the member from now on. Absent: unchanged."),
            Send(f"a list of at most {SEGMENTS_MAX} names, or leave it out"),
        ]
    ]


class MemberEvent(MemberEnvelope):
    """A member joined, changed or left."""

    type: Annotated[Literal["loyalty.member.v1"], Field(description="The event's type.")]
    data: Annotated[MemberData, Field(description="The member."), Send("an object with the member's data")]


@strict
class ReferralData(TypedDict):
    """Who brought the member (the event's subject) in."""

    referral_id: Annotated[Id, Field(description="The referral; the same for both stages.")]
    referrer_id: Annotated[Id, Field(description="The member who referred the subject.")]
    code: Annotated[Id, Field(description="The code or link that was used.")]
    stage: Annotated[
        Literal["signed_up", "qualified"],
        Field(description="The referee joined, or did what the program asks for."),
        Send('"signed_up" or "qualified"'),
    ]
    transaction_id: NotRequired[Annotated[Id, Field(description="The purchase that qualified, if one did.")]]
    attributes: NotRequired[Annotated[Attributes, Field(description="Own fields, which conditions can read.")]]


class ReferralEvent(MemberEnvelope):
    """A member was referred by another; `subject` is the one who was referred."""

    type: Annotated[Literal["loyalty.referral.v1"], Field(description="The event's type.")]
    data: Annotated[ReferralData, Field(description="The referral."), Send("an object with the referral")]


@strict
class CauseData(TypedDict):
    """Identity of the event that something follows from."""

    source: Annotated[Id, Field(description="`source` of the causing event.")]
    id: Annotated[Id, Field(description="`id` of the causing event.")]
    type: Annotated[Id, Field(description="`type` of the causing event.")]


def member_fault(data: MemberData) -> str | None:
    """Say what is wrong with a birthday that has the right form but does not exist (M1), or None."""
    birthday = data.get("birthday")
    if birthday is None:
        return None
    dated = birthday if len(birthday) > len("MM-DD") else f"{_LEAP_YEAR}-{birthday}"
    try:
        date.fromisoformat(dated)
    except ValueError:
        return (
            "data.birthday is a day that the calendar does not have; "
            'send a day that exists as "MM-DD" or "YYYY-MM-DD", or leave it out'
        )
    return None


def member_fact(event: MemberEvent, member: str, time_us: int) -> MemberUpdate:
    """Translate validated master data."""
    data = event["data"]
    # A set on the wire: neither order nor repetition means anything.
    segments = tuple(sorted(set(data["segments"]))) if "segments" in data else None
    told = (data["status"], data.get("birthday", ""), data.get("attributes", {}), segments)
    body, content = content_digests("loyalty.member.v1", member, time_us, told)
    return MemberUpdate(Cause(event["source"], event["id"], "loyalty.member.v1"), member, time_us, body, content, *told)


def referral_fact(event: ReferralEvent, member: str, time_us: int) -> Referral:
    """Translate a validated referral."""
    data = event["data"]
    told = (
        data["referral_id"],
        data["referrer_id"],
        data["code"],
        data["stage"],
        data.get("transaction_id", ""),
        data.get("attributes", {}),
    )
    body, content = content_digests("loyalty.referral.v1", member, time_us, told)
    return Referral(Cause(event["source"], event["id"], "loyalty.referral.v1"), member, time_us, body, content, *told)
