"""Why bytes were refused: a code for machines, one plain sentence for people.

Every sentence says where, what came, and what to send instead. It is bounded in length and shows nothing of a
member: no ids of people, no birthdays, no attributes; the original bytes go with the dead letter anyway.
"""

import json
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import ValidationError

from schemas.scalars import why_no_instant
from schemas.shapes import Shape, resolve, shortened, where

SHOWN_CHARS_MAX = 40
MESSAGE_CHARS_MAX = 600
_SHOWN_DIGITS_MAX = 20
_PRIVATE = frozenset(
    {"subject", "birthday", "referrer_id", "from_member", "attributes", "properties", "segments", "reason", "operator"}
)


class DecodeCode(StrEnum):
    """Why bytes are not an event: the dead letter's `__loyalty.errors.code`. Never reused for another meaning."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    BYTE_ORDER_MARK = "byte_order_mark"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    DUPLICATE_KEY = "duplicate_key"
    NOT_AN_OBJECT = "not_an_object"
    WRONG_SPECVERSION = "wrong_specversion"
    WRONG_CONTENT_TYPE = "wrong_content_type"
    UNKNOWN_TYPE = "unknown_type"
    WRONG_TOPIC = "wrong_topic"
    INVALID_EVENT = "invalid_event"
    UNKNOWN_FIELD = "unknown_field"


class Undecodable(NamedTuple):
    """Bytes that are not an event. `message` is one sentence: where, what came, what to send instead."""

    code: DecodeCode
    message: str


class RefusedError(Exception):
    """Carries a refusal out of a parser's callback; never leaves the schemas."""

    def __init__(self, code: DecodeCode, message: str) -> None:
        """Bound the message."""
        super().__init__(message)
        self.refusal = refuse(code, message)


def refuse(code: DecodeCode, message: str) -> Undecodable:
    """Build a refusal with a message of bounded length."""
    return Undecodable(code, message if len(message) <= MESSAGE_CHARS_MAX else message[: MESSAGE_CHARS_MAX - 3] + "...")


def kind_of(value: object) -> str:
    """Say what kind of JSON value came, without showing it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case float():
            return "a number with a fraction"
        case str():
            return f"a text of {len(value)} characters"
        case list() | tuple():
            return f"a list of {len(value)}"
        case dict():
            return f"an object of {len(value)}"
        case _:
            return "a value of another kind"


def shown(value: object) -> str:
    """Show a JSON value, or say what kind it is when it is long."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            digits = len(str(abs(value)))
            return str(value) if digits <= _SHOWN_DIGITS_MAX else f"a number of {digits} digits"
        case float():
            return f"{value!r}, a number with a fraction"
        case str() if len(value) <= SHOWN_CHARS_MAX:
            return json.dumps(value, ensure_ascii=not value.isprintable())
        case _:
            return kind_of(value)


def invalid_event(shape: Shape, error: ValidationError) -> Undecodable:
    """Turn the first finding of a validation into one sentence."""
    first = error.errors(include_url=False)[0]
    finding = first["type"]
    if finding == "json_invalid":
        return refuse(
            DecodeCode.NOT_JSON,
            f"the event is not JSON: {first['msg'].removeprefix('Invalid JSON: ')}; send one JSON object",
        )
    loc = first["loc"]
    place, depth = resolve(shape, loc)
    is_name = loc[-1:] == ("[key]",)
    if is_name:
        place, depth = resolve(shape, loc[:-2])
    at = where(loc[:depth]) or "the event"
    return refuse(
        DecodeCode.INVALID_EVENT,
        f"{at} {_what_came(loc, finding, first['input'], is_name=is_name)}; send {place.phrase}",
    )


def _what_came(loc: tuple[int | str, ...], finding: str, value: Any, *, is_name: bool) -> str:
    """Say what came in a place, as the rest of a clause."""
    if finding == "missing":
        return "is missing"
    if is_name:
        return f"has the name {json.dumps(shortened(str(value)))} of {len(str(value))} characters"
    if loc == ("time",) and isinstance(value, str):
        return f"is {shown(value)} and {why_no_instant(value)}"
    if not _PRIVATE.isdisjoint(loc):
        return f"is {kind_of(value)}"
    return f"is {shown(value)}"
