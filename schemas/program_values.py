"""The single values of a program file: what may be written, how it is kept, how it is read.

Each type is a canonical text (or int): "1.00", "1.0" and 1 are kept as "1", so that the way a value is
written changes no digest. The functions below turn the canonical form into what the domain works with.

Not here: whether a value makes sense in its place (program_compile.py).
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Any, Final, NoReturn, TypeAlias
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from loyalty.program import Duration, EveryYear, Hours
from schemas.currencies import MINOR_DIGITS

MAX_TEXT_CHARS: Final = 200
MAX_NAME_CHARS: Final = 120
MAX_LIST: Final = 1000
MAX_PERIOD_DAYS: Final = 100 * 12 * 31

_ID: Final = r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?"
_VERSION: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}"
_EXACT: Final = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_PERIOD: Final = (
    r"P(?=[0-9T])(?:([0-9]{1,3})Y)?(?:([0-9]{1,4})M)?(?:([0-9]{1,4})W)?(?:([0-9]{1,5})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,5})H)?(?:([0-9]{1,6})M)?(?:([0-9]{1,7})S)?)?"
)
_MOMENT: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?"
_MONTH_DAY: Final = r"(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_HOURS: Final = r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])"
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS_IN_MONTH: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def refuse(message: str, hint: str = "") -> NoReturn:
    """Refuse a value with a sentence and a hint."""
    raise PydanticCustomError("program", "{message}", {"message": message, "hint": hint})


def came(value: Any) -> str:
    """What stands in the file, short enough for a message."""
    if value is None:
        return "nothing came"
    if isinstance(value, bool):
        return f"{'true' if value else 'false'} came"
    if isinstance(value, dict):
        return "a block of keys came"
    if isinstance(value, list | tuple):
        return "a list came"
    text = str(value)
    return f"{text[:40] + '...' if len(text) > 40 else text!r} came" if isinstance(value, str) else f"{text} came"  # noqa: PLR2004 - shown length


def _text(value: Any) -> str:
    """Numbers are welcome where a text is wanted: a store may be called 12."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        refuse(f"{came(value)}, a text was expected")
    text = value.strip()
    if not text:
        refuse("the text is empty")
    if len(text) > MAX_TEXT_CHARS:
        refuse(f"the text has {len(text)} characters, at most {MAX_TEXT_CHARS} were expected")
    if any(ord(char) < 32 or ord(char) == 127 for char in text):  # noqa: PLR2004 - control characters
        refuse("the text holds a control character")
    return text


def _id(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(_ID, text):
        suggested = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:64]
        hint = f"for example {suggested}" if suggested and re.fullmatch(_ID, suggested) else "for example welcome-bonus"
        refuse(f"{came(text)}, an id of small letters, digits, - and _ was expected (at most 64)", hint)
    return text


def _money(value: Any) -> str:
    if not isinstance(value, str) or value not in MINOR_DIGITS:
        hint = did_you_mean(value.upper() if isinstance(value, str) else value, MINOR_DIGITS)
        refuse(f"{came(value)}, a currency of ISO 4217 was expected", hint or "for example USD or EUR")
    return value


