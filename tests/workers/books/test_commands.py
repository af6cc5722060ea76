"""`loyalty explain`, `loyalty member` and `loyalty report month` over the folder of a replay."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from loyalty.plan import Programs
from schemas.program_load import parse_program
from tests.loyalty.events import back, purchase, referral
from workers.batch import Engine
from workers.cli import build_app
from workers.ndjson import Source
from workers.replay import replay
from workers.replay_files import Files

SHOP = """\
program: shop
version: "1"
effective_from: 2000-01-01
zone: America/New_York
money: USD
points: {points: {name: Points, decimals: 1}}
earn:
  - {id: base, name: One a dollar, on: purchase, give: {points: 1, per: "1.00"}}
  - {id: friends, on: referral, give: {referrer: 20, referee: 10}, when: {stage: qualified}}
tiers: {basis: points, counts: points, window: lifetime, levels: [{id: basic, from: 0}, {id: top, from: 20}]}
stream: {max_late: none}
"""
EVENTS = [
    purchase("a", 1000, time="2026-01-31T12:00:00Z"),
    purchase("b", 500, time="2026-02-01T04:00:00Z"),  # 23:00 on January 31 in New York
    purchase("c", 700, member="m2", time="2026-02-10T12:00:00Z"),
    back("r", "a", [("1", "1", 1000)], time="2026-02-11T12:00:00Z"),
    referral("f", "m1", member="m2", time="2026-03-01T12:00:00Z", stage="qualified"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a replay of EVENTS wrote, and the program beside it."""
    made = tmp_path_factory.mktemp("books")
    (made / "events.ndjson").write_bytes(b"\n".join(EVENTS))
    (made / "shop.yaml").write_text(SHOP)
    with Files(made) as out:
        engine = Engine(Programs([parse_program(SHOP)]), partitions=1)
        replay(engine, lambda: [Source(str(made / "events.ndjson"))], out, lambda _: None)
    return made


def run(folder: Path, *arguments: str, program: bool = True) -> Result:
    named = ["--program", str(folder / "shop.yaml")] if program else []
    return CliRunner().invoke(build_app(), [*arguments, "--from", str(folder), *named])


