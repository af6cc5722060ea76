"""`loyalty explain`: how points came about, and what has happened to them since."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from workers.commands.books import From, Json, Prefix, ProgramFiles, Servers, fail, opened
from workers.commands.failures import EXIT_CODES, explained

if TYPE_CHECKING:
    from workers.books.names import Names
    from workers.books.trace import Trace


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("explain", no_args_is_help=True, epilog=EXIT_CODES)(explain)


def explain(
    wanted: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="An entry's id, or that of its cause: an event, a transaction.", show_default=False
        ),
    ],
    folder: From = None,
    member: Annotated[
        str, typer.Option("--member", help="Whose it is: then only their partition is read.", show_default=False)
    ] = "",
    servers: Servers = None,
    prefix: Prefix = None,
    programs: ProgramFiles = None,
    as_json: Json = False,
) -> None:
    """Say in plain words how points came about: rule, amount, factors, rounding, limits; and what became of them.

    An event may have several entries: a first purchase also enrolls, a referral pays two members.
    """
    with explained(), opened(folder, servers, prefix, programs) as (books, names):
        from workers.books.sources import entries
        from workers.books.trace import Trace

        trace = Trace(wanted, member)
        trace.take_all(entries(books, member, wanted=trace.may_concern))
        if trace.is_named_only and (causes := books.causes_of(wanted, member)):
            # A transaction whose event has an id of its own: the ledger knows the event.
            trace = Trace(wanted, member, causes)
            trace.take_all(entries(books, member, wanted=trace.may_concern))
        if not trace.found:
            of = f" of member {member}" if member else ""
            fail(
                f"no entry{of} has the id {wanted}, and none has it as its cause, in {books.place}\n"
                "hint: an event that gave nothing has no entry; one that was refused is in dead-letters, "
                "a redemption that was refused on the topic rewards, a transfer or merge on notices"
            )
        _show(trace, names, as_json=as_json)


def _show(trace: "Trace", names: "Names", *, as_json: bool) -> None:
    from workers.books.narration import told

    if as_json:
        found = [
            {
                "entry": each.entry.entry_id,
                "member": each.entry.member,
                "words": told(each, names),
                "later": [entry.entry_id for entry in each.later],
            }
            for each in trace.found
        ]
        typer.echo(json.dumps({"id": trace.wanted, "entries": found, "more": trace.more}, ensure_ascii=False))
        return
    for number, each in enumerate(trace.found):
        if number:
            typer.echo("")
        for line in told(each, names):
            typer.echo(line)
    if not names.known:
        typer.echo("\nAmounts are in the smallest unit: --program with the program's file shows names and decimals.")
    if trace.more:
        typer.echo(f"\nand {trace.more:,} more entries with this id as their cause: --member narrows it down")
