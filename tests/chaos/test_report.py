"""What makes a campaign fail, and that its report says so."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.chaos.report import Report, missed
from tests.chaos.schedule import Goals

RIGHT = {"books add up": "", "nothing is lost": ""}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"checks": RIGHT}, ""),
        ({"checks": RIGHT | {"nothing is lost": "3 of 9 are lost"}}, "- **nothing is lost**: 3 of 9 are lost"),
        ({"checks": RIGHT, "findings": ["worker 1, life 2 ended with 1"]}, "- worker 1, life 2 ended with 1"),
    ],
    ids=["all holds", "a check", "a finding beside the checks"],
)
def test_a_campaign_fails_over_anything_that_is_wrong(tmp_path: Path, found: dict[str, Any], said: str) -> None:
    report = Report(7, "make chaos", **found)
    assert report.failed == bool(said)
    text = report.text()
    assert text.startswith(f"# Campaign of seed 7: {'FAILED' if said else 'everything held'}")
    assert said in text.splitlines()
    report.write(tmp_path)
    assert orjson.loads((tmp_path / "report.json").read_bytes())["checks"] == found["checks"]


def test_each_goal_is_counted_and_has_to_be_reached() -> None:
    goals = Goals(**{goal.name: number for number, goal in enumerate(fields(Goals), 1)})
    sentences = missed(goals, {})
    assert len(sentences) == len(fields(Goals))
    counted = {word: int(number) for _, word, number in (said_of(each) for each in sentences)}
    assert missed(goals, counted) == []
    one_less = counted | {"zombies": counted["zombies"] - 1}
    assert missed(goals, one_less) == ["1 zombies, where 2 were the goal"]


def said_of(sentence: str) -> tuple[str, str, str]:
    """(times, what, goal)."""
    found, _, goal = sentence.removesuffix(" were the goal").partition(", where ")
    times, _, what = found.partition(" ")
    return times, what, goal
