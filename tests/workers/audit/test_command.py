"""`loyalty audit` over the folder of a replay."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from loyalty.plan import Programs
from schemas.program_load import parse_program
from tests.workers.audit.parts import EVENTS, SHOP
from workers.batch import Engine
from workers.cli import build_app
from workers.ndjson import Source
from workers.replay import replay
from workers.replay_files import Files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a replay of EVENTS wrote."""
    (tmp_path / "events.ndjson").write_bytes(b"\n".join(EVENTS))
    with Files(tmp_path / "out") as out:
        engine = Engine(Programs([parse_program(SHOP)]), partitions=1)
        replay(engine, lambda: [Source(str(tmp_path / "events.ndjson"))], out, lambda _: None)
    return tmp_path / "out"


def run(folder: Path, *more: str) -> Result:
    return CliRunner().invoke(build_app(), ["audit", "--from", str(folder), *more])


def lines_of(folder: Path, word: str) -> list[Any]:
    return [orjson.loads(line) for line in (folder / f"{word}.ndjson").read_bytes().splitlines()]


def write(folder: Path, word: str, lines: list[Any]) -> None:
    (folder / f"{word}.ndjson").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))


def test_books_that_add_up_are_a_table_and_exit_code_0(folder: Path) -> None:
    result = run(folder)
    assert result.exit_code == 0, result.output
    said = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "holds 18 the postings of each ledger entry sum to zero in each currency" not in said
    assert "holds 4 each member's ledger adds up to the account" in said
    assert "not asked 0 each record lies in its member's partition, under the member's key" in said
    assert "stars available 8 8 8" in said
    assert any(line.startswith("program:expired points ") for line in said)
    assert any(line.startswith("4 members; records read: ledger ") for line in said)
    assert "WRONG" not in result.stdout


def test_json_says_the_same(folder: Path) -> None:
    result = run(folder, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["clean"]
    assert found["differences"] == []
    assert found["members"] == 4
    assert found["points"]["stars"]["available"] == {"ledger": 8, "balances": 8, "accounts": 8}
    assert found["checks"]["ledger"] == {
        "claim": "each member's ledger adds up to the account",
        "looked_at": 4,
        "wrong": 0,
    }
    assert {"account": "program:returned", "currency": "points", "sum": 10} in found["books"]


def test_a_difference_is_shown_with_file_and_line_and_ends_with_1(folder: Path) -> None:
    ledger = lines_of(folder, "ledger")
    [gone] = [at for at, entry in enumerate(ledger) if entry["subject"] == "m3" and entry["data"]["kind"] == "review"]
    write(folder, "ledger", ledger[:gone] + ledger[gone + 1 :])
    result = run(folder)
    assert result.exit_code == 1
    first = result.stdout.splitlines()[0]
    [following] = [
        at
        for at, entry in enumerate(lines_of(folder, "ledger"), 1)
        if entry["subject"] == "m3" and entry["data"]["member_sequence"] == 2
    ]
    assert first.startswith(f"{folder / 'ledger.ndjson'}:{following} member m3 ")
    assert first.endswith(": sequence: expected number 1; found number 2")
    assert "WRONG" in result.stdout
    [first_of_json, *_] = json.loads(run(folder, "--json").stdout)["differences"]
    assert first_of_json == {
        "check": "sequence",
        "topic": str(folder / "ledger.ndjson"),
        "partition": None,
        "offset": following,
        "member": "m3",
        "entry": ledger[gone + 1 :][following - gone - 1]["id"],
        "expected": "number 1",
        "found": "number 2",
    }


def test_only_the_first_differences_are_shown(folder: Path) -> None:
    write(folder, "balances", [])
    shown = run(folder, "--differences", "3").stdout.splitlines()
    assert shown[3].startswith("... and ")
    assert shown[3].endswith(" more: --differences shows more of them")


@pytest.mark.parametrize(
    ("member", "change"),
    [
        ("m3", lambda account: account["lots"]["stars"][0].update(left=4)),
        ("m3", lambda account: account["debts"].update(stars=1)),
        ("m2", lambda account: account["pending_lots"].append({"currency": "points", "left": 1})),
    ],
)
def test_lots_debts_and_pending_points_must_be_the_balance(folder: Path, member: str, change: Any) -> None:
    accounts = lines_of(folder, "accounts")
    change(next(account for account in accounts if account["member"] == member))
    write(folder, "accounts", accounts)
    [found] = json.loads(run(folder, "--json").stdout)["differences"]
    assert (found["check"], found["member"]) == ("lots", member)


@pytest.mark.parametrize("word", ["ledger", "balances", "accounts"])
def test_a_folder_without_the_books_is_a_sentence(folder: Path, word: str) -> None:
    (folder / f"{word}.ndjson").unlink()
    result = run(folder)
    assert result.exit_code == 1
    assert f"{word}.ndjson is not there\nhint: give the folder that loyalty replay --out has written" in result.stderr


def test_a_line_that_is_no_account_is_a_sentence(folder: Path) -> None:
    write(folder, "accounts", [{"member": "m1"}])
    result = run(folder)
    assert result.exit_code == 1
    assert "accounts.ndjson:1: this is no account (KeyError: 'balances')" in result.stderr


def test_a_folder_and_topics_at_once_are_wrong_usage(folder: Path) -> None:
    assert run(folder, "--prefix", "x.").exit_code == 2
