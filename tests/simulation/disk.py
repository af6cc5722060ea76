"""The disk of a machine: state of partitions that outlives the process, as the store on disk keeps it.

What a commit of such a store promises is taken for granted here: records and mark change in one step, between two
steps of a process. That the real one keeps the promise is for its own tests (tests/workers/test_disk_store.py).
"""

from collections.abc import Mapping, Sequence

from typing_extensions import override

from workers.store.memory import MemoryStore
from workers.store.port import Mark, PartitionStore


class Disk:
    """By partition and number of partitions: the state is of both."""

    def __init__(self) -> None:
        self.records: dict[tuple[int, int], dict[bytes, bytes]] = {}
        self.marks: dict[tuple[int, int], Mark] = {}

    def open(self, partition: int, partitions: int) -> "DiskStore":
        """What an earlier process has left, or an empty store."""
        return DiskStore(self, (partition, partitions))


class DiskStore(PartitionStore):
    """Memory for what is asked, and beside it what a kill leaves."""

    def __init__(self, disk: Disk, place: tuple[int, int]) -> None:
        self._disk = disk
        self._place = place
        self._memory = MemoryStore(place[0])
        self._records = disk.records.setdefault(place, {})
        self._memory.apply(self._records, disk.marks.setdefault(place, Mark()))

    @property
    @override
    def accounts(self) -> int:
        return self._memory.accounts

    @property
    @override
    def disk_bytes(self) -> int:
        return sum(map(len, self._records.values()))

    @property
    @override
    def mark(self) -> Mark:
        return self._memory.mark

    @override
    def __len__(self) -> int:
        return len(self._memory)

    @override
    def get(self, key: bytes) -> bytes | None:
        return self._memory.get(key)

    @override
    def has_more_due_than(self, number: int, now_us: int) -> bool:
        return self._memory.has_more_due_than(number, now_us)

    @override
    def due(self, now_us: int, at_most: int) -> Sequence[tuple[int, bytes]]:
        return self._memory.due(now_us, at_most)

    @override
    def apply(self, writes: Mapping[bytes, bytes | None], mark: Mark) -> None:
        self._memory.apply(writes, mark)
        for key, value in writes.items():
            if value is None:
                self._records.pop(key, None)
            else:
                self._records[key] = value
        self._disk.marks[self._place] = mark

    @override
    def clear(self) -> None:
        self._memory.clear()
        self._records.clear()
        self._disk.marks[self._place] = Mark()

    @override
    def close(self, *, lasting: bool = False) -> None:
        self._memory.clear()
