"""`loyalty replay`: the worker's engine over files, without Kafka."""

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.commands.failures import EXIT_CODES, explained
from workers.commands.progress import watched

if TYPE_CHECKING:
    from workers.replay import Summary


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("replay", no_args_is_help=True, epilog=EXIT_CODES)(replay)


def replay(
    program: Annotated[
        list[Path], typer.Option("--program", help="A program file, or a folder of its versions; repeatable.")
    ],
    events: Annotated[
        list[str],
        typer.Option("--events", help="NDJSON events, plain or .gz, - for standard input; repeatable."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The folder for ledger.ndjson, accounts.ndjson and the others.")],
    journal: Annotated[
        str | None,
        typer.Option(help="A recording of the journal: take what workers took, from recordings, to the byte."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            help="After the last event, decide what falls due by this instant, such as 2027-01-01T00:00:00+01:00."
        ),
    ] = None,
    more_events: Annotated[list[str] | None, typer.Argument(metavar="FILE", help="More event files.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
) -> None:
    """Decide events offline, with the same engine as the worker.

    Without --journal, events are taken by time, topic and place in the files. With it, --events are recordings of
    the input topics and the inbox (`loyalty topics export`), and order, batches and `now` are the workers'. What
    falls due by time alone (points mature and expire) is decided between the events; with --until also after them.
    """
    with explained(), contextlib.ExitStack() as cleanup:
        from loyalty.plan import Programs
        from schemas.program_load import load_programs
        from workers.batch import Engine
        from workers.collector import collect_rarely
        from workers.ndjson import Source, copied_input
        from workers.recorded import recording_source, replay_journal
        from workers.replay import replay as replay_by_time
        from workers.replay_files import Files

        until_us = None if until is None else _instant(until)
        if until_us is not None and journal is not None:
            raise typer.BadParameter("the journal says itself until when: leave --until or --journal out")
        versions = load_programs(program)
        named = {each.version: each for each in versions}
        names = [*events, *(more_events or [])]
        collect_rarely()
        with Files(out) as files:
            if journal is not None:
                recordings = [recording_source(name) for name in names]
                cleanup.enter_context(watched(recordings, quiet=as_json))
                summary = replay_journal(
                    lambda partitions, names: Engine(
                        Programs([named[name] for name in sorted(names)]), partitions=partitions
                    ),
                    recording_source(journal),
                    recordings,
                    files,
                )
            else:
                copy = cleanup.enter_context(copied_input(names))  # Events that are out of order are read twice.
                summary = replay_by_time(
                    Engine(Programs(versions), partitions=1),
                    lambda: [Source(name, copy) for name in names],
                    files,
                    lambda sources: cleanup.enter_context(watched(sources, quiet=as_json)),
                    until_us,
                )
        cleanup.close()
        _show(summary, out, as_json=as_json)


def _instant(text: str) -> int:
    from schemas.scalars import NotAnInstantError, instant_us

    try:
        return instant_us(text)
    except NotAnInstantError as error:
        raise typer.BadParameter(f"--until is {text!r} and {error}; send 2027-01-01T00:00:00Z or an offset") from None


def _show(summary: "Summary", out: Path, *, as_json: bool) -> None:
    if as_json:
        fields = {**summary._asdict(), "out": str(out)}
        typer.echo(json.dumps(fields, default=dict))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("what", "how many", box=None)
    table.add_row("events", f"{summary.events:,}")
    for outcome, number in sorted(summary.outcomes.items()):
        table.add_row(f"  {outcome}", f"{number:,}")
    for code, number in sorted(summary.dead_letters.items()):
        table.add_row(f"    {code}", f"{number:,}")
    table.add_row("ledger entries", f"{summary.entries:,}")
    for currency, number in sorted(summary.points.items()):
        table.add_row(f"points given, less taken back: {currency}", f"{number:,}")
    for currency, number in sorted(summary.expired.items()):
        table.add_row(f"points expired: {currency}", f"{number:,}")
    table.add_row("members", f"{summary.members:,}")
    for tier, number in sorted(summary.tiers.items()):
        table.add_row(f"  {tier}", f"{number:,}")
    Console().print(table)
    typer.echo(f"written to {out}")
