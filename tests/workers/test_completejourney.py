"""The grocery data set as events: exact money, exact times, a stable order, and every one of them valid."""

import gzip
import itertools
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

import workers.completejourney
from loyalty.facts import Purchase
from schemas.decode import Known, decode
from workers.cli import build_app
from workers.completejourney import Basket, DataSetError, Journey, cents, zoned

Row = tuple[int, int, int, int, int, float, str]


@pytest.fixture(scope="module")
def journey() -> Journey:
    return Journey()


@pytest.mark.slow
def test_the_whole_year_adds_up(journey: Journey) -> None:
    baskets = lines = amount_minor = whole_dollars = 0
    for basket in journey.events():
        baskets += 1
        lines += basket.lines
        amount_minor += basket.amount_minor
        whole_dollars += basket.amount_minor // 100
    assert (baskets, lines, amount_minor, whole_dollars) == (155_848, 1_469_307, 459_603_958, 4_519_934)
    assert journey.baskets == baskets


def test_events_are_valid_purchases_in_order_of_time(journey: Journey) -> None:
    facts = [_fact(basket) for basket in itertools.islice(journey.events(), 3_000)]
    assert [fact.time_us for fact in facts] == sorted(fact.time_us for fact in facts)
    assert {(fact.currency, fact.channel, fact.tenders) for fact in facts} == {("USD", "store", ())}
    assert all(fact.cause.id == fact.transaction_id for fact in facts)
    assert all(fact.cause.source == f"/pos/completejourney/store-{fact.store_id}" for fact in facts)
    assert {line.brand for fact in facts for line in fact.lines} >= {"National", "Private"}


def test_the_same_data_gives_the_same_bytes(journey: Journey) -> None:
    first, second = (list(itertools.islice(journey.events(), 500)) for _ in range(2))
    assert first == second


def test_a_basket_with_all_there_is_to_know_about_it(tmp_path: Path) -> None:
    rows = [
        (7, 31, 1000, 11, 2, 2.785, "2017-03-01 10:15:00"),
        (7, 31, 1000, 99, 0, 1.776357e-15, "2017-03-01 10:15:00"),
        (7, 31, 1000, 12, 1, 0.5, "2017-03-01 10:15:00"),
    ]
    [basket] = _journey(tmp_path, rows).events()
    assert (basket.lines, basket.amount_minor) == (3, 329)
    assert orjson.loads(basket.raw) == {
        "specversion": "1.0",
        "id": "1000",
        "source": "/pos/completejourney/store-31",
        "type": "loyalty.purchase.v1",
        "time": "2017-03-01T10:15:00-05:00",
        "subject": "7",
        "datacontenttype": "application/json",
        "data": {
            "transaction_id": "1000",
            "store_id": "31",
            "channel": "store",
            "currency": "USD",
            "lines": [
                {
                    "line_id": "1",
                    "sku": "11",
                    "category": "DELI",
                    "brand": "Private",
                    "quantity": "2",
                    "amount_minor": 279,
                },
                {"line_id": "2", "sku": "99", "quantity": "0", "amount_minor": 0},
                {"line_id": "3", "sku": "12", "brand": "National", "quantity": "1", "amount_minor": 50},
            ],
        },
    }
    assert isinstance(decode(basket.raw, topic="purchases", strict=True), Known)


def test_order_is_by_instant_then_basket_number(tmp_path: Path) -> None:
    rows = [
        (1, 1, 30, 11, 1, 1.0, "2017-03-12 02:30:00"),  # does not exist: half an hour after the change
        (1, 1, 20, 11, 1, 1.0, "2017-03-12 03:10:00"),
        (1, 1, 9, 11, 1, 1.0, "2017-03-12 01:59:59"),
        (1, 1, 100, 11, 1, 1.0, "2017-03-12 03:10:00"),
    ]
    times = [(event["id"], event["time"]) for event in _events(_journey(tmp_path, rows))]
    assert times == [
        ("9", "2017-03-12T01:59:59-05:00"),
        ("20", "2017-03-12T03:10:00-04:00"),
        ("100", "2017-03-12T03:10:00-04:00"),
        ("30", "2017-03-12T02:30:00-05:00"),
    ]


