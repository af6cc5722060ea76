"""The contracts of what the engine publishes: ledger entries, balances, tiers, notices, redemptions and orders.

The engine writes them by hand for speed (encode.py); these models are their documentation, the origin of their
JSON Schemas, and what the tests hold the bytes against. Readers ignore fields they do not know: fields may be added.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, with_config
from typing_extensions import TypedDict

from schemas.envelope import Subject
from schemas.members import CauseData
from schemas.scalars import Id, Label, Send, Time

exact = with_config(ConfigDict(strict=True, extra="forbid"))

Points = Annotated[int, Field(ge=-(2**63), lt=2**63), Send("a whole number in the currency's smallest unit")]
Sequence = Annotated[int, Field(ge=1), Send("a whole number from 1")]


@exact
class OutputEnvelope(TypedDict):
    """CloudEvents 1.0, as the engine writes it."""

    specversion: Annotated[Literal["1.0"], Field(description="Version of CloudEvents.")]
    id: Annotated[Id, Field(description="Derived from the cause: stored by it, a record read twice is stored once.")]
    source: Annotated[str, Field(pattern="^/loyalty/.+$", description="/loyalty/ and the program's id.")]
    time: Annotated[Time, Field(description="Effective time: when the cause happened, in UTC.")]
    subject: Annotated[Subject, Field(description="Id of the member; also the Kafka key.")]
    datacontenttype: Annotated[Literal["application/json"], Field(description="Form of `data`.")]


@exact
class PostingData(TypedDict):
    """One side of an entry."""

    account: Annotated[
        str,
        Field(min_length=1, max_length=512, description="The account it is booked on; may hold a member's id."),
    ]
    currency: Annotated[Id, Field(description="The points currency.")]
    amount: Annotated[Points, Field(description="Signed, in the currency's smallest unit.")]
    rule: Annotated[Label, Field(description="The rule or reason behind it.")]
    lot: Annotated[Label, Field(description='The lot that it fills or draws on; "" when none.')]


def balanced(postings: list[PostingData]) -> list[PostingData]:
    """Return the postings if they sum to zero in each currency; raises `ValueError` otherwise."""
    sums: dict[str, int] = {}
    for posting in postings:
        sums[posting["currency"]] = sums.get(posting["currency"], 0) + posting["amount"]
    if any(sums.values()):
        message = f"postings do not sum to zero: {sums}"
        raise ValueError(message)
    return postings


@exact
class LedgerEntryData(TypedDict):
    """A double entry: the truth from which every balance follows."""

    entry_id: Annotated[Id, Field(description="The same as the event's id.")]
    kind: Annotated[Id, Field(description="What kind of entry: earn, return, ...")]
    reason: Annotated[Label, Field(description="Why, in a word or two.")]
    program: Annotated[Id, Field(description="The program's id.")]
    version: Annotated[Id, Field(description="The program version that decided it.")]
    digest: Annotated[Label, Field(description="Digest of that version's file.")]
    cause: Annotated[CauseData, Field(description="The event that it follows from.")]
    effective_time: Annotated[Time, Field(description="When the cause happened, in UTC.")]
    recorded_at: Annotated[Time, Field(description="When it was booked, in UTC.")]
    member_sequence: Annotated[Sequence, Field(description="Counts 1, 2, 3 for each member; a gap is a lost record.")]
    postings: Annotated[
        list[PostingData],
        AfterValidator(balanced),
        Field(description="Sum to zero in each currency."),
    ]
    steps: Annotated[list[dict[str, Any]], Field(description="How it came about, one object for each rule with a say.")]


class LedgerEntryEvent(OutputEnvelope):
    """Something was booked."""

    type: Annotated[Literal["loyalty.ledger.entry.v1"], Field(description="The event's type.")]
    data: Annotated[LedgerEntryData, Field(description="The entry.")]


@exact
class BalanceData(TypedDict):
    """The balance in one currency."""

    available: Annotated[Points, Field(description="What can be spent now; negative means debt.")]
    pending: Annotated[Points, Field(description="Earned, but not mature yet.")]


@exact
class BalanceChangedData(TypedDict):
    """The balance of one currency after one cause."""

    program: Annotated[Id, Field(description="The program's id.")]
    currency: Annotated[Id, Field(description="The points currency that changed.")]
    available: Annotated[Points, Field(description="What can be spent now; negative means debt.")]
    pending: Annotated[Points, Field(description="Earned, but not mature yet.")]
    delta: Annotated[Points, Field(description="Change of available + pending by this cause.")]
    balances: Annotated[dict[Id, BalanceData], Field(description="Balances of all currencies after it.")]
    cause: Annotated[CauseData, Field(description="The event that it follows from.")]
    recorded_at: Annotated[Time, Field(description="When it was booked, in UTC.")]
    sequence: Annotated[Sequence, Field(description="Counts 1, 2, 3 for each member; the highest is the latest.")]


class BalanceChangedEvent(OutputEnvelope):
    """A balance changed; one for each cause and currency."""

    type: Annotated[Literal["loyalty.balance.changed.v1"], Field(description="The event's type.")]
    data: Annotated[BalanceChangedData, Field(description="The balance.")]


@exact
class TierChangedData(TypedDict):
    """A member's tier after a change."""

    program: Annotated[Id, Field(description="The program's id.")]
    from_: Annotated[
        Id | None, Field(alias="from", description="The tier before; null at first, the same when confirmed.")
    ]
    to: Annotated[Id, Field(description="The tier from now on.")]
    reason: Annotated[
        Id, Field(description="qualified, enrollment; confirmed (a new period), review or return (down).")
    ]
    benefits: Annotated[dict[Id, Any], Field(description="What the new tier gives, as the program names it.")]
    valid_until: Annotated[
        Time | None, Field(description="First instant behind its period, grace may follow; null: for ever.")
    ]
    progress: Annotated[
        dict[Id, Any],
        Field(description="What is missing to the next tier: next, from, qualifying, missing; empty at the top."),
    ]
    cause: Annotated[CauseData, Field(description="The event that it follows from.")]
    recorded_at: Annotated[Time, Field(description="When it was recorded, in UTC.")]
    sequence: Annotated[Sequence, Field(description="Counts 1, 2, 3 for each member; the highest is the latest.")]


