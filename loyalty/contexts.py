"""What conditions read about an event: plain integers, texts, booleans, lists and mappings.

The names are those of the wire contracts, so that an author writes what a POS team sees. Only what a condition reads
is made: few ask for the lines of a basket, and those cost more to write down than all the rest.

Not here: which fields a rule may read (schemas), how a condition is tested (conditions.py).
"""

from collections.abc import Callable, Mapping
from typing import Any

from loyalty.circumstances import Circumstances
from loyalty.plan import EXCLUDED, Plan


def _member(event: Circumstances) -> Mapping[str, Any]:
    """The member as of the event."""
    return {"tier": event.tier, "segments": list(event.segments), "attributes": dict(event.attributes)}


def _total_minor(plan: Plan, purchase: Any) -> int:
    """What was paid for the lines that the program counts."""
    lines = purchase.lines
    classes = plan.classes_of(lines)
    return sum(line.amount_minor for line, mask in zip(lines, classes, strict=True) if mask != EXCLUDED)


_OF_PURCHASE: Mapping[str, Callable[[Plan, Any], Any]] = {
    "purchase.transaction_id": lambda _, purchase: purchase.transaction_id,
    "purchase.store_id": lambda _, purchase: purchase.store_id,
    "purchase.channel": lambda _, purchase: purchase.channel,
    "purchase.currency": lambda _, purchase: purchase.currency,
    "purchase.total_minor": _total_minor,
    "purchase.lines": lambda _, purchase: [line._asdict() for line in purchase.lines],
    "purchase.tenders": lambda _, purchase: [tender._asdict() for tender in purchase.tenders],
    "purchase.attributes": lambda _, purchase: dict(purchase.attributes),
}


def purchase_context(plan: Plan, event: Circumstances, reads: frozenset[str]) -> Mapping[str, Any]:
    """What a condition `reads` of a purchase as it was made, also when a return asks."""
    names = _OF_PURCHASE if "purchase" in reads else _OF_PURCHASE.keys() & reads
    return {
        "purchase": {name.removeprefix("purchase."): _OF_PURCHASE[name](plan, event.fact) for name in names},
        "member": _member(event),
    }


_NOT_FIELDS = frozenset({"cause", "member", "body", "content", "time_us"})


def event_context(event: Circumstances, _: frozenset[str]) -> Mapping[str, Any]:
    """Any other event: its own fields, by their names on the wire. They are few, so all are given."""
    fields = event.fact._asdict() if hasattr(event.fact, "_asdict") else {}
    said = {name: _plain(value) for name, value in fields.items() if name not in _NOT_FIELDS}
    return {"event": said, "member": _member(event)}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value
