"""What every state store does. A backend's test subclasses this and says how one is made."""

from abc import abstractmethod

from loyalty.account import Head, PurchaseRecord
from schemas.state import encode_record
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

    def test_what_is_due_is_answered_once_and_in_order(self) -> None:
        store = self.make()
        store.apply({b"m|a": _head(7), b"m|b": _head(5), b"p|a|t": _purchase(6), b"m|c": _head(None), b"m|d": _head(9)})
        assert store.due(8, 9) == [(5, b"m|b"), (6, b"p|a|t"), (7, b"m|a")]
        assert store.due(8, 9) == []
        assert store.due(9, 9) == [(9, b"m|d")]

    def test_what_is_due_is_what_the_latest_record_says(self) -> None:
        store = self.make()
        store.apply({b"m|a": _head(5), b"m|b": _head(5), b"m|c": _head(5)})
        store.apply({b"m|a": _head(9), b"m|b": None, b"m|c": _head(5)})
        assert store.has_more_due_than(0, 5)
        assert store.due(8, 1) == [(5, b"m|c")]
        assert not store.has_more_due_than(0, 8)
        store.clear()
        assert store.due(9, 9) == []

    def test_records_of_others_are_never_due(self) -> None:
        store = self.make()
        store.apply({b"m|a": b'{"of": "another engine"}', b"m|b": b'[99,"head",5]', b"s|positions": b'[3,"head",5,'})
        assert store.due(9, 9) == []


def _head(due_us: int | None) -> bytes:
    return encode_record(Head("m", 0, due_us=due_us))


def _purchase(due_us: int) -> bytes:
    return encode_record(PURCHASE._replace(due_us=due_us))


PURCHASE = PurchaseRecord("t", "s", "e", 0, b"", "1", "", (), {}, "s", "app", "USD", (), (), 0, 0, 0, "", {}, {}, {})
