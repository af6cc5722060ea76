"""The broker is killed and started again while a worker writes: it rides it out or ends with 70, and nothing is lost.

With one broker its death takes the transaction coordinator and every log with it; on a real cluster others take over.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from tests.integration.harness import Cluster, WorkerProcess, wait_for
from workers.local_kafka import LocalKafka

pytestmark = pytest.mark.kafka

EVENTS = 3000
SLOW = {"LOYALTY_TEST_DAWDLE_AFTER": "CONFIRM", "BATCH_RECORDS_MAX": "10"}  # Deaths hit open transactions.


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[LocalKafka]:
    """A broker of the test's own."""
    with LocalKafka(tmp_path / "kafka") as broker:
        yield broker


def test_events_survive_the_death_of_the_broker(mortal: LocalKafka, prefix: str, tmp_path: Path) -> None:
    with Cluster(mortal.bootstrap, prefix, tmp_path) as cluster:
        cluster.create_topics()
        cluster.publish(EVENTS)
        supervisor = Supervisor(cluster)
        wait_for("a worker at work", lambda: len(cluster.read("ledger")) > 0)
        for _ in range(2):
            time.sleep(2)
            mortal.kill()
            time.sleep(1)
            mortal.start()
        assert len(cluster.read("ledger")) < EVENTS, "the deaths came too late to matter"
        cluster.wait_decided(120)
        assert supervisor.stop() == 0
        assert set(supervisor.ends) <= {70}
        cluster.check_exactly_once()


class Supervisor(threading.Thread):
    """Starts the worker again when it has ended, as compose or Kubernetes would."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(daemon=True)
        self._cluster = cluster
        self._stopping = threading.Event()
        self._worker: WorkerProcess = cluster.start(SLOW)
        self.ends: list[int] = []
        self.start()

    @override
    def run(self) -> None:
        while not self._stopping.wait(0.2):
            code = self._worker.process.poll()
            if code is not None:
                # A start while the broker is down is refused with 1: the supervisor tries again, too.
                if self._worker.logged("ready") is not None:
                    self.ends.append(code)
                self._worker = self._cluster.start(SLOW)

    def stop(self) -> int:
        """Stop the worker that runs, and return its exit code."""
        self._stopping.set()
        self.join()
        return self._worker.stop()
