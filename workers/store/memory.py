"""State in memory: a dict of bytes, some 100 bytes more than a record, restored from the changelog at each start."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, final

from typing_extensions import override

from schemas.state import StartAfter, look_of, one_version
from workers.store.due_index import DueIndex
from workers.store.port import ACCOUNT_KEY, LIMIT_KEY, TIMED_KEYS, Mark, PartitionStore

_OF_NO_CHANGELOG: Final = Mark()
"""For stores that serve no worker: a replay's, for example."""


@final
class MemoryStore(PartitionStore):
    """The state of one partition number as a dict."""

    def __init__(self, partition: int, start_after: StartAfter = one_version) -> None:
        """`start_after` says from when another version of the program times accounts."""
        self.partition = partition
        self._start_after = start_after
        self._records: dict[bytes, bytes] = {}
        self._accounts = 0
        self._due = DueIndex(self._due_of)
        self._mark = Mark()

    @property
    @override
    def accounts(self) -> int:
        return self._accounts

    @property
    @override
    def disk_bytes(self) -> int:
        return 0

    @property
    @override
    def mark(self) -> Mark:
        return self._mark

    @override
    def __len__(self) -> int:
        return len(self._records)

    @override
    def get(self, key: bytes) -> bytes | None:
        return self._records.get(key)

    def anew(self, start_after: StartAfter) -> "MemoryStore":
        """The same records, as a worker restores them that has other versions of the program."""
        store = MemoryStore(self.partition, start_after)
        store.apply(self._records)
        return store

    def accounts_held(self) -> Iterator[bytes]:
        """The heads of all members, and the accounts of limits."""
        return (record for key, record in self._records.items() if key.startswith((ACCOUNT_KEY, LIMIT_KEY)))

    @override
    def due(self, now_us: int, at_most: int) -> Sequence[tuple[int, bytes]]:
        return self._due.pop_some(now_us, at_most)

    @override
    def has_more_due_than(self, number: int, now_us: int) -> bool:
        return self._due.has_more_than(number, now_us)

    @override
    def apply(self, writes: Mapping[bytes, bytes | None], mark: Mark = _OF_NO_CHANGELOG) -> None:
        self._mark = mark
        records = self._records
        for key, value in writes.items():
            before = records.get(key)
            if value is None:
                records.pop(key, None)
            else:
                records[key] = value
                due_us = look_of(value, self._start_after) if key.startswith(TIMED_KEYS) else None
                if due_us is not None and (before is None or due_us != look_of(before, self._start_after)):
                    self._due.add(key, due_us)
            if (before is None) == (value is not None) and key.startswith(ACCOUNT_KEY):
                self._accounts += -1 if value is None else 1

    @override
    def clear(self) -> None:
        self._records.clear()
        self._accounts = 0
        self._due.clear()
        self._mark = Mark()

    @override
    def close(self, *, lasting: bool = False) -> None:
        self.clear()

    def _due_of(self, key: bytes) -> int | None:
        raw = self._records.get(key)
        return None if raw is None else look_of(raw, self._start_after)
