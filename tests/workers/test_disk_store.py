"""What a store on disk keeps over processes, what it throws away, and that a kill at any moment leaves it right."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest
import structlog

from loyalty.account import Head
from schemas.state import StartAfter, encode_record, one_version
from workers.fatal import Refusal
from workers.store import directory as directories
from workers.store import disk
from workers.store.about import about_read, about_written
from workers.store.directory import StateDirectory, boot_of_this_machine, timing_of
from workers.store.disk import DiskStore, SpoiltStore
from workers.store.port import Mark

OF: dict[str, str | int] = {"cluster": "c", "topic": "accounts", "topic_id": "t", "partitions": 3}
MARK = Mark(7, 1_000, b'{"sequence": 1}')
NEW = Mark(0, 0, None)
HERE = boot_of_this_machine()


def opened(
    path: Path, of: dict[str, str | int] | None = None, *, start_after: StartAfter = one_version, timing: bytes = b""
) -> tuple[StateDirectory, DiskStore]:
    taken = StateDirectory(path, start_after=start_after, timing=timing)
    taken.take(of or OF)
    return taken, taken(0)


def left(path: Path, *, lasting: bool = False) -> Path:
    """A directory that a process has worked in and left; answers the folder of its store."""
    taken, store = opened(path)
    store.apply({b"m|a": b"1", b"p|a|t": b"2"}, MARK)
    store.close(lasting=lasting)
    taken.release()
    return path / "partition-0"


def head(due_us: int, timed_us: int = 0) -> bytes:
    return encode_record(Head("m", 0, due_us=due_us, timed_us=timed_us))


# ------------------------------------------------------------------ what is kept
@pytest.mark.parametrize("lasting", [False, True], ids=["as it was", "made to last"])
def test_another_process_finds_state_and_mark(tmp_path: Path, lasting: bool) -> None:
    left(tmp_path, lasting=lasting)
    _, store = opened(tmp_path)
    assert (store.mark, store.get(b"m|a"), store.get(b"p|a|t"), store.accounts, len(store)) == (MARK, b"1", b"2", 1, 2)
    assert store.disk_bytes == (tmp_path / "partition-0" / "data.mdb").stat().st_size


def test_what_was_due_and_never_decided_is_due_again(tmp_path: Path) -> None:
    taken, store = opened(tmp_path)
    store.apply({b"m|a": head(5), b"m|b": head(6)}, MARK)
    assert store.due(5, 9) == [(5, b"m|a")]
    store.close()  # The batch that asked came to nothing.
    taken.release()
    _, again = opened(tmp_path)
    assert again.due(9, 9) == [(5, b"m|a"), (6, b"m|b")]


@pytest.mark.parametrize(
    ("of", "boot", "lasting", "reason"),
    [
        (OF, HERE, False, None),
        ({**OF, "cluster": "another"}, HERE, False, "it is of another changelog, or in another format"),
        ({**OF, "topic_id": "made anew"}, HERE, False, "it is of another changelog, or in another format"),
        ({**OF, "partitions": 4}, HERE, False, "it is of another changelog, or in another format"),
        (OF, "an earlier boot", False, "the machine went down while it was written"),
        (OF, "an earlier boot", True, None),
    ],
    ids=[
        "the same",
        "another cluster",
        "topic made anew",
        "more partitions",
        "machine crashed",
        "machine stopped well",
    ],
)
def test_what_is_of_something_else_or_may_be_torn_is_thrown_away(
    tmp_path: Path, of: dict[str, str | int], boot: str, lasting: bool, reason: str | None
) -> None:
    folder = left(tmp_path, lasting=lasting)
    said = about_read(folder)
    assert said is not None
    if not lasting:
        about_written(folder, said[0], boot)
    with structlog.testing.capture_logs() as logs:
        _, store = opened(tmp_path, of)
    assert [log["reason"] for log in logs] == ([] if reason is None else [reason])
    assert (store.mark, store.get(b"m|a")) == ((MARK, b"1") if reason is None else (NEW, None))


def test_what_was_made_to_last_may_be_torn_again_once_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(tmp_path, lasting=True)
    taken, store = opened(tmp_path)
    store.close()  # As the machine goes down, as far as files tell.
    taken.release()
    monkeypatch.setattr(directories, "boot_of_this_machine", lambda: "the next boot")
    _, again = opened(tmp_path)
    assert (again.mark, len(again)) == (NEW, 0)


@pytest.mark.parametrize("number", ["STATE_FORMAT", "POSITIONS_FORMAT", "LAYOUT"])
def test_another_format_is_thrown_away(tmp_path: Path, number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    left(tmp_path)
    monkeypatch.setattr(directories, number, 99)
    _, store = opened(tmp_path)
    assert (store.mark, len(store)) == (NEW, 0)


@pytest.mark.parametrize(
    ("name", "content"), [("data.mdb", b"rubbish" * 9_000), ("data.mdb", b""), ("about.json", b"{")]
)
def test_files_that_are_no_store_are_thrown_away(tmp_path: Path, name: str, content: bytes) -> None:
    (left(tmp_path) / name).write_bytes(content)
    _, store = opened(tmp_path)
    assert (store.mark, len(store)) == (NEW, 0)
    store.apply({b"m|a": b"1"}, MARK)
    assert store.get(b"m|a") == b"1"


@pytest.mark.parametrize(
    ("written", "changed"),
    [(b"the points of a member", b"the p0ints of a member"), (b"m|ann", b"m|ben")],
    ids=["the record", "whose it is"],
)
def test_what_has_changed_on_the_disk_is_never_answered(tmp_path: Path, written: bytes, changed: bytes) -> None:
    taken, store = opened(tmp_path)
    store.apply({b"m|ann": b"the points of a member"}, MARK)
    store.close()
    data = tmp_path / "partition-0" / "data.mdb"
    data.write_bytes(data.read_bytes().replace(written, changed))
    taken.release()
    taken, store = opened(tmp_path)
    with pytest.raises(SpoiltStore, match="wrong checksum"):
        store.get(b"m|ann".replace(written, changed))
    store.close()
    taken.release()
    _, again = opened(tmp_path)
    assert (again.mark, len(again)) == (NEW, 0)


def test_a_key_too_long_for_the_store_leaves_with_its_record(tmp_path: Path) -> None:
    _, store = opened(tmp_path)
    key = b"p|" + b"t" * 600
    store.apply({key: b"1"}, MARK)
    with store._env.begin() as txn:
        assert txn.stat(store._long)["entries"] == 1
    store.apply({key: None}, MARK)
    with store._env.begin() as txn:
        assert txn.stat(store._long)["entries"] == 0


def test_a_store_without_room_is_refused_and_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_MAP_BYTES", 1 << 20)
    taken, store = opened(tmp_path)
    store.apply({b"m|a": b"1"}, MARK)
    with pytest.raises(Refusal, match=r"^cannot write the state in .*partition-0: .*MAP_FULL") as refused:
        store.apply({b"m|a": b"2", b"m|b": b"x" * 2_000_000}, Mark(8, 2_000, None))
    assert "room" in refused.value.hint
    store.close()
    taken.release()
    _, again = opened(tmp_path)
    assert (again.mark, again.get(b"m|a"), len(again)) == (MARK, b"1", 1)


# ------------------------------------------------------------------ whose it is
def test_two_processes_never_share_a_directory(tmp_path: Path) -> None:
    taken, _ = opened(tmp_path)
    with pytest.raises(Refusal, match=r"^the state in .* is in use by another process \(\d+\)$") as refused:
        opened(tmp_path)
    assert refused.value.hint.startswith("give each worker a LOYALTY_STORE_DIRECTORY")
    taken.release()
    opened(tmp_path)


def test_a_directory_that_cannot_be_had_is_refused_with_its_path(tmp_path: Path) -> None:
    file = tmp_path / "a-file"
    file.write_bytes(b"")
    with pytest.raises(Refusal, match=r"^cannot keep state in .*a-file/state: "):
        opened(file / "state")


def test_members_are_for_the_owners_eyes(tmp_path: Path) -> None:
    taken, store = opened(tmp_path / "state")
    store.apply({b"m|a": b"1"}, MARK)
    folder = tmp_path / "state"
    modes = {path.relative_to(folder).name: path.stat().st_mode & 0o077 for path in (folder, *folder.rglob("*.mdb"))}
    assert set(modes.values()) == {0}
    taken.release()


# ------------------------------------------------------------------ the index
BIRTHDAYS_US = 40


def from_forty(time_us: int) -> int | None:
    return BIRTHDAYS_US if time_us < BIRTHDAYS_US else None


def from_forty_and(third_us: int) -> StartAfter:
    return lambda time_us: from_forty(time_us) or (third_us if time_us < third_us else None)


def test_other_versions_of_the_program_make_the_index_anew(tmp_path: Path) -> None:
    """A version that starts at 40 has accounts looked at then, which say themselves that nothing is due before 90."""
    taken, store = opened(tmp_path)
    store.apply({b"m|a": head(90), b"p|a|t": b"no record of ours", b"a|a|x": b"nor one that is timed"}, MARK)
    assert not store.has_more_due_than(0, 80)
    store.close()
    taken.release()
    _, again = opened(tmp_path, start_after=from_forty, timing=b"from 40")
    assert again.due(80, 9) == [(40, b"m|a")]


def test_an_index_made_anew_names_every_record_again_and_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heads and others, and more of each than are written at once."""
    monkeypatch.setattr(disk, "_INDEXED_AT_ONCE", 2)
    timed = [(number, b"%c|%d" % (kind, number)) for number, kind in enumerate(b"mmmmmrrrrr", 1)]
    taken, store = opened(tmp_path)
    store.apply({key: head(due_us) for due_us, key in timed}, MARK)
    store.close()
    taken.release()
    taken, again = opened(tmp_path, timing=b"another")
    written = again._env.info()["last_txnid"]
    assert again.due(99, 99) == timed
    again.close()
    taken.release()
    _, third = opened(tmp_path, timing=b"another")
    assert third._env.info()["last_txnid"] == written


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((one_version, {"1": 0}), (one_version, {"1": 0, "2": 50}), True),
        ((one_version, {"1": 0, "2": 40}), (from_forty, {"1": 0, "2": 40}), False),
        ((from_forty, {"1": 0, "2": 40}), (from_forty, {"2": 40, "1": 0}), True),
        ((from_forty_and(80), {"1": 0, "2": 40, "3": 80}), (from_forty_and(90), {"1": 0, "2": 40, "3": 90}), False),
        ((from_forty, {"2": 40}), (one_version, {"2": 40}), False),
    ],
    ids=[
        "a version that says nothing else of time",
        "one that does",
        "order",
        "a third that begins later",
        "of accounts from before all versions",
    ],
)
def test_timing_is_the_same_when_all_accounts_are_timed_as_before(
    one: tuple[StartAfter, dict[str, int]], other: tuple[StartAfter, dict[str, int]], same: bool
) -> None:
    assert (timing_of(one[1], one[0]) == timing_of(other[1], other[0])) is same


