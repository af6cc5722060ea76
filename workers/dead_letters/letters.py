"""The topic of dead letters, read: the letters, and the marks of those that were replayed.

A mark is a record of the same topic and partition: a header says so, its value lists offsets of letters there. It has
no code, which every letter has.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import orjson

from workers.records import ERRORS_HEADER, Out, Record
from workers.topic_words import DEAD_LETTERS

REPLAYED_HEADER: Final = "__loyalty.replayed"
"""Marks a record of the topic that is no letter, but names some. Its value holds how many."""

NOT_KEPT: Final = -1
"""Stands for a place in a topic that is not known: the event waited in the account, or time alone was at work."""


class Letter(NamedTuple):
    """A dead letter: `record` is as it lies on its topic, the rest is what its headers say."""

    record: Record
    topic: str
    """Word of the topic that the event came in on."""
    partition: int
    offset: int
    """Where it stood there; NOT_KEPT when nobody knows."""
    stage: str
    code: str
    message: str
    headers: Mapping[str, str]
    """All that the engine says, by name without the prefix."""

    @property
    def place(self) -> tuple[int, int]:
        """Where the letter itself lies."""
        return self.record.partition, self.record.offset

    @property
    def source(self) -> str:
        """`source` of the event; "" when the bytes do not say."""
        try:
            found = orjson.loads(self.record.value or b"")
        except orjson.JSONDecodeError:
            return ""
        source = found.get("source") if isinstance(found, dict) else None
        return source if isinstance(source, str) else ""


Read: TypeAlias = Callable[[], Iterator[Record]]
"""Reads the topic from its beginning to its present end."""

Marks: TypeAlias = Mapping[int, set[int]]
"""Partition of the topic -> offsets of the letters that were replayed."""


def letter_in(record: Record) -> Letter | None:
    """The letter that a record is; None for a mark."""
    # A sender may have used the same names: what the engine says stands behind it.
    said = {
        name.removeprefix(ERRORS_HEADER): value.decode(errors="replace")
        for name, value in record.headers
        if name.startswith(ERRORS_HEADER)
    }
    if "code" not in said:
        return None
    return Letter(
        record,
        said.get("topic", ""),
        _number(said.get("partition")),
        _number(said.get("offset")),
        said.get("stage", ""),
        said["code"],
        said.get("message", ""),
        said,
    )


def marks_in(records: Iterable[Record]) -> Marks:
    """Which letters were replayed."""
    marks: defaultdict[int, set[int]] = defaultdict(set)
    for record in records:
        if any(name == REPLAYED_HEADER for name, _ in record.headers) and letter_in(record) is None:
            marks[record.partition].update(orjson.loads(record.value or b"[]"))
    return marks


def mark(partition: int, offsets: Sequence[int]) -> Out:
    """The record that marks letters of a partition as replayed."""
    headers = ((REPLAYED_HEADER, str(len(offsets)).encode()),)
    return Out(DEAD_LETTERS, partition, None, orjson.dumps(offsets), headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which letters are meant: those that every one of these takes. Empty or None: all."""

    codes: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    since_us: int | None = None
    """When it was refused."""
    until_us: int | None = None
    """The first instant that is not meant."""
    partition: int | None = None
    """Where the event came in."""
    offset: int | None = None

    def takes(self, letter: Letter) -> bool:
        """Whether the letter is meant."""
        refused_us = letter.record.timestamp_ms * 1_000
        return (
            (not self.codes or letter.code in self.codes)
            and (not self.topics or letter.topic in self.topics)
            and (self.since_us is None or refused_us >= self.since_us)
            and (self.until_us is None or refused_us < self.until_us)
            and self.partition in {None, letter.partition}
            and self.offset in {None, letter.offset}
            and (not self.sources or letter.source in self.sources)
        )


def letters(records: Iterable[Record], wanted: Wanted) -> Iterator[Letter]:
    """The letters that are meant."""
    for record in records:
        letter = letter_in(record)
        if letter is not None and wanted.takes(letter):
            yield letter


class Group(NamedTuple):
    """What belongs together in a list."""

    code: str
    topic: str
    source: str


@dataclass(slots=True)
class Counted:
    """The letters of a group."""

    letters: int = 0
    replayed: int = 0
    first_us: int = 0
    last_us: int = 0
    example: str = ""
    """What the latest of them says."""

    @property
    def left(self) -> int:
        """How many were not replayed."""
        return self.letters - self.replayed


def counted(read: Read, wanted: Wanted) -> dict[Group, Counted]:
    """The letters that are meant, by code, topic and source; the most first."""
    marks = marks_in(read())
    groups: defaultdict[Group, Counted] = defaultdict(Counted)
    for letter in letters(read(), wanted):
        group = groups[Group(letter.code, letter.topic, letter.source)]
        at_us = letter.record.timestamp_ms * 1_000
        group.first_us = min(group.first_us, at_us) if group.letters else at_us
        group.last_us = max(group.last_us, at_us)
        group.letters += 1
        group.replayed += letter.record.offset in marks.get(letter.record.partition, ())
        group.example = letter.message
    return dict(sorted(groups.items(), key=lambda each: (-each[1].left, -each[1].letters, each[0])))


def _number(text: str | None) -> int:
    try:
        return NOT_KEPT if text is None else int(text)
    except ValueError:
        return NOT_KEPT
