"""`loyalty check`: plain words and 0 for a good program, problems and 1 for a bad one, 2 for wrong usage."""

import json
from pathlib import Path

from typer.testing import CliRunner

from tests.schemas.program_texts import CLUB, PROGRAMS, club
from workers.cli import build_app


def _run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(build_app(), ["check", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_good_programs_are_put_into_words() -> None:
    code, out, err = _run(str(PROGRAMS))
    assert (code, err) == (0, "")
    assert out.count(": OK, digest ") == 3
    assert "\nCoffee Club, version 2026.1: from 2026-01-01 00:00 (America/New_York).\n  - Prices are in USD." in out


def test_quiet_says_nothing_about_good_programs() -> None:
    assert _run(str(PROGRAMS), "--quiet") == (0, "", "")


def test_problems_go_to_standard_error(tmp_path: Path) -> None:
    file = tmp_path / "club.yaml"
    file.write_text(club("money: USD", "money: usd"))
    code, out, err = _run(str(file))
    assert (code, out) == (1, "")
    assert err == (
        f"{file}:5:8: money: 'usd' came, a currency of ISO 4217 was expected\n    hint: did you mean USD?\n1 problem\n"
    )


def test_json_for_scripts(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(CLUB)
    bad.write_text(club("factor: 2", "factor: 900"))
    code, out, _ = _run(str(good), str(bad), "--json")
    report = json.loads(out)
    assert (code, report["ok"]) == (1, False)
    assert report["errors"] == [
        {
            "file": str(bad),
            "line": 20,
            "column": 28,
            "path": "multiply.rules[0].factor",
            "message": "900 came, a factor of at most 100 was expected",
            "hint": "",
        }
    ]
    (program,) = report["programs"]
    assert (program["file"], program["program"], program["version"]) == (str(good), "club", "1")
    assert program["words"][0].startswith("club, version 1: from 2026-01-01")


def test_versions_of_one_program_may_not_clash_but_programs_may_differ(tmp_path: Path) -> None:
    (tmp_path / "1.yaml").write_text(CLUB)
    (tmp_path / "2.yaml").write_text(CLUB)
    code, _, err = _run(str(tmp_path))
    assert code == 1
    assert "2.yaml:2:10: version: version 1 is also in" in err
    (tmp_path / "2.yaml").write_text(club("program: club", "program: other"))
    assert _run(str(tmp_path), "-q") == (0, "", "")


def test_wrong_usage() -> None:
    assert _run("--nonsense")[0] == 2
    assert _run()[0] == 2
