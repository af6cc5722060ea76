"""The auditor of a campaign finds what is wrong: topics that are right pass, and each that is not is told.

What it takes from other tests is shown here as well: a check that nothing can fail proves nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from typing_extensions import override

from tests.chaos import audit, downstream, stream
from tests.chaos.audit import Left, audited
from tests.integration.engine_books import (
    check_changes,
    check_entries,
    check_sequences,
    replayed_by_time,
    same_lines,
    same_sums,
)
from tests.integration.engine_cluster import EngineCluster
from tests.integration.engine_events import Message, event, sale
from workers.positions import JournalRecord, Run
from workers.records import Record

Events = Sequence[Mapping[str, Any]]
Sums = Mapping[tuple[str, str], int]


class Written(EngineCluster):
    """Topics as lists: what the auditor reads of a cluster, without one."""

    def __init__(self, directory: Path, topics: Mapping[str, Sequence[Record]]) -> None:
        super().__init__("127.0.0.1:9", "t.", directory, stream.showcase(directory), partitions=2)
        self._topics = topics

    @override
    def read(self, word: str, isolation: str = "read_committed") -> list[Record]:
        return list(self._topics.get(word, ()))


def left(directory: Path, topics: Mapping[str, Sequence[Record]], sent: Sequence[Message] = ()) -> Left:
    return Left(cluster=Written(directory, topics), sent=sent, database=directory / "downstream.sqlite")


def records(word: str, events: Events, partition: int = 0) -> list[Record]:
    return [
        Record(word, partition, offset, 0, str(event.get("subject", "ann")).encode(), orjson.dumps(event))
        for offset, event in enumerate(events)
    ]


# ------------------------------------------------------------------ each record is taken once
Batch = tuple[int, int, Sequence[Run]]
TAKEN: tuple[Batch, ...] = (
    (0, 1, [Run("purchases", 0, 2, 2)]),
    (0, 2, []),
    (0, 3, [Run("purchases", 2, 4, 1)]),
    (1, 1, [Run("purchases", 0, 1, 1)]),
)
"""(partition, number, runs). Of offset 2 and 3, one is the mark of a transaction."""


def journal(batches: Sequence[Batch]) -> list[Record]:
    made = [
        (partition, JournalRecord(sequence=number, now_us=0, runs=runs, programs={}, partitions=2))
        for partition, number, runs in batches
    ]
    return [Record("journal", partition, 0, 0, None, batch.encode()) for partition, batch in made]


@pytest.mark.parametrize(
    ("batches", "sent", "said"),
    [
        (TAKEN, 4, None),
        (TAKEN, 3, None),  # A sender that was not answered has sent again.
        (TAKEN, 5, "purchases: 5 sent, 4 taken"),
        (TAKEN[:2] + TAKEN[3:], 4, "purchases-0: the end was not taken"),
        (TAKEN[:1] + TAKEN[2:], 4, "journal-0: batch 3 where 2 is next"),
        (TAKEN[:3] + TAKEN[2:], 4, "journal-0: batch 3 where 4 is next"),
        ((*TAKEN[:2], (0, 3, [Run("purchases", 1, 4, 2)]), TAKEN[3]), 4, "taken from 1, the one before ended at 2"),
        ((*TAKEN[:2], (0, 3, [Run("purchases", 3, 4, 1)]), TAKEN[3]), 4, "taken from 3, the one before ended at 2"),
        ((*TAKEN[:2], (0, 3, [Run("purchases", 2, 4, 0)]), TAKEN[3]), 4, "4 records, of which 3 were taken"),
        ((*TAKEN[:2], (0, 3, [Run("purchases", 2, 4, 2)]), TAKEN[3]), 4, "4 records, of which 5 were taken"),
    ],
    ids=[
        "right",
        "sent again",
        "published and not there",
        "the end is left",
        "a batch is lost",
        "a batch is doubled",
        "a record is taken twice",
        "a range is left out",
        "a record is passed over",
        "a record too many",
    ],
)
def test_each_record_is_taken_once(tmp_path: Path, batches: Sequence[Batch], sent: int, said: str | None) -> None:
    inputs = [Record("purchases", *at, 0, b"ann", b"{}") for at in ((0, 0), (0, 1), (0, 3), (1, 0))]
    found = left(tmp_path, {"journal": journal(batches), "purchases": inputs}, [Message("purchases", b"", b"")] * sent)
    found.cluster.published |= {("purchases", 0): 4, ("purchases", 1): 1}
    expect(audit.each_record_is_taken_once, found, said)


def expect(check: Callable[[Left], None], found: Left, said: str | None) -> None:
    """Passes, or fails with these words."""
    if said is None:
        check(found)
        return
    with pytest.raises(AssertionError) as failed:
        check(found)
    assert said in str(failed.value)


# ------------------------------------------------------------------ each event is booked once
def sales(*ids: str) -> list[Message]:
    return [Message("purchases", b"ann", orjson.dumps(sale(each, "ann"))) for each in ids]


BY_HAND = {"adjustment_id": "c", "kind": "goodwill", "points": 9, "reason": "asked", "operator": "anna"}
GIVEN_BY_HAND = Message("commands", b"ann", orjson.dumps(event("adjustment", "c", "ann", BY_HAND)))


@pytest.mark.parametrize(
    ("booked", "said"),
    [
        (("a", "b", "c"), None),
        (("a", "c"), "1 of 3 are lost, among them [('earn', '/pos/test', 'b')]"),
        (("a", "b", "b", "c"), "1 are doubled, among them [('earn', '/pos/test', 'b')]"),
        (("a", "b"), "1 of 3 are lost, among them [('adjustment', '/pos/test', 'c')]"),
    ],
    ids=["right", "lost", "doubled", "given by hand and lost"],
)
def test_each_event_is_booked_once(tmp_path: Path, booked: Sequence[str], said: str | None) -> None:
    sent = [*sales("a", "b"), GIVEN_BY_HAND]
    plain = replayed_by_time(stream.showcase(tmp_path), [each.value or b"" for each in sent], tmp_path / "plain")
    entries = [orjson.loads(each) for each in plain.ledger]
    by_cause = {each["data"]["cause"]["id"]: each for each in entries if each["data"]["kind"] != "bonus"}
    elsewhere = Message("reviews", b"ann", orjson.dumps(sale("d", "ann")))  # Refused there, so nobody waits for it.
    ledger = records("ledger", [by_cause[each] for each in booked])
    found = left(tmp_path, {"ledger": ledger}, [*sent, *sent, elsewhere])
    expect(audit.each_event_is_booked_once, found, said)


def test_a_stream_of_which_hardly_anything_is_certain_proves_nothing(tmp_path: Path) -> None:
    worthless = [Message("purchases", b"ann", orjson.dumps(sale(str(number), "ann", 0))) for number in range(8)]
    expect(audit.each_event_is_booked_once, left(tmp_path, {}, worthless), "nothing is proven")


# ------------------------------------------------------------------ sums
def posting(account: str, amount: int) -> dict[str, Any]:
    return {"account": account, "currency": "beans", "amount": amount}


def entry(*postings: dict[str, Any], number: int = 1, member: str = "ann") -> dict[str, Any]:
    data = {"member_sequence": number, "postings": list(postings)}
    return {"id": f"{member}-{number}", "subject": member, "data": data}


def given(points: int, number: int = 1, member: str = "ann") -> dict[str, Any]:
    postings = posting("program:earned", -points), posting(f"member:{member}:available", points)
    return entry(*postings, number=number, member=member)


SENT_AWAY = entry(posting("member:ann:available", -5), posting("program:transferred", 5))
CAME = entry(posting("member:ben:available", 5), posting("program:transferred", -5), member="ben")


@pytest.mark.parametrize(
    ("ledger", "said"),
    [
        ([SENT_AWAY, CAME], None),
        ([SENT_AWAY], "{'program:transferred': 5}"),
        ([SENT_AWAY, CAME, CAME], "-5"),
        ([entry(posting("member:ann:available", -5), posting("program:held", 5))], "{'program:held': 5}"),
    ],
    ids=["came to somebody", "came to nobody", "came twice", "held for an answer that never came"],
)
def test_no_points_are_under_way(tmp_path: Path, ledger: Events, said: str | None) -> None:
    expect(audit.nothing_is_under_way, left(tmp_path, {"ledger": records("ledger", ledger)}), said)


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        (("accepted", "fulfilled"), None),
        (("accepted", "accepted"), "{('ann', 'r1'): 2}"),
        (("accepted", "refused"), "{('ann', 'r1'): 2}"),
        (("fulfilled",), "nobody has asked"),
    ],
)
def test_each_wish_is_answered_once(tmp_path: Path, statuses: Sequence[str], said: str | None) -> None:
    answers = [
        {
            "type": "loyalty.redemption.changed.v1",
            "subject": "ann",
            "data": {"redemption_id": "r1", "status": status},
        }
        for status in statuses
    ]
    expect(audit.each_wish_is_answered_once, left(tmp_path, {"rewards": records("rewards", answers)}), said)


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ([given(3), given(4, 2)], None),
        ([given(3)], "of ann in beans: 3 and 7"),
        ([given(3), given(5, 2)], "of ann in beans: 8 and 7"),
        ([given(3), given(4, 2), given(1, member="ben")], "of ben in beans: 1 and 0"),
        ([given(3), given(4, 2), given(0, 3)], "3 entries are stored, of 2"),
    ],
    ids=["right", "an entry is not stored", "another sum", "another member", "an entry too many"],
)
def test_the_reader_downstream_has_the_same_sums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: Events, said: str | None
) -> None:
    held = {"member": "ann", "balances": {"beans": {"available": 5, "pending": 2}}}
    monkeypatch.setattr(audit, "accounts_of", lambda _: orjson.dumps(held))
    found = left(tmp_path, {"ledger": records("ledger", [given(3), given(4, 2)])})
    with closing(downstream.opened(found.database)) as store, store:
        for each in stored:
            downstream.store_entry(store, orjson.dumps(each))
    expect(audit.the_reader_downstream_has_the_same_sums, found, said)


# ------------------------------------------------------------------ what is taken from other tests
def fails(check: Callable[[], object]) -> bool:
    try:
        check()
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize(
    ("ledger", "wrong"),
    [
        ([given(3), given(4, 2)], False),
        ([given(3), given(4, 3)], True),
        ([given(3), given(4, 1)], True),
        ([given(3), {**given(4, 2), "id": "ann-1"}], True),
    ],
    ids=["right", "one is missing", "one is doubled", "one id of two"],
)
def test_records_of_a_member_are_numbered(ledger: Events, wrong: bool) -> None:
    assert fails(lambda: check_sequences("ledger", records("ledger", ledger))) == wrong


def test_records_of_a_member_lie_in_one_partition_under_its_key() -> None:
    one, two = records("ledger", [given(3)]), records("ledger", [given(4, 2)], partition=1)
    assert fails(lambda: check_sequences("ledger", one + two))
    one[0].key = b"ben"
    assert fails(lambda: check_sequences("ledger", one))


@pytest.mark.parametrize(
    ("postings", "wrong"),
    [
        ([posting("program:earned", -3), posting("member:ann:available", 3)], False),
        ([posting("program:earned", -3), posting("member:ann:available", 4)], True),
        ([posting("member:ben:available", -3), posting("member:ann:available", 3)], True),
        ([posting("program:earned", -3), {**posting("member:ann:available", 3), "currency": "stars"}], True),
    ],
    ids=["right", "a point too many", "of another member", "in another currency"],
)
def test_entries_sum_to_zero_and_touch_one_member(postings: list[dict[str, Any]], wrong: bool) -> None:
    ledger = records("ledger", [entry(*postings)])
    assert fails(lambda: check_entries(ledger)) == wrong
    assert wrong or check_entries(ledger) == {("ann", "beans"): 3}


def change(available: int, delta: int, pending: int = 0) -> dict[str, Any]:
    both = {"available": available, "pending": pending}
    return {"subject": "ann", "data": {"currency": "beans", **both, "delta": delta, "balances": {"beans": both}}}


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ([change(3, 3), change(5, 3, 1)], False),
        ([change(3, 3), change(5, 3)], True),
        ([change(5, 2)], True),
        ([{**change(3, 3), "data": {**change(3, 3)["data"], "balances": change(4, 4)["data"]["balances"]}}], True),
    ],
    ids=["right", "a point is gone", "the first is missing", "says two things"],
)
def test_changes_lead_on_from_each_other(changes: Events, wrong: bool) -> None:
    assert fails(lambda: check_changes(records("balances", changes))) == wrong
    assert wrong or check_changes(records("balances", changes)) == ({("ann", "beans"): 6}, {("ann", "beans"): 6})


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ({("ann", "beans"): 3}, {("ann", "beans"): 3, ("ben", "beans"): 0}, None),
        ({("ann", "beans"): 3}, {("ann", "beans"): 4}, "of ann in beans: 3 and 4"),
        ({("ann", "beans"): 3}, {("ann", "beans"): 3, ("ben", "beans"): 1}, "of ben in beans: 0 and 1"),
        ({("ann", "beans"): 3, ("ann", "stars"): 1}, {("ann", "beans"): 3}, "of ann in stars: 1 and 0"),
    ],
)
def test_sums_are_the_same_from_both_sides(one: Sums, other: Sums, said: str | None, tmp_path: Path) -> None:
    expect(lambda _: same_sums("sums", one, other), left(tmp_path, {}), said)


@pytest.mark.parametrize(
    ("found", "said"),
    [(b"abc", None), (b"ab", "line 3 of 2 and 3"), (b"abcd", "line 4 of 4 and 3"), (b"axc", "line 2 of 3 and 3")],
)
def test_lines_are_the_same_to_the_last(found: bytes, said: str | None, tmp_path: Path) -> None:
    lines = [[b"%c" % each for each in text] for text in (found, b"abc")]
    expect(lambda _: same_lines("ledger", *lines), left(tmp_path, {}), said)


# ------------------------------------------------------------------ all of them
def test_every_check_is_made_whatever_the_others_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Left) -> None:
        raise KeyError("data")

    def wrong(_: Left) -> None:
        raise AssertionError("a point is lost")

    def right(_: Left) -> None:
        pass

    monkeypatch.setattr(audit, "CHECKS", {"broken": broken, "wrong": wrong, "right": right})
    assert audited(left(tmp_path, {})) == {
        "broken": "KeyError: 'data'",
        "wrong": "AssertionError: a point is lost",
        "right": "",
    }
