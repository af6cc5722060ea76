"""The bounded building blocks of every contract: ids, texts, money, quantities, times, attributes.

Invariants:
  S1 every scalar has a bound: a length, a range or a list
  S2 no scalar accepts a float; money and quantities are exact
  S3 every scalar says in its `Send` phrase what a sender has to send; refusals quote it
  S4 `QUANTITY_MICRO` and `instant_us` take what the patterns let through and nothing else, or say why not
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, TypeAlias

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from loyalty.facts import MICRO
from schemas.currencies import MINOR_DIGITS

ID_CHARS_MAX = 128
AMOUNT_MINOR_MAX = 10**12
INTEGER_MAX = 2**53 - 1
"""Largest integer in `attributes`: what every JSON reader keeps exact."""
KEY_CHARS_MAX = 64
VALUE_CHARS_MAX = 256
ATTRIBUTES_MAX = 32
LINES_MAX = 1000
TENDERS_MAX = 20
SEGMENTS_MAX = 64

_NO_CONTROL = r"[^\x00-\x1f\x7f-\x9f]"
_SOME_TEXT = f"^{_NO_CONTROL}+$"
_ANY_TEXT = f"^{_NO_CONTROL}*$"
NO_CONTROL_PATTERNS = (_SOME_TEXT, _ANY_TEXT)
"""Patterns that forbid control characters and, beside the lengths, nothing else."""
QUANTITY_PATTERN = r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?$"
TIME_PATTERN = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,6})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_US = (
    32_503_680_000_000_000 - 1
)  # The end of 2999: no zone and no period leads from there beyond what calendars hold.
_DAY_US = 86_400_000_000
_SECOND_US = 1_000_000
_PAST_HOUR_US = {
    f":{minute:02}:{second:02}": (minute * 60 + second) * _SECOND_US for minute in range(60) for second in range(60)
}


@dataclass(frozen=True, slots=True)
class Send:
    """What to send in this place, as the object of "send ...". Kept beside the type, so that it cannot drift."""

    phrase: str


@dataclass(frozen=True, slots=True)
class OneOf:
    """A text from a fixed list; unlike `Literal`, the list may be computed."""

    allowed: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate by one hash look-up."""
        return core_schema.literal_schema(list(self.allowed))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """List the values, and say that they are texts."""
        return {"type": "string", "enum": list(self.allowed)}


Id: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=ID_CHARS_MAX, pattern=_SOME_TEXT),
    Send(f"a text of 1 to {ID_CHARS_MAX} characters without control characters"),
]
Label: TypeAlias = Annotated[
    str,
    Field(max_length=ID_CHARS_MAX, pattern=_ANY_TEXT),
    Send(f"a text of at most {ID_CHARS_MAX} characters without control characters, or leave it out"),
]
AmountMinor: TypeAlias = Annotated[
    int,
    Field(ge=0, le=AMOUNT_MINOR_MAX),
    Send(f"a whole number of minor units from 0 to {AMOUNT_MINOR_MAX}, such as 1190 for 11.90"),
]
Quantity: TypeAlias = Annotated[
    str,
    Field(pattern=QUANTITY_PATTERN, examples=["2", "0.345"]),
    Send('a decimal number in quotes, below 1000000000 and with at most 6 decimal places, such as "2" or "0.345"'),
]
Currency: TypeAlias = Annotated[
    str,
    OneOf(tuple(sorted(MINOR_DIGITS))),
    Send('a currency code of ISO 4217 in capitals, such as "USD"'),
]
Time: TypeAlias = Annotated[
    str,
    Field(max_length=40, pattern=TIME_PATTERN, examples=["2026-11-21T10:15:00-05:00", "2026-11-21T15:15:00Z"]),
    Send('a time of RFC 3339 with its offset, such as "2026-11-21T10:15:00-05:00"'),
]
Flag: TypeAlias = Annotated[bool, Send("true or false")]
Zone: TypeAlias = Annotated[
    str,
    Field(max_length=64, pattern=r"^([A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,3})?$", examples=["America/New_York"]),
    Send('the name of an IANA time zone, such as "America/New_York", or leave it out'),
]
AttributeValue: TypeAlias = Annotated[
    Annotated[str, Field(max_length=VALUE_CHARS_MAX)] | Annotated[int, Field(ge=-INTEGER_MAX, le=INTEGER_MAX)] | bool,
    Field(union_mode="left_to_right"),
]
Attributes: TypeAlias = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=KEY_CHARS_MAX, pattern=_SOME_TEXT)],
        Annotated[
            AttributeValue,
            Send(
                f"a text of at most {VALUE_CHARS_MAX} characters, a whole number between -{INTEGER_MAX} and "
                f"{INTEGER_MAX}, true or false",
            ),
        ],
    ],
    Field(max_length=ATTRIBUTES_MAX),
    Send(
        f"an object of at most {ATTRIBUTES_MAX} entries with names of 1 to {KEY_CHARS_MAX} characters "
        "without control characters",
    ),
]

