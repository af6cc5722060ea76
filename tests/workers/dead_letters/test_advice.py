"""What to do about a code is written in one place, and the page says the same."""

import re
from pathlib import Path

from loyalty.decisions import Code
from schemas.refusals import DecodeCode
from workers.dead_letters.advice import UNKNOWN, WHAT_TO_DO, what_to_do

PAGE = Path(__file__).parents[3] / "docs" / "dead-letters.md"
OF_THE_SHELL = {"wrong_partition", "engine_fault"}


def test_every_code_has_something_to_do() -> None:
    assert set(WHAT_TO_DO) == {*map(str, Code), *map(str, DecodeCode), *OF_THE_SHELL}


def test_the_page_says_the_same_as_the_command() -> None:
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| .* \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    assert dict(rows) == WHAT_TO_DO
    assert len(rows) == len(WHAT_TO_DO)


def test_a_code_of_another_release_is_no_fault() -> None:
    assert what_to_do("no_such_code") == UNKNOWN
