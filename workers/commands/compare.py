"""`loyalty compare`: what another program would have given for the same events."""

import contextlib
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.commands.failures import EXIT_CODES, FAILED, explained
from workers.commands.progress import watched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from loyalty.program import Program
    from workers.comparison import Comparison
    from workers.comparison_words import Grid


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("compare", no_args_is_help=True, epilog=EXIT_CODES)(compare)


def compare(
    old: Annotated[list[Path], typer.Option("--old", help="The program as it is: a file, or a folder; repeatable.")],
    new: Annotated[list[Path], typer.Option("--new", help="The program as it may become; repeatable.")],
    events: Annotated[
        list[str], typer.Option("--events", help="NDJSON events, plain or .gz, - for standard input; repeatable.")
    ],
    html: Annotated[Path | None, typer.Option("--html", help="Write one page with charts here, too.")] = None,
    point_value: Annotated[
        list[str] | None,
        typer.Option(
            "--point-value",
            metavar="VALUE",
            help="What a point costs, in cents: 0.8, or beans=0.8 for one kind of points; repeatable.",
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=0, max=1000, help="How many of the largest movers to show.")] = 20,
    fail_on_change: Annotated[
        bool, typer.Option("--fail-on-change", help="Exit with 1 when anything would change.")
    ] = False,
    more_events: Annotated[list[str] | None, typer.Argument(metavar="FILE", help="More event files.")] = None,
) -> None:
    """Replay events under two programs and show what would change.

    Points and cost by rule and month, members who gain, lose or change tier, the largest movers, and events that one
    of the two refuses. Nothing is published. Exit code 0 also when they differ.
    """
    with explained(), contextlib.ExitStack() as cleanup:
        from schemas.program_load import load_programs
        from workers.collector import collect_rarely
        from workers.compare import compare as compare_programs
        from workers.ndjson import Source, copied_input

        old_versions, new_versions = load_programs(old), load_programs(new)
        values = _values(point_value or [], (*old_versions, *new_versions))
        names = [*events, *(more_events or [])]
        collect_rarely()
        copy = cleanup.enter_context(copied_input(names))  # Events that are out of order are read twice.
        bar = cleanup.enter_context(contextlib.ExitStack())
        comparison = compare_programs(
            old_versions,
            new_versions,
            lambda: [Source(name, copy) for name in names],
            lambda sources: bar.enter_context(watched(sources, quiet=False, doing="comparing")),
            values=values,
            movers_max=top,
        )
        bar.close()
        if html is not None:
            _write(comparison, html)  # First: whoever reads the tables may stop reading.
        _show(comparison)
        if html is not None:
            typer.echo(f"\nwritten to {html}")
        if fail_on_change and comparison.changes:
            raise typer.Exit(FAILED)


def _values(texts: "Sequence[str]", programs: "Sequence[Program]") -> dict[str, Fraction]:
    """What a point costs, by kind; "" for any."""
    import re

    from schemas.program_values import did_you_mean

    known = {currency.id for program in programs for currency in program.currencies}
    found = {}
    for text in texts:
        kind, _, amount = text.rpartition("=")
        if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", amount):
            message = f"{text!r} is no value in cents, such as 0.8 or beans=0.8"
            raise typer.BadParameter(message, param_hint="--point-value")
        if kind and kind not in known:
            hint = did_you_mean(kind, sorted(known))
            raise typer.BadParameter(f"no kind of points is called {kind!r}; {hint}", param_hint="--point-value")
        found[kind] = Fraction(amount)
    return found


def _show(comparison: "Comparison") -> None:
    from rich.console import Console

    from workers.comparison_words import grids, summary

    console = Console()
    for sentence in summary(comparison):
        console.print(sentence, highlight=False, markup=False)
    if comparison.changes:
        for grid in grids(comparison):
            if grid.lines:
                console.print()
                _print(console, grid)


def _print(console: "Console", grid: "Grid") -> None:
    from rich.table import Table
    from rich.text import Text

    console.print(Text(grid.caption, style="bold"))
    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(grid.head):
        table.add_column(Text(name), justify="right" if number else "left")
    for line in grid.lines:
        table.add_row(*(Text(cell) for cell in line))
    console.print(table)


def _write(comparison: "Comparison", html: Path) -> None:
    from workers.comparison_page import page

    html.touch(mode=0o600)  # It names members: for its owner alone, unless the file was there.
    html.write_text(page(comparison), "utf-8")