def _version(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(_VERSION, text):
        refuse(f"{came(text)}, a short name of letters, digits, dots and dashes was expected", 'for example "2026.1"')
    return text


def _exact(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not re.fullmatch(_EXACT, value.strip()):
        refuse(f'{came(value)}, an amount such as 10 or "9.95" was expected', "digits with a dot, no sign, no currency")
    text = value.strip()
    return format(Decimal(text).normalize() + 0, "f")


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        refuse(f"{came(value)}, a whole number was expected")
    if value < 0:
        refuse(f"{value} came, a number that is not negative was expected")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        words = isinstance(value, str) and value.lower() in {"yes", "no", "on", "off", "y", "n"}
        refuse(f"{came(value)}, true or false was expected", "write true or false, without quotes" if words else "")
    return value


@dataclass(frozen=True, slots=True)
class Choice:
    """One word out of a few, as an annotation of str."""

    words: tuple[str, ...]

    def __init__(self, *words: str) -> None:
        """Take the words in the order in which people see them."""
        object.__setattr__(self, "words", words)

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate with a message of our own."""
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """List the words."""
        return {"type": "string", "enum": list(self.words)}

    def check(self, value: Any) -> str:
        """Refuse all other values."""
        if not isinstance(value, str) or value not in self.words:
            refuse(f"{came(value)}, one of {', '.join(self.words)} was expected", near(value, self.words))
        return value


def near(word: object, known: Iterable[object]) -> str:
    """A hint with the nearest known word, or "" when none is near."""
    found = difflib.get_close_matches(str(word), [str(item) for item in known], n=1, cutoff=0.6)
    return f"did you mean {found[0]}?" if found else ""


def did_you_mean(word: object, known: Iterable[object]) -> str:
    """A hint with the nearest known word, or all of them when they are few."""
    words = [str(item) for item in known]
    if hint := near(word, words):
        return hint
    return f"known are {', '.join(words)}" if 0 < len(words) <= 12 else ""  # noqa: PLR2004 - readable in one line


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(value: Any) -> str:
    if not isinstance(value, str) or value not in _zones():
        refuse(
            f"{came(value)}, an IANA time zone was expected",
            did_you_mean(value, _zones()) or "for example America/New_York or Europe/Berlin",
        )
    return str(value)


def _period(value: Any, otherwise: str = "") -> str:
    text = value.strip() if isinstance(value, str) else value
    if not isinstance(text, str) or not re.fullmatch(_PERIOD, text):
        refuse(
            f"{came(value)}, an ISO 8601 period{otherwise} was expected",
            "for example P30D (days), P12M (months) or PT5M (minutes)",
        )
    if period(text) == Duration():
        refuse(f"{came(value)}, a period longer than nothing was expected")
    if longest_days(period(text)) > MAX_PERIOD_DAYS:
        refuse(f"{came(value)}, at most a hundred years were expected")
    return text


def _moment(value: Any) -> str:
    text = value.strip().replace(" ", "T", 1) if isinstance(value, str) else value
    if not isinstance(text, str) or not re.fullmatch(_MOMENT, text):
        refuse(
            f"{came(value)}, a date was expected", "for example 2026-03-01, or 2026-03-01T09:00 for a time of that day"
        )
    try:
        datetime.fromisoformat(text)
    except ValueError:
        refuse(f"{came(value)}, but the calendar has no such day or time")
    return text


def _month_day(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    found = re.fullmatch(_MONTH_DAY, text)
    if not found or int(found[2]) > _DAYS_IN_MONTH[int(found[1]) - 1]:
        refuse(f"{came(value)}, a day of every year was expected", "month-day, for example 12-01 for December 1")
    return text


def _clock_hours(value: Any) -> str:
    text = re.sub(r"\s", "", value) if isinstance(value, str) else ""
    found = re.fullmatch(_HOURS, text)
    hint = 'for example "07:00-10:00"; "22:00-02:00" runs over midnight; a day ends at 24:00'
    if not found or text.partition("-")[2] > "24:00":
        refuse(f"{came(value)}, hours of the day were expected", hint)
    start, _, end = text.partition("-")
    if start == end:
        refuse(f"{came(value)}, but these hours are empty", hint)
    return text


@dataclass(frozen=True, slots=True)
class OneOrMany:
    """A list of at most MAX_LIST, as an annotation of a tuple; a single value stands for a list of one."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Make a list first."""
        return core_schema.no_info_before_validator_function(self.listed, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Either of them."""
        many = handler(schema)
        return {"anyOf": [many, many["items"]]}

    def listed(self, value: Any) -> Any:
        """Check for a list of a bounded length."""
        if isinstance(value, str | int | dict) and not isinstance(value, bool):
            return [value]
        if not isinstance(value, list):
            refuse(f"{came(value)}, a list was expected", "for example [one, two]")
        if len(value) > MAX_LIST:
            refuse(f"a list of {len(value)} came, at most {MAX_LIST} were expected")
        return value


def as_set(value: tuple[str, ...]) -> tuple[str, ...]:
    """The canonical order of a list whose order has no meaning."""
    return tuple(sorted(set(value)))


def _schema(pattern: str, *examples: str, number: bool = False) -> WithJsonSchema:
    """A text of a pattern, for editors; `number`: or a whole number that is not negative."""
    kind: dict[str, Any] = {"type": ["string", "integer"], "minimum": 0} if number else {"type": "string"}
    return WithJsonSchema({**kind, "pattern": f"^{pattern}$", "examples": list(examples)})


Id: TypeAlias = Annotated[str, BeforeValidator(_id), _schema(_ID, "welcome-bonus")]
Text: TypeAlias = Annotated[
    str, BeforeValidator(_text), WithJsonSchema({"type": ["string", "integer"], "maxLength": MAX_TEXT_CHARS})
]
Name: TypeAlias = Annotated[str, BeforeValidator(_text), Field(max_length=MAX_NAME_CHARS)]
Version: TypeAlias = Annotated[str, BeforeValidator(_version), _schema(_VERSION, "2026.1", number=True)]
Exact: TypeAlias = Annotated[str, BeforeValidator(_exact), _schema(_EXACT, "1.00", number=True)]
"""A number that is not negative, exact to the digit."""
Whole: TypeAlias = Annotated[int, BeforeValidator(_whole), WithJsonSchema({"type": "integer", "minimum": 0})]
Flag: TypeAlias = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"type": "boolean"})]
Zone: TypeAlias = Annotated[
    str, BeforeValidator(_zone), WithJsonSchema({"type": "string", "examples": ["America/New_York"]})
]
Money: TypeAlias = Annotated[
    str, BeforeValidator(_money), WithJsonSchema({"type": "string", "enum": sorted(MINOR_DIGITS)})
]
_PERIOD_SCHEMA: Final = _schema(_PERIOD.replace("(?=[0-9T])", "").replace("(?=[0-9])", ""), "P30D", "P12M")
Period: TypeAlias = Annotated[str, BeforeValidator(_period), _PERIOD_SCHEMA]


@dataclass(frozen=True, slots=True)
class PeriodOr:
    """A period, or one word for "no limit", as an annotation of str."""

    word: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate with a message of our own."""
        return core_schema.no_info_plain_validator_function(
            lambda value: self.word if value == self.word else _period(value, f" or {self.word}")
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Either of them."""
        return {"anyOf": [_PERIOD_SCHEMA.json_schema, {"const": self.word}]}


Moment: TypeAlias = Annotated[str, BeforeValidator(_moment), _schema(_MOMENT, "2026-03-01", "2026-03-01T09:00")]
MonthDay: TypeAlias = Annotated[str, BeforeValidator(_month_day), _schema(_MONTH_DAY, "12-01")]
ClockHours: TypeAlias = Annotated[str, BeforeValidator(_clock_hours), _schema(_HOURS, "07:00-10:00")]
Weekday: TypeAlias = Annotated[str, Choice(*WEEKDAYS)]
Condition: TypeAlias = Annotated[
    str,
    BeforeValidator(
        lambda value: value if isinstance(value, str) else refuse(f"{came(value)}, a condition was expected")
    ),
    WithJsonSchema({"type": "string", "examples": ["purchase.attributes.table == 'terrace'"]}),
]

Texts: TypeAlias = Annotated[tuple[Text, ...], AfterValidator(as_set), OneOrMany()]
"""A set of texts; the order does not matter."""
Ids: TypeAlias = Annotated[tuple[Id, ...], AfterValidator(as_set), OneOrMany()]
Weekdays: TypeAlias = Annotated[tuple[Weekday, ...], AfterValidator(as_set), OneOrMany()]
HoursList: TypeAlias = Annotated[tuple[ClockHours, ...], AfterValidator(as_set), OneOrMany()]


def period(text: str) -> Duration:
    """A canonical period as a duration; years are 12 months, weeks 7 days."""
    found = re.fullmatch(_PERIOD, text)
    if found is None:
        raise ValueError(text)
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return Duration(years * 12 + months, weeks * 7 + days, (hours * 60 + minutes) * 60 + seconds)


def longest_days(duration: Duration) -> int:
    """An upper bound of how many days a duration takes."""
    return duration.months * 31 + duration.days + duration.seconds // 86_400


def shortest_days(duration: Duration) -> int:
    """A lower bound of how many days a duration takes."""
    return duration.months * 28 + duration.days + duration.seconds // 86_400


def first_instant(text: str) -> datetime:
    """Where a moment begins: a bare date at its midnight. Naive means local."""
    return datetime.fromisoformat(text)


def last_instant(text: str) -> datetime:
    """Where a window that runs until a moment ends (exclusive): a bare date counts to the next midnight."""
    moment = datetime.fromisoformat(text)
    if "T" in text:
        return moment
    following = date.fromisoformat(text) + timedelta(days=1)
    return datetime(following.year, following.month, following.day)  # noqa: DTZ001 - wall-clock by design


def every_year(first: str, last: str) -> EveryYear:
    """Days of every year from two month-days."""
    return EveryYear(_pair(first), _pair(last))


def _pair(month_day: str) -> tuple[int, int]:
    month, _, day = month_day.partition("-")
    return int(month), int(day)


def hours(text: str) -> Hours:
    """Hours of the day from "07:00-10:00"."""
    start, _, end = text.partition("-")
    return Hours(_minutes(start), _minutes(end))


def _minutes(clock: str) -> int:
    hour, _, minute = clock.partition(":")
    return int(hour) * 60 + int(minute)


def exact(text: str) -> Fraction:
    """A canonical number as a fraction."""
    return Fraction(text)


def zone(text: str) -> ZoneInfo:
    """A canonical zone."""
    return ZoneInfo(text)
