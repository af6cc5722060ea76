"""`loyalty publish`: NDJSON events onto their topics, with a reason and a place for each line that is no event."""

import contextlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.commands.failures import EXIT_CODES, FAILED, explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from workers.ndjson import Source
    from workers.publish import Invalid, Publisher, Tally, Valid

REASONS_SHOWN = 50
REASONS_IN_JSON = 1_000
REFRESH_EVENTS = 500


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("publish", no_args_is_help=True, epilog=EXIT_CODES)(publish)


def publish(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="NDJSON, plain or .gz; - for standard input.")],
    topic: Annotated[
        str | None, typer.Option(help="Refuse what does not belong on this topic, for example purchases.")
    ] = None,
    prefix: Annotated[str | None, typer.Option(help="Instead of LOYALTY_PREFIX.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse unknown fields, and publish nothing unless every line is valid.")
    ] = False,
    rate: Annotated[float | None, typer.Option(min=0.001, help="At most so many events a second.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Validate only; needs no cluster.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
) -> None:
    """Validate events and publish them, keyed by member.

    A line that is no event is reported as file:line with the reason; the others are published all the same
    (with --strict: only if there is no such line). Exit code 1 when a line was refused.
    """
    with explained(), contextlib.ExitStack() as cleanup:
        from config.settings import load_settings
        from workers.ndjson import copied_input
        from workers.publish import Publisher, Tally

        _check_topic(topic)
        settings = load_settings()
        copy = cleanup.enter_context(copied_input(files if strict else ()))  # Validated first, published then.
        run = _Run(files, copy, topic, strict=strict, quiet=as_json)
        started = time.monotonic()
        tally = Tally()
        if strict or dry_run:
            tally = run.through(None, rate=None)
        published = not dry_run and not (strict and tally.invalid)
        if published:
            with Publisher(settings, prefix=prefix) as publisher:
                tally = run.through(publisher, rate=rate)
        _summarise(tally, run.refused, time.monotonic() - started, published=published, as_json=as_json)
        if tally.invalid:
            raise typer.Exit(FAILED)


class _Run:
    """Goes through the files, once for each call of `through`, with a progress bar when somebody watches."""

    def __init__(self, names: list[str], copy: Path | None, topic: str | None, *, strict: bool, quiet: bool) -> None:
        self._names = names
        self._copy = copy
        self._topic = topic
        self._strict = strict
        self._quiet = quiet
        self.refused: list[Invalid] = []

    def through(self, publisher: "Publisher | None", *, rate: float | None) -> "Tally":
        """Judges every line, sends the valid ones if there is a publisher, and says why the others are not."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        from workers.ndjson import Source
        from workers.publish import Invalid, Tally, judged_lines

        tally, sources = Tally(), [Source(name, self._copy) for name in self._names]
        sizes = [source.size_bytes for source in sources]
        console = Console(stderr=True, soft_wrap=True, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
        started = time.monotonic()
        with Progress(
            *columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
        ) as bar:
            total = None if None in sizes else sum(size or 0 for size in sizes)
            task = bar.add_task("publishing" if publisher else "validating", total=total)
            for judged in _readable(judged_lines(sources, tally, topic=self._topic, strict=self._strict), publisher):
                if isinstance(judged, Invalid):
                    self._refuse(judged, console)
                elif publisher is not None:
                    if rate is not None:
                        _wait_until(started + (tally.valid - 1) / rate)
                    publisher.send(judged)
                if tally.read % REFRESH_EVENTS == 0:
                    seconds = max(time.monotonic() - started, 0.001)
                    text = f"{tally.read:,} events, {tally.read / seconds:,.0f}/s"
                    bar.update(task, completed=_read_bytes(sources), description=text)
            if publisher is not None:
                publisher.confirm()
        return tally

    def _refuse(self, invalid: "Invalid", console: "Console") -> None:
        if len(self.refused) < REASONS_IN_JSON:
            self.refused.append(invalid)
        if self._quiet or len(self.refused) > REASONS_SHOWN:
            return
        console.print(f"{invalid.line.where}: {invalid.code}: {invalid.message}", markup=False)
        if len(self.refused) == REASONS_SHOWN:
            console.print("(more are counted, not shown; --json lists up to 1,000)", markup=False)


def _summarise(tally: "Tally", refused: "list[Invalid]", seconds: float, *, published: bool, as_json: bool) -> None:
    if as_json:
        summary = {
            "read": tally.read,
            "valid": tally.valid,
            "published": tally.valid if published else 0,
            "invalid": tally.invalid,
            "anonymous": tally.anonymous,
            "seconds": round(seconds, 3),
            "valid_by_topic": dict(sorted(tally.valid_by_word.items())),
            "invalid_by_code": dict(sorted(tally.invalid_by_code.items())),
            "unknown_fields": dict(sorted(tally.unknown_fields.items())),
            "refused": [
                {"file": each.line.source, "line": each.line.number, "code": each.code, "message": each.message}
                for each in refused
            ],
        }
        typer.echo(json.dumps(summary))
        return
    what = "published" if published else "valid, not published"
    typer.echo(f"{tally.valid:,} {what}, {tally.invalid:,} refused, of {tally.read:,} in {seconds:.1f} s")
    for word, count in sorted(tally.valid_by_word.items()):
        typer.echo(f"  {word:<12} {count:>12,}")
    for code, count in sorted(tally.invalid_by_code.items()):
        typer.echo(f"  refused: {code:<18} {count:>12,}")
    if tally.anonymous:
        typer.echo(f"  {tally.anonymous:,} are sales without a member: counted by the worker, worth no points")
    for name, count in tally.unknown_fields.most_common(5):
        typer.echo(f"  unknown field ignored: {name} ({count:,} times)")


def _check_topic(word: str | None) -> None:
    from schemas.envelope import INBOX, TOPIC_OF_TYPE

    words = sorted(set(TOPIC_OF_TYPE.values()) - {INBOX})
    if word is not None and word not in words:
        raise typer.BadParameter(f"{word!r} is no input topic; one of {', '.join(words)}", param_hint="--topic")


def _readable(lines: "Iterator[Valid | Invalid]", publisher: "Publisher | None") -> "Iterator[Valid | Invalid]":
    """The lines, up to where a file cannot be read on: what came before is not lost, and the message says so."""
    from workers.ndjson import InputError

    try:
        yield from lines
    except InputError as error:
        if publisher is None:
            raise
        count = publisher.confirm()
        raise InputError(
            f"{error}\nhint: {count:,} events before it are published; publishing them again does no harm"
        ) from error


def _read_bytes(sources: "list[Source]") -> int:
    return sum(source.read_bytes for source in sources)


def _wait_until(moment: float) -> None:
    seconds = moment - time.monotonic()
    if seconds > 0:
        time.sleep(seconds)
