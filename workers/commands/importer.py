"""`loyalty import`: public data sets and tables of older systems as events."""

import contextlib
import gzip
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, cast

import typer

from workers.commands.failures import EXIT_CODES, FAILED, explained

if TYPE_CHECKING:
    from rich.progress import Progress

STANDARD_OUTPUT = "-"
REFRESH_BASKETS = 1_000
# Beyond this, packing takes longer than making the events, for a few percent.
GZIP_LEVEL = 5
DIFFERENCES_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="Turn data sets and tables into events.")
    group.command("completejourney", epilog=EXIT_CODES)(completejourney)
    group.command("opening", no_args_is_help=True, epilog=EXIT_CODES)(opening)
    app.add_typer(group, name="import")


def completejourney(
    out: Annotated[str, typer.Option(metavar="FILE", help="Where to write NDJSON; packed for .gz; - standard output.")],
    baskets: Annotated[
        int | None, typer.Option("--baskets", min=1, help="Only the first so many, by time. Default: all 155,848.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object, on standard error with --out -.")
    ] = False,
) -> None:
    """Write a year of real grocery baskets as purchase events, in order of time (extra `data`).

    One basket of the data set "The Complete Journey" (2,469 households, 2017) becomes one loyalty.purchase.v1.
    """
    from workers.completejourney import DataSetError, Journey

    started = time.monotonic()
    with explained(), _said(DataSetError), _progress() as progress:
        task = progress.add_task("reading the data set", total=None)
        journey = Journey()
        total = min(baskets or journey.baskets, journey.baskets)
        progress.update(task, description="writing events", total=total)
        events = lines = amount_minor = 0
        with _output(out) as file:
            for basket in journey.events():
                if events == total:
                    break
                file.write(basket.raw + b"\n")
                events += 1
                lines += basket.lines
                amount_minor += basket.amount_minor
                if events % REFRESH_BASKETS == 0:
                    progress.update(task, completed=events)
        progress.update(task, completed=events)
    seconds = time.monotonic() - started
    if as_json:
        summary = {"events": events, "lines": lines, "amount_minor": amount_minor, "currency": "USD", "file": out}
        typer.echo(json.dumps(summary), err=out == STANDARD_OUTPUT)
    else:
        typer.echo(
            f"{events:,} baskets, {lines:,} lines, {amount_minor // 100:,}.{amount_minor % 100:02} USD "
            f"in {seconds:.1f} s -> {out}",
            err=True,
        )


def opening(
    table: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Balances of the older system, with a header.")],
    batch: Annotated[str, typer.Option(metavar="NAME", help="Names the move: the same name again brings in nothing.")],
    at: Annotated[str, typer.Option("--time", metavar="TIME", help="When the move happens, RFC 3339.")],
    operator: Annotated[str, typer.Option(metavar="ID", help="Who does it.")],
    approved_by: Annotated[str, typer.Option(metavar="ID", help="Who else approves it.")] = "",
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where to write NDJSON; packed for .gz; - standard output.")
    ] = None,
    check: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Hold the ledger of a replay in this folder against the table.")
    ] = None,
) -> None:
    """Bring balances and tiers from an older system: a CSV becomes loyalty.adjustment.v1 events.

    Columns: member, points, and as wanted currency, tier, earned_at, ends_at, reference, birthday, segments (with ;).
    """
    from workers.books.sources import Folder, entries
    from workers.opening import Terms, WrongTableError, differences, read_table, totals_of

    if (out is None) == (check is None):
        raise typer.BadParameter(
            "either --out FILE, to write events, or --check DIR, to hold a ledger against the table"
        )
    terms = Terms(batch, at, operator, approved_by)
    with explained(), _said(WrongTableError):
        with table.open(encoding="utf-8-sig", newline="") as lines:
            rows = read_table(lines, terms)
        if out is not None:
            with _output(out) as file:
                for row in rows:
                    file.writelines(raw + b"\n" for raw in row.events)
        totals = totals_of(rows)
        typer.echo(f"{totals.rows:,} rows, {totals.members:,} members", err=True)
        for currency, points in totals.points.items():
            typer.echo(f"  {currency}: {points:,}", err=True)
        for tier, number in totals.tiers.items():
            typer.echo(f"  tier {tier}: {number:,} rows", err=True)
        if check is not None:
            found = list(differences(rows, entries(Folder(check)), terms))
            for difference in found[:DIFFERENCES_SHOWN]:
                typer.echo(difference)
            if found:
                typer.echo(f"the ledger does not hold the table: {len(found):,} differences", err=True)
                raise typer.Exit(FAILED)
            typer.echo("the ledger holds the table: each row is booked once, with its points and tier", err=True)


@contextlib.contextmanager
def _said(kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kind as error:
        typer.echo(f"loyalty: {error}", err=True)
        raise typer.Exit(FAILED) from error


@contextlib.contextmanager
def _output(name: str) -> Iterator[BinaryIO]:
    """The file to write, complete or not there at all; packed when its name ends in .gz."""
    if name == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(name)
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        with unfinished.open("wb") as file:
            if path.suffix == ".gz":
                # Neither name nor time inside, so that the same events give the same bytes.
                with gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0) as packed:
                    yield cast("BinaryIO", packed)
            else:
                yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _progress() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
