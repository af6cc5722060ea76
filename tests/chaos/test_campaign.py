"""The fault campaign on a real broker, in short; `make chaos` is the long one.

Each is a process of its own, as an operator starts it: clients that lose their broker leave much behind.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.integration.harness import ROOT
from workers.topic_words import JOURNAL

pytestmark = pytest.mark.kafka

TWO_WORKERS = ("--workers", "2", "--share", "0")
"""For four partitions. Of three workers, one may own none, and have nothing to do wrong."""


def campaign(directory: Path, *arguments: str) -> tuple[int, Any]:
    """The exit code and the report. What it says live is shown with a test that failed."""
    command = [sys.executable, "-m", "tests.chaos", *TWO_WORKERS, "--out", str(directory), *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=sys.stderr.fileno(), check=False)
    return done.returncode, orjson.loads((directory / "report.json").read_bytes())


def test_a_short_campaign_loses_and_doubles_nothing(tmp_path: Path) -> None:
    goals = {
        "--kills": 4,
        "--zombies": 1,
        "--broker-deaths": 1,
        "--broker-freezes": 1,
        "--rebalances": 5,
        "--stops": 2,
        "--refusals": 2,
        "--cuts": 2,
        "--reader-kills": 1,
    }
    wanted = [text for name, goal in goals.items() for text in (name, str(goal))]
    code, report = campaign(tmp_path / "campaign", "--seed", "20261123", "--minutes", "0.6", *wanted)
    assert (code, report["findings"]) == (0, [])
    assert len(report["checks"]) == 8
    assert not any(report["checks"].values())


@pytest.mark.parametrize(
    ("safeguard", "faults"),
    [
        ("starting a producer fences the one before", ("--zombies", "2")),
        ("every send is awaited before the commit", ("--refusals", "2")),
    ],
)
def test_without_a_safeguard_the_auditor_sees_it(safeguard: str, faults: tuple[str, ...], tmp_path: Path) -> None:
    """The same workers without it, under the faults that it is there for."""
    short = ("--minutes", "0.3", "--patience", "60", "--calm", "40")
    code, report = campaign(tmp_path / "campaign", "--without", safeguard, *faults, *short)
    assert code == 1
    assert any(report["checks"].values()), report
    evidence = Path(report["evidence"])
    assert (evidence / "topics" / f"{JOURNAL}.ndjson").exists()
    assert (evidence / "logs" / "worker-0-0.log").exists()
