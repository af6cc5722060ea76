"""What conditions read about an event: plain integers, texts, booleans, lists and mappings.

The names are those of the wire contracts, so that an author writes what a POS team sees.
"""

from collections.abc import Mapping
from typing import Any

from loyalty.account import PurchaseRecord
from loyalty.facts import Engagement, MemberUpdate, Purchase, Referral, Review, Scalar, Share
from loyalty.plan import EXCLUDED, Plan, columns_of


def member_context(tier: str, segments: tuple[str, ...], attributes: Mapping[str, Scalar]) -> Mapping[str, Any]:
    """The member as of the event."""
    return {"tier": tier, "segments": list(segments), "attributes": dict(attributes)}


def purchase_context(plan: Plan, purchase: Purchase | PurchaseRecord, member: Mapping[str, Any]) -> Mapping[str, Any]:
    """A purchase as it was made, also when a return asks."""
    lines = purchase.lines
    classes = plan.classes_of(columns_of(lines))
    counted = [line for line, mask in zip(lines, classes, strict=True) if mask != EXCLUDED]
    return {
        "purchase": {
            "transaction_id": purchase.transaction_id,
            "store_id": purchase.store_id,
            "channel": purchase.channel,
            "currency": purchase.currency,
            "total_minor": sum(line.amount_minor for line in counted),
            "lines": [line._asdict() for line in lines],
            "tenders": [tender._asdict() for tender in purchase.tenders],
            "attributes": dict(purchase.attributes),
        },
        "member": member,
    }


_NOT_FIELDS = frozenset({"cause", "member", "body", "content", "time_us"})


def event_context(
    fact: Review | Share | Engagement | Referral | MemberUpdate | Purchase | object, member: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Any other event: its own fields, by their names on the wire."""
    fields = fact._asdict() if hasattr(fact, "_asdict") else {}
    event = {name: _plain(value) for name, value in fields.items() if name not in _NOT_FIELDS}
    return {"event": event, "member": member}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value
