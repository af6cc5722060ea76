"""Events for tests, made as a sender makes them: JSON on the wire, read by the contracts.

Every test therefore also shows that what it feeds the engine is what a POS could have sent.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import orjson

from loyalty.facts import Fact
from schemas.decode import Known, decode

Json: TypeAlias = dict[str, Any]
NOON = "2026-03-02T12:00:00Z"
"""A Monday."""


def wire(kind: str, event_id: str, member: str | None, time: str, data: Json, source: str = "/pos/1") -> bytes:
    """The bytes of an event `loyalty.<kind>.v1`."""
    event: Json = {"specversion": "1.0", "id": event_id, "source": source, "type": f"loyalty.{kind}.v1", "time": time}
    if member is not None:
        event["subject"] = member
    return orjson.dumps({**event, "datacontenttype": "application/json", "data": data})


def fact(raw: bytes) -> Fact:
    """The fact in the bytes; fails when they do not keep the contract."""
    decoded = decode(raw)
    assert isinstance(decoded, Known), decoded
    return decoded.fact


def micros(text: str) -> int:
    """An instant as microseconds since 1970."""
    return round(datetime.fromisoformat(text).timestamp()) * 1_000_000


def instant(time_us: int) -> str:
    """Microseconds since 1970 as an instant."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).isoformat()


def line(line_id: str, amount_minor: int, *, category: str = "", quantity: str = "1", sku: str = "") -> Json:
    """A line of a basket."""
    made: Json = {"line_id": line_id, "sku": sku or line_id, "quantity": quantity, "amount_minor": amount_minor}
    return {**made, "category": category} if category else made


def purchase(
    event_id: str,
    lines: Sequence[Json] | int,
    *,
    member: str = "m1",
    time: str = NOON,
    source: str = "/pos/1",
    **more: Any,
) -> bytes:
    """A sale; an integer stands for one line of that amount. `more` are further fields of its data."""
    if isinstance(lines, int):
        lines = [line("1", lines)]
    data = {"transaction_id": event_id, "store_id": "s1", "channel": "store", "currency": "USD", "lines": list(lines)}
    return wire("purchase", event_id, member, time, {**data, **more}, source)


def back(
    event_id: str, of: str, lines: Sequence[tuple[str, str, int]], *, member: str = "m1", time: str = NOON, **more: Any
) -> bytes:
    """A return of (line_id, quantity, amount_minor)."""
    parts = [{"line_id": each[0], "quantity": each[1], "amount_minor": each[2]} for each in lines]
    return wire("return", event_id, member, time, {"return_id": event_id, "transaction_id": of, "lines": parts, **more})


def review(event_id: str, *, member: str = "m1", time: str = NOON, **more: Any) -> bytes:
    """A published review of 100 characters."""
    data: Json = {"review_id": event_id, "sku": "A", "rating": 5, "text_length": 100}
    data |= {"has_photo": False, "verified_purchase": True, "status": "published"}
    return wire("review", event_id, member, time, {**data, **more})


def share(event_id: str, *, member: str = "m1", time: str = NOON, **more: Any) -> bytes:
    """A share of a page."""
    data = {"share_id": event_id, "network": "instagram", "content_id": "page", "kind": "share"}
    return wire("share", event_id, member, time, {**data, **more})


def engagement(event_id: str, activity: str = "quiz", *, member: str = "m1", time: str = NOON, **more: Any) -> bytes:
    """An engagement."""
    return wire("engagement", event_id, member, time, {"activity": activity, "activity_id": event_id, **more})


def referral(
    event_id: str, referrer: str, *, member: str = "m1", time: str = NOON, stage: str = "signed_up", **more: Any
) -> bytes:
    """`member` was referred by `referrer`."""
    data = {"referral_id": "ref", "referrer_id": referrer, "code": "C", "stage": stage}
    return wire("referral", event_id, member, time, {**data, **more})


def adjustment(event_id: str, points: int, *, member: str = "m1", time: str = NOON, **more: Any) -> bytes:
    """Points by hand; goodwill unless `more` says another kind."""
    data = {"adjustment_id": event_id, "kind": "goodwill", "points": points, "reason": "asked", "operator": "anna"}
    return wire("adjustment", event_id, member, time, {**data, **more})


def merge(event_id: str, into: str, *, member: str = "m1", time: str = NOON, **more: Any) -> bytes:
    """The account of `member` ends in another."""
    return wire("merge", event_id, member, time, {"merge_id": event_id, "into": into, "operator": "anna", **more})


def redeem(event_id: str, reward_id: str, *, member: str = "m1", time: str = NOON, **more: Any) -> bytes:
    """A request for a reward; the redemption is called as the event."""
    data = {"redemption_id": event_id, "reward_id": reward_id}
    return wire("redemption.requested", event_id, member, time, {**data, **more})


def pay(
    event_id: str, sale: str, basket_minor: int, *, member: str = "m1", time: str = NOON, **payment: int | str
) -> bytes:
    """A request to pay for a sale with points; `payment` is amount_minor or points, or nothing for all there is."""
    payment = {"basket_minor": basket_minor, "currency": "USD", **payment}
    data = {"redemption_id": event_id, "transaction_id": sale, "payment": payment}
    return wire("redemption.requested", event_id, member, time, data)


def reported(
    event_id: str, status: str, redemption_id: str, *, member: str = "m1", time: str = NOON, **more: Any
) -> bytes:
    """A redemption was cancelled, fulfilled or failed."""
    reason = {"reason": "sold out"} if status == "failed" else {}
    return wire(f"redemption.{status}", event_id, member, time, {"redemption_id": redemption_id, **reason, **more})


def transfer(event_id: str, to: str, points: int, *, member: str = "m1", time: str = NOON, **more: Any) -> bytes:
    """`member` gives points to another."""
    data = {"transfer_id": event_id, "to_member": to, "points": points}
    return wire("transfer.requested", event_id, member, time, {**data, **more})


def household(
    event_id: str, household_id: str = "h", holder: str = "", *, member: str = "m1", time: str = NOON, **more: Any
) -> bytes:
    """`member` joins the household whose pool `holder` holds, or leaves it when nobody is named."""
    data = {"household_id": household_id, "status": "joined", "holder": holder}
    if not holder:
        data = {"household_id": household_id, "status": "left"}
    return wire("household", event_id, member, time, {**data, **more})


def restock(event_id: str, units: int, *, limit: str = "stock:mug", time: str = NOON, **more: Any) -> bytes:
    """Units that an operator adds to a limit."""
    data = {"restock_id": event_id, "units": units, "reason": "delivered", "operator": "anna"}
    return wire("stock", event_id, limit, time, {**data, **more})


def member_event(event_id: str, status: str = "updated", *, member: str = "m1", time: str = NOON, **more: Any) -> bytes:
    """Master data."""
    return wire("member", event_id, member, time, {"status": status, **more})
