"""A program file as text with positions: every value knows its line and column, every problem is collected.

YAML is read event by event, not by a loader, so that nothing is guessed: plain `NO` and `on` are words,
`07:00` is no number, and a number with a decimal point is refused, because other readers would make a
binary fraction of it. Anchors, aliases and tags are refused: a program is read by people, top to bottom.

Invariants:
  Y1 values are dict, list, str, int, bool or None; keys are str; no key twice
  Y2 each value's path has a position; each key's path has one of its own
  Y3 a problem never stops the reading unless the text is no YAML at all

Not here: what the keys mean (program.py).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)
from typing_extensions import override

TreePath: TypeAlias = tuple[str | int, ...]
"""Where a value stands: ("earn", 0, "give", "points")."""

MAX_FILE_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 12
MAX_PROBLEMS: Final = 100
_MAX_INT_DIGITS: Final = 15

_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)")
_FRACTION: Final = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|nan)", re.IGNORECASE
)
_BOOLS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS: Final = {"", "~", "null", "Null", "NULL"}


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong with a program, where it is, and what to write instead."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    @override
    def __str__(self) -> str:
        """Show as `file:line:column: path: message (hint)`."""
        where = f"{self.file}:{self.line}:{self.column}: "
        what = f"{self.path}: {self.message}" if self.path else self.message
        return where + what + (f"\n    hint: {self.hint}" if self.hint else "")


class ProgramError(Exception):
    """A program that cannot be used, with all its problems in the order of the file."""

    def __init__(self, problems: list[Problem] | tuple[Problem, ...]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(slots=True)
class Source:
    """The tree of one file, the positions in it and what is wrong so far."""

    file: str
    tree: Any = None
    values: dict[TreePath, tuple[int, int]] = field(default_factory=dict)
    keys: dict[TreePath, tuple[int, int]] = field(default_factory=dict)
    styles: dict[TreePath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def report(self, path: TreePath, message: str, hint: str = "", *, at_key: bool = False) -> None:
        """Note a problem at the value of `path` (or at its key), or at the nearest thing above it."""
        known: TreePath = path
        while known and known not in self.values:
            known = known[:-1]
        place = self.keys.get(path) if at_key else None
        self.report_at(place or self.values.get(known, (1, 1)), path, message, hint)

    def report_at(self, place: tuple[int, int], path: TreePath, message: str, hint: str = "") -> None:
        """Note a problem at a line and column. The first one about a value stands; more would only be its echo."""
        problem = Problem(self.file, *place, shown_path(path), message, hint)
        echo = any((other.line, other.column, other.path) == (*place, problem.path) for other in self.problems)
        if not echo and len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)


def shown_path(path: TreePath) -> str:
    """A path as people write it: earn[0].give.points."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_source(path: Path, shown: str | None = None) -> Source:
    """Read a file; raises ProgramError only when nothing of it can be read."""
    file = shown or str(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ProgramError([Problem(file, 1, 1, "", f"cannot read the file: {error.strerror}")]) from None
    if len(raw) > MAX_FILE_BYTES:
        raise ProgramError([Problem(file, 1, 1, "", f"the file is larger than {MAX_FILE_BYTES // 1024} KiB")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        column = error.start - (raw[: error.start].rfind(b"\n") + 1) + 1
        raise ProgramError([Problem(file, line, column, "", "the file is not UTF-8 text")]) from None
    return parse_source(text, file)


def parse_source(text: str, file: str) -> Source:
    """The tree of a YAML text; raises ProgramError only when it is no YAML."""
    source = Source(file)
    try:
        _Reader(source, iter(YAML(typ="safe", pure=True).parse(text))).document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        source.report_at(place, (), f"not valid YAML: {_sentence(error)}", _yaml_hint(str(error.problem)))
        raise ProgramError(source.problems) from None
    except YAMLError as error:
        # The reader of characters has no mark of its own, only a position.
        position = getattr(error, "position", 0)
        place = (text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position))
        source.report_at(place, (), "not valid YAML: a control character, which YAML does not allow")
        raise ProgramError(source.problems) from None
    except (RecursionError, ValueError) as error:
        source.report_at((1, 1), (), f"not valid YAML: {error}")
        raise ProgramError(source.problems) from None
    return source


def _sentence(error: MarkedYAMLError) -> str:
    context = f"{error.context}: " if error.context else ""
    return f"{context}{error.problem}"


def _yaml_hint(problem: str) -> str:
    if "'\\t'" in problem or "\t" in problem or "tab" in problem:
        return "indent with spaces, not with tabs"
    if "mapping values are not allowed" in problem:
        return "put a text which contains ': ' in quotes, and check the indentation"
    return "check the indentation, and that brackets and quotes are closed"


class _Reader:
    """One pass over the events of one file."""

    def __init__(self, source: Source, events: Iterator[Event]) -> None:
        self.source = source
        self.events = events

    def document(self) -> None:
        documents = 0
        for event in self.events:
            if isinstance(event, StreamStartEvent | StreamEndEvent):
                continue
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.source.report_at(_place(event), (), "a second document in one file", "one file, one version")
                    raise ProgramError(self.source.problems)
                self.source.tree = self.value(next(self.events), ())
        if documents == 0 or self.source.tree is None:
            self.source.report((), "the file is empty; expected a program")

    def value(self, event: Event, path: TreePath) -> Any:
        self.source.values[path] = _place(event)
        if isinstance(event, AliasEvent):
            self.source.report(
                path, f"*{event.anchor} repeats another place", "write the value out; aliases are not used"
            )
            return None
        if isinstance(event, NodeEvent) and event.anchor:
            self.source.report(path, f"&{event.anchor} names this place", "leave the anchor out")
        tag = getattr(event, "tag", None)
        if tag:
            self.source.report(path, f"the tag {tag} is not used in programs", "leave the tag out")
        if len(path) > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels at line {_place(event)[0]}")
        if isinstance(event, MappingStartEvent):
            return self.mapping(path)
        if isinstance(event, SequenceStartEvent):
            return self.sequence(path)
        if isinstance(event, ScalarEvent):
            self.source.styles[path] = event.style or ""
            return self.scalar(event, path)
        raise ValueError(f"unexpected {type(event).__name__}")

    def sequence(self, path: TreePath) -> list[Any]:
        items: list[Any] = []
        for event in self.events:
            if isinstance(event, SequenceEndEvent):
                break
            items.append(self.value(event, (*path, len(items))))
        return items

    def mapping(self, path: TreePath) -> dict[str, Any]:
        items: dict[str, Any] = {}
        for event in self.events:
            if isinstance(event, MappingEndEvent):
                break
            if not isinstance(event, ScalarEvent):
                self.source.report_at(_place(event), path, "a key must be a word")
                self.value(event, (*path, "?"))
                self.value(next(self.events), (*path, "?"))
                continue
            key = str(event.value)
            here = (*path, key)
            twice = key in items
            if twice:
                first = self.source.keys[here][0]
                self.source.report_at(_place(event), here, f"the key {key} stands here twice; first in line {first}")
                self.value(next(self.events), (*path, "?"))
                continue
            self.source.keys[here] = _place(event)
            items[key] = self.value(next(self.events), here)
        return items

    def scalar(self, event: ScalarEvent, path: TreePath) -> str | int | bool | None:
        text = str(event.value)
        if event.style:
            return text
        if text in _NULLS:
            if path:
                self.source.report(path, "nothing stands here", "write a value, or leave the key out")
            return None
        if text in _BOOLS:
            return _BOOLS[text]
        if _INT.fullmatch(text):
            digits = text.replace("_", "")
            if len(digits) > _MAX_INT_DIGITS:
                self.source.report(path, f"the number has more than {_MAX_INT_DIGITS} digits")
                return 0
            return int(digits)
        if _FRACTION.fullmatch(text):
            self.source.report(
                path, f"{text} is a number with a fraction, which programs read as text", f'put it in quotes: "{text}"'
            )
        return text


def _place(event: Event) -> tuple[int, int]:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1
