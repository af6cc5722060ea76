"""Each event once: in the ledger that read_committed consumers see, in the state, and in the journal."""

import itertools
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import orjson
import pytest

from tests.integration.harness import PARTITIONS, Cluster, wait_for
from workers.checkpoint import Stage


def test_events_of_several_topics_are_decided_once_and_the_worker_goes_on_after_a_stop(cluster: Cluster) -> None:
    cluster.publish(1500)
    worker = cluster.start()
    cluster.wait_decided()
    status, text = worker.get("/metrics")
    assert status == 200
    assert 'loyalty_events_total{outcome="applied",type="counted"} 1500.0' in text
    assert "loyalty_accounts 50.0" in text
    assert worker.get("/healthz")[0] == 200
    assert worker.stop() == 0
    stopped_at = cluster.positions()

    second = cluster.start()
    second.wait_ready()
    assert cluster.positions() == stopped_at
    cluster.publish(300)
    cluster.wait_decided()
    assert second.stop() == 0
    cluster.check_exactly_once()


@pytest.fixture(scope="module")
def crashed(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[Stage, Cluster]]:
    """For each stage an engine whose worker died after it and was started again. All at once: most of it is waiting."""
    with ExitStack() as stack:
        clusters: dict[Stage, Cluster] = {}
        for stage in Stage:
            directory = tmp_path_factory.mktemp(stage.name)
            cluster = stack.enter_context(Cluster(kafka, f"{directory.name}{os.getpid()}.", directory))
            cluster.create_topics()
            cluster.publish(400)
            clusters[stage] = cluster
        dying = [cluster.start(LOYALTY_TEST_DIE_AFTER=stage.name) for stage, cluster in clusters.items()]
        assert [worker.ended() for worker in dying] == [-signal.SIGKILL] * len(dying)
        for cluster in clusters.values():
            cluster.start()
        yield clusters


@pytest.mark.parametrize("stage", Stage)
def test_a_worker_that_dies_after_a_stage_leaves_nothing_twice_and_nothing_out(
    stage: Stage, crashed: Mapping[Stage, Cluster]
) -> None:
    cluster = crashed[stage]
    cluster.wait_decided()
    assert cluster.workers[-1].stop() == 0
    cluster.check_exactly_once()


def test_what_an_event_sends_to_another_partition_arrives_there_once(cluster: Cluster) -> None:
    cluster.publish(30, extra={"send_to": PARTITIONS - 1})
    cluster.start().wait_ready()
    wait_for("30 events and 30 gifts", lambda: len(cluster.ledger()) >= 60)
    gifts = [entry for entry in cluster.ledger() if entry["topic"] == "inbox"]
    assert sorted(gift["id"] for gift in gifts) == sorted(f"{event}-gift" for event in cluster.feed.amounts)
    assert gifts[-1]["balance"] == 30


def test_dead_letters_keep_their_bytes_key_and_headers_among_good_events(cluster: Cluster) -> None:
    cluster.publish_raw("purchases", [b"not json", orjson.dumps({"id": "good", "amount": 5}), b"not json"])
    cluster.start().wait_ready()
    wait_for("two dead letters", lambda: len(cluster.read("dead-letters")) == 2)
    letters = cluster.read("dead-letters")
    assert [letter.value for letter in letters] == [b"not json", b"not json"]
    assert {letter.key for letter in letters} == {b"member-raw"}
    assert [dict(letter.headers)["__loyalty.errors.offset"] for letter in letters] == [b"0", b"2"]
    assert [entry["id"] for entry in cluster.ledger()] == ["good"]


def test_under_load_transactions_of_a_partition_begin_as_far_apart_as_the_setting_says(cluster: Cluster) -> None:
    cluster.start(BATCH_INTERVAL_MS="2000").wait_ready()
    cluster.publish(120, rate=40)
    cluster.wait_decided()
    for batches in cluster.journal().values():
        times = [batch.now_us for batch in batches if batch.runs]
        assert len(times) >= 2
        # The interval counts from when a batch takes its events; `now` is fixed a moment later.
        assert all(later - earlier >= 1_500_000 for earlier, later in itertools.pairwise(times))
    cluster.check_exactly_once()


def test_time_moves_on_without_events(cluster: Cluster) -> None:
    cluster.publish(3, members=1)
    cluster.start(IDLE_BATCH_SECONDS="1").wait_ready()
    cluster.wait_decided()
    (partition,) = {record.partition for record in cluster.read("ledger")}
    wait_for("three batches of nothing", lambda: [b.runs for b in cluster.journal()[partition]].count([]) >= 3)
    times = [batch.now_us for batch in cluster.journal()[partition]]
    assert times == sorted(set(times))
    # Where nobody has an account nothing can fall due.
    assert not any(batches for other, batches in cluster.journal().items() if other != partition)
