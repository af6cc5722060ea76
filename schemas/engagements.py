"""What members do besides buying: the models of loyalty.review.v1, share.v1 and engagement.v1, and their facts."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from loyalty.facts import Cause, Engagement, Review, Share
from schemas.canonical import content_digests
from schemas.envelope import MemberEnvelope, strict
from schemas.scalars import Attributes, Flag, Id, Send

TEXT_CHARS_MAX = 1_000_000


@strict
class ReviewData(TypedDict):
    """A product review, as it stands now."""

    review_id: Annotated[Id, Field(description="The review; unique in the program.")]
    sku: Annotated[Id, Field(description="The article reviewed.")]
    rating: Annotated[
        int,
        Field(ge=1, le=5, description="Stars, 1 to 5."),
        Send("a whole number from 1 to 5"),
    ]
    text_length: Annotated[
        int,
        Field(ge=0, le=TEXT_CHARS_MAX, description="Characters in the review's text; the text itself is not sent."),
        Send(f"a whole number from 0 to {TEXT_CHARS_MAX}"),
    ]
    has_photo: Annotated[Flag, Field(description="Whether a photo is part of it.")]
    verified_purchase: Annotated[Flag, Field(description="Whether the shop knows that the member bought the article.")]
    status: Annotated[
        Literal["published", "removed"],
        Field(description="Whether it became visible or was taken down."),
        Send('"published" or "removed"'),
    ]
    attributes: NotRequired[Annotated[Attributes, Field(description="Own fields, which conditions can read.")]]


class ReviewEvent(MemberEnvelope):
    """A review was published or removed."""

    type: Annotated[Literal["loyalty.review.v1"], Field(description="The event's type.")]
    data: Annotated[ReviewData, Field(description="The review."), Send("an object with the review")]


@strict
class ShareData(TypedDict):
    """Something that a member made public."""

    share_id: Annotated[Id, Field(description="The share; unique in the program.")]
    network: Annotated[Id, Field(description="Where it was shared: instagram, whatsapp, ...")]
    content_id: Annotated[Id, Field(description="What was shared: a page, a post, a place.")]
    kind: Annotated[
        Literal["share", "ugc", "check_in"],
        Field(description="A link passed on, content made by the member, or a visit."),
        Send('"share", "ugc" or "check_in"'),
    ]
    attributes: NotRequired[Annotated[Attributes, Field(description="Own fields, which conditions can read.")]]


class ShareEvent(MemberEnvelope):
    """A member shared something."""

    type: Annotated[Literal["loyalty.share.v1"], Field(description="The event's type.")]
    data: Annotated[ShareData, Field(description="The share."), Send("an object with the share")]


@strict
class EngagementData(TypedDict):
    """Any other activity that a program may reward."""

    activity: Annotated[Id, Field(description="Name of the activity, as the program's rules call it.")]
    activity_id: Annotated[Id, Field(description="This one time; unique in the program for the activity.")]
    properties: NotRequired[Annotated[Attributes, Field(description="Own fields, which conditions can read.")]]


class EngagementEvent(MemberEnvelope):
    """A member did something that has no event of its own."""

    type: Annotated[Literal["loyalty.engagement.v1"], Field(description="The event's type.")]
    data: Annotated[EngagementData, Field(description="The activity."), Send("an object with the activity")]


def review_fact(event: ReviewEvent, member: str, time_us: int) -> Review:
    """Translate a validated review."""
    data = event["data"]
    told = (
        data["review_id"],
        data["sku"],
        data["rating"],
        data["text_length"],
        data["has_photo"],
        data["verified_purchase"],
        data["status"],
        data.get("attributes", {}),
    )
    body, content = content_digests("loyalty.review.v1", member, time_us, told)
    return Review(Cause(event["source"], event["id"], "loyalty.review.v1"), member, time_us, body, content, *told)


def share_fact(event: ShareEvent, member: str, time_us: int) -> Share:
    """Translate a validated share."""
    data = event["data"]
    told = (
        data["share_id"],
        data["network"],
        data["content_id"],
        data["kind"],
        data.get("attributes", {}),
    )
    body, content = content_digests("loyalty.share.v1", member, time_us, told)
    return Share(Cause(event["source"], event["id"], "loyalty.share.v1"), member, time_us, body, content, *told)


def engagement_fact(event: EngagementEvent, member: str, time_us: int) -> Engagement:
    """Translate a validated engagement."""
    data = event["data"]
    told = (
        data["activity"],
        data["activity_id"],
        data.get("properties", {}),
    )
    body, content = content_digests("loyalty.engagement.v1", member, time_us, told)
    return Engagement(
        Cause(event["source"], event["id"], "loyalty.engagement.v1"), member, time_us, body, content, *told
    )
