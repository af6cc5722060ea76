"""The worked cases that other engines' tests and documents give: each is a golden ledger, or waits with a reason.

A ledger is named after its case; `E01-...` is a variant of it.
"""

import pytest

from tests.golden.notation import FOLDER

GOLDEN = [
    *("E01", "E05", "E09", "E13", "X05", "M04", "C04", "C08", "CB6"),
    *("MU3", "MU7", "MU11", "ST4", "ST8", "R03", "R07", "RT07", "RT11"),
    *("T06", "T10", "T14", "D4", "L1", "L5", "CU1", "CU5", "RF4", "TR1", "TR5", "TR9"),
    *("B1", "B5"),
    *("RT03", "RT23", "X01", "T02", "RT15", "RT19", "EX01", "EX05", "EX09", "EX13", "EX17", "RD02", "RD06", "RD10"),
]

IN_PART: dict[str, str] = {}

_STAMPS = "stamps, and the rewards they pay, come later"
_FINANCE = "the books are kept in points: their worth in money, and what revenue it defers, come later"
LATER = {
    "C12": _STAMPS,
    "PD3": _STAMPS,
    "S4": _STAMPS,
    "CB2": "a limit on the balance comes later",
    "A3": _FINANCE,
    "A7": _FINANCE,
}

CASES = 52


def test_every_case_is_accounted_for_once() -> None:
    named = [*GOLDEN, *IN_PART, *LATER]
    assert len(named) == len(set(named)) == CASES


def test_every_ledger_is_a_case_that_applies() -> None:
    ledgers = {path.stem.partition("-")[0] for path in (FOLDER / "scenarios").glob("*.ledger")}
    assert ledgers == {*GOLDEN, *IN_PART}


@pytest.mark.parametrize("case", [*GOLDEN, *IN_PART])
def test_every_case_says_what_its_source_says(case: str) -> None:
    for path in (FOLDER / "scenarios").glob(f"{case}*.ledger"):
        assert "\nsays\n" in path.read_text("utf-8"), path.name
