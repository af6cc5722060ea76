"""More or less of what is limited for all members together: the model of loyalty.stock.v1, and its fact.

The subject is no member but the limit: `stock:` and a reward's id, or `budget:` and a surprise's. It is the key of the
record like a member's id, so that everything about a limit lies in one partition.

Beyond the bounds of each field:
  T1 units are never 0
"""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from loyalty.facts import Cause, Restock
from schemas.canonical import content_digests
from schemas.envelope import Envelope, strict
from schemas.messages import UNITS_MAX
from schemas.scalars import ID_CHARS_MAX, Id, Send

TYPE = "loyalty.stock.v1"

LimitId = Annotated[
    str,
    Field(max_length=ID_CHARS_MAX, pattern=r"^(stock|budget):[^\x00-\x1f\x7f-\x9f]+$", examples=["stock:mug"]),
    Send(f'"stock:" and a reward\'s id, or "budget:" and a surprise\'s, of at most {ID_CHARS_MAX} characters together'),
]


@strict
class StockData(TypedDict):
    """Units that somebody adds to a limit, or takes from it."""

    restock_id: Annotated[Id, Field(description="The restock; unique for the limit.")]
    units: Annotated[
        int,
        Field(
            ge=-UNITS_MAX,
            le=UNITS_MAX,
            description="Pieces or places; of a budget points in their smallest unit. Below 0 takes away.",
        ),
        Send(f"a whole number of units from -{UNITS_MAX} to {UNITS_MAX}, not 0"),
    ]
    reason: Annotated[Id, Field(description="Why. No personal data.")]
    operator: Annotated[Id, Field(description="Who asks for it: an id, no name.")]
    reference: NotRequired[Annotated[Id, Field(description="A delivery, an order, a ticket.")]]


class StockEvent(Envelope):
    """An operator adds to the stock of a reward or the budget of a surprise, or takes from it."""

    type: Annotated[Literal["loyalty.stock.v1"], Field(description="The event's type.")]
    subject: Annotated[LimitId, Field(description="Which stock or budget; also the Kafka key.")]
    data: Annotated[StockData, Field(description="The restock."), Send("an object with the restock")]


def stock_fault(data: StockData) -> str | None:
    """Say that T1 does not hold, or None."""
    if data["units"] == 0:
        return "data.units is 0; send the units to add, or below 0 to take away"
    return None


def restock_fact(event: StockEvent, limit: str, time_us: int) -> Restock:
    """Translate a validated restock."""
    data = event["data"]
    told = (data["restock_id"], data["units"], data["reason"], data["operator"], data.get("reference", ""))
    body, content = content_digests(TYPE, limit, time_us, told)
    return Restock(Cause(event["source"], event["id"], TYPE), limit, time_us, body, content, *told)
