"""`loyalty demo` from end to end, as a person starts it: a broker and a worker of its own, and nothing left."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

COMMAND = [sys.executable, "-c", "from workers.cli import main; main()", "demo"]
SECONDS_MAX = 240

pytestmark = pytest.mark.kafka


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """Where the demo puts everything; afterwards neither files nor processes of it may be left."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []
    assert left_running(folder) == []


def left_running(folder: Path) -> list[str]:
    """Processes of the demo: brokers that name its folder, workers that were told of it."""
    found = []
    for process in psutil.process_iter():
        try:
            told = " ".join([*process.cmdline(), process.environ().get("LOYALTY_DATA_DIRECTORY", "")])
        except psutil.Error:
            continue
        if str(folder) in told:
            found.append(told)
    return found


def environment(scratch: Path) -> dict[str, str]:
    # A setting of the caller's own cluster must not reach the demo.
    return os.environ | {"TMPDIR": str(scratch), "LOYALTY_BOOTSTRAP_SERVERS": "127.0.0.1:1"}


def test_the_demo_runs_adds_up_and_leaves_nothing(scratch: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--baskets", "600", "--workers", "2", "--json"],
        env=environment(scratch),
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["ok"], report["checks"]
    assert all(check["looked_at"] for check in report["checks"])
    assert report["published"]["purchase"] == 600
    assert report["outcomes"]["loyalty.purchase.v1"]["applied"] == 600
    assert sum(report["dead_letters"].values()) == report["published"].get("broken", 0)
    assert sum(report["members_by_tier"].values()) == report["members"]
    given = sum(rule["given"] - rule["taken_back"] for rule in report["points_by_rule"])
    assert report["points"] == {"points": given}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_the_middle_it_cleans_up(scratch: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        COMMAND, env=environment(scratch), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        until = time.monotonic() + SECONDS_MAX
        for line in process.stderr:
            if "published" in line or time.monotonic() > until:
                break
        assert left_running(scratch)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "interrupted" in said
    assert "Traceback" not in said


def test_a_program_that_cannot_be_used_stops_it_before_anything_starts(scratch: Path, tmp_path: Path) -> None:
    program = tmp_path / "wrong.yaml"
    program.write_text("program: wrong\n")
    done = subprocess.run(
        [*COMMAND, "--program", str(program)],
        env=environment(scratch),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "wrong.yaml" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
