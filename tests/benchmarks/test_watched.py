"""What a process used between two moments is seen from outside."""

import sys
import time
from pathlib import Path

import pytest

from benchmarks.peers.job import Span
from benchmarks.watched import Ended, Watched

BUSY_THEN_IDLE = """
import time
held = bytearray(64 << 20)
while time.process_time() < 0.6:
    pass
del held
print("idle", flush=True)
time.sleep(60)
"""


def test_cpu_time_and_memory_of_a_process(tmp_path: Path) -> None:
    log = tmp_path / "log"
    started = time.time()
    with Watched((sys.executable, "-c", BUSY_THEN_IDLE), log) as watched:
        deadline = time.monotonic() + 60
        while b"idle" not in log.read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        idle = time.time()
        time.sleep(0.3)
        watched.check()
    assert 0.4 <= watched.cpu_seconds(Span(started, idle)) <= 1.2
    assert watched.cpu_seconds(Span(idle + 0.1, idle + 0.3)) <= 0.05
    assert 64 <= watched.peak_bytes / (1 << 20) <= 200


def checked_until(watched: Watched, deadline: float) -> None:
    while time.monotonic() < deadline:
        watched.check()
        time.sleep(0.05)


def test_a_process_that_ended_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import sys; print('why it ended'); sys.exit(3)")
    with Watched(command, tmp_path / "log") as watched:
        deadline = time.monotonic() + 60
        with pytest.raises(Ended, match=r"(?s)ended with 3.*why it ended"):
            checked_until(watched, deadline)
