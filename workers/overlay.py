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

    __slots__ = ("_changed", "_kept", "_read")

    def __init__(self, read: Callable[[str], Record | None]) -> None:
        """`read` answers what was there before the first change; it is asked once for each key."""
        self._read = read
        self._kept: dict[str, Record | None] = {}
        self._changed: dict[str, Record | None] = {}

    def get(self, key: str) -> Record | None:
        """The record under the key, or None."""
        if key in self._changed:
            return self._changed[key]
        if key in self._kept:
            return self._kept[key]
        found = self._kept[key] = self._read(key)
        return found

    def write(self, writes: Mapping[str, Record | None]) -> None:
        """Put records under their keys."""
        self._changed.update(writes)

    def changed(self) -> Mapping[str, Record | None]:
        """What was written since the latest `keep` or `undo`; the next one of these leaves it as it is."""
        return self._changed

    def forget(self, key: str) -> None:
        """Let go of a record that was made final and is kept elsewhere; `read` will be asked for it again."""
        del self._kept[key]

    def keep(self) -> None:
        """Make the changes so far final."""
        self._kept.update(self._changed)
        self._changed = {}

    def undo(self) -> None:
        """Take the changes since the latest `keep` back."""
        self._changed = {}

    def records(self) -> Iterator[Record]:
        """All records that are there and final."""
        return (record for record in self._kept.values() if record is not None)
