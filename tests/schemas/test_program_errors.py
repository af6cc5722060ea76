"""Whatever is wrong with a program file, its author is told where, what came and what was expected."""

from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.program_load import load_program, load_programs, parse_program
from schemas.program_source import MAX_FILE_BYTES, Problem, ProgramError
from tests.schemas.program_texts import CLUB, PROGRAMS, club


class Case(NamedTuple):
    """One case of program_errors.txt."""

    name: str
    old: str
    new: str
    told: list[str]


def _cases() -> list[Case]:
    cases: list[Case] = []
    for block in (Path(__file__).parent / "program_errors.txt").read_text("utf-8").split("\ncase ")[1:]:
        name, *lines = block.splitlines()

        def part(sign: str, among: list[str] = lines) -> str:
            kept = "".join(line[2:] + "\n" for line in among if line.startswith(f"{sign} "))
            return kept.replace("\\t", "\t").replace("\\a", "\a")

        cases.append(Case(name, part("-"), part("+"), [line for line in lines if line[:2] in {"= ", "? "}]))
    return cases


CASES = _cases()


def _told(text: str, file: str = "club.yaml") -> list[str]:
    with pytest.raises(ProgramError) as caught:
        parse_program(text, file)
    told = []
    for line in str(caught.value).splitlines():
        hint = line.removeprefix("    hint: ")
        told.append(f"? {hint}" if hint != line else f"= {line.removeprefix(file + ':')}")
    return told


def test_the_little_program_is_good() -> None:
    assert parse_program(CLUB).id == "club"
    assert len(CASES) >= 100


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_author_is_told(case: Case) -> None:
    assert _told(club(case.old, case.new)) == case.told


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    text = CLUB.replace("money: USD", "money: usd").replace("points: 25", "pts: 25").replace("factor: 2", "factor: 900")
    text = text.replace("on: purchase\n", "on: purchase\n    when: {tiers: [silver], colour: red}\n")
    assert [line.split(" ")[1] for line in _told(text) if line[0] == "="] == [
        *("5:8:", "10:20:", "10:29:", "14:11:", "14:12:", "21:28:"),
    ]


def test_a_broken_rule_does_not_make_those_look_broken_who_name_it() -> None:
    text = CLUB.replace('per: "1.00"', "per: cheap").replace("factor: 2", "factor: 2, of: [base]")
    assert [line for line in _told(text) if line[0] == "="] == [
        "= 10:28: earn[0].give.per: 'cheap' came, an amount such as 10 or \"9.95\" was expected",
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot read the file: No such file or directory"),
        (b"", "the file is empty; expected a program"),
        (b"# nothing but a comment\n", "the file is empty; expected a program"),
        (b"just a text", "a block of keys was expected"),
        (b"program: caf\xe9", "the file is not UTF-8 text"),
        (b"#" * (MAX_FILE_BYTES + 1), "the file is larger than 256 KiB"),
        (b"a: " + b"[" * 60 + b"]" * 60, "not valid YAML: nested deeper than 12 levels at line 1"),
        (b"a: " + b"[" * 60_000, "not valid YAML"),
        (b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", "*a repeats another place"),
        (b"? [a]\n: b\n", "a key must be a word"),
        (b"points: 99999999999999999999\n", "the number has more than 15 digits"),
    ],
    ids=["missing", "empty", "comment", "text", "latin-1", "huge", "deep", "very-deep", "bomb", "odd-key", "digits"],
)
def test_files_that_are_no_programs(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "p.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProgramError) as caught:
        load_program(path)
    assert told in str(caught.value)
    assert str(caught.value).startswith(f"{path}:1:") or "number" in told or "repeats" in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([("club", "other")], "2.yaml:1:10: program: other is another program than club in "),
        ([("2026-01-01", "2027-01-01")], "2.yaml:2:10: version: version 1 is also in "),
        ([('version: "1"', 'version: "2"')], "2.yaml:3:17: effective_from: version 1 in "),
        ([("zone: America/New_York", "zone: Mars")], "2.yaml:4:7: zone: 'Mars' came"),
    ],
    ids=["other-program", "same-version", "same-start", "broken"],
)
def test_files_that_do_not_go_together(tmp_path: Path, changes: list[tuple[str, str]], told: str) -> None:
    (tmp_path / "1.yaml").write_text(CLUB)
    text = CLUB
    for old, new in changes:
        text = text.replace(old, new)
    (tmp_path / "2.yaml").write_text(text)
    with pytest.raises(ProgramError) as caught:
        load_programs(tmp_path)
    assert told in str(caught.value)


def test_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match=r"the folder holds no \.yaml file"):
        load_programs(tmp_path)
    with pytest.raises(ProgramError, match="no program file was named"):
        load_programs([])


COFFEE = (PROGRAMS / "coffee-club.yaml").read_text("utf-8")


_SCRAPS = (
    *(
        "",
        "x",
        "0",
        "-1",
        ": ",
        "- ",
        "[",
        "}",
        "\n",
        "\t",
        "'",
        '"',
        "{a: 1}",
        "null",
        "1.5",
        "&a ",
        "*a",
        "é",
        "\x00",
    ),
)


@given(
    position=st.integers(0, len(COFFEE)),
    removed=st.integers(0, 40),
    inserted=st.sampled_from(_SCRAPS),
)
def test_no_damage_gives_a_traceback(position: int, removed: int, inserted: str) -> None:
    text = COFFEE[:position] + inserted + COFFEE[position + removed :]
    problems = _problems(text)
    assert all(1 <= problem.line <= text.count("\n") + 2 and problem.column >= 1 for problem in problems)
    assert all(problem.message for problem in problems)


def _problems(text: str) -> tuple[Problem, ...]:
    """The problems of a text; one that says nothing stands for an error without problems."""
    try:
        parse_program(text)
    except ProgramError as error:
        return error.problems or (Problem("", 0, 0, "", ""),)
    return ()