class TierChangedEvent(OutputEnvelope):
    """A member's tier changed."""

    type: Annotated[Literal["loyalty.tier.changed.v1"], Field(description="The event's type.")]
    data: Annotated[TierChangedData, Field(description="The tier.")]


@exact
class NoticeData(TypedDict):
    """Something that a member may want to be told."""

    program: Annotated[Id, Field(description="The program's id.")]
    kind: Annotated[
        Literal[
            "points_expiring",
            "tier_near",
            "tier_at_risk",
            "welcome",
            "birthday",
            "anniversary",
            "win_back",
            "transfer_sent",
            "transfer_received",
            "transfer_refused",
            "transfer_returned",
            "merge_done",
            "merge_received",
            "merge_refused",
            "household_joined",
            "household_left",
            "household_refused",
        ],
        Field(description="What it is about."),
    ]
    details: Annotated[
        dict[Id, Any],
        Field(
            description="points_expiring: currency, points and ends_at, the first instant they cannot be used. "
            "tier_near: tier, next, qualifying and missing. tier_at_risk: tier, ends_at, qualifying and missing. "
            "transfer_...: transfer_id, to_member or from_member, currency, points; a fee, a note, a reason why not. "
            "household_...: household_id, holder, a reason why not or why it is over. "
            "welcome, birthday, anniversary, win_back: rule, currency, points, ends_at if they have an end of their "
            "own, and day, but for a welcome; for a reward as a gift reward and redemption_id in place of points."
        ),
    ]
    cause: Annotated[CauseData, Field(description="What it follows from.")]
    recorded_at: Annotated[Time, Field(description="When it was recorded, in UTC.")]
    sequence: Annotated[Sequence, Field(description="Counts 1, 2, 3 for each member; the highest is the latest.")]


class NoticeEvent(OutputEnvelope):
    """A member may want to be told something; whether and how is up to whoever reads it."""

    type: Annotated[Literal["loyalty.notice.v1"], Field(description="The event's type.")]
    data: Annotated[NoticeData, Field(description="What there is to tell.")]


