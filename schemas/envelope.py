"""The CloudEvents 1.0 envelope around every event, and which type of event belongs to which topic.

Invariants:
  E1 `source` + `id` identify an event; `subject` is the member and the Kafka key
  E2 an attribute that is null counts as absent, as CloudEvents asks
  E3 a type belongs to one topic; `inbox` takes every inbound type, because events are forwarded through it
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from schemas.scalars import Id, Send, Time

EVENT_BYTES_MAX = 262_144
"""Largest event, in bytes."""
NESTING_MAX = 16
"""Deepest nesting of objects and arrays in an event; the contracts themselves need 4."""
SPECVERSION = "1.0"
CONTENT_TYPE = "application/json"
INBOX = "inbox"

TOPIC_OF_TYPE: Mapping[str, str] = MappingProxyType(
    {
        "loyalty.purchase.v1": "purchases",
        "loyalty.return.v1": "purchases",
        "loyalty.review.v1": "reviews",
        "loyalty.share.v1": "shares",
        "loyalty.referral.v1": "referrals",
        "loyalty.member.v1": "members",
        "loyalty.engagement.v1": "engagements",
        "loyalty.adjustment.v1": "commands",
        "loyalty.award.v1": INBOX,
        "loyalty.redemption.requested.v1": "commands",
        "loyalty.redemption.cancelled.v1": "commands",
        "loyalty.redemption.fulfilled.v1": "commands",
        "loyalty.redemption.failed.v1": "commands",
        "loyalty.recoup.v1": INBOX,
        "loyalty.transfer.requested.v1": "commands",
        "loyalty.transfer.v1": INBOX,
        "loyalty.merge.v1": "commands",
        "loyalty.merge.ask.v1": INBOX,
        "loyalty.merge.answer.v1": INBOX,
        "loyalty.joining.v1": INBOX,
        "loyalty.claim.v1": INBOX,
        "loyalty.release.v1": INBOX,
        "loyalty.answer.v1": INBOX,
        "loyalty.stock.v1": "commands",
        "loyalty.household.v1": "commands",
        "loyalty.household.ask.v1": INBOX,
        "loyalty.household.answer.v1": INBOX,
        "loyalty.household.end.v1": INBOX,
        "loyalty.pool.fetch.v1": INBOX,
        "loyalty.pooled.v1": INBOX,
    },
)
"""Inbound event type -> topic word, without the prefix that an installation puts before it."""

TOPIC_OF_OUTPUT: Mapping[str, str] = MappingProxyType(
    {
        "loyalty.ledger.entry.v1": "ledger",
        "loyalty.balance.changed.v1": "balances",
        "loyalty.tier.changed.v1": "tiers",
        "loyalty.notice.v1": "notices",
        "loyalty.redemption.changed.v1": "rewards",
        "loyalty.reward.order.v1": "rewards",
    },
)
"""Outbound event type -> topic word."""

strict = with_config(ConfigDict(strict=True))
"""No conversions: a text is never taken for a number. Unknown fields pass a model; `decode` names or refuses them."""

Subject = Annotated[Id, Send("the member's id, 1 to 128 characters without control characters")]


@strict
class Envelope(TypedDict):
    """What every event carries around its data. `type`, `subject` and `data` are added by each event."""

    specversion: Annotated[
        Literal["1.0"],
        Field(description="Version of CloudEvents."),
        Send('"1.0"'),
    ]
    id: Annotated[Id, Field(description="Identifies the event within its source. Sending it again is harmless.")]
    source: Annotated[Id, Field(description="Who sends: a path or address, such as /pos/store-12.")]
    time: Annotated[Time, Field(description="When it happened, with the offset of the place where it happened.")]
    datacontenttype: NotRequired[
        Annotated[
            Literal["application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"] | None,
            Field(description="Form of `data`; absent means application/json."),
            Send('"application/json" or leave it out'),
        ]
    ]
    dataschema: NotRequired[
        Annotated[str | None, Field(max_length=2048, description="Address of a schema for `data`; not read.")]
    ]
    traceparent: NotRequired[Annotated[str | None, Field(max_length=256, description="W3C trace context; not read.")]]
    tracestate: NotRequired[Annotated[str | None, Field(max_length=512, description="W3C trace context; not read.")]]


class MemberEnvelope(Envelope):
    """The envelope of an event that always concerns one member."""

    subject: Annotated[Subject, Field(description="Id of the member; also the Kafka key.")]
