"""Dead letters are read, chosen, counted and marked."""

from typing import Any

import pytest

from tests.loyalty.events import purchase, review
from tests.workers.dead_letters.letters_made import came, letter, placed, refused
from workers.dead_letters.letters import Counted, Group, Wanted, counted, letter_in, letters, mark, marks_in

SALE = purchase("p1", 500)


def test_a_letter_says_where_it_came_in_and_why_it_was_refused() -> None:
    found = letter(came(SALE))
    assert (found.topic, found.partition, found.offset) == ("purchases", 2, 7)
    assert (found.stage, found.code, found.message) == (
        "decide",
        "currency_not_accepted",
        "currency_not_accepted: mend it",
    )
    assert (found.source, found.place) == ("/pos/1", (0, 0))


def test_what_a_sender_wrote_under_the_engines_names_does_not_count() -> None:
    forged = (("__loyalty.errors.code", b"empty"), ("__loyalty.errors.topic", b"inbox"), ("__loyalty.replayed", b"1"))
    found = letter(came(SALE, headers=forged))
    assert (found.code, found.topic) == ("currency_not_accepted", "purchases")
    assert marks_in([found.record]) == {}


@pytest.mark.parametrize("value", [b"", b"{", b"[1]", b'"text"', b'{"source": 5}', b"\xff\xfe", None])
def test_bytes_that_name_no_source_have_none(value: bytes | None) -> None:
    assert letter(came(value)).source == ""


def test_marks_name_letters_of_their_partition_and_are_none() -> None:
    made = placed([refused(came(SALE)), refused(came(SALE)), mark(0, [0]), mark(3, [1, 5])])
    assert [letter_in(each) is None for each in made] == [False, False, True, True]
    assert marks_in(made) == {0: {0}, 3: {1, 5}}


OUTS = [
    refused(came(SALE), "currency_not_accepted"),
    refused(came(SALE, offset=8), "too_late"),
    refused(came(review("r1"), topic="reviews", partition=1, offset=9), "too_late"),
    refused(came(b"{", topic="reviews", offset=10), "not_json", "decode"),
]
MADE = placed(OUTS)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [0, 1, 2, 3]),
        ({"codes": frozenset({"too_late"})}, [1, 2]),
        ({"codes": frozenset({"too_late", "not_json"})}, [1, 2, 3]),
        ({"topics": frozenset({"reviews"})}, [2, 3]),
        ({"codes": frozenset({"too_late"}), "topics": frozenset({"reviews"})}, [2]),
        ({"sources": frozenset({"/pos/1"})}, [0, 1, 2]),
        ({"sources": frozenset({""})}, [3]),
        ({"partition": 2}, [0, 1, 3]),
        ({"partition": 2, "offset": 8}, [1]),
        ({"since_us": 6_000_000}, [1, 2, 3]),
        ({"until_us": 6_000_000}, [0]),
        ({"since_us": 6_000_000, "until_us": 7_000_001}, [1, 2]),
        ({"codes": frozenset({"empty"})}, []),
    ],
)
def test_letters_are_chosen(wanted: dict[str, Any], found: list[int]) -> None:
    assert [each.record.offset for each in letters(MADE, Wanted(**wanted))] == found


def test_letters_are_counted_by_code_topic_and_source_with_those_that_were_replayed() -> None:
    records = placed([*OUTS, refused(came(SALE), "currency_not_accepted"), mark(0, [1, 4])])
    assert counted(lambda: iter(records), Wanted()) == {
        Group("currency_not_accepted", "purchases", "/pos/1"): Counted(
            2, 1, 5_000_000, 9_000_000, "currency_not_accepted: mend it"
        ),
        Group("not_json", "reviews", ""): Counted(1, 0, 8_000_000, 8_000_000, "not_json: mend it"),
        Group("too_late", "reviews", "/pos/1"): Counted(1, 0, 7_000_000, 7_000_000, "too_late: mend it"),
        Group("too_late", "purchases", "/pos/1"): Counted(1, 1, 6_000_000, 6_000_000, "too_late: mend it"),
    }