def answer(folder: Path, *arguments: str) -> Any:
    result = run(folder, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


# ---------------------------------------------------------------- explain


def test_a_transaction_its_return_and_what_is_left(folder: Path) -> None:
    result = run(folder, "explain", "a")
    assert result.exit_code == 0
    text = result.stdout
    assert "base (One a dollar): 10.00 USD at 1 for each 1.00 USD = 10" in text
    assert "-10 points taken back: loyalty.return.v1 r" in text
    assert "Purchase a: came back line 1 (1 for 10.00 USD)" in text


def test_an_entry_by_its_own_id(folder: Path) -> None:
    entries = [orjson.loads(line) for line in (folder / "ledger.ndjson").read_bytes().splitlines()]
    for entry in entries:
        [found] = answer(folder, "explain", entry["id"])["entries"]
        assert (found["entry"], found["member"]) == (entry["id"], entry["subject"])


@pytest.mark.parametrize(("more", "members"), [((), ["m2", "m1"]), (("--member", "m1"), ["m1"])])
def test_an_event_that_paid_two_members(folder: Path, more: tuple[str, ...], members: list[str]) -> None:
    assert [each["member"] for each in answer(folder, "explain", "f", *more)["entries"]] == members


def test_without_the_program_amounts_are_in_the_smallest_unit_and_it_says_so(folder: Path) -> None:
    result = run(folder, "explain", "b", program=False)
    assert "base: 500 minor units at 0.1 for each minor unit = 50" in result.stdout
    assert "smallest unit" in result.stdout


# ---------------------------------------------------------------- member


@pytest.mark.parametrize(
    ("options", "available", "tier", "entries"),
    [
        ((), 250, "basic", 4),
        (("--as-of", "2026-01-31"), 150, "basic", 2),
        (("--as-of", "2026-01-31", "--zone", "UTC"), 100, "basic", 1),
        (("--as-of", "2026-02-11T11:59:59Z"), 150, "basic", 2),
        (("--as-of", "2026-02-11", "--by", "recorded"), 50, "basic", 3),
        (("--as-of", "2025-12-31"), 0, None, 0),
    ],
)
def test_a_member_as_of(folder: Path, options: tuple[str, ...], available: int, tier: str | None, entries: int) -> None:
    found = answer(folder, "member", "m1", *options)
    assert sum(each["available"] for each in found["balances"].values()) == available
    assert (found["tier"], found["entries"]) == (tier, entries)


def test_every_member_has_what_the_accounts_have(folder: Path) -> None:
    accounts = [orjson.loads(line) for line in (folder / "accounts.ndjson").read_bytes().splitlines()]
    assert [account["member"] for account in accounts] == ["m1", "m2"]
    changes = [orjson.loads(line) for line in (folder / "balances.ndjson").read_bytes().splitlines()]
    published = {change["subject"]: change["data"]["balances"] for change in changes}  # The last of each member.
    for account in accounts:
        found = answer(folder, "member", account["member"])
        assert (found["balances"], found["tier"]) == (account["balances"], account["tier"])
        assert found["balances"] == published[account["member"]]


def test_entries_since(folder: Path) -> None:
    result = run(folder, "member", "m1", "--since", "2026-02-11")
    assert result.exit_code == 0
    assert [line.split()[-1] for line in result.stdout.splitlines() if "-10 points" in line] == ["r"]
    assert "2026-01-31T12:00:00Z  2026" not in result.stdout
    assert len(answer(folder, "member", "m1", "--since", "2026-02-11")["since"]) == 2


# ---------------------------------------------------------------- report


def table(folder: Path, wanted: str, *options: str) -> Iterator[dict[str, str]]:
    result = run(folder, "report", "month", wanted, "--csv", "-", *options)
    assert result.exit_code == 0, result.output
    return csv.DictReader(io.StringIO(result.stdout))


@pytest.mark.parametrize(
    ("wanted", "zone", "opening", "issued", "taken_back", "closing"),
    [
        ("2026-01", (), 0, 150, 0, 150),  # in the program's zone
        ("2026-01", ("--zone", "UTC"), 0, 100, 0, 100),
        ("2026-02", ("--zone", "UTC"), 100, 120, -100, 120),
        ("2026-03", (), 120, 300, 0, 420),
    ],
)
def test_a_month(
    folder: Path, wanted: str, zone: tuple[str, ...], opening: int, issued: int, taken_back: int, closing: int
) -> None:
    rows = list(table(folder, wanted, *zone))
    for name, amount in {"opening": opening, "issued": issued, "taken_back": taken_back, "closing": closing}.items():
        assert sum(int(row[name]) for row in rows) == amount, name
    assert {row["zone"] for row in rows} == {zone[-1] if zone else "America/New_York"}


def test_a_month_for_people_says_that_it_ties_out(folder: Path, tmp_path: Path) -> None:
    result = run(folder, "report", "month", "2026-02", "--csv", str(tmp_path / "february.csv"))
    assert result.exit_code == 0
    assert "holds  opening 15 + movements -3 = closing 12 points" in result.stdout
    assert [row["rule"] for row in csv.DictReader((tmp_path / "february.csv").read_text().splitlines())] == ["base"]


def test_books_that_do_not_add_up_end_with_1(folder: Path, tmp_path: Path) -> None:
    ledger = (folder / "ledger.ndjson").read_bytes()
    (tmp_path / "ledger.ndjson").write_bytes(ledger.replace(b'"amount":100,', b'"amount":99,', 1))
    result = CliRunner().invoke(build_app(), ["report", "month", "2026-01", "--from", str(tmp_path)])
    assert result.exit_code == 1
    assert "the books are off by -1: points base" in result.stderr
    assert "FAILS" in result.stdout


# ---------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("explain", "nothing"), 1, "no entry has the id nothing"),
        (("explain", "a", "--member", "m2"), 1, "no entry of member m2 has the id a"),
        (("member", "nobody"), 1, "no entry and no tier of member nobody"),
        (("member", "m"), 1, "no entry and no tier of member m "),
        (("member", "m1", "--as-of", "yesterday"), 2, "'yesterday' is not a time of RFC 3339: write a date"),
        (("member", "m1", "--since", "2026-02-30"), 2, "'2026-02-30' is a day that the calendar does not have"),
        (("member", "m1", "--zone", "Mars/Olympus"), 2, "no IANA time zone"),
        (("member", "m1", "--by", "guess"), 2, "guess"),
        (("report", "month", "2026-13"), 2, "'2026-13' is no month"),
        (("report", "month", "2026-01", "--zone", "Mars/Olympus"), 2, "no IANA time zone"),
        (("report", "month", "2026-01", "--prefix", "x."), 2, "give one of them"),
    ],
)
def test_what_is_wrong_is_a_sentence(folder: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    result = run(folder, *arguments)
    assert result.exit_code == code, result.output
    assert said in " ".join(result.stderr.replace("│", " ").split())


def test_a_folder_that_is_none_and_a_ledger_that_is_none(tmp_path: Path, folder: Path) -> None:
    result = run(tmp_path / "gone", "member", "m1", program=False)
    assert (result.exit_code, "ledger.ndjson is not there" in result.stderr) == (1, True)
    (tmp_path / "ledger.ndjson").write_bytes(b"")
    assert "is empty" in run(tmp_path, "member", "m1", program=False).stderr
    (tmp_path / "ledger.ndjson").write_bytes((folder / "ledger.ndjson").read_bytes() + b'{"id":1}\n')
    result = run(tmp_path, "report", "month", "2026-01", program=False)
    assert (result.exit_code, "ledger.ndjson:7: this is no ledger entry" in result.stderr) == (1, True)


def test_entries_that_are_missing_are_seen(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "tiers.ndjson").write_bytes((folder / "tiers.ndjson").read_bytes())
    lines = (folder / "ledger.ndjson").read_bytes().splitlines(keepends=True)
    (tmp_path / "ledger.ndjson").write_bytes(b"".join([lines[0], *lines[2:]]))
    result = run(tmp_path, "member", "m1", program=False)
    assert (result.exit_code, "not numbered 1, 2, 3" in result.stderr) == (1, True)


def test_the_program_of_another_ledger_is_refused(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "shop.yaml").write_text(SHOP.replace("program: shop", "program: other"))
    result = CliRunner().invoke(
        build_app(), ["member", "m1", "--from", str(folder), "--program", str(tmp_path / "shop.yaml")]
    )
    assert (result.exit_code, "the ledger is of program shop" in result.stderr) == (1, True)
