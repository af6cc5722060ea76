"""`loyalty audit`: the proof that the books add up, or where they do not."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.commands.books import Prefix, Servers
from workers.commands.failures import EXIT_CODES, FAILED, explained

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workers.audit.part import Part
    from workers.audit.run import Audit
    from workers.export import Progress

SHOWN = 20


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("audit", epilog=EXIT_CODES)(audit)


def audit(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--from",
            "--folder",
            help="A folder that loyalty replay --out wrote. Default: the topics of the live system.",
        ),
    ] = None,
    servers: Servers = None,
    prefix: Prefix = None,
    differences: Annotated[int, typer.Option("--differences", min=1, help="Show at most so many.")] = SHOWN,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prove that the books add up: ledger, balances, tiers, notices and accounts, for each member and in all.

    Workers may go on meanwhile: what came after the start is compared as far as all topics have it. Shows the first
    differences, each with its place, and ends with 1; a table of what holds when there is none.
    """
    with explained():
        from rich.console import Console
        from rich.progress import Progress as Bar

        from workers.audit.run import audit as audited

        if folder is not None and (servers is not None or prefix is not None):
            raise typer.BadParameter("--from reads a folder, --bootstrap-servers and --prefix topics: give one of them")
        console = Console(stderr=True)
        with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("auditing")
            found = audited(
                _parts(folder, servers, prefix, lambda passed, total: bar.update(task, completed=passed, total=total)),
                differences,
            )
        if as_json:
            typer.echo(json.dumps(_fields(found), ensure_ascii=False))
        else:
            _show(found)
        if not found.findings.clean:
            raise typer.Exit(FAILED)


def _parts(folder: Path | None, servers: str | None, prefix: str | None, progress: "Progress") -> "Iterable[Part]":
    if folder is not None:
        from workers.audit.folder import FolderPart

        return [FolderPart(folder)]
    from workers.audit.topics import topic_parts
    from workers.commands.books import reached

    return topic_parts(reached(servers, prefix), progress)


def _fields(found: "Audit") -> dict[str, object]:
    from workers.audit.findings import CLAIMS

    findings, totals = found
    points: dict[str, dict[str, dict[str, int]]] = {}
    for name, sums in (("ledger", totals.ledger), ("balances", totals.balances), ("accounts", totals.accounts)):
        for (currency, pot), amount in sorted(sums.items()):
            points.setdefault(currency, {}).setdefault(pot, {})[name] = amount
    return {
        "clean": findings.clean,
        "checks": {
            str(check): {"claim": claim, "looked_at": findings.looked_at[check], "wrong": findings.wrong[check]}
            for check, claim in CLAIMS.items()
        },
        "differences": [
            {
                "check": str(each.check),
                "topic": each.place.topic,
                "partition": each.place.partition,
                "offset": each.place.offset,
                "member": each.member or None,
                "entry": each.entry or None,
                "expected": each.expected,
                "found": each.found,
            }
            for each in findings.differences
        ],
        "records": dict(totals.records),
        "newer": dict(totals.newer),
        "members": totals.members,
        "points": points,
        "books": [
            {"account": account, "currency": currency, "sum": amount}
            for (account, currency), amount in sorted(totals.books.items())
        ],
    }


def _show(found: "Audit") -> None:
    from rich.table import Table

    from workers.audit.findings import CLAIMS
    from workers.commands.books import show

    findings, totals = found
    for each in findings.differences:
        typer.echo(str(each))
    wrong = findings.wrong.total()
    if wrong > len(findings.differences):
        typer.echo(f"... and {wrong - len(findings.differences):,} more: --differences shows more of them")
    if wrong:
        typer.echo("")
    checks = Table("", "looked at", "wrong", "", box=None, show_header=True)
    for check, claim in CLAIMS.items():
        number = findings.wrong[check]
        seen = findings.looked_at[check]
        says = "WRONG" if number else "holds" if seen else "not asked"
        checks.add_row(says, f"{seen:,}", f"{number:,}" if number else "", claim)
    for number in (1, 2):
        checks.columns[number].justify = "right"
    show(checks)
    points = Table("points of members", "ledger", "balances", "accounts", box=None)
    sums = (totals.ledger, totals.balances, totals.accounts)
    for key in sorted({key for each in sums for key in each}):
        points.add_row(" ".join(key), *(f"{each[key]:,}" for each in sums))
    books = Table("the other side, by account", "currency", "sum", box=None)
    for (account, currency), amount in sorted(totals.books.items()):
        books.add_row(account, currency, f"{amount:,}")
    for table, first in ((points, 1), (books, 2)):
        for column in table.columns[first:]:
            column.justify = "right"
        if table.row_count:
            typer.echo("")
            show(table)
    read = ", ".join(f"{word} {number:,}" for word, number in totals.records.items())
    newer = totals.newer.total()
    after = f"; {newer:,} of them came too late to be compared" if newer else ""
    typer.echo(f"\n{totals.members:,} members; records read: {read or 'none'}{after}")
