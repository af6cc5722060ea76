"""Output records as the audit needs them: few fields, each of the kind that it has to be.

Not here: the whole of an entry (schemas/readback.py).
"""

from typing import Any, NamedTuple

import orjson

Cause = tuple[str, str, str]
"""(source, id, type)."""


class NotPublished(Exception):
    """Bytes that are no output of the engine; the message says what is wrong with them."""


class Posted(NamedTuple):
    """One side of an entry."""

    account: str
    currency: str
    amount: int


class Published(NamedTuple):
    """Any output. `booked` orders as the times do that it stands for. `sequence` None: it has no number."""

    record_id: str
    member: str
    booked: str
    sequence: int | None
    data: dict[str, Any]


def read(raw: bytes | None) -> Published:
    """Read any output record. Raises NotPublished."""
    try:
        event = orjson.loads(raw or b"")
        data = event["data"]
        sequence = data.get("member_sequence", data.get("sequence"))
        # Without the Z, a shorter text with the same beginning is the earlier one.
        booked = _text(data["recorded_at"]).removesuffix("Z")
        number = None if sequence is None else _whole(sequence)
        return Published(_text(event["id"]), _text(event["subject"]), booked, number, data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotPublished(f"{type(error).__name__}: {error}") from error


def cause_of(published: Published) -> Cause:
    """What it follows from. Raises NotPublished."""
    try:
        cause = published.data["cause"]
        return _text(cause["source"]), _text(cause["id"]), _text(cause["type"])
    except (KeyError, TypeError) as error:
        raise NotPublished(f"{type(error).__name__}: {error}") from error


def postings_of(entry: Published) -> list[Posted]:
    """The postings of an entry. Raises NotPublished."""
    try:
        return [
            Posted(_text(each["account"]), _text(each["currency"]), _whole(each["amount"]))
            for each in entry.data["postings"]
        ]
    except (KeyError, TypeError) as error:
        raise NotPublished(f"{type(error).__name__}: {error}") from error


class Change(NamedTuple):
    """A balance change's figures. `own` is what its list of all currencies says of this one."""

    currency: str
    available: int
    pending: int
    delta: int
    own: tuple[int, int]


def change_of(change: Published) -> Change:
    """The figures of a balance change. Raises NotPublished."""
    try:
        data = change.data
        currency = _text(data["currency"])
        own = data["balances"][currency]
        return Change(
            currency,
            _whole(data["available"]),
            _whole(data["pending"]),
            _whole(data["delta"]),
            (_whole(own["available"]), _whole(own["pending"])),
        )
    except (KeyError, TypeError) as error:
        raise NotPublished(f"{type(error).__name__}: {error}") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is no whole number")
    return value
