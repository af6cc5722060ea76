"""What a request to spend points comes to: so many points for that, or why not.

Invariants:
  O1 the first reason in the order of `Reason` that holds is told
  O2 a payment is never worth more than its points, and never more than the program's share of the sale
  O3 nothing is changed here: what is declined leaves no trace in the account

Not here: whether the member has the points, and taking them (redemption.py).
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any, NamedTuple

from loyalty import caps
from loyalty.calendar import local_time
from loyalty.catalogue import PAYMENT, Payment, Reward, is_within
from loyalty.facts import Redemption
from loyalty.ledger import Work


class Reason(StrEnum):
    """Why a redemption is refused. Never reused for another meaning."""

    CLOSED = "closed"
    CANCELLED = "cancelled"
    UNKNOWN_REWARD = "unknown_reward"
    NOT_FOR_THIS_TIER = "not_for_this_tier"
    NOT_FOR_THIS_SEGMENT = "not_for_this_segment"
    NOT_AVAILABLE_NOW = "not_available_now"
    LIMIT_REACHED = "limit_reached"
    CURRENCY = "currency_not_accepted"
    NOT_IN_BLOCKS = "not_in_blocks"
    ABOVE_SHARE = "above_share"
    BELOW_MINIMUM = "below_minimum"
    INSUFFICIENT = "insufficient"
    OUT_OF_STOCK = "out_of_stock"


class Declined(NamedTuple):
    """A reason, and a sentence that says what there is to do."""

    reason: Reason
    message: str


class Offer(NamedTuple):
    """What it takes and what it is worth. `step` explains the price; `reward` is None for a payment."""

    rule: str
    currency: str
    points: int
    value_minor: int
    money: str
    step: Mapping[str, Any]
    reward: Reward | None


def limits_id(reward_id: str) -> str:
    """Under which name caps.py counts pieces of a reward; no rule has one like it."""
    return f"reward:{reward_id}"


def offered(work: Work, fact: Redemption, usable: Callable[[str], int]) -> Offer | Declined:
    """What the request comes to; `usable` says how many points of a kind the member could use for it."""
    return _reward(work, fact) if fact.reward_id else _payment(work, fact, usable)


def shown(work: Work, points: int, currency: str) -> str:
    """Points as people write them."""
    terms = work.plan.currencies[currency]
    return f"{Decimal(points).scaleb(-terms.decimals):f} {terms.name}"


def _reward(work: Work, fact: Redemption) -> Offer | Declined:
    head, program = work.head, work.plan.program
    reward = work.plan.rewards.get(fact.reward_id)
    if reward is None:
        return Declined(Reason.UNKNOWN_REWARD, f"the program has no reward {fact.reward_id!r}: send one of its ids")
    if reward.tiers is not None and head.tier not in reward.tiers:
        return Declined(Reason.NOT_FOR_THIS_TIER, f"{reward.name} is for members of tier {_listed(reward.tiers)}")
    if reward.segments is not None and reward.segments.isdisjoint(head.segments):
        return Declined(
            Reason.NOT_FOR_THIS_SEGMENT, f"{reward.name} is for members in segment {_listed(reward.segments)}"
        )
    local = local_time(fact.time_us, program.zone)
    if not is_within(reward.times, local):
        return Declined(Reason.NOT_AVAILABLE_NOW, f"{reward.name} is not to be had at this time")
    quantity = fact.quantity
    room = caps.granted(dict(head.counters), limits_id(reward.id), reward.limits, quantity, local, fact)
    if room < quantity:
        return Declined(Reason.LIMIT_REACHED, f"the member may have {room} more of {reward.name} now")
    price, season = reward.price_at(local)
    step: dict[str, Any] = {"rule": reward.id, "redemption_id": fact.redemption_id, "quantity": quantity}
    step |= {"price": price, **({"season": season, "usual_price": reward.price} if season else {})}
    value_minor = reward.face_value_minor * quantity
    money = program.money if value_minor else ""
    return Offer(reward.id, reward.currency, price * quantity, value_minor, money, step, reward)


def _listed(names: frozenset[str]) -> str:
    return " or ".join(sorted(names)) or "none at all"


def _payment(work: Work, fact: Redemption, usable: Callable[[str], int]) -> Offer | Declined:
    program = work.plan.program
    terms = program.payment
    if terms is None:
        return Declined(Reason.UNKNOWN_REWARD, "the program takes no points in payment")
    if fact.money == program.money:
        worth = terms.worth
    elif fact.money in program.exchange:
        worth = terms.worth / program.exchange[fact.money]
    else:
        return Declined(Reason.CURRENCY, f"points pay in {', '.join([program.money, *program.exchange])} alone")
    limit_minor = int(fact.basket_minor * terms.share)
    if fact.points is not None:
        points = fact.points
        if points % terms.block:
            return Declined(
                Reason.NOT_IN_BLOCKS, f"points pay in steps of {shown(work, terms.block, terms.currency)} alone"
            )
        value_minor = int(points * worth)
    elif fact.amount_minor is not None:
        value_minor = fact.amount_minor
        points = -(-value_minor // (worth * terms.block)) * terms.block
    else:
        points = _most(terms, worth, limit_minor, usable(terms.currency))
        value_minor = int(points * worth)
    if value_minor > limit_minor:
        return Declined(
            Reason.ABOVE_SHARE, f"points may pay at most {limit_minor} of {fact.basket_minor} minor units here"
        )
    if points < terms.minimum or not value_minor:
        least = max(terms.minimum, terms.block)
        return Declined(Reason.BELOW_MINIMUM, f"points pay from {shown(work, least, terms.currency)} on")
    step = {
        "rule": PAYMENT,
        "redemption_id": fact.redemption_id,
        "transaction_id": fact.transaction_id,
        "worth": str(worth),
        "value_minor": value_minor,
        "money": fact.money,
    }
    return Offer(PAYMENT, terms.currency, points, value_minor, fact.money, step, None)


def _most(terms: Payment, worth: Fraction, limit_minor: int, usable: int) -> int:
    """As many points as the member has and the program allows, in whole blocks."""
    return min(int(limit_minor / (worth * terms.block)), max(usable, 0) // terms.block) * terms.block
