"""Partitions change hands: workers come, leave, are killed and frozen, and every event is still decided once."""

import random
import signal
import threading
import time
from pathlib import Path

from tests.integration.harness import PARTITIONS, Cluster, WorkerProcess, wait_for

FENCED = {"ProducerFenced", "InvalidProducerEpoch"}
"""What a worker ends with, code 70, when another one has taken its partitions over."""


def test_two_workers_share_the_partitions_and_hand_them_over(cluster: Cluster) -> None:
    feeding = threading.Thread(target=cluster.publish, args=(3000,), kwargs={"rate": 250})
    feeding.start()
    first = cluster.start()
    first.wait_ready()
    second = cluster.start()
    second.wait_ready()
    wait_for("both at work", lambda: _owned(first.get("/metrics")[1]) + _owned(second.get("/metrics")[1]) == PARTITIONS)
    assert min(_owned(first.get("/metrics")[1]), _owned(second.get("/metrics")[1])) >= 1
    assert first.stop() == 0
    wait_for("all with the second", lambda: _owned(second.get("/metrics")[1]) == PARTITIONS)
    feeding.join()
    cluster.wait_decided()
    assert second.stop() == 0
    cluster.check_exactly_once()


def test_workers_killed_at_random_moments_lose_and_double_nothing(cluster: Cluster) -> None:
    moments = random.Random(20261121)
    feeding = threading.Thread(target=cluster.publish, args=(4000,), kwargs={"rate": 160})
    slow = {"LOYALTY_TEST_DAWDLE_AFTER": "CONFIRM", "BATCH_RECORDS_MAX": "40"}  # Kills hit open transactions.
    workers = [cluster.start(slow), cluster.start(slow)]
    workers[0].wait_ready()
    feeding.start()
    for _ in range(4):
        time.sleep(moments.uniform(2, 5))
        victim = moments.randrange(2)
        if workers[victim].process.poll() is None:
            workers[victim].signal(signal.SIGKILL)
            assert workers[victim].ended() == -signal.SIGKILL
        else:
            assert _was_fenced(workers[victim])
        workers[victim] = cluster.start(slow)
    feeding.join()
    cluster.wait_decided(120)
    for worker in workers:
        # On a machine that starves them, a worker may miss its heartbeats, and has to end when it finds itself fenced.
        if worker.process.poll() is None:
            worker.stop()
        assert worker.process.returncode == 0 or _was_fenced(worker) or _hung(worker)
    cluster.check_exactly_once()


def test_a_worker_that_froze_in_a_transaction_is_fenced_when_it_wakes(cluster: Cluster) -> None:
    cluster.publish(600)
    frozen = cluster.start(LOYALTY_TEST_FREEZE_AFTER="CONFIRM")
    wait_for("a frozen worker", lambda: _state(frozen.process.pid) == "T")
    second = cluster.start()
    cluster.wait_decided()
    decided = cluster.positions()
    frozen.signal(signal.SIGCONT)
    assert frozen.ended() == 70
    assert _was_fenced(frozen)
    assert cluster.positions() == decided
    assert second.stop() == 0
    cluster.check_exactly_once()


def test_a_worker_whose_framework_hangs_on_the_way_out_ends_all_the_same(cluster: Cluster) -> None:
    """By then its batches are written and its right to write is given up: it ends well, and the next one goes on."""
    cluster.publish(300)
    first = cluster.start(LOYALTY_TEST_HANG_IN_STOP="1")
    cluster.wait_decided()
    assert first.stop() == 0
    stopped = first.logged("stopped")
    assert stopped is not None
    assert stopped["left_the_group"] is False
    cluster.publish(300)
    second = cluster.start()
    cluster.wait_decided()
    assert second.stop() == 0
    cluster.check_exactly_once()


def test_a_leader_that_could_not_learn_of_the_topics_gives_them_out_once_it_can(cluster: Cluster) -> None:
    """It leads the group and gives nobody anything: all would be ready, and nothing would be done for minutes."""
    cluster.publish(60)
    worker = cluster.start(LOYALTY_TEST_BLIND_SECONDS="8")
    cluster.wait_decided(40)
    ready = [line["partitions"] for line in worker.lines() if line.get("event") == "ready"]
    assert ready[0] == [], "it saw the topics: nothing is proven"
    assert ready[-1] == list(range(PARTITIONS))
    assert worker.stop() == 0
    cluster.check_exactly_once()


def test_a_worker_that_stood_by_for_a_day_is_still_there_to_take_over(cluster: Cluster) -> None:
    """It had nothing to fetch. aiokafka takes that for stuck, leaves the group and never joins again."""
    cluster.publish(60)
    worker = cluster.start(LOYALTY_TEST_BLIND_SECONDS="8", LOYALTY_TEST_IDLE_SECONDS="86400")
    cluster.wait_decided(40)
    ready = [line["partitions"] for line in worker.lines() if line.get("event") == "ready"]
    assert (ready[0], ready[-1]) == ([], list(range(PARTITIONS)))
    assert worker.stop() == 0
    cluster.check_exactly_once()


def _was_fenced(worker: WorkerProcess) -> bool:
    stopped = worker.logged("stopped")
    return worker.process.returncode == 70 and stopped is not None and stopped["error"] in FENCED


def _hung(worker: WorkerProcess) -> bool:
    """Told to stop in the moment of a rebalance, clients may not answer any more: it then ends itself, and says so."""
    stopped = worker.logged("stopped")
    return worker.process.returncode == 70 and stopped is not None and stopped.get("what") == "stopping"


def _owned(metrics: str) -> int:
    return next(
        (int(float(line.split()[1])) for line in metrics.splitlines() if line.startswith("loyalty_partitions ")), 0
    )


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()[0]
