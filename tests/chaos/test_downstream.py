"""What the reader downstream stores: each entry once, by its id."""

from contextlib import closing
from pathlib import Path

import orjson
import pytest

from tests.chaos import downstream


def entry(entry_id: str, points: int) -> bytes:
    postings = [
        {"account": "program:earned", "currency": "beans", "amount": -points},
        {"account": "member:m1:available", "currency": "beans", "amount": points},
    ]
    return orjson.dumps({"id": entry_id, "subject": "m1", "data": {"postings": postings}})


def test_an_entry_that_comes_again_counts_once(tmp_path: Path) -> None:
    database = tmp_path / "store.sqlite"
    with closing(downstream.opened(database)) as store, store:
        assert downstream.store_entry(store, entry("e1", 5))
        assert downstream.store_entry(store, entry("e2", 7))
        assert not downstream.store_entry(store, entry("e1", 5))
        downstream.count(store, "read", 2)
        downstream.count(store, "read", 1)
    assert downstream.sums(database) == {("m1", "beans"): 12}
    assert downstream.times(database) == {"entries": 2, "read": 3}


def test_an_entry_that_comes_again_with_other_bytes_ends_the_reader(tmp_path: Path) -> None:
    with closing(downstream.opened(tmp_path / "store.sqlite")) as store:
        downstream.store_entry(store, entry("e1", 5))
        with pytest.raises(SystemExit) as ended:
            downstream.store_entry(store, entry("e1", 6))
    assert ended.value.code == downstream.OTHER_BYTES
