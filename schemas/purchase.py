"""Sales and returns: the models of loyalty.purchase.v1 and loyalty.return.v1, and their facts.

Beyond the bounds of each field:
  P1 line ids are unique within a basket
  P2 tenders, when given, add up to lines + tax + shipping + tip
A sale without `subject` is anonymous: valid, but no fact.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, NotRequired

from msgspec import UNSET, UnsetType
from pydantic import Field
from typing_extensions import TypedDict, override

from loyalty.facts import Cause, Line, Purchase, Return, ReturnLine, Tender
from loyalty.making import maker
from schemas.canonical import content_digests
from schemas.envelope import Envelope, MemberEnvelope, Subject, strict
from schemas.rows import Row
from schemas.scalars import (
    LINES_MAX,
    QUANTITY_MICRO,
    TENDERS_MAX,
    AmountMinor,
    Attributes,
    Currency,
    Id,
    Label,
    Quantity,
    Send,
    Zone,
)


class LineData(Row, frozen=True, kw_only=True):
    """One line of a basket."""

    line_id: Annotated[Id, Field(description="Names the line; unique within the basket. A return refers to it.")]
    sku: Annotated[Id, Field(description="The article.")]
    category: Annotated[Label, Field(description="The article's category; absent means none.")] | UnsetType = UNSET
    brand: Annotated[Label, Field(description="The article's brand; absent means none.")] | UnsetType = UNSET
    quantity: Annotated[Quantity, Field(description="How much was bought, as a decimal number in quotes.")]
    amount_minor: Annotated[
        AmountMinor,
        Field(description="What was paid for the line in minor units, after discounts, before tax."),
    ]

    @staticmethod
    @override
    def left_out(rows: Sequence["LineData"]) -> int:
        return sum([(row.category is UNSET) + (row.brand is UNSET) for row in rows])


class TenderData(Row, frozen=True, kw_only=True):
    """One means of payment."""

    type: Annotated[
        Id,
        Field(description='Kind of payment: card, cash, gift_card, wallet, ... "points" is a discount paid in points.'),
    ]
    label: Annotated[Label, Field(description="Which one: a card brand, a wallet's name.")] | UnsetType = UNSET
    amount_minor: Annotated[AmountMinor, Field(description="How much of the sale it paid, in minor units.")]

    @staticmethod
    @override
    def left_out(rows: Sequence["TenderData"]) -> int:
        return sum([row.label is UNSET for row in rows])


@strict
class PurchaseData(TypedDict):
    """A basket that was paid."""

    transaction_id: Annotated[
        Id,
        Field(description="The sale; unique in the program, so a POS puts its store before its number."),
    ]
    store_id: Annotated[Id, Field(description="Where it was sold.")]
    channel: Annotated[
        Literal["store", "online", "app"],
        Field(description="How it was sold."),
        Send('"store", "online" or "app"'),
    ]
    currency: Annotated[Currency, Field(description="Currency of every amount in the event.")]
    lines: Annotated[
        list[LineData],
        Field(min_length=1, max_length=LINES_MAX, description="What was bought."),
        Send(f"a list of 1 to {LINES_MAX} lines"),
    ]
    tenders: NotRequired[
        Annotated[
            list[TenderData],
            Field(
                max_length=TENDERS_MAX,
                description="How it was paid. When given, they add up to lines + tax + shipping + tip.",
            ),
            Send(f"a list of at most {TENDERS_MAX} tenders, or leave it out"),
        ]
    ]
    tax_minor: NotRequired[Annotated[AmountMinor, Field(description="Tax on top of the lines, in minor units.")]]
    shipping_minor: NotRequired[Annotated[AmountMinor, Field(description="Shipping, in minor units.")]]
    tip_minor: NotRequired[Annotated[AmountMinor, Field(description="Tip, in minor units.")]]
    store_zone: NotRequired[Annotated[Zone, Field(description="IANA time zone of the store.")]]
    attributes: NotRequired[Annotated[Attributes, Field(description="Own fields, which conditions can read.")]]


class PurchaseEvent(Envelope):
    """A sale. Without `subject` it is anonymous: counted and skipped."""

    type: Annotated[Literal["loyalty.purchase.v1"], Field(description="The event's type.")]
    subject: NotRequired[
        Annotated[Subject | None, Field(description="Id of the member; also the Kafka key. Absent: anonymous.")]
    ]
    data: Annotated[PurchaseData, Field(description="The sale."), Send("an object with the sale")]


class ReturnLineData(Row, frozen=True, kw_only=True):
    """What came back of one line."""

    line_id: Annotated[Id, Field(description="The line of the purchase; unique within the return.")]
    quantity: Annotated[
        Quantity,
        Field(description='How much came back. "0" with an amount is a price adjustment.'),
    ]
    amount_minor: Annotated[AmountMinor, Field(description="What was paid back for it, in minor units, before tax.")]


@strict
class ReturnData(TypedDict):
    """Goods that came back."""

    return_id: Annotated[Id, Field(description="The return; unique in the program.")]
    transaction_id: NotRequired[
        Annotated[Id, Field(description="The purchase that it belongs to. Absent: a blind return.")]
    ]
    lines: Annotated[
        list[ReturnLineData],
        Field(min_length=1, max_length=LINES_MAX, description="What came back."),
        Send(f"a list of 1 to {LINES_MAX} lines"),
    ]
    attributes: NotRequired[Annotated[Attributes, Field(description="Own fields, which conditions can read.")]]


class ReturnEvent(MemberEnvelope):
    """A return of a purchase, in part or in whole."""

    type: Annotated[Literal["loyalty.return.v1"], Field(description="The event's type.")]
    data: Annotated[ReturnData, Field(description="The return."), Send("an object with the return")]


def purchase_fault(data: PurchaseData) -> str | None:
    """Say which rule across fields a basket breaks (P1, P2), or None."""
    lines = data["lines"]
    if len({line.line_id for line in lines}) != len(lines):
        return repeated_line_fault([line.line_id for line in lines])
    tenders = data.get("tenders")
    if tenders:
        paid_minor = sum([tender.amount_minor for tender in tenders])
        due_minor = (
            sum([line.amount_minor for line in lines])
            + data.get("tax_minor", 0)
            + data.get("shipping_minor", 0)
            + data.get("tip_minor", 0)
        )
        if paid_minor != due_minor:
            return (
                f"data.tenders add up to {paid_minor}, but lines + tax + shipping + tip are {due_minor}; "
                "send tenders that add up to the sale, or leave them out"
            )
    return None


def return_fault(data: ReturnData) -> str | None:
    """Say which rule across fields a return breaks (P1), or None."""
    line_ids = [line.line_id for line in data["lines"]]
    return repeated_line_fault(line_ids) if len(set(line_ids)) != len(line_ids) else None


def repeated_line_fault(line_ids: list[str]) -> str:
    """Name the first line id that stands twice."""
    first_at: dict[str, int] = {}
    for at, line_id in enumerate(line_ids):
        if line_id in first_at:
            return (
                f"data.lines[{at}].line_id repeats that of data.lines[{first_at[line_id]}]; "
                "send a line_id of its own for each line"
            )
        first_at[line_id] = at
    message = "no line id is repeated"
    raise ValueError(message)


_tender, _cause, _purchase = maker(Tender), maker(Cause), maker(Purchase)

# A third of the time of calling Line, and there are many lines.
_new = tuple.__new__


def purchase_fact(event: PurchaseEvent, member: str, time_us: int) -> Purchase:
    """Translate a validated sale to a known member. Raises `NotAQuantityError`."""
    data = event["data"]
    lines = tuple(
        [
            _new(
                Line,
                (
                    line.line_id,
                    line.sku,
                    line.category or "",
                    line.brand or "",
                    QUANTITY_MICRO[line.quantity],
                    line.amount_minor,
                ),
            )
            for line in data["lines"]
        ]
    )
    tenders = (
        tuple([_tender(tender.type, tender.label or "", tender.amount_minor) for tender in data["tenders"]])
        if "tenders" in data
        else ()
    )
    told = (
        data["transaction_id"],
        data["store_id"],
        data["channel"],
        data["currency"],
        lines,
        tenders,
        data.get("tax_minor", 0),
        data.get("shipping_minor", 0),
        data.get("tip_minor", 0),
        data.get("store_zone", ""),
        data.get("attributes", {}),
    )
    body, content = content_digests("loyalty.purchase.v1", member, time_us, told)
    cause = _cause(event["source"], event["id"], "loyalty.purchase.v1")
    return _purchase(cause, member, time_us, body, content, *told)


def return_fact(event: ReturnEvent, member: str, time_us: int) -> Return:
    """Translate a validated return. Raises `NotAQuantityError`."""
    data = event["data"]
    lines = tuple(
        [ReturnLine(line.line_id, QUANTITY_MICRO[line.quantity], line.amount_minor) for line in data["lines"]],
    )
    told = (data["return_id"], data.get("transaction_id", ""), lines, data.get("attributes", {}))
    body, content = content_digests("loyalty.return.v1", member, time_us, told)
    return Return(Cause(event["source"], event["id"], "loyalty.return.v1"), member, time_us, body, content, *told)
