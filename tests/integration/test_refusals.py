"""What a worker does not start with, or ends over, and that it says why."""

import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from kafka import KafkaAdminClient, TopicPartition

from tests.integration.harness import PARTITIONS, PROGRAM, Cluster, WorkerProcess, wait_for
from workers.topic_words import REQUIRED

FETCH_WAIT_SECONDS = 1.5
"""How long the broker may keep a fetch of Faust's consumer before it answers: its `fetch_max_wait_ms`."""

LATE = 4_000_000_000_000_000  # Far in the future, in microseconds.


@pytest.fixture
def bare(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Cluster]:
    """An engine whose topics the test makes itself."""
    with Cluster(kafka, prefix, tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("words", "partitions", "environment", "said"),
    [
        ([word for word in REQUIRED if word not in {"tiers", "journal"}], PARTITIONS, {}, "lacks topics"),
        (REQUIRED, PARTITIONS, {"PARTITIONS": "4"}, "every topic must have 4 partitions"),
        (REQUIRED, PARTITIONS, {"BOOTSTRAP_SERVERS": "127.0.0.1:1"}, "cannot talk to the brokers at 127.0.0.1:1"),
        (REQUIRED, PARTITIONS, {"METRICS_HOST": "192.0.2.1"}, "cannot serve metrics on 192.0.2.1"),
    ],
    ids=["missing topics", "another number of partitions", "no broker", "no address for metrics"],
)
def test_a_worker_that_cannot_work_says_so_before_it_joins(
    words: Sequence[str], partitions: int, environment: dict[str, str], said: str, bare: Cluster
) -> None:
    bare.create_topics(words, partitions)
    worker = bare.start(environment)
    assert worker.ended() == 1
    refused = refusal(worker)
    assert said in refused["reason"]
    assert refused["hint"]
    assert worker.logged("ready") is None


def test_topics_with_unequal_partitions_are_named(bare: Cluster) -> None:
    bare.create_topics([word for word in REQUIRED if word != "shares"])
    bare.create_topics(["shares"], PARTITIONS + 1)
    worker = bare.start()
    assert worker.ended() == 1
    assert f"{bare.prefix}shares has {PARTITIONS + 1}" in refusal(worker)["reason"]


def test_other_programs_than_the_state_was_decided_under_are_refused_unless_accepted(cluster: Cluster) -> None:
    held = {"1": ("edited", 0)}
    cluster.publish(20)
    decided_by(cluster, cluster.start())
    other = cluster.start(programs=held)
    assert other.ended() == 1
    assert "version 1 was changed (digest digest-1 became edited)" in refusal(other)["reason"]

    cluster.publish(20)
    decided_by(cluster, cluster.start(programs=held, ACCEPT_PROGRAM_CHANGE="true"))
    # Accepted once: the state knows them now.
    cluster.publish(20)
    decided_by(cluster, cluster.start(programs=held))
    cluster.check_exactly_once()


def test_workers_of_another_app_cannot_decide_the_same_events_again(cluster: Cluster) -> None:
    cluster.publish(60)
    ours = cluster.start()
    cluster.wait_decided()
    other = cluster.start(APP_ID="typo")
    assert other.ended() == 1
    assert "belongs to the app loyalty, this worker is of the app typo" in refusal(other)["reason"]
    assert refusal(other)["hint"].startswith("set LOYALTY_APP_ID=loyalty")
    # It fenced ours before it could see whose the state is: ours ends over its next batch, and is started again.
    cluster.publish(60)
    assert ours.ended() == 70
    decided_by(cluster, cluster.start())
    cluster.check_exactly_once()


def test_accounts_that_would_be_deleted_by_age_are_refused(bare: Cluster) -> None:
    bare.create_topics([word for word in REQUIRED if word != "accounts"])
    bare.create_topics(["accounts"], compacted=())
    worker = bare.start()
    assert worker.ended() == 1
    assert f"{bare.prefix}accounts has cleanup.policy=delete" in refusal(worker)["reason"]


def test_a_version_that_starts_in_the_future_may_be_added(cluster: Cluster) -> None:
    cluster.publish(20)
    decided_by(cluster, cluster.start())
    cluster.publish(20)
    decided_by(cluster, cluster.start(programs={**PROGRAM, "2": ("digest-2", LATE)}))
    cluster.check_exactly_once()


