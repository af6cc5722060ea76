"""`loyalty dead-letters`: what was refused, and back in again."""

import contextlib
import json
from typing import TYPE_CHECKING, Annotated

import typer

from workers.commands.books import Json, Prefix, Servers
from workers.commands.failures import EXIT_CODES, explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.settings import Settings
    from workers.dead_letters.letters import Counted, Group, Read, Wanted
    from workers.dead_letters.sending import Replayed

Codes = Annotated[list[str] | None, typer.Option("--code", help="Only letters with this code; repeatable.")]
Topics = Annotated[
    list[str] | None, typer.Option("--topic", help="Only events of this topic, such as purchases; repeatable.")
]
Sources = Annotated[list[str] | None, typer.Option("--source", help="Only events of this source; repeatable.")]
Since = Annotated[
    str | None, typer.Option("--since", help="Only what was refused from then on: a date of UTC, or a time.")
]
Until = Annotated[
    str | None, typer.Option("--until", help="Only what was refused before: a date of UTC (to its end), or a time.")
]
Partition = Annotated[
    int | None, typer.Option("--partition", min=0, help="Only events that came in on this partition of their topic.")
]
Offset = Annotated[
    int | None, typer.Option("--offset", help="Only events that stood there at this offset; -1: those that had waited.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="What was refused, by code, topic and source; and back in again.")
    group.command("list", epilog=EXIT_CODES)(list_letters)
    group.command("replay", epilog=EXIT_CODES)(replay)
    app.add_typer(group, name="dead-letters")


def list_letters(  # noqa: PLR0917 typer passes them by name
    code: Codes = None,
    topic: Topics = None,
    source: Sources = None,
    since: Since = None,
    until: Until = None,
    partition: Partition = None,
    offset: Offset = None,
    servers: Servers = None,
    prefix: Prefix = None,
    as_json: Json = False,
) -> None:
    """Count the dead letters by code, topic and source, and say what to do about each code."""
    with explained():
        from workers.commands.books import reached
        from workers.dead_letters.letters import counted

        wanted = _wanted(code, topic, source, since, until, partition, offset)
        with _reading(reached(servers, prefix)) as read:
            groups = counted(read, wanted)
        if as_json:
            typer.echo(json.dumps(_fields(groups), ensure_ascii=False))
        else:
            _show(groups)


def replay(  # noqa: PLR0917 typer passes them by name
    code: Codes = None,
    topic: Topics = None,
    source: Sources = None,
    since: Since = None,
    until: Until = None,
    partition: Partition = None,
    offset: Offset = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="All letters: needed when nothing else says which.")
    ] = False,
    servers: Servers = None,
    prefix: Prefix = None,
    as_json: Json = False,
) -> None:
    """Send refused events back to the topics that they came in on: the same bytes, key and headers.

    Mend the cause first. Each letter goes back once: it is marked in the same transaction, on the topic of dead
    letters, and is left out from then on. What can only be refused again stays, and is counted with the reason.
    """
    with explained():
        from workers.commands.books import reached
        from workers.dead_letters.letters import Wanted
        from workers.dead_letters.sending import replay as send_back

        wanted = _wanted(code, topic, source, since, until, partition, offset)
        if wanted == Wanted() and not everything:
            raise typer.BadParameter("say which: --code, --topic, --source, --since ..., or --all")
        settings = reached(servers, prefix)
        with _reading(settings) as read:
            done = send_back(settings, read, wanted, dry_run=dry_run)
        if as_json:
            typer.echo(json.dumps(_replayed_fields(done, dry_run=dry_run), ensure_ascii=False))
        else:
            _show_replayed(done, dry_run=dry_run)


def _wanted(
    code: list[str] | None,
    topic: list[str] | None,
    source: list[str] | None,
    since: str | None,
    until: str | None,
    partition: int | None,
    offset: int | None,
) -> "Wanted":
    from workers.books.moments import span_of, zone_named
    from workers.commands.books import understood
    from workers.dead_letters.letters import Wanted
    from workers.topic_words import ACCOUNTS, INPUTS

    for word in topic or ():
        if word not in {*INPUTS, ACCOUNTS}:
            raise typer.BadParameter(f"--topic {word} is no topic that events come in on: {', '.join(INPUTS)}")
    utc = zone_named("UTC")
    return Wanted(
        codes=frozenset(code or ()),
        topics=frozenset(topic or ()),
        sources=frozenset(source or ()),
        since_us=None if since is None else understood(lambda: span_of(since, utc)).start_us,
        until_us=None if until is None else understood(lambda: span_of(until, utc)).end_us,
        partition=partition,
        offset=offset,
    )


@contextlib.contextmanager
def _reading(settings: "Settings") -> "Iterator[Read]":
    """How to read the topic, with a progress bar when somebody watches."""
    from rich.console import Console
    from rich.progress import Progress

    from workers.export import committed
    from workers.topic_words import DEAD_LETTERS

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading")
        yield lambda: committed(
            settings, DEAD_LETTERS, lambda passed, total: bar.update(task, completed=passed, total=total)
        )


def _fields(groups: "dict[Group, Counted]") -> dict[str, object]:
    from schemas.encode import instant_text
    from workers.dead_letters.advice import what_to_do

    return {
        "letters": sum(each.letters for each in groups.values()),
        "left": sum(each.left for each in groups.values()),
        "groups": [
            {
                **group._asdict(),
                "letters": each.letters,
                "replayed": each.replayed,
                "left": each.left,
                "first": instant_text(each.first_us),
                "last": instant_text(each.last_us),
                "message": each.example,
                "what_to_do": what_to_do(group.code),
            }
            for group, each in groups.items()
        ],
    }


def _show(groups: "dict[Group, Counted]") -> None:
    from rich.table import Table

    from schemas.encode import instant_text
    from workers.commands.books import show
    from workers.dead_letters.advice import what_to_do

    if not groups:
        typer.echo("no dead letters")
        return
    table = Table("code", "topic", "source", "left", "replayed", "first", "last", box=None)
    for number in (3, 4):
        table.columns[number].justify = "right"
    for group, each in groups.items():
        times = instant_text(each.first_us), instant_text(each.last_us)
        table.add_row(*group, f"{each.left:,}", f"{each.replayed:,}" if each.replayed else "", *times)
    show(table)
    left = {group.code: each for group, each in reversed(groups.items()) if each.left}
    for code, each in reversed(left.items()):
        typer.echo(f"\n{code}: {what_to_do(code)}\n  such as: {each.example}")
    if left:
        typer.echo("\nafter that: loyalty dead-letters replay --code ... (--dry-run says what it would send)")
    else:
        typer.echo("\nall of them were replayed")


def _replayed_fields(done: "Replayed", *, dry_run: bool) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "sent": [
            {"code": code, "topic": word, "letters": number} for (code, word), number in sorted(done.sent.items())
        ],
        "stay": [
            {"code": code, "why": str(why), "letters": number} for (code, why), number in sorted(done.stay.items())
        ],
        "replayed_before": done.before,
    }


def _show_replayed(done: "Replayed", *, dry_run: bool) -> None:
    verb = "would send" if dry_run else "sent"
    for (code, word), number in sorted(done.sent.items()):
        typer.echo(f"{verb} {number:,} of {code} back to {word}")
    for (code, why), number in sorted(done.stay.items()):
        typer.echo(f"left {number:,} of {code}: {why}")
    if done.before:
        typer.echo(f"left {done.before:,} that had been replayed before")
    if not done.sent:
        typer.echo("nothing to send" if not dry_run else "would send nothing")
