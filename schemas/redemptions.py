"""What members get for their points, as it comes in: the models of loyalty.redemption.*.v1, and their facts.

Beyond the bounds of each field:
  R1 a request names either a reward or a payment
  R2 a payment names the sale that it is for, and at most one of amount_minor and points
"""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from loyalty.facts import Cause, Redemption, RedemptionReport
from schemas.canonical import content_digests
from schemas.commands import POINTS_MAX
from schemas.envelope import MemberEnvelope, strict
from schemas.scalars import AMOUNT_MINOR_MAX, Currency, Id, Send

QUANTITY_MAX = 1_000

_Minor = Annotated[
    int,
    Field(ge=1, le=AMOUNT_MINOR_MAX),
    Send(f"a whole number of minor units from 1 to {AMOUNT_MINOR_MAX}, such as 1190 for 11.90"),
]


@strict
class PaymentData(TypedDict):
    """A part of a sale that is paid with points. Without amount_minor and points: as much as can be."""

    basket_minor: Annotated[_Minor, Field(description="What is to be paid for the sale in all, in minor units.")]
    currency: Annotated[Currency, Field(description="The money of the sale.")]
    amount_minor: NotRequired[
        Annotated[_Minor, Field(description="How much of it points shall pay; as many are used as that takes.")]
    ]
    points: NotRequired[
        Annotated[
            int,
            Field(ge=1, le=POINTS_MAX, description="How many points shall be used, in their smallest unit."),
            Send(f"a whole number of points in their smallest unit, from 1 to {POINTS_MAX}"),
        ]
    ]


@strict
class RedemptionRequestedData(TypedDict):
    """What the member wants for points."""

    redemption_id: Annotated[
        Id, Field(description="The redemption; unique in the program. The label of the sale's tender of type points.")
    ]
    reward_id: NotRequired[Annotated[Id, Field(description="A reward of the program's catalogue.")]]
    quantity: NotRequired[
        Annotated[
            int,
            Field(ge=1, le=QUANTITY_MAX, description="How many of the reward. Absent: one."),
            Send(f"a whole number from 1 to {QUANTITY_MAX}, or leave it out"),
        ]
    ]
    transaction_id: NotRequired[
        Annotated[Id, Field(description="The sale that it is used in: points earned by it cannot pay for it.")]
    ]
    payment: NotRequired[
        Annotated[
            PaymentData,
            Field(description="In place of a reward: points pay for a sale."),
            Send("an object with the payment, or a reward_id in its place"),
        ]
    ]


class RedemptionRequestedEvent(MemberEnvelope):
    """A member asks to spend points. The answer comes on the topic rewards."""

    type: Annotated[Literal["loyalty.redemption.requested.v1"], Field(description="The event's type.")]
    data: Annotated[RedemptionRequestedData, Field(description="The request."), Send("an object with the request")]


@strict
class RedemptionCancelledData(TypedDict):
    """A redemption that is not wanted any more."""

    redemption_id: Annotated[Id, Field(description="The redemption that was requested.")]
    reason: NotRequired[Annotated[Id, Field(description="Why. No personal data.")]]


class RedemptionCancelledEvent(MemberEnvelope):
    """A redemption is cancelled: its points go back to the member."""

    type: Annotated[Literal["loyalty.redemption.cancelled.v1"], Field(description="The event's type.")]
    data: Annotated[
        RedemptionCancelledData, Field(description="The cancellation."), Send("an object with the cancellation")
    ]


@strict
class RedemptionFulfilledData(TypedDict):
    """A reward that was delivered."""

    redemption_id: Annotated[Id, Field(description="The redemption of the order.")]
    reference: NotRequired[Annotated[Id, Field(description="The partner's own number: a parcel, a voucher's serial.")]]


class RedemptionFulfilledEvent(MemberEnvelope):
    """A delivery partner reports: the reward was delivered."""

    type: Annotated[Literal["loyalty.redemption.fulfilled.v1"], Field(description="The event's type.")]
    data: Annotated[RedemptionFulfilledData, Field(description="The report."), Send("an object with the report")]


@strict
class RedemptionFailedData(TypedDict):
    """A reward that cannot be delivered."""

    redemption_id: Annotated[Id, Field(description="The redemption of the order.")]
    reason: Annotated[Id, Field(description="Why, for whoever reads it. No personal data.")]


class RedemptionFailedEvent(MemberEnvelope):
    """A delivery partner reports: the reward cannot be delivered. Its points go back to the member."""

    type: Annotated[Literal["loyalty.redemption.failed.v1"], Field(description="The event's type.")]
    data: Annotated[RedemptionFailedData, Field(description="The report."), Send("an object with the report")]


def requested_fault(data: RedemptionRequestedData) -> str | None:
    """Say which of R1 and R2 does not hold, or None."""
    payment = data.get("payment")
    if payment is None:
        return None if "reward_id" in data else "data.reward_id is missing; send it, or data.payment"
    if "reward_id" in data:
        return "data.payment stands beside data.reward_id; send one of them, or two redemptions"
    if "quantity" in data:
        return "data.quantity belongs to a reward; leave it out"
    if "transaction_id" not in data:
        return "data.transaction_id is missing; send the sale that is paid for"
    if "amount_minor" in payment and "points" in payment:
        return "data.payment.points stands beside amount_minor; send one of them, or none for as much as can be"
    return None


def requested_fact(event: RedemptionRequestedEvent, member: str, time_us: int) -> Redemption:
    """Translate a validated request."""
    data = event["data"]
    payment: Any = data.get("payment") or {}
    told = (
        data["redemption_id"],
        data.get("reward_id", ""),
        data.get("quantity", 1),
        data.get("transaction_id", ""),
        payment.get("basket_minor", 0),
        payment.get("currency", ""),
        payment.get("amount_minor"),
        payment.get("points"),
    )
    body, content = content_digests(event["type"], member, time_us, told)
    return Redemption(Cause(event["source"], event["id"], event["type"]), member, time_us, body, content, *told)


def cancelled_fact(event: RedemptionCancelledEvent, member: str, time_us: int) -> RedemptionReport:
    """Translate a validated cancellation."""
    return _report(event, member, time_us, ("cancelled", event["data"].get("reason", "")))


def fulfilled_fact(event: RedemptionFulfilledEvent, member: str, time_us: int) -> RedemptionReport:
    """Translate a validated report of a delivery."""
    return _report(event, member, time_us, ("fulfilled", event["data"].get("reference", "")))


def failed_fact(event: RedemptionFailedEvent, member: str, time_us: int) -> RedemptionReport:
    """Translate a validated report of a delivery that is not to be."""
    return _report(event, member, time_us, ("failed", event["data"]["reason"]))


def _report(
    event: RedemptionCancelledEvent | RedemptionFulfilledEvent | RedemptionFailedEvent,
    member: str,
    time_us: int,
    said: tuple[str, str],
) -> RedemptionReport:
    told = (event["data"]["redemption_id"], *said)
    body, content = content_digests(event["type"], member, time_us, told)
    return RedemptionReport(Cause(event["source"], event["id"], event["type"]), member, time_us, body, content, *told)
