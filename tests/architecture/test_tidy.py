"""The repository reads the same on every machine, and every module says why it exists."""

import ast
import re

import pytest

from tests.architecture.source_files import ROOT, all_files, python_files

MAX_LINES = 400
ROOMS = ("loyalty", "schemas", "workers", "config", "tests", "benchmarks")

# Pattern -> what to do instead. Split in the middle where this file would find itself.
BANNED_TEXT = {
    r"(?<![\w.-])/(?:wor[k]|roo[t]|home/\w+|Users/\w+)/": "a path of one machine: take it from settings or an argument",
    r"(?<!no-emit)-(?:-index-ur[l]|-extra-index-ur[l]|-find-link[s]|-trusted-hos[t])\b": (
        "a package index is a setting of the machine"
    ),
    r"pypi\.or[g]/simple|pythonhosted\.or[g]|repo1?\.maven\.(?:apache\.)?or[g]|registry\.npmjs\.or[g]": (
        "a package registry's address is a setting of the machine"
    ),
}


@pytest.mark.parametrize("pattern", BANNED_TEXT, ids=["machine-path", "index-option", "registry-address"])
def test_no_file_names_one_machine(pattern: str) -> None:
    find = re.compile(pattern)
    found: list[str] = []
    for path in all_files():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{number}: {BANNED_TEXT[pattern]}"
            for number, line in enumerate(text.splitlines(), 1)
            if find.search(line)
        ]
    assert found == []


@pytest.mark.parametrize(
    ("pattern_number", "text"),
    [
        (0, "see /" + "root/.cache/x"),
        (0, 'open("/' + 'work/main/x")'),
        (1, "--index" + "-url https://example.org"),
        (2, "https://files.python" + "hosted.org/packages/x"),
    ],
)
def test_the_patterns_find_what_they_are_for(pattern_number: int, text: str) -> None:
    assert re.search(list(BANNED_TEXT)[pattern_number], text)


def test_every_module_opens_with_a_docstring() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files(*ROOMS)
        if not ast.get_docstring(ast.parse(path.read_bytes()))
    ]
    assert silent == [], "say in one sentence why the module exists and what always holds"


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    drawers = {"utils.py", "helpers.py", "common.py", "misc.py"}
    assert [str(path.relative_to(ROOT)) for path in python_files(*ROOMS) if path.name in drawers] == []


def test_modules_stay_readable_in_one_sitting() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_bytes().splitlines())
        for path in python_files("loyalty", "schemas", "workers", "config")
    }
    too_long = {name: lines for name, lines in lengths.items() if lines > MAX_LINES}
    assert too_long == {}, f"split by noun: more than {MAX_LINES} lines"


def test_the_map_of_the_domain_names_every_module() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    missing = {path.stem for path in (ROOT / "loyalty").glob("*.py") if f"`{path.stem}`" not in text} - {"__init__"}
    assert missing == set(), "put it into the table by what it is about"
