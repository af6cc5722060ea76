"""`loyalty report`: the books for finance."""

import contextlib
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.commands.books import From, Json, Prefix, ProgramFiles, Servers, Zone, in_zone, opened, show, understood
from workers.commands.failures import EXIT_CODES, FAILED, explained

if TYPE_CHECKING:
    from workers.books.month import Month, Row
    from workers.books.names import Names

STANDARD_OUTPUT = "-"


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="The books, for finance.")
    group.command("month", no_args_is_help=True, epilog=EXIT_CODES)(month)
    # A group of one: typer would otherwise make the command the group itself.
    group.callback()(_group)
    app.add_typer(group, name="report")


def _group() -> None:
    """The books, for finance."""


def month(
    wanted: Annotated[str, typer.Argument(metavar="YYYY-MM", help="The month.", show_default=False)],
    folder: From = None,
    csv_file: Annotated[
        str | None, typer.Option("--csv", metavar="FILE", help="Also write it as CSV; - standard output, alone.")
    ] = None,
    zone: Zone = None,
    servers: Servers = None,
    prefix: Prefix = None,
    programs: ProgramFiles = None,
    as_json: Json = False,
) -> None:
    """Opening, issued, redeemed, expired, taken back, adjusted and closing, by currency and rule.

    By the time of booking, so that a closed month never changes when a late event comes. Says whether opening and
    movements make the closing; exit code 1 when they do not.
    """
    with explained(), opened(folder, servers, prefix, programs) as (books, names):
        from workers.books.moments import month_of
        from workers.books.month import Month, csv_lines, totals
        from workers.books.sources import entries

        local = in_zone(zone, names)
        found = Month(understood(lambda: month_of(wanted, local)))
        for entry in entries(books):
            found.take(entry)
        rows = found.rows()
        sums = totals(rows)
        off = [row for row in (*rows, *sums) if row.off]
        if csv_file is not None:
            _write(csv_file, list(csv_lines(wanted, local.key, rows, found.columns())))
        if as_json:
            typer.echo(json.dumps(_fields(wanted, local.key, found, rows, sums), ensure_ascii=False))
        elif csv_file != STANDARD_OUTPUT:
            _show(f"Month {wanted} in {local.key}, by time of booking", found, rows, sums, names)
        for row in off:
            typer.echo(f"loyalty: the books are off by {row.off:,}: {row.currency} {row.rule or 'in all'}", err=True)
        if off:
            raise typer.Exit(FAILED)


def _write(name: str, lines: Sequence[Sequence[str]]) -> None:
    with contextlib.ExitStack() as stack:
        file = sys.stdout if name == STANDARD_OUTPUT else stack.enter_context(Path(name).open("w", newline=""))
        csv.writer(file, lineterminator="\n").writerows(lines)


def _fields(wanted: str, zone: str, found: "Month", rows: "Sequence[Row]", sums: "Sequence[Row]") -> dict[str, object]:
    return {
        "month": wanted,
        "zone": zone,
        "entries": found.entries,
        "entries_before": found.entries_before,
        "late": found.late,
        "totals": [row._asdict() for row in sums],
        "rows": [row._asdict() for row in rows],
        "ok": not any(row.off for row in (*rows, *sums)),
    }


def _show(title: str, found: "Month", rows: "Sequence[Row]", sums: "Sequence[Row]", names: "Names") -> None:
    from rich.table import Table
    from rich.text import Text

    named = found.columns()
    pending = any(row.pending for row in rows)
    table = Table("currency", "rule", "opening", *named, "closing", *(["of it pending"] if pending else []), box=None)
    for column in table.columns[2:]:
        column.justify = "right"

    def add(row: "Row", label: Text) -> None:
        cells = [row.opening, *(row.movements.get(name, 0) for name in named), row.closing]
        cells += [row.pending] if pending else []
        table.add_row(row.currency, label, *(names.points(cell, row.currency) if cell else "" for cell in cells))

    for total in sums:
        for row in rows:
            if row.currency == total.currency:
                add(row, Text(row.rule or "(no rule)"))
        add(total, Text("in all", style="bold"))
    typer.echo(f"{title}\n")
    if rows:
        show(table)
    else:
        typer.echo("no entry was booked before its end")
    late = f"; {found.late:,} of the month are about earlier ones" if found.late else ""
    typer.echo(f"\n{found.entries:,} entries of the month, {found.entries_before:,} before it{late}")
    for total in sums:
        holds = not any(row.off for row in (total, *rows) if row.currency == total.currency)
        opening, moved, closing = (
            names.points(value, total.currency)
            for value in (total.opening, sum(total.movements.values()), total.closing)
        )
        typer.echo(
            f"  {'holds' if holds else 'FAILS'}  opening {opening} + movements {moved} = closing {closing} "
            f"{total.currency}, in all and for each rule"
        )
    if not names.known:
        typer.echo("Amounts are in the smallest unit: --program with the program's file shows decimals.")
