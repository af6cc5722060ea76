"""Moving here: a table becomes events, wrong rows are named, and the ledger is held against the table."""

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from tests.loyalty.books import Books, program
from workers.cli import build_app
from workers.opening import Terms, WrongTableError, differences, read_table, totals_of

TERMS = Terms("move-1", "2026-03-02T12:00:00Z", "anna")
TABLE = """member,points,currency,tier,earned_at,ends_at,reference,birthday,segments
m1,120,points,gold,2026-01-10T00:00:00Z,2027-01-10T00:00:00Z,row-1,07-14,vip;staff
m1,30,,,,,row-2,,
m2,0,,silver,,,,,
"""
TIERS = "tiers: {levels: [{id: bronze, from: 0}, {id: silver, from: 500}, {id: gold, from: 1000}]}\n"
PROGRAM = """program: club
version: "1"
effective_from: 2020-01-01
zone: UTC
money: USD
points: {points: {name: Points}}
"""


def test_a_table_is_brought_in_once_and_ties_out() -> None:
    rows = read_table(TABLE.splitlines(), TERMS)
    assert totals_of(rows) == (3, 2, {"(the program's first)": 30, "points": 120}, {"gold": 1, "silver": 1})
    books = Books(program(TIERS))
    for raw in [raw for row in rows for raw in row.events] * 2:
        books.take(raw)
    assert list(differences(rows, books.entries, TERMS)) == []
    assert (books.balance("m1"), books.head("m1").tier, books.head("m2").tier) == (150, "gold", "silver")
    assert (books.head("m1").birthday, books.head("m1").segments) == ("07-14", ("staff", "vip"))


@pytest.mark.parametrize(
    ("booked", "asked", "says"),
    [
        ("member,points\nm1,5\n", "member,points\nm1,6\n", "row 1: the table says member m1, 6"),
        ("member,points\nm1,5\n", "member,points\nm2,5\n", "booked is member m1, 5"),
        ("member,points\nm1,5\n", "member,points\nm1,5\nm2,7\n", "row 2, member m2: not booked"),
        ("member,points\nm1,5\nm2,7\n", "member,points\nm1,5\n", "move-1-2 of member m2 is booked"),
        (
            "member,points,tier\nm1,5,gold\n",
            "member,points,tier\nm1,5,silver\n",
            "5  silver; booked is member m1, 5  gold",
        ),
    ],
)
def test_what_the_ledger_says_otherwise_is_named(booked: str, asked: str, says: str) -> None:
    books = Books(program(TIERS))
    for row in read_table(booked.splitlines(), TERMS):
        books.take_all(row.events)
    (found,) = differences(read_table(asked.splitlines(), TERMS), books.entries, TERMS)
    assert says in found


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", "line 1: there is no column member"),
        ("member,points,colour\n", "line 1: the column 'colour' is not known"),
        ("member,points\nm1,12.5\n", "line 2: points is '12.5'; send a whole number"),
        ("member,points\nm1,-5\n", "line 2: points is '-5'; send a whole number"),
        ("member,points\nm1\n", "line 2: it has another number of values"),
        ("member,points\n,5\n", "line 2: subject is a text of 0 characters"),
        ("member,points,ends_at\nm1,5,2027-01-01\n", "line 2: data.ends_at is"),
        ("member,points,birthday\nm1,5,02-30\n", "line 2: data.birthday is a day"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(table: str, says: str) -> None:
    with pytest.raises(WrongTableError, match="line") as wrong:
        read_table(table.splitlines(), TERMS)
    assert says in wrong.value.problems[0]


def test_the_command_writes_and_a_replay_holds_the_table(tmp_path: Path) -> None:
    table, events, tried = tmp_path / "balances.csv", tmp_path / "opening.ndjson", tmp_path / "tried"
    table.write_text(TABLE)
    (tmp_path / "club.yaml").write_text(PROGRAM + TIERS)
    common = ["import", "opening", str(table), "--batch", "move-1", "--time", TERMS.time, "--operator", "anna"]
    run, app = CliRunner().invoke, build_app()
    assert run(app, [*common, "--out", str(events)]).exit_code == 0
    assert [orjson.loads(line)["id"] for line in events.read_bytes().splitlines()] == [
        "move-1-1-member",
        "move-1-1",
        "move-1-2",
        "move-1-3",
    ]
    replay = ["replay", "--program", str(tmp_path / "club.yaml"), "--events", str(events), "--out", str(tried)]
    assert run(app, replay).exit_code == 0
    assert run(app, [*common, "--check", str(tried)]).exit_code == 0
    table.write_text(TABLE.replace("m1,30", "m1,31"))
    wrong = run(app, [*common, "--check", str(tried)])
    assert (wrong.exit_code, "row 2: the table says member m1, 31" in wrong.output) == (1, True)
    table.write_text(TABLE.replace("m1,30", "m1,x"))
    assert run(app, [*common, "--out", str(tmp_path / "none.ndjson")]).exit_code == 1
    assert not (tmp_path / "none.ndjson").exists()
    assert run(app, common).exit_code == 2
