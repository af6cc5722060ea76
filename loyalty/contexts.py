"""What conditions read about an event: plain integers, texts, booleans, lists and mappings.

The names are those of the wire contracts, so that an author writes what a POS team sees.
"""

from collections.abc import Mapping
from typing import Any

from loyalty.circumstances import Circumstances
from loyalty.plan import EXCLUDED, Plan


def _member(event: Circumstances) -> Mapping[str, Any]:
    """The member as of the event."""
    return {"tier": event.tier, "segments": list(event.segments), "attributes": dict(event.attributes)}


def purchase_context(plan: Plan, event: Circumstances) -> Mapping[str, Any]:
    """A purchase as it was made, also when a return asks."""
    purchase = event.fact
    lines = purchase.lines
    classes = plan.classes_of(lines)
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
        "member": _member(event),
    }


_NOT_FIELDS = frozenset({"cause", "member", "body", "content", "time_us"})


def event_context(event: Circumstances) -> Mapping[str, Any]:
    """Any other event: its own fields, by their names on the wire."""
    fields = event.fact._asdict() if hasattr(event.fact, "_asdict") else {}
    said = {name: _plain(value) for name, value in fields.items() if name not in _NOT_FIELDS}
    return {"event": said, "member": _member(event)}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value
