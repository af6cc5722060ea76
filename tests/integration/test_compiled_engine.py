"""Compiled or plain, the engine decides the same: a copy of the checkout is compiled, and both replay the same events.

It runs the golden cases in the copy as well, which are small and cover every rule. The checkout itself stays as it is.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.engine_cluster import LOYALTY
from tests.integration.engine_events import mixed
from tests.integration.engine_programs import GROCERY, coffee_club_of_2017
from tests.integration.harness import ROOT
from workers.compiled import ROOMS, STAMP

COPIED = (*ROOMS, "workers", "config", "tests", "docs", "setup.py", "pyproject.toml", "README.md", "LICENSE")
MADE = shutil.ignore_patterns("__pycache__", "*.so", STAMP.name)


def run(root: Path, *command: str, **environment: str) -> str:
    """What a command run in `root`, whose modules it imports, says."""
    ran = subprocess.run(command, cwd=root, env=os.environ | environment, capture_output=True, text=True, check=False)
    if ran.stderr.startswith("Compiling needs"):
        pytest.skip(ran.stderr)  # An option that this machine does not have.
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def copy(root: Path) -> Path:
    """The checkout again, without what was compiled in it."""
    root.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=MADE)
        else:
            shutil.copy2(ROOT / name, root / name)
    return root


def replayed(root: Path, program: Path, events: Path, out: Path) -> dict[str, bytes]:
    """Every file that a replay by the engine in `root` writes."""
    run(root, *LOYALTY, "replay", "--program", str(program), "--events", str(events), "--out", str(out))
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = copy(tmp_path_factory.mktemp("compiled") / "checkout")
    run(root, sys.executable, "setup.py", "--quiet", "build_ext", "--inplace", COMPILED="1")
    assert said_engine(root) == "compiled"
    return root


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = copy(tmp_path_factory.mktemp("plain") / "checkout")
    assert said_engine(root) == "plain"
    return root


def said_engine(root: Path) -> str:
    return run(root, sys.executable, "-c", "from workers.compiled import engine; print(engine())").strip()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grocery", "coffee-club", "one-per-unit"])
def test_compiled_and_plain_give_the_same_bytes(name: str, compiled: Path, plain: Path, tmp_path: Path) -> None:
    program = coffee_club_of_2017(tmp_path / "club.yaml") if name == "coffee-club" else GROCERY.with_stem(name)
    events = tmp_path / "events.ndjson"
    events.write_bytes(b"\n".join(sent.raw for sent in mixed(2_000, members=60, seed=7)))
    by_plain = replayed(plain, program, events, tmp_path / "plain")
    assert len(by_plain["ledger.ndjson"].splitlines()) > 1_000
    assert replayed(compiled, program, events, tmp_path / "compiled") == by_plain


@pytest.mark.slow
def test_the_golden_cases_hold_compiled(compiled: Path) -> None:
    assert "engine: compiled" in run(compiled, sys.executable, "-m", "pytest", "tests/golden")


@pytest.mark.slow
def test_a_test_run_refuses_what_was_compiled_from_other_sources(compiled: Path) -> None:
    source = compiled / "loyalty" / "lots.py"
    text = source.read_text()
    source.write_text(f"{text}# edited\n")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/loyalty/test_lots.py"],
        cwd=compiled,
        capture_output=True,
        text=True,
        check=False,
    )
    source.write_text(text)
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR
    assert "the compiled engine is stale: loyalty/lots.py has changed since" in ran.stderr


@pytest.mark.slow
def test_without_a_compiler_it_says_what_is_missing(plain: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"],
        cwd=plain,
        env=os.environ | {"COMPILED": "1", "CC": "no-such-compiler"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith("Compiling needs a C compiler, and 'no-such-compiler' is not found.\nhint: ")
    assert said_engine(plain) == "plain"
