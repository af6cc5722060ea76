"""State records as objects, with what the events at hand have changed and can still take back.

Events go through the engine in parts, stage by stage: many are decoded, then decided, then encoded. The
processor keeps one stage's code at hand at a time, which saves a fifth of the time. When the last stage finds
an event at fault, the part is taken back and decided again without it.

Invariants:
  O1 `get` answers the latest record that was written and not undone, else what `read` finds
  O2 after `undo` every answer is what it was at the latest `keep`
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from loyalty.account import Record

PART_EVENTS = 128
"""Events that go through each stage together: more of them would push each other out of the caches."""

_Event = TypeVar("_Event")


def parts_of(events: Sequence[_Event]) -> Iterator[Sequence[_Event]]:
    """The events in parts, in order."""
    return (events[first : first + PART_EVENTS] for first in range(0, len(events), PART_EVENTS))


class Overlay:
    """Records by state key; None stands for one that is not there."""

    __slots__ = ("_before", "_read", "_records")

    def __init__(self, read: Callable[[str], Record | None]) -> None:
        """`read` answers what was there before the first change; it is asked once for each key."""
        self._read = read
        self._records: dict[str, Record | None] = {}
        self._before: dict[str, Record | None] = {}

    def get(self, key: str) -> Record | None:
        """The record under the key, or None."""
        if key in self._records:
            return self._records[key]
        found = self._records[key] = self._read(key)
        return found

    def write(self, writes: Mapping[str, Record | None]) -> None:
        """Put records under their keys."""
        records, before = self._records, self._before
        for key, record in writes.items():
            if key not in before:
                before[key] = self.get(key)
            records[key] = record

    def changed(self) -> dict[str, Record | None]:
        """What was written since the latest `keep`."""
        return {key: self._records[key] for key in self._before}

    def forget(self, key: str) -> None:
        """Let go of a record that is kept elsewhere; `read` will be asked for it again."""
        del self._records[key]

    def keep(self) -> None:
        """Make the changes so far final."""
        self._before.clear()

    def undo(self) -> None:
        """Take the changes since the latest `keep` back."""
        self._records.update(self._before)
        self._before.clear()

    def records(self) -> Iterator[Record]:
        """All records that are there."""
        return (record for record in self._records.values() if record is not None)
