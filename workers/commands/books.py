"""What the commands that read the books have in common: where they read from, and the program's words."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from workers.commands.failures import FAILED, WRONG_USAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from zoneinfo import ZoneInfo

    from rich.table import Table

    from config.settings import Settings
    from loyalty.program import Program
    from workers.books.names import Names
    from workers.books.sources import Books

T = TypeVar("T")
WIDTH_MAX = 10_000

From = Annotated[
    Path | None,
    typer.Option("--from", help="A folder that loyalty replay --out wrote. Default: the topics of the live system."),
]
Servers = Annotated[
    str | None, typer.Option("--bootstrap-servers", help="Instead of LOYALTY_BOOTSTRAP_SERVERS: host:port,host:port.")
]
Prefix = Annotated[str | None, typer.Option("--prefix", help="Instead of LOYALTY_PREFIX.")]
ProgramFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--program",
        help="Instead of LOYALTY_PROGRAMS: the program's files, for its names, decimals and time zone; repeatable.",
    ),
]
Zone = Annotated[
    str | None, typer.Option("--zone", help="Time zone of dates and months. Default: the program's if known, else UTC.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@contextlib.contextmanager
def opened(
    folder: Path | None, servers: str | None, prefix: str | None, programs: list[Path] | None
) -> "Iterator[tuple[Books, Names]]":
    """The books, and the words of the program that they are of, if it is known."""
    from config.settings import load_settings

    with reading(folder, servers, prefix) as books:
        yield books, _names(books, load_settings(), programs)


@contextlib.contextmanager
def reading(folder: Path | None, servers: str | None, prefix: str | None) -> "Iterator[Books]":
    """The books in a folder, or in the topics of a live system."""
    from rich.console import Console
    from rich.progress import Progress

    from workers.books.sources import Folder, Topics

    if folder is not None and (servers is not None or prefix is not None):
        raise typer.BadParameter("--from reads a folder, --bootstrap-servers and --prefix topics: give one of them")
    settings = reached(servers, prefix)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading")
        books: Books = (
            Folder(folder)
            if folder is not None
            else Topics(settings, lambda passed, total: bar.update(task, completed=passed, total=total))
        )
        yield books


def reached(servers: str | None, prefix: str | None) -> "Settings":
    """The settings, with the cluster and the prefix that were named instead."""
    from config.settings import load_settings

    update: dict[str, object] = {} if prefix is None else {"prefix": prefix}
    if servers is not None:
        update["bootstrap_servers"] = tuple(part.strip() for part in servers.split(",") if part.strip())
        if not update["bootstrap_servers"]:
            raise typer.BadParameter("--bootstrap-servers is empty: write host:port")
    return load_settings().model_copy(update=update)


def _names(books: "Books", settings: "Settings", programs: list[Path] | None) -> "Names":
    """The words of the program that the first entry names; none when the files are of another program."""
    from schemas.program_load import load_programs
    from workers.books.names import Names
    from workers.books.sources import entries

    versions: tuple[Program, ...] = load_programs(programs or list(settings.programs))
    first = next(entries(books), None)
    if first is None:
        fail(f"the ledger of {books.place} is empty")
    if first.program != versions[0].id:
        if programs:
            fail(f"the ledger is of program {first.program}, and --program of {versions[0].id}")
        return Names()
    return Names(versions)


def in_zone(named: str | None, names: "Names") -> "ZoneInfo":
    """The zone that was asked for, else the program's, else UTC. Ends the command for one that does not exist."""
    from workers.books.moments import zone_named

    if named is None and names.zone is not None:
        return names.zone
    return understood(lambda: zone_named(named or "UTC"))


def understood(read: "Callable[[], T]") -> T:
    """What `read` makes of an option; wrong usage when that is no time."""
    from workers.books.moments import NotATime

    try:
        return read()
    except NotATime as error:
        typer.echo(f"loyalty: {error}", err=True)
        raise typer.Exit(WRONG_USAGE) from error


def fail(sentence: str) -> NoReturn:
    """End the command: what was asked for is not there."""
    typer.echo(f"loyalty: {sentence}", err=True)
    raise typer.Exit(FAILED)


def show(table: "Table") -> None:
    """Print a table as wide as it is: a figure that is cut off to fit a terminal is a wrong figure."""
    from rich.console import Console

    for column in table.columns:
        column.no_wrap = True
    console = Console(highlight=False)
    unbounded = console.options.update(max_width=WIDTH_MAX)
    console.width = max(console.width, console.measure(table, options=unbounded).maximum)
    console.print(table)
