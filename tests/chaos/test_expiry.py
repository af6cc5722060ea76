"""Inputs expire under stopped workers: they refuse, naming what is gone, until somebody accepts exactly that.

Not in the long campaign: records are really lost here, so the books are compared with what is left of the input.
"""

from collections import Counter
from pathlib import Path

import orjson
from kafka import TopicPartition

from tests.chaos import stream
from tests.integration.engine_books import check_books, check_recorded_replay, lines_of
from tests.integration.engine_cluster import EngineCluster
from workers.cluster import admin_client
from workers.export import LIMITS, RECORDED, export
from workers.positions import Gap, JournalRecord
from workers.topic_words import ACCOUNTS, INPUTS, JOURNAL

PARTITIONS = 4
EXPIRING = ("purchases", "commands")
GONE = 7
"""Records of each partition that nobody has taken yet."""


def test_what_expired_is_refused_by_name_and_nothing_else_is_lost(kafka: str, prefix: str, tmp_path: Path) -> None:
    messages = stream.messages(1_600, members=80, partitions=PARTITIONS, seed=5)
    with EngineCluster(kafka, prefix, tmp_path, stream.showcase(tmp_path), partitions=PARTITIONS) as cluster:
        cluster.create_topics()
        for _ in range(2):
            cluster.start(BATCH_RECORDS_MAX="20").wait_ready()
        cluster.publish(messages[:800])
        cluster.wait_taken()
        cluster.stop()
        recorded = tmp_path / "recorded"
        export(cluster.settings, INPUTS, recorded, lambda *_: None)
        stood = {number: stored.next for number, stored in cluster.follower.positions.items()}

        cluster.publish(messages[800:])
        expire(cluster, {(word, number): stood[number][word] + GONE for word in EXPIRING for number in stood})
        gaps = {
            (number, Gap(word, stood[number][word], stood[number][word] + GONE))
            for word in EXPIRING
            for number in stood
        }

        assert cluster.start().ended() == 1
        again = cluster.start()  # Whatever a supervisor tries.
        assert again.ended() == 1
        said = again.logged("refused")
        assert said is not None
        accept = said["hint"].rpartition("LOYALTY_ACCEPT_MISSING_RANGE=")[2]
        assert set(accept.split(",")) == {gap.named(number) for number, gap in gaps}
        assert journalled(cluster) == Counter()

        first = cluster.start(BATCH_RECORDS_MAX="20", ACCEPT_MISSING_RANGE=accept)
        cluster.wait_batches(5)
        first.process.kill()
        first.process.wait()
        for _ in range(2):
            cluster.start(BATCH_RECORDS_MAX="20", ACCEPT_MISSING_RANGE=accept)
        cluster.wait_taken()
        cluster.stop()

        assert journalled(cluster) == Counter(gaps), "each gap is written down once, and no other"
        record_the_rest(cluster, recorded)
        check_recorded_replay(cluster, recorded)
        check_books(cluster)


def expire(cluster: EngineCluster, to: dict[tuple[str, int], int]) -> None:
    """Drop what comes before an offset, as retention would."""
    with admin_client(cluster.settings) as admin:
        admin.delete_records(
            {TopicPartition(cluster.prefix + word, number): offset for (word, number), offset in to.items()}
        )


def journalled(cluster: EngineCluster) -> Counter[tuple[int, Gap]]:
    """The gaps that the journal names, by partition."""
    batches = [(each.partition, JournalRecord.decode(each.value or b"")) for each in cluster.read(JOURNAL)]
    return Counter((partition, gap) for partition, batch in batches for gap in batch.missing)


def record_the_rest(cluster: EngineCluster, recorded: Path) -> None:
    """Put what came since behind the recordings that were made before the expiry."""
    rest = recorded.with_name("rest")
    export(cluster.settings, [*RECORDED, ACCOUNTS, LIMITS], rest, lambda *_: None)
    for word in (JOURNAL, ACCOUNTS, LIMITS):
        (rest / f"{word}.ndjson").replace(recorded / f"{word}.ndjson")
    for word in INPUTS:
        before = lines_of(recorded / f"{word}.ndjson")
        held = {place(line) for line in before}
        since = [line for line in lines_of(rest / f"{word}.ndjson") if place(line) not in held]
        (recorded / f"{word}.ndjson").write_bytes(b"".join(line + b"\n" for line in before + since))


def place(line: bytes) -> tuple[int, int]:
    fields = orjson.loads(line)
    return fields["partition"], fields["offset"]