# ------------------------------------------------------------------ kill -9
WRITER = """
import sys
from pathlib import Path
from schemas.state import one_version
from workers.store.directory import StateDirectory
from workers.store.port import Mark
taken = StateDirectory(Path(sys.argv[1]), start_after=one_version, timing=b"")
taken.take({"topic": "accounts"})
store = taken(0)
batch = store.mark.changelog_next
while True:
    batch += 1
    body = b"%d " % batch * 200
    writes = {b"m|%d" % (member * 37 % 1_000): body for member in range(batch % 50, 1_000, 7)}
    writes[b"m|%d" % (batch % 7)] = None
    writes[b"l|latest"] = body
    store.apply(writes, Mark(batch, batch, b"%d" % batch))
    print(batch, flush=True)
"""


def expected(batches: int) -> dict[bytes, bytes]:
    """What is there after so many batches of WRITER."""
    records: dict[bytes, bytes] = {}
    for batch in range(1, batches + 1):
        body = b"%d " % batch * 200
        records |= {b"m|%d" % (member * 37 % 1_000): body for member in range(batch % 50, 1_000, 7)}
        records.pop(b"m|%d" % (batch % 7), None)
        records[b"l|latest"] = body
    return records


def test_records_mark_and_index_change_in_one_transaction(tmp_path: Path) -> None:
    """A kill between two of them is too rare for the test below to rely on."""
    _, store = opened(tmp_path)
    store.apply({b"m|a": head(5), b"m|b": head(5), b"p|a|t": b"1"}, MARK)
    assert store.due(5, 1) == [(5, b"m|a")]
    before = store._env.info()["last_txnid"]
    store.apply({b"m|a": head(9), b"m|b": None, b"p|a|t": b"2"}, Mark(8, 2_000, None))
    assert store._env.info()["last_txnid"] == before + 1


def test_a_kill_at_any_moment_leaves_all_of_a_batch_or_nothing_of_it(tmp_path: Path) -> None:
    moments = random.Random(20261123)
    told = 0
    for _ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
        )
        assert writer.stdout is not None
        told = int(writer.stdout.readline())
        time.sleep(moments.uniform(0, 0.15))
        writer.send_signal(signal.SIGKILL)
        told = max([told, *map(int, writer.communicate()[0].split())])
        taken, store = opened(tmp_path, {"topic": "accounts"})
        mark = store.mark
        assert told <= mark.changelog_next <= told + 1
        assert mark == Mark(mark.changelog_next, mark.changelog_next, b"%d" % mark.changelog_next)
        records = expected(mark.changelog_next)
        assert len(store) == len(records)
        assert all(store.get(key) == value for key, value in records.items())
        store.close()
        taken.release()
    assert told > 20


def test_what_a_store_is_of_is_told_by_a_file_that_people_can_read(tmp_path: Path) -> None:
    said = about_read(left(tmp_path))
    assert said is not None
    identity, boot = said
    assert orjson.loads(identity).items() >= OF.items()
    assert boot == HERE
