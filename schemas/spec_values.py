"""The short forms of a spec file: a line of a receipt, a moment, a way of payment, an expected figure.

Each short form becomes the long one before it is validated, so that both mean the same.

Not here: when a moment is (spec_events.py); whether names exist in the program (spec_load.py).
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, NamedTuple, TypeAlias

from pydantic import AfterValidator, BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema, core_schema
from typing_extensions import override

from loyalty.program import Duration
from schemas.program_values import WEEKDAYS, Exact, Text, came, refuse

NOON: Final = (12, 0, 0)
"""The time of a day that is named without one."""

REST: Final = "rest"
"""The amount of the one tender that pays what the others leave."""

DEFAULT: Final = ""
"""Stands for the program's first kind of points where an expected figure names none."""

_AMOUNT: Final = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_LINE: Final = re.compile(
    rf"(?:(?P<category>\S.*?) +)??(?P<price>{_AMOUNT})(?: +x(?P<quantity>{_AMOUNT}))?(?P<more>(?: +(?:sku|brand)=\S+)*)"
)
HAS_PRICE: Final = rf"(^| ){_AMOUNT}( |$)"
"""What editors ask of a line of a receipt."""
_BACK: Final = re.compile(rf"(?P<line>\S.*?)(?: +x(?P<quantity>{_AMOUNT}))?")
_LINE_HINT: Final = "category, price of one, xhow-many: coffee 4.50 x2; also brand=house and sku=A-1, at the end"
_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?"
_AT: Final = re.compile(
    rf"(?:(?P<date>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})|(?P<weekday>{'|'.join(WEEKDAYS)})"
    r"|(?P<count>[0-9]{1,4}) (?P<unit>minute|hour|day|week|month|year)s? later)?"
    rf"(?:(?:^|[ T])(?P<clock>{_CLOCK}))?(?P<offset>Z|[+-][0-9]{{2}}:[0-9]{{2}})?"
)
_AT_HINT: Final = "for example 2026-12-05 15:00, sat 11:00, 15:00, 3 days later, or 2 weeks later 15:00"


class At(NamedTuple):
    """A moment as it is written; `clock` None: as the form says. At most one of date, weekday and later is there."""

    date: str
    weekday: int | None
    later: Duration | None
    clock: tuple[int, int, int] | None
    offset: str


def parsed_at(text: str) -> At | None:
    """A moment's parts; None when the text is none."""
    found = _AT.fullmatch(text)
    if found is None or not text or (found["offset"] and not (found["date"] and found["clock"])):
        return None
    if found["date"] and found["clock"] is None and len(text) > len("2026-01-01"):
        return None
    later = _later(int(found["count"]), found["unit"]) if found["count"] else None
    if later is not None and later.seconds and found["clock"]:
        return None
    clock = None
    if found["clock"]:
        hour, minute, *second = (int(part) for part in found["clock"].split(":"))
        clock = (hour, minute, second[0] if second else 0)
    weekday = WEEKDAYS.index(found["weekday"]) + 1 if found["weekday"] else None
    return At(found["date"] or "", weekday, later, clock, found["offset"] or "")


def _later(count: int, unit: str) -> Duration:
    match unit:
        case "minute":
            return Duration(seconds=count * 60)
        case "hour":
            return Duration(seconds=count * 3600)
        case "day" | "week":
            return Duration(days=count * (7 if unit == "week" else 1))
        case _:
            return Duration(months=count * (12 if unit == "year" else 1))


