"""What the engine published, read back: the bytes of encode.py as the domain's values.

Not here: events that come in (decode.py).
"""

from typing import Any

import orjson

from loyalty.decisions import Entry, Posting, TierChange
from loyalty.facts import Cause
from schemas.scalars import instant_us


class NotWrittenByUs(Exception):
    """Bytes that are no event of the type that was asked for; the message says what is wrong with them."""


def read_entry(raw: bytes) -> Entry:
    """Read a loyalty.ledger.entry.v1; fields that are not known are passed over. Raises `NotWrittenByUs`."""
    try:
        event = orjson.loads(raw)
        data = event["data"]
        return Entry(
            data["entry_id"],
            data["kind"],
            data["reason"],
            event["subject"],
            data["program"],
            data["version"],
            data["digest"],
            _cause(data),
            instant_us(data["effective_time"]),
            instant_us(data["recorded_at"]),
            data["member_sequence"],
            tuple([Posting(p["account"], p["currency"], p["amount"], p["rule"], p["lot"]) for p in data["postings"]]),
            tuple(data["steps"]),
        )
    except (KeyError, TypeError, ValueError) as error:  # ValueError: no JSON, or no instant.
        raise NotWrittenByUs(f"this is no ledger entry ({type(error).__name__}: {error})") from error


def read_tier_change(raw: bytes) -> TierChange:
    """Read a loyalty.tier.changed.v1; fields that are not known are passed over. Raises `NotWrittenByUs`."""
    try:
        event = orjson.loads(raw)
        data = event["data"]
        valid_until = data["valid_until"]
        return TierChange(
            event["id"],
            event["subject"],
            data["program"],
            data["from"],
            data["to"],
            data["reason"],
            data["benefits"],
            None if valid_until is None else instant_us(valid_until),
            data["progress"],
            _cause(data),
            instant_us(event["time"]),
            instant_us(data["recorded_at"]),
            data["sequence"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NotWrittenByUs(f"this is no change of tier ({type(error).__name__}: {error})") from error


def _cause(data: dict[str, Any]) -> Cause:
    cause = data["cause"]
    return Cause(cause["source"], cause["id"], cause["type"])
