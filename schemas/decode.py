"""Bytes in, a value out: a fact, an anonymous sale, or a refusal. Never an exception.

Two ways lead to the same answer:
  the fast path  one pass of a typed parser over the bytes (`schemas/fast.py`); it only ever accepts
  `examine`      the careful path, taken whenever the fast one hesitates; every refusal is worded there

Invariants:
  X1 whatever the fast path accepts, `examine` accepts with the same value
  X2 no key occurs twice anywhere in an accepted event, also not in fields that are ignored
  X3 the answer depends on the bytes and the arguments alone, not on the machine or the depth of the stack
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from pydantic import TypeAdapter, ValidationError

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
from loyalty.facts import Answer, Award, Cause, Claim, Fact, Release
from loyalty.making import maker
from schemas.careful import parse
from schemas.commands import AdjustmentEvent, adjustment_fact, adjustment_fault
from schemas.engagements import (
    EngagementEvent,
    ReviewEvent,
    ShareEvent,
    engagement_fact,
    review_fact,
    share_fact,
)
from schemas.envelope import EVENT_BYTES_MAX, INBOX, TOPIC_OF_TYPE
from schemas.fast import Reader, read, reader_of
from schemas.households import (
    HouseholdAnswerEvent,
    HouseholdAskEvent,
    HouseholdEndEvent,
    HouseholdEvent,
    PooledEvent,
    PoolFetchEvent,
    household_fact,
    household_fault,
)
from schemas.members import (
    MemberEvent,
    ReferralEvent,
    member_fact,
    member_fault,
    referral_fact,
)
from schemas.merging import JoiningEvent, MergeAnswerEvent, MergeAskEvent, MergeEvent, merge_fact
from schemas.messages import (
    AnswerEvent,
    AwardEvent,
    ClaimEvent,
    RecoupEvent,
    ReleaseEvent,
    TransferEvent,
    reader_of_message,
)
from schemas.purchase import PurchaseEvent, ReturnEvent, purchase_fact, purchase_fault, return_fact, return_fault
from schemas.redemptions import (
    RedemptionCancelledEvent,
    RedemptionFailedEvent,
    RedemptionFulfilledEvent,
    RedemptionRequestedEvent,
    cancelled_fact,
    failed_fact,
    fulfilled_fact,
    requested_fact,
    requested_fault,
)
from schemas.refusals import DecodeCode, RefusedError, Undecodable, invalid_event, refuse, shown
from schemas.scalars import NotAnInstantError, NotAQuantityError, instant_us, names_of
from schemas.shapes import Shape, shape_of, unknown_fields
from schemas.stock import StockEvent, restock_fact, stock_fault
from schemas.transfers import TransferRequestEvent, transfer_fact

__all__ = ["Anonymous", "DecodeCode", "Decoded", "Known", "Undecodable", "decode", "examine"]


class Known(NamedTuple):
    """An event about a member. `unknown_fields` names what was ignored: dotted, sorted, at most 32."""

    fact: Fact
    unknown_fields: tuple[str, ...] = ()


_known = maker(Known)


class Anonymous(NamedTuple):
    """A valid sale without a member: counted and skipped."""

    cause: Cause
    time_us: int
    unknown_fields: tuple[str, ...] = ()


Decoded: TypeAlias = Known | Anonymous | Undecodable
"""What became of the bytes."""


class Contract(NamedTuple):
    """All that belongs to one inbound type.

    `fault` checks what spans several fields, over validated data; `fact` translates a validated event of a member.
    """

    model: type
    fact: Callable[[Any, str, int], Fact]
    fault: Callable[[Any], str | None] | None = None


# To add an inbound event: a model and a translation in a module of its own, its topic in envelope.py, a line here,
# and its examples.
CONTRACTS: Mapping[str, Contract] = {
    "loyalty.purchase.v1": Contract(PurchaseEvent, purchase_fact, purchase_fault),
    "loyalty.return.v1": Contract(ReturnEvent, return_fact, return_fault),
    "loyalty.review.v1": Contract(ReviewEvent, review_fact),
    "loyalty.share.v1": Contract(ShareEvent, share_fact),
    "loyalty.referral.v1": Contract(ReferralEvent, referral_fact),
    "loyalty.member.v1": Contract(MemberEvent, member_fact, member_fault),
    "loyalty.engagement.v1": Contract(EngagementEvent, engagement_fact),
    "loyalty.adjustment.v1": Contract(AdjustmentEvent, adjustment_fact, adjustment_fault),
    "loyalty.award.v1": Contract(AwardEvent, reader_of_message(Award)),
    "loyalty.redemption.requested.v1": Contract(RedemptionRequestedEvent, requested_fact, requested_fault),
    "loyalty.redemption.cancelled.v1": Contract(RedemptionCancelledEvent, cancelled_fact),
    "loyalty.redemption.fulfilled.v1": Contract(RedemptionFulfilledEvent, fulfilled_fact),
    "loyalty.redemption.failed.v1": Contract(RedemptionFailedEvent, failed_fact),
    "loyalty.recoup.v1": Contract(RecoupEvent, reader_of_message(Recoup)),
    "loyalty.transfer.requested.v1": Contract(TransferRequestEvent, transfer_fact),
    "loyalty.transfer.v1": Contract(TransferEvent, reader_of_message(Transfer)),
    "loyalty.merge.v1": Contract(MergeEvent, merge_fact),
    "loyalty.merge.ask.v1": Contract(MergeAskEvent, reader_of_message(MergeAsk)),
    "loyalty.merge.answer.v1": Contract(MergeAnswerEvent, reader_of_message(MergeAnswer)),
    "loyalty.joining.v1": Contract(JoiningEvent, reader_of_message(Joining)),
    "loyalty.claim.v1": Contract(ClaimEvent, reader_of_message(Claim)),
    "loyalty.release.v1": Contract(ReleaseEvent, reader_of_message(Release)),
    "loyalty.answer.v1": Contract(AnswerEvent, reader_of_message(Answer)),
    "loyalty.stock.v1": Contract(StockEvent, restock_fact, stock_fault),
    "loyalty.household.v1": Contract(HouseholdEvent, household_fact, household_fault),
    "loyalty.household.ask.v1": Contract(HouseholdAskEvent, reader_of_message(HouseholdAsk)),
    "loyalty.household.answer.v1": Contract(HouseholdAnswerEvent, reader_of_message(HouseholdAnswer)),
    "loyalty.household.end.v1": Contract(HouseholdEndEvent, reader_of_message(HouseholdEnd)),
    "loyalty.pool.fetch.v1": Contract(PoolFetchEvent, reader_of_message(PoolFetch)),
    "loyalty.pooled.v1": Contract(PooledEvent, reader_of_message(Pooled)),
}


# What follows is made for a type when its first event comes: made for all of them, it would be much of what a command
# waits for that sees few types, or none.


class _Readers(dict[bytes, Reader]):
    def __missing__(self, name: bytes) -> Reader:
        made = self[name] = reader_of(CONTRACTS[name.decode()].model)
        return made


_READERS: Mapping[bytes, Reader] = _Readers()


@cache
def _adapter(event_type: str) -> TypeAdapter[Any]:
    return TypeAdapter(CONTRACTS[event_type].model)


@cache
def _shape(event_type: str) -> Shape:
    return shape_of(CONTRACTS[event_type].model)


_TYPES = names_of({name: each for name, each in CONTRACTS.items() if TOPIC_OF_TYPE[name] != INBOX})
"""What others may send; the rest is what accounts tell each other."""


def decode(raw: bytes | None, *, topic: str | None = None, strict: bool = False) -> Decoded:
    """Turn the bytes of one record into a fact, an anonymous sale or a refusal.

    `topic` is the topic word that the record came in on ("purchases"); None skips that check.
    `strict` refuses unknown fields instead of naming them.
    """
    decoded = None if raw is None or len(raw) > EVENT_BYTES_MAX else _at_once(raw, topic)
    return examine(raw, topic=topic, strict=strict) if decoded is None else decoded


def _at_once(raw: bytes, topic: str | None) -> Known | Anonymous | None:
    """Take the fast path. None means that `examine` has to look."""
    event = read(raw, _READERS)
    if event is None:
        return None
    event_type = event["type"]
    contract = CONTRACTS[event_type]
    if not _belongs(event_type, topic) or (contract.fault is not None and contract.fault(event["data"]) is not None):
        return None
    member = event.get("subject")
    try:
        time_us = instant_us(event["time"])
        fact = contract.fact(event, member or "", time_us)  # Of an anonymous sale too: it looks at the quantities.
    except (NotAnInstantError, NotAQuantityError):
        return None
    if member is None:
        return Anonymous(Cause(event["source"], event["id"], event_type), time_us)
    return _known(fact)


def examine(raw: bytes | None, *, topic: str | None = None, strict: bool = False) -> Decoded:
    """Decode step by step, so that a refusal can say what is wrong; the same answer as `decode`, only slower."""
    try:
        value = parse(raw)
        event_type = _envelope(value, topic)
    except RefusedError as refused:
        return refused.refusal
    shape = _shape(event_type)
    contract = CONTRACTS[event_type]
    try:
        event = _adapter(event_type).validate_json(raw or b"")
        time_us = instant_us(event["time"])
    except ValidationError as error:
        return invalid_event(shape, error)
    except NotAnInstantError as error:
        return refuse(
            DecodeCode.INVALID_EVENT,
            f"time is {shown(value['time'])} and {error}; send {(shape.fields or {})['time'].phrase}",
        )
    fault = None if contract.fault is None else contract.fault(event["data"])
    if fault is not None:
        return refuse(DecodeCode.INVALID_EVENT, fault)
    unknown = unknown_fields(shape, value)
    if strict and unknown:
        return refuse(
            DecodeCode.UNKNOWN_FIELD,
            f"{unknown[0]} is no field of {event_type}; leave it out, or put own fields into data.attributes",
        )
    member = event.get("subject")
    if member is None:
        return Anonymous(Cause(event["source"], event["id"], event_type), time_us, unknown)
    return Known(contract.fact(event, member, time_us), unknown)


def _envelope(value: Mapping[str, object], topic: str | None) -> str:
    """Check what decides how to read the rest, and return the event's type. Raises `RefusedError`."""
    specversion = value.get("specversion")
    if specversion != "1.0":
        came = f"is {shown(specversion)}" if "specversion" in value else "is missing"
        raise RefusedError(DecodeCode.WRONG_SPECVERSION, f'specversion {came}; send "1.0"')
    event_type = value.get("type")
    if not isinstance(event_type, str) or event_type not in CONTRACTS:
        came = f"is {shown(event_type)}" if "type" in value else "is missing"
        raise RefusedError(DecodeCode.UNKNOWN_TYPE, f"type {came}; send one of {_TYPES}")
    if not _belongs(event_type, topic):
        raise RefusedError(
            DecodeCode.WRONG_TOPIC,
            f"type is {event_type} but it came in on {shown(topic)}; send it to {TOPIC_OF_TYPE[event_type]}",
        )
    content_type = value.get("datacontenttype")
    if content_type is not None and (
        not isinstance(content_type, str) or content_type.replace("; ", ";") not in _CONTENT_TYPES
    ):
        raise RefusedError(
            DecodeCode.WRONG_CONTENT_TYPE,
            f'datacontenttype is {shown(content_type)}; send "application/json" or leave it out',
        )
    return event_type


_CONTENT_TYPES = frozenset({"application/json", "application/json;charset=utf-8"})


def _belongs(event_type: str, topic: str | None) -> bool:
    """Tell whether a type may come in on a topic. The inbox takes all: events are forwarded through it."""
    return topic is None or topic == INBOX or TOPIC_OF_TYPE[event_type] == topic
