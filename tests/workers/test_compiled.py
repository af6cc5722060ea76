"""Extension modules win over the sources beside them, so they are believed only while their stamp fits."""

import subprocess
import sys
from collections.abc import Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from workers.compiled import STAMP, StaleBuildError, engine, extension_modules, stamp_of

SUFFIX = EXTENSION_SUFFIXES[0]
SOURCES = {"loyalty/decide.py": "1", "loyalty/rules/fixed.py": "1", "schemas/state.py": "1"}
BUILT = (f"loyalty/decide{SUFFIX}", f"schemas/state{SUFFIX}")


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Two modules compiled, a third left plain."""
    write(tmp_path, SOURCES | dict.fromkeys(BUILT, ""))
    (tmp_path / STAMP).write_bytes(stamp_of(tmp_path, [name for name, _ in extension_modules(tmp_path)]))
    return tmp_path


def test_a_whole_build_is_compiled(built: Path) -> None:
    assert engine(built) == "compiled"


@pytest.mark.parametrize(
    "files",
    [{}, {str(STAMP): "{}"}, {"loyalty/decide.cpython-27-other.so": ""}],
    ids=["sources only", "a stamp that a build left", "built for another Python"],
)
def test_without_modules_that_this_python_loads_it_is_plain(files: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path, SOURCES | files)
    assert engine(tmp_path) == "plain"


@pytest.mark.parametrize(
    ("written", "removed", "why"),
    [
        ({"loyalty/decide.py": "2"}, (), "loyalty/decide.py has changed since"),
        ({"loyalty/rules/fixed.py": "2"}, (), "loyalty/rules/fixed.py has changed since"),
        ({"loyalty/added.py": "1"}, (), "loyalty/added.py has changed since"),
        ({}, ("loyalty/rules/fixed.py",), "loyalty/rules/fixed.py has changed since"),
        ({}, (BUILT[0],), "loyalty.decide is missing"),
        ({f"loyalty/rules/fixed{SUFFIX}": ""}, (), "loyalty.rules.fixed is not in its stamp"),
        ({}, (str(STAMP),), "loyalty.decide is an extension module, but no build left a stamp"),
    ],
    ids=["edited", "edited, itself plain", "added", "deleted", "half removed", "one too many", "unknown build"],
)
def test_what_does_not_fit_its_sources_is_refused(
    written: dict[str, str], removed: tuple[str, ...], why: str, built: Path
) -> None:
    write(built, written)
    for name in removed:
        (built / name).unlink()
    with pytest.raises(StaleBuildError) as refused:
        engine(built)
    assert str(refused.value).splitlines() == [
        f"the compiled engine is stale: {why}",
        "hint: make compiled builds it again; make plain goes back to plain Python, which decides the same",
    ]


def test_a_command_refuses_a_stale_engine(built: Path) -> None:
    write(built, {"loyalty/decide.py": "2"})
    program = (
        "import sys, workers.compiled as c, workers.cli as cli\n"
        "cli.engine = lambda: c.engine(__import__('pathlib').Path(sys.argv.pop(1)))\n"
        "cli.main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, built, "check", "x.yaml"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith("loyalty: the compiled engine is stale: loyalty/decide.py has changed since\nhint: ")
