"""The demo's worker processes: real ones, told where to go by the demo alone, and why they end when they end."""

from pathlib import Path

import pytest

from config.settings import Settings
from workers.demo.run import GROCERY
from workers.demo.worker import WorkerFailed, WorkerProcess


@pytest.fixture
def settings() -> Settings:
    # The discard port: nothing listens there.
    return Settings(bootstrap_servers=("127.0.0.1:9",), programs=(GROCERY,))


def test_a_worker_that_ends_says_why(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also: what the caller has set does not reach it, or it would refuse the misspelt setting instead."""
    monkeypatch.setenv("LOYALTY_PARTITOINS", "7")
    worker = WorkerProcess(settings, tmp_path, 1)
    worker.start()
    try:
        with pytest.raises(WorkerFailed) as failed:
            worker.wait_until_ready()
    finally:
        worker.stop()
    said = str(failed.value)
    assert "ended with exit code 1" in said
    assert "127.0.0.1:9" in said
    assert "PARTITOINS" not in said


def test_a_worker_that_does_not_get_ready_in_time_is_given_up(settings: Settings, tmp_path: Path) -> None:
    worker = WorkerProcess(settings, tmp_path, 1)
    worker.start()
    try:
        with pytest.raises(WorkerFailed, match="was not ready after 0 s"):
            worker.wait_until_ready(timeout_seconds=0)
    finally:
        worker.stop()
    with pytest.raises(WorkerFailed, match="ended with exit code"):
        worker.check()


def test_one_that_was_never_started_can_be_stopped_and_asked(settings: Settings, tmp_path: Path) -> None:
    worker = WorkerProcess(settings, tmp_path, 1)
    worker.check()
    worker.stop()
    assert worker.metrics("loyalty_events_total") == []
