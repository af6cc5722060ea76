"""A year of real baskets through `loyalty replay`: the figure that the whole engine has to give, to the point."""

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from workers.cli import build_app
from workers.completejourney import Journey

ONE_PER_UNIT = Path(__file__).parents[2] / "config" / "programs" / "one-per-unit.yaml"

BASKETS, HOUSEHOLDS, WHOLE_DOLLARS = 155_848, 2_469, 4_519_934
"""Of the data set: a point for each whole dollar of a basket, each basket by itself."""


@pytest.mark.slow
def test_one_point_for_each_whole_dollar_of_a_year_is_4519934_points(tmp_path: Path) -> None:
    events = tmp_path / "year.ndjson"
    with events.open("wb") as file:
        file.writelines(basket.raw + b"\n" for basket in Journey().events())
    out = tmp_path / "out"
    run = CliRunner().invoke(
        build_app(), ["replay", "--program", str(ONE_PER_UNIT), "--events", str(events), "--out", str(out), "--json"]
    )
    assert run.exit_code == 0, run.output
    summary = orjson.loads(run.stdout)
    assert (summary["events"], summary["points"], summary["dead_letters"]) == (
        BASKETS,
        {"points": WHOLE_DOLLARS},
        {},
    )
    # The accounts say the same: nothing expires, and nothing was spent.
    accounts = [orjson.loads(line) for line in (out / "accounts.ndjson").read_bytes().splitlines()]
    assert len(accounts) == summary["members"] == HOUSEHOLDS
    assert sum(account["balances"]["points"]["available"] for account in accounts) == WHOLE_DOLLARS
