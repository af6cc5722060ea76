"""State on disk on a real broker: what a worker left is gone on from, and the books are those of the journal's replay.

Killed at any moment, moved to another worker and back, or shared by mistake: the accounts are right, and what is read
at a start is what is new.
"""

import random
import signal
from pathlib import Path

from schemas.state import one_version
from tests.integration.engine_books import check_books, check_journal_replay
from tests.integration.engine_cluster import EngineCluster, LoyaltyWorker
from tests.integration.engine_events import mixed, to_send
from tests.integration.engine_programs import GROCERY, PLAIN, written
from workers.cluster import identity_of
from workers.positions import POSITIONS_KEY
from workers.store.directory import StateDirectory
from workers.topic_words import ACCOUNTS

KILLS = 4
BATCH = 15
DISK = {"STORE": "disk", "BATCH_RECORDS_MAX": str(BATCH)}
BATCH_STATE_MAX = 4 * BATCH
"""Records that a batch of so many events writes at most, with its positions."""


def restored(worker: LoyaltyWorker) -> int:
    """How many records it read when it took over for the first time."""
    ready = next(line for line in worker.lines() if line.get("event") == "ready" and line["partitions"])
    return int(ready["restored_records"])


def threw_away(worker: LoyaltyWorker) -> list[str]:
    return [line["reason"] for line in worker.lines() if line.get("event") == "threw state away"]


def test_a_worker_killed_again_and_again_reads_what_is_new_and_ends_with_the_same_books(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    moments = random.Random(20261123)
    messages = to_send(mixed(1_400, members=80, seed=21))
    program = written(PLAIN, tmp_path / "plain.yaml")
    with EngineCluster(kafka, prefix, tmp_path, program) as cluster:
        cluster.create_topics()
        share = len(messages) // (KILLS + 1) + 1
        read: list[int] = []
        for kill in range(KILLS + 1):
            cluster.publish(messages[kill * share : (kill + 1) * share])
            worker = cluster.start(**DISK)
            if kill < KILLS:
                cluster.wait_batches(moments.randint(3, 9))
                worker.signal(signal.SIGKILL)
                assert worker.ended() == -signal.SIGKILL
            else:
                cluster.wait_taken()
            read.append(restored(worker))
            assert threw_away(worker) == []
        cluster.stop()
        check_journal_replay(cluster)
        check_books(cluster)
        # Nobody else wrote: of each partition it reads the batch again that was the latest in its store.
        assert read[0] == 0
        assert all(0 < count <= cluster.partitions * BATCH_STATE_MAX for count in read[1:]), read
        assert len(cluster.read(ACCOUNTS)) > 5 * max(read)
        assert same_as_changelog(cluster, cluster.directory / "data" / "state") == cluster.partitions


def test_a_partition_that_comes_back_is_caught_up_with_what_others_wrote(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    messages = to_send(mixed(800, members=60, seed=22))
    with EngineCluster(kafka, prefix, tmp_path, GROCERY, partitions=4) as cluster:
        cluster.create_topics()
        there, elsewhere = tmp_path / "there", tmp_path / "elsewhere"
        lengths: list[int] = []
        workers: list[LoyaltyWorker] = []
        for turn, directory in enumerate((there, elsewhere, there)):
            cluster.publish(messages[turn::3])
            worker = cluster.start(**DISK, STORE_DIRECTORY=str(directory))
            worker.wait_ready()
            cluster.wait_taken()
            cluster.stop()
            assert threw_away(worker) == []
            workers.append(worker)
            lengths.append(len(cluster.read(ACCOUNTS)))
        # It had what was there before; what the other one wrote meanwhile came behind that.
        first, second, _ = lengths
        assert second - first <= restored(workers[-1]) <= second - first + cluster.partitions * BATCH_STATE_MAX
        assert first > cluster.partitions * BATCH_STATE_MAX
        assert same_as_changelog(cluster, there) == cluster.partitions
        assert same_as_changelog(cluster, elsewhere, behind=True) == cluster.partitions
        check_journal_replay(cluster)


def test_a_directory_serves_one_worker_and_no_longer_than_deletions_are_kept(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    with EngineCluster(kafka, prefix, tmp_path, GROCERY) as cluster:
        cluster.create_topics()
        cluster.publish(to_send(mixed(200, members=30, seed=23)))
        first = cluster.start(**DISK)
        first.wait_ready()
        second = cluster.start(**DISK)
        assert second.ended() == 1
        refused = second.logged("refused")
        assert refused is not None
        assert refused["reason"].endswith(f"is in use by another process ({first.process.pid})")
        cluster.wait_taken()
        cluster.stop()
        # By now a deletion may have been compacted away that the store has not seen.
        cluster.configure(ACCOUNTS, {"delete.retention.ms": "1"})
        again = cluster.start(**DISK)
        again.wait_ready()
        cluster.stop()
        assert threw_away(again) == ["it is older than deletions are kept"] * cluster.partitions
        assert restored(again) == len(cluster.read(ACCOUNTS))
        assert same_as_changelog(cluster, cluster.directory / "data" / "state") == cluster.partitions


def same_as_changelog(cluster: EngineCluster, path: Path, *, behind: bool = False) -> int:
    """Check each store against the changelog, as far as it has come; answers how many there are.

    `behind`: others have written since.
    """
    directory = StateDirectory(path, start_after=one_version, timing=b"of no program")
    directory.take(identity_of(cluster.settings, f"{cluster.prefix}{ACCOUNTS}"))
    records = cluster.read(ACCOUNTS)
    found = 0
    for number in range(cluster.partitions):
        store = directory(number)
        mark = store.mark
        ours = [record for record in records if record.partition == number]
        if behind:
            [until] = [at for at, record in enumerate(ours) if record.value == mark.positions]
            ours = ours[: until + 1]
        latest = {record.key or b"": record.value for record in ours}
        assert mark.positions == latest.pop(POSITIONS_KEY)
        held = {key: value for key, value in latest.items() if value is not None}
        assert {key: store.get(key) for key in latest} == held | dict.fromkeys(latest.keys() - held.keys())
        assert len(store) == len(held)
        found += mark.changelog_next > 0
        store.close()
    directory.release()
    return found
