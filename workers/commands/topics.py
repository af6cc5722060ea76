"""`loyalty topics`: the engine's topics on a cluster."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.commands.failures import EXIT_CODES, FAILED, explained

if TYPE_CHECKING:
    from workers.topics import Difference

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
Partitions = Annotated[
    int | None, typer.Option("--partitions", min=1, max=1_000, help="Instead of LOYALTY_PARTITIONS.")
]
Prefix = Annotated[str | None, typer.Option("--prefix", help="Instead of LOYALTY_PREFIX.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="Create, check or export the engine's topics on a cluster.")
    group.command("create", epilog=EXIT_CODES)(create)
    group.command("check", epilog=EXIT_CODES)(check)
    group.command("export", epilog=EXIT_CODES)(export)
    app.add_typer(group, name="topics")


def create(
    partitions: Partitions = None,
    prefix: Prefix = None,
    replication_factor: Annotated[
        int, typer.Option(min=-1, max=10, help="Copies of each record; -1: the cluster's own default.")
    ] = -1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Let the cluster judge, and make nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Make every topic that is missing, as config/topics.yaml says. Safe to repeat; existing topics stay as they are.

    Exit code 1 when an existing topic is not what the engine needs.
    """
    with explained():
        from config.settings import load_settings
        from workers.cluster import admin_client
        from workers.topics import create_topics, differences

        settings = load_settings()
        prefix = settings.prefix if prefix is None else prefix
        partitions = partitions or settings.partitions
        with admin_client(settings) as admin:
            outcome = create_topics(
                admin, prefix=prefix, partitions=partitions, replicas=replication_factor, dry_run=dry_run
            )
            found = differences(admin, prefix=prefix, partitions=partitions)
        if dry_run:
            found = [each for each in found if each.topic not in outcome.created]
        if as_json:
            typer.echo(
                json.dumps(
                    {
                        "created": outcome.created,
                        "existing": outcome.existing,
                        "dry_run": dry_run,
                        "differences": [each._asdict() for each in found],
                    }
                )
            )
        else:
            for name in outcome.created:
                typer.echo(f"{'would create' if dry_run else 'created'}  {name}")
            typer.echo(
                f"{len(outcome.created)} created, {len(outcome.existing)} were there, {partitions} partitions each"
            )
            _show(found)
        if found:
            raise typer.Exit(FAILED)


def check(partitions: Partitions = None, prefix: Prefix = None, as_json: Json = False) -> None:
    """Compare partitions, clean-up, retention and sizes with what the engine needs."""
    with explained():
        from config.settings import load_settings
        from workers.cluster import admin_client
        from workers.topics import differences

        settings = load_settings()
        with admin_client(settings) as admin:
            found = differences(
                admin,
                prefix=settings.prefix if prefix is None else prefix,
                partitions=partitions or settings.partitions,
            )
        if as_json:
            typer.echo(json.dumps({"differences": [each._asdict() for each in found]}))
        elif found:
            _show(found)
        else:
            typer.echo("all topics are as the engine needs them")
        if found:
            raise typer.Exit(FAILED)


def export(
    out: Annotated[Path, typer.Option("--out", help="The folder for one TOPIC.ndjson each.")],
    words: Annotated[
        list[str] | None, typer.Argument(metavar="TOPIC", help="Topic words; default: the inputs and the journal.")
    ] = None,
    prefix: Prefix = None,
    as_json: Json = False,
) -> None:
    """Write topics to files: recordings for `loyalty replay --journal`; `accounts` as replay writes them.

    Only what is committed is read, up to the present ends of the topics.
    """
    with explained():
        from rich.console import Console
        from rich.progress import Progress

        from config.settings import load_settings
        from workers.export import RECORDED
        from workers.export import export as export_topics

        settings = load_settings()
        if prefix is not None:
            settings = settings.model_copy(update={"prefix": prefix})
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("reading")
            counts = export_topics(
                settings, words or RECORDED, out, lambda passed, total: bar.update(task, completed=passed, total=total)
            )
        if as_json:
            typer.echo(json.dumps(counts))
            return
        for word, lines in counts.items():
            typer.echo(f"{lines:>12,}  {out / word}.ndjson")


def _show(found: "list[Difference]") -> None:
    from rich.console import Console
    from rich.table import Table

    if not found:
        return
    table = Table("topic", "what", "wanted", "found", box=None)
    for each in found:
        table.add_row(*each)
    Console().print(table)
    if any(each.found == "missing" for each in found):
        typer.echo("hint: loyalty topics create makes what is missing", err=True)
    if any(each.what == "partitions" for each in found):
        typer.echo(
            "hint: all topics need the same number of partitions; set LOYALTY_PARTITIONS to what the cluster has, "
            "or begin with a new prefix",
            err=True,
        )
    if any(each.what not in {"topic", "partitions"} for each in found):
        typer.echo("hint: set these with your cluster's own tools; the engine changes no topic that exists", err=True)