_TIME_PARTS = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(\.\d*)?)?)?([Zz]|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_QUANTITIES_MAX = 65_536
_is_quantity = re.compile(QUANTITY_PATTERN).fullmatch
_is_time = re.compile(TIME_PATTERN).fullmatch


class NotAnInstantError(ValueError):
    """A text that is no instant this engine knows; the argument says what is wrong with it, after "is" or "has"."""


class NotAQuantityError(ValueError):
    """A text that is no `Quantity`."""


class _Quantities(dict[str, int]):
    """Quantities met so far, because few differ: finding one costs half of what a cached call costs."""

    def __missing__(self, text: str) -> int:
        """Convert and remember. Starts anew when full, so that no sender can make it grow or useless."""
        if _is_quantity(text) is None:
            raise NotAQuantityError
        whole, _, fraction = text.partition(".")
        quantity_micro = int(whole) * MICRO + int(fraction.ljust(6, "0"))
        if len(self) >= _QUANTITIES_MAX:
            self.clear()
        self[text] = quantity_micro
        return quantity_micro


QUANTITY_MICRO: Mapping[str, int] = _Quantities()
"""`Quantity` -> an integer count of millionths: "0.345" -> 345000. Raises `NotAQuantityError` for any other text."""


def instant_us(text: str) -> int:
    """Return a `Time` as microseconds since 1970-01-01T00:00:00Z.

    Raises `NotAnInstantError` for any other text, a date that does not exist, or one outside of the years 1970 to
    2999 in UTC.
    """
    past_hour_us = _PAST_HOUR_US.get(text[13:19])
    if past_hour_us is None or text[19:20] == ".":
        time_us = _reckoned_us(text)
    else:
        try:
            time_us = _hour_us(text[:13], text[19:]) + past_hour_us
        except NotAnInstantError:
            raise NotAnInstantError(why_no_instant(text)) from None
    if not 0 <= time_us <= _LAST_US:
        message = "is outside of the years 1970 to 2999 in UTC"
        raise NotAnInstantError(message)
    return time_us


@lru_cache(maxsize=4096)
def _hour_us(hour: str, offset: str) -> int:
    """Return the start of an hour, written with the offset: events that come together share few of them."""
    return _reckoned_us(f"{hour}:00:00{offset}")


def _reckoned_us(text: str) -> int:
    """Return a `Time` of any year as microseconds. Raises `NotAnInstantError`."""
    try:
        passed = datetime.fromisoformat(text.upper()) - _EPOCH if _is_time(text) else None
    except ValueError:
        passed = None
    if passed is None:
        raise NotAnInstantError(why_no_instant(text))
    return passed.days * _DAY_US + passed.seconds * _SECOND_US + passed.microseconds


def why_no_instant(text: str) -> str:
    """Say what keeps a text from being a `Time`, as the end of a clause: "has no offset"."""
    parts = _TIME_PARTS.fullmatch(text)
    if parts is None:
        return "is not a time of RFC 3339"
    _, month, day, hour, minute, second, fraction, offset = parts.groups()
    if hour is None:
        return "is a date without a time of day"
    reasons = (
        (second is None, "has no seconds"),
        (second == "60", "is a leap second, which is not taken: send second 59 instead"),
        (fraction is not None and len(fraction) > len(".000000"), "has more than 6 digits after the second"),
        (fraction == ".", "has no digits after the point"),
        (offset is None, "has no offset from UTC"),
        (" " in text, "has a space where T belongs"),
        (offset is not None and len(offset) > 1 and ":" not in offset, "has an offset without a colon"),
        (not _exists(int(month), int(day), int(hour), int(minute), int(second or 0)), "has a part out of range"),
    )
    return next((reason for wrong, reason in reasons if wrong), "is a day that the calendar does not have")


def _exists(month: int, day: int, hour: int, minute: int, second: int) -> bool:
    """Tell whether each part lies in its own range."""
    return 1 <= month <= 12 and 1 <= day <= 31 and hour <= 23 and minute <= 59 and second <= 59  # noqa: PLR2004


def names_of(table: Mapping[str, object]) -> str:
    """List the keys of a table for a sentence: "a, b and c"."""
    names = sorted(table)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
