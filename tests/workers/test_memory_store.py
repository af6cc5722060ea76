"""The store in memory keeps the contract of all stores."""

from typing_extensions import override

from tests.workers.account_store import PartitionStoreContract
from workers.store.memory import MemoryStore
from workers.store.port import PartitionStore


class TestMemoryStore(PartitionStoreContract):
    @override
    def make(self) -> PartitionStore:
        return MemoryStore(0)