def test_records_that_are_gone_before_they_were_taken_stop_the_worker_until_that_is_accepted(cluster: Cluster) -> None:
    cluster.publish(60, words=("purchases",))
    decided_by(cluster, cluster.start())
    before = cluster.positions()
    cluster.publish(60, words=("purchases",))
    gone_to = {number: stored.next["purchases"] + 5 for number, stored in before.items()}
    delete_records(cluster, "purchases", gone_to)

    refused = cluster.start()
    assert refused.ended() == 1
    assert any(
        f"goes on at offset {stored.next['purchases']}" in refusal(refused)["reason"] for stored in before.values()
    )

    accept = refusal(refused)["hint"].rpartition("LOYALTY_ACCEPT_MISSING_RANGE=")[2]
    accepting = cluster.start(ACCEPT_MISSING_RANGE=accept)
    wait_for("what is left", lambda: len(cluster.read("ledger")) == 120 - 5 * PARTITIONS)
    assert accepting.stop() == 0
    accepted = [line for line in accepting.lines() if line.get("event") == "accepted a missing range"]
    assert {line["partition"]: (line["first"], line["next"]) for line in accepted} == {
        number: (stored.next["purchases"], gone_to[number]) for number, stored in before.items()
    }
    for number, batches in cluster.journal().items():
        missing = [tuple(run) for batch in batches for run in batch.missing]
        assert missing == [("purchases", before[number].next["purchases"], gone_to[number])]

    # What was accepted once does not accept the next loss.
    cluster.publish(60, words=("purchases",))
    gone_again = {number: stored.next["purchases"] + 5 for number, stored in cluster.positions().items()}
    delete_records(cluster, "purchases", gone_again)
    assert cluster.start(ACCEPT_MISSING_RANGE=accept).ended() == 1


def test_records_that_vanish_under_a_running_worker_end_it(cluster: Cluster) -> None:
    """Never a silent reset: the position is out of range, so the process ends and the next start says what is lost."""
    cluster.publish(60, words=("purchases",))
    worker = cluster.start(SESSION_TIMEOUT_SECONDS="30")
    cluster.wait_decided()
    worker.signal(signal.SIGSTOP)
    time.sleep(FETCH_WAIT_SECONDS + 0.5)  # The fetch in flight is answered, so it cannot bring what comes now.
    before = cluster.positions()
    cluster.publish(60, words=("purchases",))
    delete_records(cluster, "purchases", {number: stored.next["purchases"] + 5 for number, stored in before.items()})
    worker.signal(signal.SIGCONT)
    assert worker.ended() == 70
    stopped = worker.logged("stopped")
    assert stopped is not None
    assert stopped["error"] == "OffsetOutOfRangeError"


def test_a_batch_that_is_nearly_all_dead_letters_stops_the_worker_before_anything_is_written(cluster: Cluster) -> None:
    cluster.publish_raw("purchases", [b"not json"] * 40 + [orjson.dumps({"id": "good", "amount": 5})])
    worker = cluster.start(DEAD_LETTER_STOP_SHARE="0.9")
    assert worker.ended() == 70
    stopped = worker.logged("stopped")
    assert stopped is not None
    assert "40 of 41 events" in stopped["reason"]
    assert cluster.read("dead-letters", "read_uncommitted") == []
    assert cluster.read("journal", "read_uncommitted") == []

    cluster.start().wait_ready()
    wait_for("40 dead letters", lambda: len(cluster.read("dead-letters")) == 40)


def refusal(worker: WorkerProcess) -> dict[str, Any]:
    refused = worker.logged("refused")
    assert refused is not None, worker.log.read_text()
    return refused


def decided_by(cluster: Cluster, worker: WorkerProcess) -> None:
    """Let a worker decide all there is, and stop it."""
    cluster.wait_decided()
    assert worker.stop() == 0


def delete_records(cluster: Cluster, word: str, to: dict[int, int]) -> None:
    """Drop what comes before an offset, as retention would."""
    admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap)
    admin.delete_records({TopicPartition(cluster.prefix + word, number): offset for number, offset in to.items()})
    admin.close()
