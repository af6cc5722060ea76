"""The fast path: bytes to a validated event in one pass, for events that are beyond doubt.

A typed parser in C takes the place of the models. Its types are built from the models' own JSON Schemas, keyword by
keyword, and an unknown keyword is refused: so no bound can be in one place and not in the other. What it cannot hold is
held here or in `schemas/scalars.py`. It only ever accepts: None means that somebody has to look closer.

Invariants:
  V1 what `read` returns satisfies the model of its type, except for the patterns of `Quantity` and `Time`:
     `QUANTITY_MICRO` and `instant_us` hold those
  V2 no name was repeated or unknown anywhere in what `read` returns

Why no text holds a control character: JSON has no raw ones below 0x20, so the others are DEL, 0xC2 0x80 to 0x9F, or
written as an escape, and each of these can be seen in the bytes.

Why counting finds every repeated or unknown name: the parser keeps one value for each distinct known name, so the names
kept are at most the names sent, and equal only if none was repeated or unknown. Two counts bound the names sent:
  without a backslash, each name is followed by a colon of its own and each text shows all of its colons, so
     colons in the bytes >= names sent + colons in the texts `time` and `source`
  without white space between a quote and a colon, each name ends in the two, so
     `":` in the bytes >= names sent
When one of the bounds equals what was kept, nothing lies between.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal, NamedTuple, NotRequired

import msgspec
from msgspec import UNSET, Meta, UnsetType
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from schemas.rows import Row
from schemas.scalars import NO_CONTROL_PATTERNS, QUANTITY_PATTERN, TIME_PATTERN

# Numbers, since Python finds a number in bytes in a fifth of the time in which it finds bytes of one.
_BACKSLASH, _DELETE, _LATIN = b"\\\x7f\xc2"

_TYPE = re.compile(rb'"type"[ \t\r\n]*+:[ \t\r\n]*+"(loyalty\.[^"\\]*+)"')
_SPACE_COLON = re.compile(rb" :")
_SPACED_COLON = re.compile(rb'"[ \t\r\n]++:')
_ESCAPED_CONTROL = re.compile(rb"\\(?:[bfnrt]|u00(?:[0189]|7[fF]))")
_LATIN_CONTROL = re.compile(rb"\xc2[\x80-\x9f]")

_HELD_ELSEWHERE = frozenset({*NO_CONTROL_PATTERNS, QUANTITY_PATTERN, TIME_PATTERN})
_SCALARS: Mapping[str, type | None] = {"string": str, "integer": int, "boolean": bool, "null": None}
_LIST: Any = list  # Untyped, because what they hold is known at run time only.
_MAP: Any = dict
_DICTIONARY: Any = TypedDict
_BOUNDS: Mapping[str, str] = {
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
    "maxProperties": "max_length",
    "minimum": "ge",
    "maximum": "le",
    "pattern": "pattern",
}
_WORDS = frozenset({"title", "description", "examples"})
_STRUCTURE = frozenset(
    {"type", "const", "enum", "anyOf", "items", "properties", "required", "patternProperties", "propertyNames"}
)


class RowsField(NamedTuple):
    """A field of `data` that holds rows: its name, how many fields a row may have, and how to count those left out."""

    name: str
    width: int
    left_out: Callable[[Sequence[Any]], int]


class Reader(NamedTuple):
    """How to read one type: its parser, and where there are more names in `data`: in rows, or in one object."""

    parse: Callable[[bytes], Any]
    rows: tuple[RowsField, ...]
    objects: tuple[str, ...]


def reader_of(model: type) -> Reader:
    """Build the reader of a model. Raises `TypeError` for a model that says what no reader holds."""
    schema = TypeAdapter(model).json_schema()
    definitions = schema.pop("$defs", {})
    rows: list[RowsField] = []
    objects: list[str] = []
    for name, field in _resolved(schema["properties"]["data"], definitions)["properties"].items():
        found = _resolved(field, definitions)
        if found.get("type") == "object":
            objects.append(name)
        elif found.get("type") == "array" and (
            row := _row_named(_resolved(found["items"], definitions).get("title", ""))
        ):
            rows.append(RowsField(name, len(row.__struct_fields__), row.left_out))
    return Reader(msgspec.json.Decoder(_type_of(schema, definitions)).decode, tuple(rows), tuple(objects))


def read(raw: bytes, readers: Mapping[bytes, Reader]) -> Any:
    """Return the validated event in the bytes, or None if there is any doubt. `readers` are keyed by type."""
    escaped = _BACKSLASH in raw
    if (
        (escaped and _ESCAPED_CONTROL.search(raw))
        or _DELETE in raw
        or (_LATIN in raw and _LATIN_CONTROL.search(raw))
        or (named := _TYPE.search(raw)) is None
    ):
        return None
    try:
        reader = readers[named[1]]
        event = reader.parse(raw)
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    data = event["data"]
    kept = len(event) + len(data)
    for name, width, left_out in reader.rows:
        if name in data:
            rows = data[name]
            kept += width * len(rows) - left_out(rows)
    for name in reader.objects:
        if name in data:
            kept += len(data[name])
    if (not escaped and raw.count(b":") == kept + event["time"].count(":") + event["source"].count(":")) or (
        raw.count(b'":') == kept and not _spaced(raw)
    ):
        return event
    return None


def _spaced(raw: bytes) -> bool:
    """Tell whether white space may stand between a name and its colon. Compact events cost no look at each quote."""
    white = _SPACE_COLON.search(raw) or b"\n" in raw or b"\t" in raw or b"\r" in raw
    return bool(white) and _SPACED_COLON.search(raw) is not None


def _resolved(schema: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Follow a reference, if the schema is one."""
    name = schema.get("$ref")
    return definitions[name.removeprefix("#/$defs/")] if name else schema


