"""Conditions beyond the filters: CEL expressions over an event and its member.

CEL is Google's small expression language: no loops, no functions of our own, nothing to call out to. The
library is Google's own C++ implementation, which checks types when the program is loaded.

Invariants:
  K1 a condition never raises and never answers anything but True or False; what cannot be evaluated
     (a missing field, an overflow, a division by zero, an iteration budget used up) does not hold
  K2 no binary floating-point number can arise: such literals and `double` are refused when compiled
  K3 conditions with the same source and variables are equal, and survive pickling

Not here: which fields a rule may read (schemas), what the values are (contexts.py).
"""

import copyreg
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

from cel_expr_python import cel  # type: ignore[import-untyped]  # it ships stubs, but no py.typed

MAX_SOURCE_CHARS: Final = 2000
"""Longer conditions are refused: nobody could explain them to a member."""

_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*)
  | (?P<string>
        (?:[rR][bB]?|[bB][rR])(?:'''(?s:.*?)'''|\"\"\"(?s:.*?)\"\"\"|'[^'\n]*'|"[^"\n]*")
      | [bB]?(?:'''(?s:\\.|[^\\])*?'''|\"\"\"(?s:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"))
  | (?P<double>(?:\d+\.\d+|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)
  | (?P<integer>0[xX][0-9a-fA-F]+[uU]?|\d+[uU]?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<symbol>&&|\|\||[=!<>]=|.)
    """,
    re.VERBOSE,
)
_LOCATION: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_NOT_PLAIN: Final = "Non-CEL value type"


class ConditionError(ValueError):
    """A condition that cannot be used; says what is wrong and where in the source (both count from 1)."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


class FieldUse(NamedTuple):
    """A variable that a condition reads, the field of it (or "" for the whole), and where."""

    variable: str
    field: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Condition:
    """One compiled condition. Making one raises ConditionError. Equal to another of the same source and variables."""

    source: str
    variables: frozenset[str]
    reads: frozenset[str] = field(init=False, compare=False, repr=False)
    """What an evaluation needs: "purchase.channel", or "purchase" when the variable is used as a whole."""
    _fields: tuple[tuple[str, frozenset[str] | None], ...] = field(init=False, compare=False, repr=False)
    _expression: Any = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Compile."""
        if len(self.source) > MAX_SOURCE_CHARS:
            raise ConditionError(
                f"the condition has {len(self.source)} characters; at most {MAX_SOURCE_CHARS} are accepted"
            )
        if not self.source.strip():
            raise ConditionError(
                "the condition is empty; leave the key out, or write one such as member.tier == 'gold'"
            )
        _refuse_doubles(self.source)
        expression = _compile(self.source, self.variables)
        _refuse_bad_patterns(self.source)
        uses = tuple(fields_read(self.source, self.variables))
        whole = {use.variable for use in uses if not use.field}
        fields = tuple(
            (name, None if name in whole else frozenset(use.field for use in uses if use.variable == name))
            for name in sorted({use.variable for use in uses})
        )
        reads = frozenset(use.variable if use.variable in whole else f"{use.variable}.{use.field}" for use in uses)
        # The usual way to fill a frozen dataclass with what follows from its arguments.
        object.__setattr__(self, "_expression", expression)
        object.__setattr__(self, "_fields", fields)
        object.__setattr__(self, "reads", reads)

    def test(self, context: Mapping[str, Any]) -> bool:
        """Whether the condition holds. `context` maps each variable to plain JSON values; never raises."""
        # Only what is read crosses into the library: it copies all that it is given.
        data: dict[str, Any] = {}
        try:
            for name, fields in self._fields:
                value = context[name]
                data[name] = value if fields is None else {key: value[key] for key in fields if key in value}
            result = self._expression.eval(data=data).value()
            if isinstance(result, str) and _NOT_PLAIN in result:
                result = self._expression.eval(data=_plain(data)).value()
        except (LookupError, RuntimeError, TypeError, ValueError):
            return False
        return result is True


def compile_condition(source: str, variables: frozenset[str]) -> Condition:
    """Compile `source`, which may use the named variables only; raises ConditionError."""
    return Condition(source, variables)


# The library's expressions cannot be pickled: a condition travels as its source (K3).
copyreg.pickle(Condition, lambda condition: (compile_condition, (condition.source, condition.variables)))


def fields_read(source: str, variables: frozenset[str]) -> Iterator[FieldUse]:
    """Each use of one of the variables in a source, in order, with the field that is selected from it."""
    tokens = [token for token in _tokens(source) if token.lastgroup != "space"]
    for index, token in enumerate(tokens):
        selected = index > 0 and tokens[index - 1].group() == "."
        if token.lastgroup != "name" or token.group() not in variables or selected:
            continue
        after = tokens[index + 1 : index + 4]
        selected_field = ""
        # `purchase.size()` calls a function on the whole; `purchase.channel` selects a field.
        called = len(after) == 3 and after[2].group() == "("  # noqa: PLR2004 - the dot, the name, the bracket
        if len(after) > 1 and after[0].group() == "." and after[1].lastgroup == "name" and not called:
            selected_field = after[1].group()
        yield FieldUse(token.group(), selected_field, *_position(source, token.start()))


def _tokens(source: str) -> Iterator[re.Match[str]]:
    return _TOKEN.finditer(source)


def _position(source: str, offset: int) -> tuple[int, int]:
    """Line and column of an offset, both from 1."""
    before = source[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def _refuse_doubles(source: str) -> None:
    previous = ""
    for token in _tokens(source):
        text = token.group()
        if token.lastgroup == "space":
            continue
        if token.lastgroup == "double":
            message = f"{text} is a number with a fraction; conditions count in whole numbers, such as cents"
            raise ConditionError(message, *_position(source, token.start()))
        if token.lastgroup == "name" and text == "double" and previous != ".":
            message = "double is not available; conditions count in whole numbers, such as cents"
            raise ConditionError(message, *_position(source, token.start()))
        previous = text


def _refuse_bad_patterns(source: str) -> None:
    """A wrong regular expression would only show as a condition that never holds: find it now."""
    tokens = [token for token in _tokens(source) if token.lastgroup != "space"]
    for called, bracket, pattern in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if called.group() == "matches" and bracket.group() == "(" and pattern.lastgroup == "string":
            result = _compile(f'"".matches({pattern.group()})', frozenset()).eval(data={}).value()
            if isinstance(result, str):
                reason = result.partition("invalid regular expression: ")[2] or result
                message = f"the regular expression {pattern.group()} is not valid: {reason}"
                raise ConditionError(message, *_position(source, pattern.start()))


def _compile(source: str, variables: frozenset[str]) -> Any:
    try:
        expression = _environment(variables).compile(source)
    except (RuntimeError, ValueError, TypeError) as error:
        raise _located(str(error), source, variables) from None
    result = expression.return_type()
    if result not in (cel.Type.BOOL, cel.Type.DYN):
        message = f"the condition gives {_kind(result.name())}; it must be true or false, such as member.tier == 'gold'"
        raise ConditionError(message)
    return expression


@lru_cache(maxsize=64)
def _environment(variables: frozenset[str]) -> Any:
    record = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    return cel.NewEnv(variables=dict.fromkeys(sorted(variables), record))


def _located(text: str, source: str, variables: frozenset[str]) -> ConditionError:
    """The library's report as one sentence of ours."""
    found = _LOCATION.search(text)
    if found is None:
        if "recursion limit" in text:
            return ConditionError("the condition is nested too deeply")
        return ConditionError(text.removeprefix("INVALID_ARGUMENT: "))
    line, column, said = int(found[1]), int(found[2]), found[3].removesuffix(" [INVALID_ARGUMENT]")
    if undeclared := re.match(r"undeclared reference to '([^']*)'", said):
        # The library points behind the name.
        before = source.splitlines()[line - 1][: column - 1]
        column -= len(before) - len(before.rstrip("_" + string.ascii_letters + string.digits))
        names = ", ".join(sorted(variables)) or "nothing"
        said = f"{undeclared[1]} is not known here; a condition may read {names}"
    elif overload := re.match(r"found no matching overload for '_?([^']*?)_?' applied to '(.*)'", said):
        said = f"{overload[1]} does not work on {overload[2]}"
    elif said.startswith("Syntax error: "):
        said = "this is not an expression: " + said.removeprefix("Syntax error: ").partition(" expecting {")[0]
        if "token recognition error at: '= '" in said:
            said += "; to compare, write =="
    return ConditionError(said, line, column)


def _kind(name: str) -> str:
    return {"INT": "a number", "STRING": "a text", "LIST": "a list", "MAP": "a record", "UINT": "a number"}.get(
        name, name.lower()
    )


def _plain(value: Any) -> Any:
    """The same value with lists for tuples and sets, and dicts for other mappings."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return [_plain(item) for item in sorted(value)]
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
