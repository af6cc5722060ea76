"""Ids that are there twice are found, however many there are."""

import pytest

from workers.audit.ids import Ids, Twice


@pytest.mark.parametrize(
    ("ids", "twice"),
    [
        ([], []),
        (["a", "b", "c"], []),
        (["a", "b", "a"], [Twice(0, 2)]),
        (["a", "b", "a", "b", "a"], [Twice(0, 2), Twice(0, 4), Twice(1, 3)]),
        (["", "\U0001f600", ""], [Twice(0, 2)]),
    ],
)
def test_each_id_that_is_there_again_is_named_with_its_first_place(ids: list[str], twice: list[Twice]) -> None:
    with Ids() as made:
        for offset, record_id in enumerate(ids):
            made.add(record_id, offset)
        assert sorted(made.twice()) == twice


def test_an_id_is_found_again_in_what_went_to_the_scratch_file() -> None:
    count = 400_000  # more than a chunk in every bucket
    with Ids() as made:
        for offset in range(count):
            made.add(f"entry-{offset}", offset)
        made.add("entry-7", count)
        made.add(f"entry-{count - 1}", 1 << 40)
        assert made.scratch_bytes > 0
        assert sorted(made.twice()) == [Twice(7, count), Twice(count - 1, 1 << 40)]
