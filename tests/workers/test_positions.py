"""The positions record and the journal survive being written, and a newer format is refused."""

from dataclasses import replace

import orjson
import pytest

from workers.fatal import Refusal
from workers.positions import Gap, JournalRecord, Positions, Run

POSITIONS = Positions(
    next={"purchases": 7, "inbox": 0}, now_us=5, sequence=3, programs={"1": "digest"}, partitions=4, app="loyalty"
)
BATCH = JournalRecord(
    sequence=3,
    now_us=5,
    runs=[Run("purchases", 0, 7, 7), Run("inbox", 2, 3, 1), Run("purchases", 7, 9, 1)],
    programs={"1": "digest"},
    partitions=4,
)


def test_positions_are_read_as_they_were_written() -> None:
    assert Positions.decode(POSITIONS.encode()) == POSITIONS


def test_positions_from_before_they_knew_their_app_are_read() -> None:
    record = orjson.loads(POSITIONS.encode())
    del record["app"]
    assert Positions.decode(orjson.dumps(record)) == replace(POSITIONS, app="")


def test_a_journal_record_is_read_as_it_was_written() -> None:
    read = JournalRecord.decode(BATCH.encode())
    assert list(read.runs) == list(BATCH.runs)
    assert list(read.missing) == []
    assert (read.sequence, read.now_us, read.programs, read.partitions) == (3, 5, {"1": "digest"}, 4)


def test_a_missing_range_is_kept_in_the_journal() -> None:
    gap = [Gap("purchases", 7, 30)]
    record = JournalRecord(sequence=1, now_us=1, runs=[], programs={}, partitions=4, missing=gap)
    assert JournalRecord.decode(record.encode()).missing == gap


def test_the_journal_is_plain_json_for_other_readers() -> None:
    assert orjson.loads(BATCH.encode()) == {
        "format": 1,
        "sequence": 3,
        "now_us": 5,
        "runs": [["purchases", 0, 7, 7], ["inbox", 2, 3, 1], ["purchases", 7, 9, 1]],
        "programs": {"1": "digest"},
        "partitions": 4,
    }


@pytest.mark.parametrize("record", [Positions, JournalRecord])
def test_a_newer_format_is_refused(record: type[Positions | JournalRecord]) -> None:
    with pytest.raises(Refusal, match="format 2"):
        record.decode(orjson.dumps({"format": 2}))
