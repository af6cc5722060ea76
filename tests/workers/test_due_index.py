"""The index reminds of what is due, in order and once, whatever records did meanwhile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.store.due_index import DueIndex

HOUR_US = 3_600_000_000
MANY = 100


def index_of(records: dict[str, int]) -> DueIndex[str]:
    index: DueIndex[str] = DueIndex(records.get)
    for key, due_us in records.items():
        index.add(key, due_us)
    return index


@pytest.mark.parametrize(
    ("records", "now_us", "expected"),
    [
        ({}, HOUR_US, []),
        ({"a": 5}, 4, []),
        ({"a": 5}, 5, [(5, "a")]),
        ({"b": 5, "a": 5, "c": 4}, 5, [(4, "c"), (5, "a"), (5, "b")]),
        (
            {"a": 3 * HOUR_US, "b": 2 * HOUR_US + 1, "c": 9 * HOUR_US},
            4 * HOUR_US,
            [(2 * HOUR_US + 1, "b"), (3 * HOUR_US, "a")],
        ),
    ],
    ids=["empty", "before", "the instant itself", "by instant, then key", "over hours"],
)
def test_what_is_due_comes_in_order(records: dict[str, int], now_us: int, expected: list[tuple[int, str]]) -> None:
    assert index_of(records).pop_some(now_us, MANY) == expected


def test_what_was_popped_is_forgotten_until_it_is_added_again() -> None:
    records = {"a": 5}
    index = index_of(records)
    assert index.pop(5) == (5, "a")
    assert index.pop(5) is None
    records["a"] = 7  # In an hour that is open already.
    index.add("a", 7)
    assert index.pop(6) is None
    assert index.pop(7) == (7, "a")


def test_the_record_decides_and_not_the_index() -> None:
    records = {"later": 5, "gone": 5, "there": 5}
    index = index_of(records)
    records["later"] = 9 * HOUR_US
    index.add("later", 9 * HOUR_US)
    del records["gone"]
    assert index.pop_some(HOUR_US, MANY) == [(5, "there")]
    assert index.pop_some(9 * HOUR_US, MANY) == [(9 * HOUR_US, "later")]


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.integers(0, 6 * HOUR_US)), max_size=40),
    st.lists(st.integers(0, 7 * HOUR_US), max_size=8),
)
def test_against_looking_at_every_record(moves: list[tuple[str, int | None]], looks: list[int]) -> None:
    """Records move and go; now and then somebody looks, and what is found is done."""
    records: dict[str, int] = {}
    index = index_of(records)
    clock = iter(sorted(looks))
    for number, (key, due_us) in enumerate(moves):
        if due_us is None:
            records.pop(key, None)
        elif records.get(key) != due_us:
            records[key] = due_us
            index.add(key, due_us)
        now_us = next(clock, None) if number % 4 == 3 else None
        if now_us is not None:
            expected = sorted((due, key) for key, due in records.items() if due <= now_us)
            assert index.pop_some(now_us, MANY) == expected
            for _, done in expected:
                del records[done]
    assert index.pop_some(9 * HOUR_US, MANY) == sorted((due, key) for key, due in records.items())


def test_so_many_at_a_time() -> None:
    index = index_of({"a": 1, "b": 2, "c": 3, "d": HOUR_US})
    assert index.has_more_than(2, 3)
    assert not index.has_more_than(3, 3)
    assert not index.has_more_than(0, 0)
    assert index.has_more_than(3, HOUR_US)
    assert index.pop_some(HOUR_US, 2) == [(1, "a"), (2, "b")]
    assert not index.has_more_than(2, HOUR_US)
    assert index.pop_some(HOUR_US, 2) == [(3, "c"), (HOUR_US, "d")]
