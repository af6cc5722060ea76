"""What a model looks like from outside: its fields, and what to send in each place.

Read from the models' own annotations, so that refusals and unknown-field checks cannot drift from them.
"""

from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, NotRequired, Required, Union, get_args, get_origin, get_type_hints

from typing_extensions import is_typeddict

from schemas.rows import Row
from schemas.scalars import Send

UNKNOWN_NAMES_MAX = 32
"""How many unknown fields are named; an event cannot make a report grow without bound."""
NAME_CHARS_MAX = 64


class Shape(NamedTuple):
    """One place in a model: `fields` of an object, `item` of a list or of a map with free keys.

    `nested` names the fields below which there are objects, so that a walk can leave the others alone.
    """

    phrase: str
    fields: Mapping[str, "Shape"] | None = None
    item: "Shape | None" = None
    nested: tuple[str, ...] = ()

    @property
    def holds_objects(self) -> bool:
        """Whether an object with known fields is here or in the items."""
        return self.fields is not None or (self.item is not None and self.item.holds_objects)


def shape_of(annotation: Any, phrase: str = "") -> Shape:
    """Read a model or a type. The outermost `Send` phrase wins, because it knows the place best."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *marks = get_args(annotation)
        phrases = [mark.phrase for mark in marks if isinstance(mark, Send)]
        return shape_of(inner, phrase or (phrases[-1] if phrases else ""))
    if origin in (NotRequired, Required):
        return shape_of(get_args(annotation)[0], phrase)
    if origin in (Union, UnionType):
        branches = [branch for branch in get_args(annotation) if branch is not NoneType]
        return shape_of(branches[0], phrase)
    if origin is list:
        return Shape(phrase, item=shape_of(get_args(annotation)[0]))
    if origin is dict:
        return Shape(phrase, item=shape_of(get_args(annotation)[1]))
    if is_typeddict(annotation) or (isinstance(annotation, type) and issubclass(annotation, Row)):
        hints = get_type_hints(annotation, include_extras=True)
        fields = {name: shape_of(hint) for name, hint in hints.items()}
        nested = tuple(name for name, field in fields.items() if field.holds_objects)
        return Shape(phrase or "an object", fields=fields, nested=nested)
    return Shape(phrase)


def resolve(shape: Shape, loc: Sequence[int | str]) -> tuple[Shape, int]:
    """Follow a location as deep as the shape goes; return the shape there and how many steps led to it."""
    for depth, step in enumerate(loc):
        below = shape.fields.get(str(step)) if shape.fields is not None else shape.item
        if below is None:
            return shape, depth
        shape = below
    return shape, len(loc)


def where(loc: Sequence[int | str]) -> str:
    """Write a location as a reader would: data.lines[3].sku."""
    text = ""
    for step in loc:
        text += f"[{step}]" if isinstance(step, int) else f".{shortened(step)}"
    return text.removeprefix(".")


def shortened(name: str) -> str:
    """Cut a foreign name to a bounded, printable length."""
    shown = name if len(name) <= NAME_CHARS_MAX else name[: NAME_CHARS_MAX - 3] + "..."
    return "".join(char if char.isprintable() else "?" for char in shown)


def unknown_fields(shape: Shape, value: object) -> tuple[str, ...]:
    """Name the fields of a parsed event that its model does not know, sorted, each once, at most 32."""
    found: set[str] = set()
    _collect(shape, value, "", found)
    return tuple(sorted(found)[:UNKNOWN_NAMES_MAX])


def _collect(shape: Shape, value: object, path: str, found: set[str]) -> None:
    """Walk the part of the event that the model knows; the depth is that of the model."""
    if shape.fields is None:
        if shape.item is not None and isinstance(value, list):
            for item in value:
                _collect(shape.item, item, f"{path}[]", found)
        return
    if not isinstance(value, dict):
        return
    found.update(f"{path}.{shortened(name)}".removeprefix(".") for name in value.keys() - shape.fields.keys())
    for name in shape.nested:
        if name in value:
            _collect(shape.fields[name], value[name], f"{path}.{name}".removeprefix("."), found)
