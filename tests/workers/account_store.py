"""What every state store does. A backend's test subclasses this and says how one is made."""

from abc import abstractmethod

from workers.store.port import PartitionStore


class PartitionStoreContract:
    @abstractmethod
    def make(self) -> PartitionStore:
        """A new, empty store."""

    def test_an_empty_store_knows_nothing(self) -> None:
        store = self.make()
        assert (store.get(b"m|a"), len(store), store.accounts) == (None, 0, 0)

    def test_what_was_applied_is_read(self) -> None:
        store = self.make()
        store.apply({b"m|a": b"1", b"p|a|t": b"2"})
        store.apply({b"m|a": b"3"})
        assert (store.get(b"m|a"), store.get(b"p|a|t"), len(store)) == (b"3", b"2", 2)

    def test_none_deletes_also_what_was_never_there(self) -> None:
        store = self.make()
        store.apply({b"m|a": b"1", b"p|a|t": b"2"})
        store.apply({b"m|a": None, b"m|never": None})
        assert (store.get(b"m|a"), len(store), store.accounts) == (None, 1, 0)

    def test_accounts_count_heads_of_members_once(self) -> None:
        store = self.make()
        store.apply({b"m|a": b"1", b"m|b": b"1", b"p|a|t": b"2", b"s|positions": b"3"})
        store.apply({b"m|a": b"2"})
        assert store.accounts == 2
        store.apply({b"m|a": None})
        assert store.accounts == 1

    def test_a_cleared_store_is_as_new(self) -> None:
        store = self.make()
        store.apply({b"m|a": b"1"})
        store.clear()
        assert (store.get(b"m|a"), len(store), store.accounts) == (None, 0, 0)
        store.apply({b"m|a": b"1"})
        assert store.accounts == 1
