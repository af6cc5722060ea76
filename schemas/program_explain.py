"""Says what a validation error means for the author: where it stands, what came, what was expected.

Not here: the checks themselves (program_values.py, program.py).
"""

from collections.abc import Callable, Mapping
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

from schemas.program import ProgramFile
from schemas.program_earn import RULE_MODELS
from schemas.program_source import Source, TreePath
from schemas.program_values import came, did_you_mean, near

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class Grammar(NamedTuple):
    """A kind of file: the model of the whole, and the kinds of items that its lists of several kinds may hold."""

    root: type[BaseModel]
    kinds: Mapping[str, type[BaseModel]]
    kind_of: Callable[[Any], str | None]
    """The kind of an item as it is written, or None."""


def _rule_kind(value: Any) -> str | None:
    on = value.get("on") if isinstance(value, dict) else None
    return on if isinstance(on, str) else None


PROGRAM: Final = Grammar(ProgramFile, RULE_MODELS, _rule_kind)


def explain(error: "ErrorDetails", source: Source, grammar: Grammar = PROGRAM) -> tuple[TreePath, bool]:
    """Report one validation error at its place; answers the path of what is broken, and whether it is only too much."""
    path, value = _in_tree(error["loc"], source.tree)
    context = error.get("ctx", {})
    match error["type"]:
        case "program":
            source.report(path, str(context["message"]), str(context["hint"]))
        case "extra_forbidden":
            _unknown_key(path, source, grammar)
        case "missing":
            _missing_key(path, source, grammar)
        case "union_tag_not_found" | "union_tag_invalid" if grammar is not PROGRAM:
            kinds = ", ".join(grammar.kinds)
            source.report(path, f"{came(value)}, a block with one of {kinds} was expected", _misspelt(value, grammar))
        case "union_tag_not_found":
            path = (*path, "on")
            source.report(path, "the key on is missing", f"one of {', '.join(RULE_MODELS)}")
        case "union_tag_invalid":
            path = (*path, "on")
            came_on = value.get("on") if isinstance(value, dict) else value
            source.report(
                path, f"{came(came_on)}, one of {', '.join(RULE_MODELS)} was expected", near(came_on, RULE_MODELS)
            )
        case "model_type" | "dict_type" | "model_attributes_type" | "mapping_type":
            source.report(path, f"{came(value)}, a block of keys was expected", _example(path))
        case "tuple_type" | "list_type":
            source.report(path, f"{came(value)}, a list was expected", _example(path))
        case "too_short" if value:
            pass  # Only because entries are broken, which is told at each of them.
        case kind:
            source.report(path, _sentence(kind, value, context) or f"{came(value)}: {error['msg']}")
    return path, error["type"] == "extra_forbidden"


def _misspelt(value: Any, grammar: Grammar) -> str:
    keys = list(value) if isinstance(value, dict) else []
    return next(filter(None, (near(key, grammar.kinds) for key in keys)), "")


def _sentence(kind: str, value: Any, context: "Mapping[str, Any]") -> str:
    """What is wrong with a size or a bound."""
    size = len(value) if isinstance(value, list | dict | str) else 0
    unit = "characters" if isinstance(value, str) else "entries"
    sentences = {
        "too_short": "an empty one came, at least one entry was expected",
        "too_long": f"{size} {unit} came, at most {context.get('max_length')} were expected",
        "less_than_equal": f"{came(value)}, at most {context.get('le')} was expected",
        "greater_than_equal": f"{came(value)}, at least {context.get('ge')} was expected",
    }
    return sentences.get(kind, "")


def _example(path: TreePath) -> str:
    examples = {
        "give": 'give: {points: 1, per: "1.00"}',
        "lines": "lines: {categories: [coffee]}",
        "when": "when: {weekdays: [sat, sun]}",
        "points": "points: {stars: {name: Stars}}",
        "at_most": "at_most: {points: 500, per: day}",
        "exclude": "exclude: {categories: [gift_card]}",
        "earn": "start each rule on a line of its own with a dash: - id: base",
    }
    return next(
        (f"for example {text}" if key != "earn" else text for key, text in examples.items() if path[-1:] == (key,)), ""
    )


def _in_tree(loc: tuple[str | int, ...], tree: Any) -> tuple[TreePath, Any]:
    """The path in the file: locations also name the branch of a union and the index of a list that is none."""
    path: TreePath = ()
    value = tree
    for number, part in enumerate(loc):
        last = number == len(loc) - 1
        here = isinstance(value, dict) and part in value
        if here or (isinstance(value, list) and isinstance(part, int) and part < len(value)):
            value = value[part]
        elif last and isinstance(part, str) and isinstance(value, dict) and not _is_branch(part):
            value = None
        else:
            continue
        path = (*path, part)
    return path, value


def _is_branch(part: str) -> bool:
    return part in {"word", "period"} or part.startswith("[")


def _unknown_key(path: TreePath, source: Source, grammar: Grammar) -> None:
    model = _model_at(path[:-1], source.tree, grammar)
    known = sorted(_keys(model)) if model else []
    key = str(path[-1])
    hint = near(key, known)
    if not hint:
        others = [on for on, rule in RULE_MODELS.items() if key in _keys_at(rule, path[2:-1])]
        fits = others and path[0] == "earn" and grammar is PROGRAM
        hint = f"it fits rules on {' or '.join(others)}" if fits else did_you_mean(key, known)
    if not hint:
        hint = f"known are {', '.join(known)}"
    source.report(path, f"the key {key} is not known here", hint, at_key=True)


def _missing_key(path: TreePath, source: Source, grammar: Grammar) -> None:
    key = str(path[-1])
    model = _model_at(path[:-1], source.tree, grammar)
    field = _keys(model).get(key) if model else None
    meaning = field.description.splitlines()[0] if field is not None and field.description else ""
    source.report(path, f"the key {key} is missing", meaning)


def _keys(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _keys_at(model: type[BaseModel], path: TreePath) -> dict[str, Any]:
    for part in path:
        inner = _models(_keys(model)[part].annotation) if part in _keys(model) and isinstance(part, str) else []
        if not inner:
            return {}
        model = inner[0]
    return _keys(model)


def _model_at(path: TreePath, tree: Any, grammar: Grammar) -> type[BaseModel] | None:
    """The model that a block of the file belongs to."""
    models: list[type[BaseModel]] = [grammar.root]
    value = tree
    for part in path:
        if isinstance(value, list) and isinstance(part, int):
            value = value[part]
        else:
            value = value.get(part) if isinstance(value, dict) else None
            if models and part in _keys(models[0]):
                models = _models(_keys(models[0])[str(part)].annotation)
            # Otherwise the part is a name that the author chose: points.beans.
        kind = grammar.kind_of(value) if len(models) > 1 else None
        models = [grammar.kinds[kind]] if kind is not None and kind in grammar.kinds else models
    return models[0] if models else None


def _models(annotation: Any) -> list[type[BaseModel]]:
    """All models within an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    origin = get_origin(annotation)
    if origin is Annotated:
        return _models(get_args(annotation)[0])
    if origin in (Union, UnionType) or origin in (tuple, list, dict):
        return [model for inner in get_args(annotation) for model in _models(inner)]
    return []
