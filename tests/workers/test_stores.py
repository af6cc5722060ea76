"""Every store keeps the contract of all stores: what the worker asks of one, whichever the settings name."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loyalty.account import Head, PurchaseRecord
from schemas.state import encode_record, one_version
from workers.store.directory import StateDirectory
from workers.store.memory import MemoryStore
from workers.store.port import Mark, PartitionStore

Made: TypeAlias = Callable[[], PartitionStore]

MARK = Mark(7, 1_000, b"{}")
LONG = "ä" * 128
HOUR_US = 3_600_000_000


def in_memory(_: Path) -> PartitionStore:
    return MemoryStore(0)


def on_disk(path: Path) -> PartitionStore:
    directory = StateDirectory(path, start_after=one_version, timing=b"")
    directory.take({"topic": "accounts"})
    return directory(0)


@pytest.fixture(scope="module", params=[in_memory, on_disk], ids=["memory", "disk"])
def made(request: pytest.FixtureRequest) -> Iterator[Made]:
    """Makes a new, empty store of each kind."""
    with TemporaryDirectory() as folder:
        count = 0

        def make() -> PartitionStore:
            nonlocal count
            count += 1
            store: PartitionStore = request.param(Path(folder) / str(count))
            return store

        yield make


@pytest.fixture
def store(made: Made) -> PartitionStore:
    return made()


def test_a_store_says_how_far_the_changelog_is_in_it(store: PartitionStore) -> None:
    assert store.mark == Mark(0, 0, None)
    store.apply({b"m|a": b"1"}, MARK)
    assert store.mark == MARK
    store.apply({}, Mark(8, 2_000, None))
    assert (store.mark, store.get(b"m|a")) == (Mark(8, 2_000, None), b"1")
    store.clear()
    assert store.mark == Mark(0, 0, None)


def test_keys_of_any_length_are_kept_apart(store: PartitionStore) -> None:
    keys = [f"{kind}|{LONG}|{LONG}{end}".encode() for kind in "mp" for end in ("", "1", "2")]
    store.apply({key: _head(5) for key in keys}, MARK)
    store.apply({keys[0]: None, keys[1]: b"other"}, MARK)
    assert [store.get(key) for key in keys] == [None, b"other", *[_head(5)] * 4]
    assert (store.accounts, len(store)) == (2, 5)
    assert store.due(9, 9) == [(5, key) for key in keys[2:]]


def test_what_is_due_waits_for_the_batch_that_has_asked(store: PartitionStore) -> None:
    store.apply({b"m|a": _head(5), b"m|b": _head(5), b"m|c": _head(6)}, MARK)
    assert store.due(9, 2) == [(5, b"m|a"), (5, b"m|b")]
    assert store.has_more_due_than(0, 9)
    store.apply({b"m|a": _head(8), b"m|b": None}, MARK)
    assert store.due(9, 9) == [(6, b"m|c"), (8, b"m|a")]
    store.apply({b"m|c": _head(None), b"m|a": _head(2)}, MARK)
    assert store.due(9, 9) == [(2, b"m|a")]


def test_what_was_due_before_a_store_was_cleared_is_due_after_its_restore(store: PartitionStore) -> None:
    store.apply({b"m|a": _head(5)}, MARK)
    assert store.due(9, 9) == [(5, b"m|a")]
    store.clear()
    store.apply({b"m|a": _head(5)}, MARK)
    assert store.due(9, 9) == [(5, b"m|a")]


def test_to_ask_what_is_due_moves_no_mark(store: PartitionStore) -> None:
    store.apply({b"m|a": _head(5), b"m|b": _head(6)}, Mark(6, 500, b"{}"))
    store.apply({b"m|a": _head(90)}, MARK)  # What the index holds of 5 is void.
    assert store.due(9, 9) == [(6, b"m|b")]
    assert store.mark == MARK


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.dictionaries(
                st.sampled_from((b"m|a", b"m|b", b"m|c", b"p|a|1", b"p|b|1", b"l|x", b"a|b|1")),
                st.none() | st.integers(-HOUR_US, 6 * HOUR_US),
                max_size=4,
            ),
            st.integers(0, 7 * HOUR_US),
        ),
        max_size=12,
    )
)
def test_against_a_dictionary(made: Made, steps: list[tuple[dict[bytes, int | None], int]]) -> None:
    """Records come, move and go; after each step somebody looks, and writes that what was due is done."""
    store, records = made(), dict[bytes, int | None]()
    for number, (moves, now_us) in enumerate(steps):
        gone = {key for number_of, key in enumerate(moves) if number_of % 3 == 2}
        store.apply(
            {key: None if key in gone else _timed(key, due) for key, due in moves.items()}, Mark(number, 1, None)
        )
        records = {key: due for key, due in (records | moves).items() if key not in gone}
        held = {key: store.get(key) for key in (*records, *gone)}
        assert held == {key: _timed(key, due) for key, due in records.items()} | dict.fromkeys(gone)
        assert (len(store), store.accounts) == (len(records), sum(key.startswith(b"m|") for key in records))
        expected = sorted(
            (due, key) for key, due in records.items() if due is not None and due <= now_us and key[:2] not in UNTIMED
        )
        assert store.has_more_due_than(0, now_us) or not expected
        assert store.due(now_us, 99) == expected
        done = {key: None for _, key in expected}
        store.apply({key: _timed(key, None) for key in done}, Mark(number, 2, None))
        records |= done


def test_an_empty_store_knows_nothing(store: PartitionStore) -> None:
    assert (store.get(b"m|a"), len(store), store.accounts) == (None, 0, 0)


def test_what_was_applied_is_read(store: PartitionStore) -> None:
    store.apply({b"m|a": b"1", b"p|a|t": b"2"}, MARK)
    store.apply({b"m|a": b"3"}, MARK)
    assert (store.get(b"m|a"), store.get(b"p|a|t"), len(store)) == (b"3", b"2", 2)


def test_none_deletes_also_what_was_never_there(store: PartitionStore) -> None:
    store.apply({b"m|a": b"1", b"p|a|t": b"2"}, MARK)
    store.apply({b"m|a": None, b"m|never": None}, MARK)
    assert (store.get(b"m|a"), len(store), store.accounts) == (None, 1, 0)


def test_accounts_count_heads_of_members_once(store: PartitionStore) -> None:
    store.apply({b"m|a": b"1", b"m|b": b"1", b"p|a|t": b"2", b"s|positions": b"3"}, MARK)
    store.apply({b"m|a": b"2"}, MARK)
    assert store.accounts == 2
    store.apply({b"m|a": None}, MARK)
    assert store.accounts == 1


def test_a_cleared_store_is_as_new(store: PartitionStore) -> None:
    store.apply({b"m|a": b"1"}, MARK)
    store.clear()
    assert (store.get(b"m|a"), len(store), store.accounts) == (None, 0, 0)
    store.apply({b"m|a": b"1"}, MARK)
    assert store.accounts == 1


def test_what_is_due_is_answered_once_and_in_order(store: PartitionStore) -> None:
    store.apply(
        {b"m|a": _head(7), b"m|b": _head(5), b"p|a|t": _purchase(6), b"m|c": _head(None), b"m|d": _head(9)}, MARK
    )
    assert store.due(8, 9) == [(5, b"m|b"), (6, b"p|a|t"), (7, b"m|a")]
    assert store.due(8, 9) == []
    assert store.due(9, 9) == [(9, b"m|d")]


def test_what_is_due_is_what_the_latest_record_says(store: PartitionStore) -> None:
    store.apply({b"m|a": _head(5), b"m|b": _head(5), b"m|c": _head(5)}, MARK)
    store.apply({b"m|a": _head(9), b"m|b": None, b"m|c": _head(5)}, MARK)
    assert store.has_more_due_than(0, 5)
    assert store.due(8, 1) == [(5, b"m|c")]
    assert not store.has_more_due_than(0, 8)
    store.clear()
    assert store.due(9, 9) == []


def test_records_of_others_are_never_due(store: PartitionStore) -> None:
    store.apply({b"m|a": b'{"of": "another engine"}', b"m|b": b'[99,"head",5]', b"s|positions": b'[3,"head",5,'}, MARK)
    assert store.due(9, 9) == []


def _head(due_us: int | None) -> bytes:
    return encode_record(Head("m", 0, due_us=due_us))


def _purchase(due_us: int) -> bytes:
    return encode_record(PURCHASE._replace(due_us=due_us))


PURCHASE = PurchaseRecord("t", "s", "e", 0, b"", "1", "", (), {}, "s", "app", "USD", (), (), 0, 0, 0, "", {}, {}, {})


UNTIMED = {b"l|", b"a|"}


def _timed(key: bytes, due_us: int | None) -> bytes:
    return encode_record(PURCHASE._replace(due_us=due_us)) if key.startswith(b"p|") else _head(due_us)
