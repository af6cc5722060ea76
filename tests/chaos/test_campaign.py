"""The fault campaign on a real broker, in short; `make chaos` is the long one."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.campaign import Campaign, Plan
from tests.chaos.schedule import Goals
from workers.topic_words import JOURNAL

pytestmark = pytest.mark.kafka

NO_GOALS = Goals(
    kills=0, zombies=0, broker_deaths=0, broker_freezes=0, rebalances=0, stops=0, refusals=0, cuts=0, reader_kills=0
)


def say(text: str) -> None:
    """Shown with a test that failed."""
    sys.stderr.write(f"{text}\n")


def test_a_short_campaign_loses_and_doubles_nothing(tmp_path: Path) -> None:
    goals = Goals(
        kills=4, zombies=1, broker_deaths=1, broker_freezes=1, rebalances=5, stops=2, refusals=2, cuts=2, reader_kills=1
    )
    plan = Plan(seed=20261123, seconds=35, goals=goals, members=200)
    report = Campaign(plan, tmp_path / "campaign", say).run()
    assert not report.failed, report.text()


@pytest.mark.parametrize(
    ("safeguard", "goals"),
    [
        ("starting a producer fences the one before", {"zombies": 3}),
        ("positions are written in the transaction of their batch", {"refusals": 8, "kills": 2}),
        ("every send is awaited before the commit", {"refusals": 6}),
    ],
)
def test_without_a_safeguard_the_auditor_sees_it(safeguard: str, goals: dict[str, int], tmp_path: Path) -> None:
    """The same workers without it, under the faults that it is there for."""
    wanted = replace(NO_GOALS, **goals)
    plan = Plan(seed=1, seconds=25, goals=wanted, members=200, without=safeguard, calm_seconds_max=40)
    report = Campaign(plan, tmp_path / "campaign", say).run()
    assert any(report.checks.values()), report.text()
    assert (Path(report.evidence) / "topics" / f"{JOURNAL}.ndjson").exists()
    assert (Path(report.evidence) / "logs" / "worker-0-0.log").exists()
