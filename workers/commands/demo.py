"""`loyalty demo`: everything once, with real baskets, on this machine."""

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.commands.failures import EXIT_CODES, FAILED, explained

if TYPE_CHECKING:
    from loyalty.program import Program
    from workers.demo.report import Report
    from workers.demo.run import Running

DEFAULT_BASKETS = 20_000


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("demo", epilog=EXIT_CODES)(demo)


def demo(
    baskets: Annotated[int, typer.Option(min=1, help="How many baskets to publish, by time.")] = DEFAULT_BASKETS,
    all_baskets: Annotated[bool, typer.Option("--all", help="All 155,848 baskets of the year.")] = False,
    program: Annotated[
        Path | None, typer.Option(help="The program to decide by. Default: config/programs/grocery.yaml.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=4, help="How many workers share the partitions.")] = 1,
    seed: Annotated[int, typer.Option(help="Another seed makes up other reviews, shares, referrals and returns.")] = 1,
    keep_running: Annotated[
        bool, typer.Option("--keep-running/--no-keep-running", help="Leave all of it up afterwards, until Ctrl-C.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
) -> None:
    """Start a local Kafka and a worker, publish real grocery baskets, and show what comes of them.

    Needs the extras `local` and `data`. Everything lies in a scratch folder, and nothing is left running.
    Exit code 1 when something does not add up.
    """
    from rich.console import Console

    from schemas.program_load import load_program
    from schemas.program_source import ProgramError
    from workers.completejourney import DataSetError
    from workers.demo.report import as_json as report_fields
    from workers.demo.report import show
    from workers.demo.run import GROCERY, DemoStalled, Options, run
    from workers.demo.screen import Screen
    from workers.demo.worker import WorkerFailed

    path = program or GROCERY

    def finish(report: "Report", running: "Running") -> None:
        if as_json:
            typer.echo(json.dumps(report_fields(report)))
        else:
            show(report, Console())
            _say_what_next(running, keep_running=keep_running, path=path)
        if keep_running:
            _wait_for_the_end(running)

    with explained():
        try:
            _warn(load_program(path))
            options = Options(program=path, baskets=None if all_baskets else baskets, workers=workers, seed=seed)
            report = run(options, Screen(Console(stderr=True)), finish)
        except (ProgramError, DataSetError, WorkerFailed, DemoStalled) as error:
            typer.echo(f"loyalty: {error}", err=True)
            raise typer.Exit(FAILED) from error
        if not report.holds:
            raise typer.Exit(FAILED)


def _warn(program: "Program") -> None:
    """The baskets are of 2017: a program that takes no old sale refuses them all."""
    if program.stream.max_late is not None:
        typer.echo(
            f"the baskets are of 2017, and {program.id} takes nothing that old: expect dead letters with the code "
            "too_late\nhint: a program of your own with `stream: {max_late: none}` takes them",
            err=True,
        )


def _say_what_next(running: "Running", *, keep_running: bool, path: Path) -> None:
    lines = ["", "Where to look next"]
    if keep_running:
        lines += [f"  {address:42} the worker's metrics" for address in running.addresses]
        lines += [f"  {running.bootstrap:42} the broker, with all topics"]
    else:
        lines += ["  loyalty demo --keep-running                leaves the broker, the worker and its metrics up"]
    lines += [
        "  loyalty demo --all                         the whole year",
        f"  loyalty check {_short(path):28} what this program does, in plain words",
        "  loyalty import completejourney --out F.gz  the baskets as a file, for `publish` and `replay`",
    ]
    typer.echo("\n".join(lines))


def _short(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _wait_for_the_end(running: "Running") -> None:
    typer.echo(
        "\nit all stays up until Ctrl-C; in another shell, tell commands where it is:\n"
        f"  export LOYALTY_BOOTSTRAP_SERVERS={running.bootstrap}",
        err=True,
    )
    try:
        signal.pause()
    except KeyboardInterrupt:
        typer.echo("stopping", err=True)