def _at(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    at = parsed_at(text)
    if at is None:
        refuse(f"{came(value)}, a date and time, a weekday, a time of day or a while later was expected", _AT_HINT)
    try:
        day = datetime.fromisoformat(at.date) if at.date else None
    except ValueError:
        refuse(f"{came(value)}, but the calendar has no such day")
    if day is not None and not 1970 < day.year < 2999:  # noqa: PLR2004 - what events may say
        refuse(f"{came(value)}, a day of the years 1971 to 2998 was expected")
    return text


def _whole_at(value: Any) -> str:
    text = _at(value)
    at = parsed_at(text)
    if at is None or not at.date:
        refuse(f"{came(value)}, a date was expected", "for example 2026-03-02, or 2026-03-02 15:00")
    return text


@dataclass(frozen=True, slots=True)
class Short:
    """An annotation of a model or a map: a text may stand for it, which `full` turns into it."""

    pattern: str
    example: str
    number: bool
    """Whether a whole number is a text, too."""

    def full(self, value: Any) -> Any:
        """The long form."""
        raise NotImplementedError

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Make the long form first."""
        return core_schema.no_info_before_validator_function(self.full, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Either of them."""
        kind = ["string", "integer"] if self.number else "string"
        pattern = {"pattern": self.pattern} if self.pattern else {}
        return {"anyOf": [{"type": kind, **pattern, "examples": [self.example]}, handler(schema)]}


class ShortLine(Short):
    """A line of a receipt: `coffee 4.50 x2 brand=house`."""

    @override
    def full(self, value: Any) -> Any:
        """Take the receipt's line apart."""
        if isinstance(value, dict):
            return value
        text = str(value).strip() if isinstance(value, str) or _is_whole(value) else ""
        found = _LINE.fullmatch(text)
        if found is None:
            refuse(f"{came(value)}, a line of a receipt was expected", _LINE_HINT)
        more = [part.split("=", 1) for part in found["more"].split()]
        if len({key for key, _ in more}) < len(more):
            refuse(f"{came(value)}, but sku or brand stands there twice", _LINE_HINT)
        kept = {"category": found["category"], "price": found["price"], "quantity": found["quantity"], **dict(more)}
        return {key: part for key, part in kept.items() if part is not None}


class ShortBack(Short):
    """A line that comes back: `coffee x1`."""

    @override
    def full(self, value: Any) -> Any:
        """Take it apart."""
        if isinstance(value, dict):
            return value
        found = _BACK.fullmatch(str(value).strip()) if isinstance(value, str) or _is_whole(value) else None
        if found is None:
            refuse(f"{came(value)}, a line that comes back was expected", "for example coffee, coffee x1, or all")
        return {key: part for key, part in found.groupdict().items() if part is not None}


class ShortTender(Short):
    """One way to pay it all: `house-card`."""

    @override
    def full(self, value: Any) -> Any:
        """All is paid with it."""
        return {value: REST} if isinstance(value, str) else value


class ShortFigure(Short):
    """A figure that names no kind of points: the program's first."""

    @override
    def full(self, value: Any) -> Any:
        """Name it."""
        return value if isinstance(value, dict) else {DEFAULT: value}


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _figure(value: Any) -> str:
    text = str(value).strip() if isinstance(value, str) or _is_whole(value) else ""
    if not re.fullmatch(rf"-?{_AMOUNT}", text):
        refuse(f'{came(value)}, a number of points such as 42, -9 or "2.5" was expected')
    return text


def _paid(value: Any) -> str:
    text = str(value).strip() if isinstance(value, str) or _is_whole(value) else ""
    if text != REST and not re.fullmatch(_AMOUNT, text):
        refuse(f'{came(value)}, an amount such as 10 or "9.95" was expected, or {REST} for what is left to pay')
    return text


def _one_amount(value: dict[str, str]) -> dict[str, str]:
    if list(value.values()).count(REST) > 1:
        refuse(f"{REST} stands there twice", "one tender pays what the others leave")
    return value


_FIGURE_SCHEMA: Final = WithJsonSchema({"type": ["integer", "string"], "pattern": f"^-?{_AMOUNT}$"})
Moment: TypeAlias = Annotated[str, BeforeValidator(_at), WithJsonSchema({"type": "string", "examples": ["sat 11:00"]})]
"""When, by the wall clock: a date and time, a weekday, a time of day, or a while later."""
StartMoment: TypeAlias = Annotated[
    str, BeforeValidator(_whole_at), WithJsonSchema({"type": "string", "examples": ["2026-03-02 15:00"]})
]
"""A moment that says its date."""
Figure: TypeAlias = Annotated[str, BeforeValidator(_figure), _FIGURE_SCHEMA]
"""Points, as people count them; negative for what was taken back."""
Figures: TypeAlias = Annotated[dict[str, Figure], ShortFigure(f"^-?{_AMOUNT}$", "42", number=True)]
"""Points, or points by kind."""
Paid: TypeAlias = Annotated[
    str, BeforeValidator(_paid), WithJsonSchema({"type": ["string", "integer"], "examples": ["9.95", REST]})
]
Tenders: TypeAlias = Annotated[
    dict[Text, Paid], AfterValidator(_one_amount), ShortTender("", "house-card", number=False)
]
"""How it was paid."""
Amount: TypeAlias = Exact
