"""Whatever goes wrong in whatever order: nothing is lost, nothing doubled, and each worker ends only for a reason."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.safeguards import SAFEGUARDS, Safeguard
from tests.simulation.script import first_failure, simulate

ROOT = Path(__file__).parents[2]
FAST, ALL, BLOCK = 50, 1_000, 190


def test_every_promise_holds_under_the_first_seeds() -> None:
    failed = first_failure(range(FAST))
    assert failed is None, failed.text()


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FAST, ALL, BLOCK))
def test_every_promise_holds_under_a_thousand_seeds(first: int) -> None:
    failed = first_failure(range(first, first + BLOCK))
    assert failed is None, failed.text()


@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda each: each.name)
def test_every_safeguard_earns_its_keep(safeguard: Safeguard, monkeypatch: pytest.MonkeyPatch) -> None:
    safeguard.without(monkeypatch)
    assert first_failure(range(safeguard.seeds_max)) is not None, (
        f"without it nothing went wrong under {safeguard.seeds_max} seeds: it is not needed, or nobody looks"
    )


@pytest.mark.parametrize("seed", [3, 44])
def test_a_seed_is_the_same_run_again_in_any_process(seed: int) -> None:
    """Also where sets and hashes have another order."""
    again = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seed", str(seed)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
    )
    report = simulate(seed)
    assert again.stdout == report.text(lines_max=len(report.trace)) + "\n"
    assert report.commits > 5


def test_a_failing_seed_says_how_to_see_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    [safeguard] = [each for each in SAFEGUARDS if each.name == "memory is replaced only after the commit"]
    safeguard.without(monkeypatch)
    failed = first_failure(range(50))
    assert failed is not None
    head, again, *trace = failed.text(lines_max=20).splitlines()
    assert head.startswith(f"seed {failed.seed}: Violation: worker-")
    assert head.endswith("which is not committed")
    assert again == f'again: make simulate ARGS="--seed {failed.seed}"'
    assert 0 < len(trace) <= 20
    assert "audit" in trace[-1]
