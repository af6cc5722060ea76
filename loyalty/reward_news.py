"""What others are told of redemptions: what became of them, and what there is to deliver, on one topic.

Invariants:
  N1 an order keeps its id for ever: it derives from the request, never from what became of it
  N2 nobody has to deliver a payment

Not here: what is decided about them (redemption.py, restoring.py).
"""

from collections.abc import Mapping
from enum import StrEnum

from loyalty.account import RedemptionRecord
from loyalty.catalogue import Reward
from loyalty.decisions import RedemptionChange, RewardOrder, derived_id
from loyalty.facts import Cause
from loyalty.ledger import Work


class Status(StrEnum):
    """Where a redemption stands.

    Two are of its record alone: HELD waits for the stock's answer, AHEAD was cancelled before its request came.
    """

    ACCEPTED = "accepted"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    FULFILLED = "fulfilled"
    FAILED = "failed"
    RESTORED = "restored"
    AHEAD = "ahead"
    HELD = "held"


GIFT = "gift"
"""Why a redemption that cost nothing was accepted."""

OPEN = frozenset({Status.ACCEPTED, Status.FULFILLED})
"""While a redemption stands so, its points are spent and may still come back."""

ORDER_STATUS: Mapping[str, str] = {
    Status.ACCEPTED: "ordered",
    Status.FULFILLED: "fulfilled",
    Status.FAILED: "failed",
    Status.CANCELLED: "returned",
}
"""Status of the redemption -> status of its order."""


def tell(
    work: Work, record: RedemptionRecord, status: str, reason: str = "", restored: int = 0, message: str = ""
) -> None:
    """Say what became of a redemption; `restored` points came back by it."""
    head = work.head
    head.rewards_sequence += 1
    work.rewards.append(
        RedemptionChange(
            derived_id(work.cause, "redemption", head.member, record.redemption_id, status),
            head.member,
            work.plan.program.id,
            record.redemption_id,
            str(status),
            str(reason),
            message,
            record.reward,
            record.quantity,
            record.currency,
            record.points,
            restored,
            record.value_minor,
            record.money,
            record.transaction_id,
            work.cause,
            work.time_us,
            work.now_us,
            head.rewards_sequence,
        )
    )


def order(work: Work, record: RedemptionRecord, reward: Reward | None) -> None:
    """Tell the delivery partner what to do; nobody has to do anything about a payment."""
    if reward is None:
        return
    head = work.head
    head.rewards_sequence += 1
    request = Cause(record.source, record.event_id, "")
    work.rewards.append(
        RewardOrder(
            derived_id(work.cause, "order", head.member, record.redemption_id, record.status),
            head.member,
            work.plan.program.id,
            derived_id(request, "order", record.asked_as or head.member, record.redemption_id),
            record.redemption_id,
            ORDER_STATUS[record.status],
            reward.id,
            reward.name,
            reward.kind,
            reward.sku,
            record.quantity,
            reward.face_value_minor,
            record.money,
            work.cause,
            work.time_us,
            work.now_us,
            head.rewards_sequence,
        )
    )