@pytest.mark.parametrize(
    ("clock", "written"),
    [
        ("2017-01-15T12:00:00", "2017-01-15T12:00:00-05:00"),
        ("2017-07-15T12:00:00", "2017-07-15T12:00:00-04:00"),
        ("2017-03-12T01:59:59", "2017-03-12T01:59:59-05:00"),
        ("2017-03-12T02:30:00", "2017-03-12T02:30:00-05:00"),  # the hour that does not happen
        ("2017-03-12T03:00:00", "2017-03-12T03:00:00-04:00"),
        ("2017-11-05T00:59:59", "2017-11-05T00:59:59-04:00"),
        ("2017-11-05T01:30:00", "2017-11-05T01:30:00-04:00"),  # the hour that happens twice: its first time
        ("2017-11-05T02:00:00", "2017-11-05T02:00:00-05:00"),
    ],
)
def test_the_clock_on_the_wall_gets_its_offset(clock: str, written: str) -> None:
    assert zoned(datetime.fromisoformat(clock)).isoformat() == written


@pytest.mark.parametrize(
    ("dollars", "expected"),
    [(0.0, 0), (1.776357e-15, 0), (0.005, 1), (0.285, 29), (1.005, 101), (2.78, 278), (840.0, 84_000), (4.35, 435)],
)
def test_dollars_become_cents_half_up(dollars: float, expected: int) -> None:
    assert cents(dollars) == expected


@pytest.fixture
def loaded(journey: Journey, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command finds the data set loaded already, which takes it longer than all else."""
    monkeypatch.setattr(workers.completejourney, "Journey", lambda: journey)


@pytest.mark.parametrize("name", ["baskets.ndjson", "baskets.ndjson.gz"])
def test_the_command_writes_the_events_and_reports(tmp_path: Path, name: str, request: pytest.FixtureRequest) -> None:
    if name.endswith(".gz"):
        request.getfixturevalue("loaded")  # The other one loads it itself.
    out = tmp_path / name
    done = CliRunner().invoke(
        build_app(), ["import", "completejourney", "--out", str(out), "--baskets", "200", "--json"]
    )
    assert done.exit_code == 0, done.output
    packed = out.read_bytes()
    written = (gzip.decompress(packed) if name.endswith(".gz") else packed).splitlines()
    facts = [_fact(Basket(raw, 0, 0)) for raw in written]
    assert json.loads(done.stdout) == {
        "events": 200,
        "lines": sum(len(fact.lines) for fact in facts),
        "amount_minor": sum(line.amount_minor for fact in facts for line in fact.lines),
        "currency": "USD",
        "file": str(out),
    }
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_standard_output_holds_events_and_nothing_else(loaded: None) -> None:
    done = CliRunner().invoke(build_app(), ["import", "completejourney", "--out", "-", "--baskets", "3"])
    assert done.exit_code == 0, done.output
    assert [orjson.loads(line)["type"] for line in done.stdout.splitlines()] == ["loyalty.purchase.v1"] * 3
    assert "3 baskets" in done.stderr


def test_a_folder_without_the_data_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match="does not hold the data set"):
        Journey(tmp_path)


def _journey(directory: Path, rows: list[Row]) -> Journey:
    names = ("household_id", "store_id", "basket_id", "product_id", "quantity", "sales_value")
    columns: dict[str, Any] = {name: [row[at] for row in rows] for at, name in enumerate(names)}
    clocks = pa.array([datetime.fromisoformat(row[-1]) for row in rows], pa.timestamp("ns"))
    parquet.write_table(pa.table(columns | {"transaction_timestamp": clocks}), directory / "transactions.parquet")
    products = {"product_id": [11, 12], "department": ["DELI", None], "brand": ["Private", "National"]}
    parquet.write_table(pa.table(products), directory / "products.parquet")
    return Journey(directory)


def _events(journey: Journey) -> Iterator[dict[str, Any]]:
    for basket in journey.events():
        yield orjson.loads(basket.raw)


def _fact(basket: Basket) -> Purchase:
    decoded = decode(basket.raw, topic="purchases", strict=True)
    assert isinstance(decoded, Known)
    assert isinstance(decoded.fact, Purchase)
    return decoded.fact
