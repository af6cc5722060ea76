"""State in memory: a dict of bytes, about 800 bytes for an account, restored from the changelog at each start."""

from collections.abc import Mapping
from typing import final

from typing_extensions import override

from workers.store.port import ACCOUNT_KEY, PartitionStore


@final
class MemoryStore(PartitionStore):
    """The state of one partition number as a dict."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self._records: dict[bytes, bytes] = {}
        self._accounts = 0

    @property
    @override
    def accounts(self) -> int:
        return self._accounts

    @override
    def __len__(self) -> int:
        return len(self._records)

    @override
    def get(self, key: bytes) -> bytes | None:
        return self._records.get(key)

    @override
    def apply(self, writes: Mapping[bytes, bytes | None]) -> None:
        records = self._records
        for key, value in writes.items():
            known = key in records
            if value is None:
                records.pop(key, None)
            else:
                records[key] = value
            if known != (value is not None) and key.startswith(ACCOUNT_KEY):
                self._accounts += -1 if known else 1

    @override
    def clear(self) -> None:
        self._records.clear()
        self._accounts = 0