def _type_of(schema: dict[str, Any], definitions: Mapping[str, Any]) -> Any:
    """Translate a JSON Schema to a type of the parser. Raises `TypeError` for a keyword that it does not know."""
    schema = _resolved(schema, definitions)
    strange = schema.keys() - _WORDS - _STRUCTURE - _BOUNDS.keys()
    if strange:
        raise TypeError(f"{sorted(strange)} in {schema}: teach schemas/fast.py to hold it")
    bounds = {_BOUNDS[word]: schema[word] for word in schema.keys() & _BOUNDS.keys()}
    if bounds.get("pattern") in _HELD_ELSEWHERE:
        del bounds["pattern"]
    bare = _bare_type_of(schema, definitions)
    return Annotated[bare, Meta(**bounds)] if bounds else bare


def _bare_type_of(schema: dict[str, Any], definitions: Mapping[str, Any]) -> Any:
    """Translate all but the bounds."""
    if "const" in schema:
        return Literal[schema["const"]]
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    if "anyOf" in schema:
        return reduce(or_, [_type_of(branch, definitions) for branch in schema["anyOf"]])
    match schema["type"]:
        case "array":
            return _LIST[_type_of(schema["items"], definitions)]
        case "object" if "properties" in schema:
            return _object_of(schema, definitions)
        case "object":
            ((pattern, value),) = schema["patternProperties"].items()
            if pattern not in _HELD_ELSEWHERE:
                raise TypeError(f"names like {pattern}: teach schemas/fast.py to hold it")
            name = _type_of({"type": "string", **schema["propertyNames"]}, definitions)
            return _MAP[name, _type_of(value, definitions)]
        case scalar:
            return _SCALARS[scalar]


def _object_of(schema: dict[str, Any], definitions: Mapping[str, Any]) -> Any:
    """Make the type of an object with known fields: a row with bounds for its fields, or a dictionary."""
    name: str = schema["title"]
    fields = {name: _type_of(field, definitions) for name, field in schema["properties"].items()}
    needed = frozenset(schema["required"])
    row = _row_named(name)
    if row is None:
        kinds = {name: kind if name in needed else NotRequired[kind] for name, kind in fields.items()}
        return _DICTIONARY(name, kinds)
    bounded = [(name, kind) if name in needed else (name, kind | UnsetType, UNSET) for name, kind in fields.items()]
    return msgspec.defstruct(name, bounded, bases=(row,), kw_only=True)


def _row_named(name: str) -> type[Row] | None:
    """Return the row of a name. The name is all that a JSON Schema tells of a row."""
    return next((row for row in Row.__subclasses__() if row.__name__ == name), None)
