"""`loyalty stock`: what is limited for all members together, and what is left of it."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.commands.books import From, Json, Prefix, Servers, fail, reading, show
from workers.commands.failures import EXIT_CODES, explained

if TYPE_CHECKING:
    from workers.books.sources import Books


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("stock", epilog=EXIT_CODES)(stock)


def stock(
    limit: Annotated[
        str | None,
        typer.Argument(metavar="LIMIT", help="One limit, with its latest restocks: stock:mug.", show_default=False),
    ] = None,
    folder: From = None,
    servers: Servers = None,
    prefix: Prefix = None,
    as_json: Json = False,
) -> None:
    """Show stock, places and budgets: what the program gives, what was added, what is taken and what is left.

    Only limits that were asked or restocked are there; the others are as the program says.
    """
    with explained(), reading(folder, servers, prefix) as books:
        found = [each for each in books.limits() if limit is None or each["limit"] == limit]
        if limit is not None and not found:
            fail(f"no claim on {limit} and no restock of it is in {books.place}")
        if as_json:
            typer.echo(json.dumps({"limits": found}, ensure_ascii=False))
            return
        _show(books, found)
        if limit is not None:
            _show_restocks(found[0]["restocks"])


def _show(books: "Books", found: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table("limit", "period to", "given", "added", "taken", "left", box=None)
    for each in found:
        for period in each["periods"]:
            left = each["capacity"] + period["added"] - period["taken"]
            shown = (each["capacity"], period["added"], period["taken"], max(left, 0))
            table.add_row(each["limit"], period["last_day"] or "in all", *(f"{number:,}" for number in shown))
    for column in table.columns[2:]:
        column.justify = "right"
    if table.row_count:
        show(table)
    else:
        typer.echo(f"nothing is limited, or nothing was taken yet, in {books.place}")


def _show_restocks(restocks: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table("restock", "time", "units", "reason", "operator", "reference", box=None)
    for each in restocks:
        units = f"{each['units']:+,}"
        table.add_row(each["restock_id"], each["time"], units, each["reason"], each["operator"], each["reference"])
    table.columns[2].justify = "right"
    if table.row_count:
        typer.echo("")
        show(table)
