"""Which state records have to be looked at, and when: an index over the instants that the records themselves name.

Keys lie in buckets of an hour. A bucket is opened when its hour comes, and only then are its instants looked at, so
that a key costs eight bytes until it is due. A key whose record has moved on meanwhile is passed over: the record
decides, the index only reminds.

Invariants:
  D1 a key whose record names an instant is in the bucket of that instant, or among the open ones
  D2 keys come in the order of (instant, key)
"""

import heapq
from collections.abc import Callable
from typing import Generic, TypeVar

_BUCKET_US = 3_600_000_000

_Key = TypeVar("_Key", str, bytes)


class DueIndex(Generic[_Key]):
    """Reminds of keys when their instants have come."""

    def __init__(self, due_of: Callable[[_Key], int | None]) -> None:
        """`due_of` answers the instant that the record under a key names now; None when it names none or is gone."""
        self._due_of: Callable[[_Key], int | None] = due_of
        self._buckets: dict[int, list[_Key]] = {}
        self._hours: list[int] = []
        """Heap of the buckets' numbers."""
        self._open: list[tuple[int, _Key]] = []
        """Heap of (instant, key) out of the buckets whose hour has come."""
        self._opened_to = -1

    def add(self, key: _Key, due_us: int) -> None:
        """Remind of `key` then. To be called whenever a record names another instant than before."""
        hour = due_us // _BUCKET_US
        if hour <= self._opened_to:
            heapq.heappush(self._open, (due_us, key))
        elif hour in self._buckets:
            self._buckets[hour].append(key)
        else:
            self._buckets[hour] = [key]
            heapq.heappush(self._hours, hour)

    def pop(self, now_us: int) -> tuple[int, _Key] | None:
        """(instant, key) of the first that is due by `now_us`, or None. It is forgotten, unless it is added again."""
        self._open_to(now_us // _BUCKET_US)
        while self._open and self._open[0][0] <= now_us:
            due_us, key = heapq.heappop(self._open)
            if self._due_of(key) == due_us:
                return due_us, key
        return None

    def pop_some(self, now_us: int, at_most: int) -> list[tuple[int, _Key]]:
        """What `pop` answers, up to `at_most` keys, each once."""
        found: dict[_Key, int] = {}
        while len(found) < at_most and (first := self.pop(now_us)) is not None:
            found.setdefault(first[1], first[0])
        return [(due_us, key) for key, due_us in found.items()]

    def has_more_than(self, number: int, now_us: int) -> bool:
        """Whether more than `number` reminders are due by `now_us`; among them may be some that are void."""
        self._open_to(now_us // _BUCKET_US)
        if len(self._open) <= number or self._open[0][0] > now_us:
            return False
        return sum(due_us <= now_us for due_us, _ in self._open) > number

    def clear(self) -> None:
        """Forget everything."""
        self._buckets.clear()
        self._hours.clear()
        self._open.clear()
        self._opened_to = -1

    def _open_to(self, hour: int) -> None:
        while self._hours and self._hours[0] <= hour:
            number = heapq.heappop(self._hours)
            for key in self._buckets.pop(number):
                due_us = self._due_of(key)
                # A record that moved to another bucket has been added there.
                if due_us is not None and due_us // _BUCKET_US == number:
                    heapq.heappush(self._open, (due_us, key))
        self._opened_to = max(self._opened_to, hour)