Minor = Annotated[int, Field(ge=0, lt=2**63), Send("a whole number of minor units")]


@exact
class RedemptionChangedData(TypedDict):
    """A redemption after a change."""

    program: Annotated[Id, Field(description="The program's id.")]
    redemption_id: Annotated[Id, Field(description="The redemption, as it was requested.")]
    status: Annotated[
        Literal["accepted", "refused", "cancelled", "fulfilled", "failed", "restored"],
        Field(
            description="accepted: the points are spent. refused: nothing happened, see reason. cancelled and failed: "
            "what had not come back yet did. restored: a part came back with a return; the rest stands."
        ),
    ]
    reason: Annotated[Label, Field(description='Why, in a word, or as it was reported; "" when there is none.')]
    message: Annotated[str, Field(max_length=512, description="Of a refusal: what there is to do.")]
    reward: Annotated[Label, Field(description='The reward\'s id; "" when points pay for a sale.')]
    quantity: Annotated[int, Field(ge=0, description="How many of the reward.")]
    currency: Annotated[Label, Field(description='The points currency; "" when none was spent.')]
    points: Annotated[Points, Field(description="What the redemption took, in the currency's smallest unit.")]
    restored: Annotated[Points, Field(description="What came back by this change.")]
    value_minor: Annotated[Minor, Field(description="What that pays, or its face value in all; 0: none is known.")]
    money: Annotated[Label, Field(description='The money of value_minor; "" when there is none.')]
    transaction_id: Annotated[Label, Field(description='The sale that the request named; "" when none.')]
    cause: Annotated[CauseData, Field(description="The event that it follows from.")]
    recorded_at: Annotated[Time, Field(description="When it was decided, in UTC.")]
    sequence: Annotated[Sequence, Field(description="Counts 1, 2, 3 for each member over the whole topic.")]


class RedemptionChangedEvent(OutputEnvelope):
    """What became of a redemption: the answer to a request, and whatever follows."""

    type: Annotated[Literal["loyalty.redemption.changed.v1"], Field(description="The event's type.")]
    data: Annotated[RedemptionChangedData, Field(description="The redemption.")]


@exact
class RewardOrderData(TypedDict):
    """An order to deliver a reward, or what became of it."""

    program: Annotated[Id, Field(description="The program's id.")]
    order_id: Annotated[Id, Field(description="The order: act once for each, whatever comes how often.")]
    redemption_id: Annotated[Id, Field(description="The redemption; send it back in a report.")]
    status: Annotated[
        Literal["ordered", "fulfilled", "failed", "returned"],
        Field(
            description="ordered: deliver it. fulfilled: it was reported delivered. failed: it was reported that it "
            "cannot be; the points went back. returned: it was cancelled, the points went back; deliver nothing."
        ),
    ]
    reward: Annotated[Id, Field(description="The reward's id.")]
    name: Annotated[Label, Field(description="What members call it.")]
    kind: Annotated[
        Literal["money_off", "product", "sample", "free_shipping", "gift_card", "experience", "event", "donation"],
        Field(description="What kind of reward it is."),
    ]
    sku: Annotated[Label, Field(description='The product, where the program names one; else "".')]
    quantity: Annotated[int, Field(ge=1, description="How many.")]
    face_value_minor: Annotated[Minor, Field(description="What one is worth; 0 where that says nothing.")]
    money: Annotated[Label, Field(description='The money of face_value_minor; "" when there is none.')]
    cause: Annotated[CauseData, Field(description="The event that it follows from.")]
    recorded_at: Annotated[Time, Field(description="When it was decided, in UTC.")]
    sequence: Annotated[Sequence, Field(description="Counts 1, 2, 3 for each member over the whole topic.")]


class RewardOrderEvent(OutputEnvelope):
    """Somebody has to deliver a reward, or need not any more."""

    type: Annotated[Literal["loyalty.reward.order.v1"], Field(description="The event's type.")]
    data: Annotated[RewardOrderData, Field(description="The order.")]
