"""A replay by journal says what it lacks, and follows the versions that each batch was decided under."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from loyalty.plan import Programs
from loyalty.program import Program
from schemas.program_load import parse_program
from tests.loyalty.events import micros
from workers.batch import Engine
from workers.ndjson import Source
from workers.positions import JournalRecord, Run
from workers.recorded import BadRecording, record_line, recording_source, replay_journal
from workers.records import Record
from workers.replay import Summary
from workers.replay_files import Files

PURCHASE = (
    '{{"specversion":"1.0","id":"{0}","source":"/pos","type":"loyalty.purchase.v1","time":"2026-0{1}-01T12:00:00Z",'
    '"subject":"m1","data":{{"transaction_id":"{0}","store_id":"1","channel":"store","currency":"USD",'
    '"lines":[{{"line_id":"1","sku":"s","quantity":"1","amount_minor":100}}]}}}}'
)


def program(version: str, effective_from: str, points: int) -> Program:
    """Gives so many points for each dollar."""
    return parse_program(
        f"program: club\nversion: '{version}'\neffective_from: {effective_from}\nzone: UTC\nmoney: USD\n"
        f"points: {{points: {{name: Points}}}}\n"
        f'earn: [{{id: base, on: purchase, give: {{points: {points}, per: "1.00"}}}}]\n'
        "stream: {max_late: none, max_future: P1Y}\n"
    )


OLD, NEW = program("1", "2026-01-01", 1), program("2", "2026-03-01", 10)
RECORDS = [
    Record("purchases", 0, offset, 0, b"m1", PURCHASE.format(f"p{offset}", offset + 2).encode()) for offset in (0, 1)
]


LATER_US = 1_800_000_000_000_000


def batch(sequence: int, runs: Sequence[Run], versions: Sequence[Program], now_us: int = LATER_US) -> bytes:
    """A batch in the recording of the journal."""
    digests = {version.version: version.digest for version in versions}
    record = JournalRecord(sequence=sequence, now_us=now_us, runs=runs, programs=digests, partitions=1)
    return record_line(Record("journal", 0, sequence, 0, None, record.encode()))


def replayed(folder: Path, journal: Sequence[bytes], records: Sequence[Record], versions: Sequence[Program]) -> Summary:
    """The replay of these recordings."""
    named = {version.version: version for version in versions}
    (folder / "journal.ndjson").write_bytes(b"".join(journal))
    (folder / "purchases.ndjson").write_bytes(b"".join(map(record_line, records)))

    def source(word: str) -> Source:
        return recording_source(str(folder / f"{word}.ndjson"))

    with Files(folder / "out") as files:
        return replay_journal(
            lambda partitions, names: Engine(Programs([named[name] for name in names]), partitions=partitions),
            source("journal"),
            [source("purchases")],
            files,
        )


def test_each_batch_is_decided_under_the_versions_that_it_names(tmp_path: Path) -> None:
    """A version that was added later: the batches before it knew nothing of it."""
    journal = [batch(1, [Run("purchases", 0, 1, 1)], [OLD]), batch(2, [Run("purchases", 1, 2, 1)], [OLD, NEW])]
    assert replayed(tmp_path, journal, RECORDS, [OLD, NEW]).points == {"points": 1 + 10}


def test_a_version_that_was_added_reaches_those_who_are_silent(tmp_path: Path) -> None:
    """The worker was started anew with it: its accounts were looked at when the version began."""
    back = "  - {id: back, on: inactivity, give: {points: 7}, after: P45D}\n"
    text = "program: club\nversion: '3'\neffective_from: 2026-03-01\nzone: UTC\nmoney: USD\n"
    new = parse_program(f"{text}points: {{points: {{name: Points}}}}\nearn:\n{back}stream: {{max_late: none}}\n")
    first_us = micros("2026-02-01T12:00:00Z")
    journal = [batch(1, [Run("purchases", 0, 1, 1)], [OLD], first_us), batch(2, [], [OLD, new])]
    assert replayed(tmp_path, journal, RECORDS, [OLD, new]).points == {"points": 1 + 7}


@pytest.mark.parametrize(
    ("journal", "records", "versions", "said"),
    [
        ([batch(1, [Run("purchases", 0, 2, 2)], [OLD])], RECORDS[1:], [OLD], "hold 1 of the 2 records .* purchases-0"),
        ([batch(1, [Run("purchases", 0, 2, 2)], [OLD])], [], [OLD], "hold 0 of the 2 records"),
        ([batch(2, [], [OLD])], RECORDS, [OLD], "lacks batch 1"),
        ([batch(1, [], [OLD, NEW])], RECORDS, [OLD], "version '2', which is not among those given"),
        ([batch(1, [], [program("1", "2026-01-01", 2)])], RECORDS, [OLD], "another text of program version '1'"),
        ([], RECORDS, [OLD], "no record of the journal"),
        ([b"{}\n"], RECORDS, [OLD], "journal.ndjson:1: no line of a recording"),
    ],
    ids=[
        "cut off at the front",
        "empty",
        "no first batch",
        "a version is missing",
        "changed",
        "no journal",
        "junk",
    ],
)
def test_a_replay_says_what_it_lacks(
    tmp_path: Path, journal: Sequence[bytes], records: Sequence[Record], versions: Sequence[Program], said: str
) -> None:
    with pytest.raises(BadRecording, match=said):
        replayed(tmp_path, journal, records, versions)
