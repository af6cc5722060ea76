"""`loyalty stock`: limits over the folder of a replay, as a table, as JSON, and what it says when there are none."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from loyalty.plan import Programs
from schemas.program_load import parse_program
from tests.loyalty.events import purchase, restock
from workers.batch import Engine
from workers.cli import build_app
from workers.ndjson import Source
from workers.replay import replay
from workers.replay_files import Files

PROGRAM = """\
program: shop
version: "1"
effective_from: 2000-01-01
zone: America/New_York
money: USD
points: {points: {name: Points}}
surprises:
  - {id: lucky, on: purchase, percent: 100, give: {points: 40}, budget: {points: 100, per: month}}
  - {id: ever, on: purchase, percent: 100, give: {points: 1}, budget: {points: 1}}
"""
EVENTS = [
    purchase("a", 100, time="2026-01-31T12:00:00Z"),
    purchase("b", 100, time="2026-02-01T04:00:00Z"),  # 23:00 on January 31 in New York
    purchase("c", 100, time="2026-02-01T12:00:00Z", member="m2"),
    restock("more", 5, limit="budget:lucky", time="2026-02-01T13:00:00Z", reference="mail 7"),
    restock("less", -1, limit="budget:lucky", time="2026-02-01T14:00:00Z"),
]


def folder(directory: Path, events: list[bytes]) -> Path:
    (directory / "events.ndjson").write_bytes(b"\n".join(events))
    with Files(directory / "out") as out:
        engine = Engine(Programs([parse_program(PROGRAM)]), partitions=1)
        replay(engine, lambda: [Source(str(directory / "events.ndjson"))], out, lambda _: None)
    return directory / "out"


def run(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(build_app(), ["stock", *arguments, "--from", str(directory)])


def test_each_limit_with_its_periods(tmp_path: Path) -> None:
    result = run(folder(tmp_path, EVENTS))
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["limit", "period", "to", "given", "added", "taken", "left"],
        ["budget:ever", "in", "all", "1", "0", "1", "0"],
        ["budget:lucky", "2026-01-31", "100", "0", "80", "20"],
        ["budget:lucky", "2026-02-28", "100", "4", "40", "64"],
    ]


def test_one_limit_with_its_restocks(tmp_path: Path) -> None:
    result = run(folder(tmp_path, EVENTS), "budget:lucky")
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[-2:] == [
        "more 2026-02-01T13:00:00Z +5 delivered anna mail 7",
        "less 2026-02-01T14:00:00Z -1 delivered anna",
    ]
    assert not any("budget:ever" in line for line in lines)


def test_the_same_as_json(tmp_path: Path) -> None:
    result = run(folder(tmp_path, EVENTS), "--json", "budget:ever")
    assert json.loads(result.stdout) == {
        "limits": [
            {
                "limit": "budget:ever",
                "capacity": 1,
                "per": "lifetime",
                "periods": [{"last_day": None, "added": 0, "taken": 1}],
                "restocks": [],
            }
        ]
    }


@pytest.mark.parametrize(
    ("arguments", "code", "said"), [((), 0, "nothing is limited"), (("stock:mug",), 1, "no claim on stock:mug")]
)
def test_where_nothing_was_asked(tmp_path: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    result = run(folder(tmp_path, [restock("x", 1)]), *arguments)
    assert result.exit_code == code
    assert said in result.output
