"""`loyalty import`: public data sets as events."""

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


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="Turn public data sets into events.")
    group.command("completejourney", epilog=EXIT_CODES)(completejourney)
    # A group of one: typer would otherwise make the command the group itself.
    group.callback()(_group)
    app.add_typer(group, name="import")


def _group() -> None:
    """Turn public data sets into events."""


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
