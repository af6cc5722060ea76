"""`loyalty member`: what a member has, and how it came, as of any moment."""

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from workers.commands.books import (
    From,
    Json,
    Prefix,
    ProgramFiles,
    Servers,
    Zone,
    fail,
    in_zone,
    opened,
    show,
    understood,
)
from workers.commands.failures import EXIT_CODES, explained

if TYPE_CHECKING:
    from workers.books.account import Account
    from workers.books.names import Names


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("member", no_args_is_help=True, epilog=EXIT_CODES)(member)


def member(  # noqa: PLR0917 typer passes them by name
    member_id: Annotated[str, typer.Argument(metavar="ID", help="The member's id.", show_default=False)],
    folder: From = None,
    since: Annotated[
        str | None, typer.Option("--since", help="List entries from then on: a date (from its start) or a time.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="As of then: a date (to its end) or a time. Default: now.")
    ] = None,
    by: Annotated[
        Literal["event", "recorded"],
        typer.Option("--by", help="event: what had happened by then; recorded: what was known then."),
    ] = "event",
    zone: Zone = None,
    servers: Servers = None,
    prefix: Prefix = None,
    programs: ProgramFiles = None,
    as_json: Json = False,
) -> None:
    """Show a member's balances, tier and lots, and with --since the entries, as the ledger has them."""
    with explained(), opened(folder, servers, prefix, programs) as (books, names):
        from workers.books.account import Account
        from workers.books.moments import span_of
        from workers.books.sources import entries, tier_changes

        local = in_zone(zone, names)
        until_us = None if as_of is None else understood(lambda: span_of(as_of, local)).end_us
        since_us = None if since is None else understood(lambda: span_of(since, local)).start_us
        account = Account(until_us, since_us, by)
        for entry in entries(books, member_id):
            account.take(entry)
        for change in tier_changes(books, member_id):
            account.take_tier(change)
        if not account.has_changed_tier and (held := books.tier_now(member_id)) is not None:
            account.take_tier_now(*held)
        if not account.is_known:
            fail(f"no entry and no tier of member {member_id} is in {books.place}")
        if as_json:
            typer.echo(json.dumps(_fields(member_id, account, as_of, by), ensure_ascii=False))
        else:
            when = (
                "now" if as_of is None else f"as of {as_of}, by {'event time' if by == 'event' else 'time of booking'}"
            )
            after = f" (after that: {account.not_yet:,})" if account.not_yet else ""
            typer.echo(f"Member {member_id}, {when}; ledger entries: {account.counted:,}{after}")
            _show(account, names, listed=since is not None)
            if not names.known:
                typer.echo("\nAmounts are in the smallest unit: --program with the program's file shows decimals.")
        if account.gaps:
            fail("the member's entries are not numbered 1, 2, 3: some are missing, so these sums may be wrong")


def _fields(member_id: str, account: "Account", as_of: str | None, by: str) -> dict[str, Any]:
    from schemas.encode import instant_text
    from workers.books.kinds import moved, what_happened

    tier = account.tier()
    return {
        "member": member_id,
        "as_of": as_of,
        "by": by,
        "entries": account.counted,
        "balances": {
            currency: {"available": pots["available"], "pending": pots["pending"]}
            for currency, pots in sorted(account.balances.items())
        },
        "debts": {currency: debt for currency, debt in sorted(account.debts.items()) if debt},
        "tier": tier.tier if tier else None,
        "tier_since": instant_text(tier.since_us) if tier and tier.since_us is not None else None,
        "lots": [
            {
                "lot": lot.lot,
                "currency": lot.currency,
                "earned_at": instant_text(lot.earned_us),
                "came": lot.came,
                "left": {pot: amount for pot, amount in lot.left.items() if amount},
            }
            for lot in account.lots()
        ],
        "since": [
            {
                "entry": entry.entry_id,
                "time": instant_text(entry.time_us),
                "recorded_at": instant_text(entry.recorded_at_us),
                "kind": entry.kind,
                "what": what_happened(entry),
                "moved": moved(entry),
                "cause": entry.cause._asdict(),
            }
            for entry in account.entries
        ],
    }


def _show(account: "Account", names: "Names", *, listed: bool) -> None:
    from rich.table import Table

    from loyalty.due import TYPE as DUE_TYPE
    from schemas.encode import instant_text
    from workers.books.kinds import what_happened
    from workers.books.narration import amounts

    balances = Table("currency", "available", "pending", "debt", box=None)
    for currency, pots in sorted(account.balances.items()):
        debt = account.debts[currency]
        others = {pot: amount for pot, amount in pots.items() if pot not in {"available", "pending"} and amount}
        balances.add_row(
            currency,
            names.points(pots["available"], currency),
            names.points(pots["pending"], currency),
            names.points(debt, currency) if debt else "",
            *(f"{pot} {names.points(amount, currency)}" for pot, amount in others.items()),
        )
    _right(balances, 1, 2, 3)
    typer.echo("")
    if balances.row_count:
        show(balances)
    else:
        typer.echo("no points")
    tier = account.tier()
    if tier is not None:
        missing = tier.progress.get("missing")
        since = f" since {instant_text(tier.since_us)}" if tier.since_us is not None else ""
        short = f", then {missing:,} short of {tier.progress.get('next')}" if missing else ""
        typer.echo(f"\ntier {tier.tier}{since}{short}")
    lots = Table("lot", "earned", "currency", "came", "left", "", box=None)
    for lot in account.lots():
        left = {pot: amount for pot, amount in lot.left.items() if amount}
        lots.add_row(
            lot.lot,
            instant_text(lot.earned_us),
            lot.currency,
            names.points(lot.came, lot.currency),
            names.points(sum(left.values()), lot.currency),
            ", ".join(left),
        )
    _right(lots, 3, 4)
    if lots.row_count:
        typer.echo("")
        show(lots)
    if not listed:
        return
    table = Table("entry", "happened", "booked", "points", "what", "cause", box=None)
    for entry in account.entries:
        table.add_row(
            entry.entry_id,
            instant_text(entry.time_us),
            instant_text(entry.recorded_at_us),
            amounts(entry, names),
            f"{entry.kind}: {what_happened(entry)}",
            "time" if entry.cause.type == DUE_TYPE else entry.cause.id,
        )
    typer.echo("")
    if account.entries:
        show(table)
    else:
        typer.echo("no entries in that time")


def _right(table: Any, *numbers: int) -> None:
    for number in numbers:
        table.columns[number].justify = "right"
