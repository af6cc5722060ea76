"""The demo's summary: what went in, what came out, whether it adds up, and where to look next."""

from dataclasses import dataclass
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from workers.demo.books import Books, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that was measured. Counts of events are records; points are in the currency's smallest unit."""

    program: str
    published: dict[str, int]
    """Events by what they were meant as, each confirmed by the broker."""
    outcomes: dict[tuple[str, str], int]
    """(event type, outcome) -> events, from the workers' metrics."""
    books: Books
    tiers: list[str]
    """All tiers of the program, lowest first."""
    batches: int
    publish_seconds: float
    take_seconds: float
    """From the first batch of the worker to its last, by its own clock in the journal."""
    decide_seconds: float
    """What of that the workers spent deciding, by their metrics; the rest is waiting for events and for the broker."""
    taken: int
    findings: list[Finding]
    addresses: tuple[str, ...]

    @property
    def rate(self) -> float:
        """Events taken a second, publishing included: both share the machine."""
        return self.taken / self.take_seconds if self.take_seconds else 0.0

    @property
    def holds(self) -> bool:
        """Whether every check came out right."""
        return not any(finding.wrong for finding in self.findings)


def as_json(report: Report) -> dict[str, Any]:
    """The report for a script."""
    books = report.books
    outcomes: dict[str, dict[str, int]] = {}
    for (event_type, outcome), count in sorted(report.outcomes.items()):
        outcomes.setdefault(event_type, {})[outcome] = count
    return {
        "program": report.program,
        "published": report.published,
        "published_total": sum(report.published.values()),
        "outcomes": outcomes,
        "points": dict(books.points()),
        "points_by_rule": [
            {
                "rule": rule,
                "currency": currency,
                "given": books.given[rule, currency],
                "taken_back": books.taken_back[rule, currency],
            }
            for rule, currency in _rules(books)
        ],
        "entries": dict(books.entries),
        "members": books.members,
        "members_by_tier": _members_by_tier(report),
        "tier_changes": dict(books.tier_changes),
        "dead_letters": dict(books.dead_letters),
        "dead_letter_examples": books.dead_letter_example,
        "batches": report.batches,
        "publish_seconds": round(report.publish_seconds, 3),
        "take_seconds": round(report.take_seconds, 3),
        "decide_seconds": round(report.decide_seconds, 3),
        "events_per_second": round(report.rate),
        "checks": [finding._asdict() for finding in report.findings],
        "ok": report.holds,
    }


def show(report: Report, console: Console) -> None:
    """Prints the report for a person."""
    console.print(Text(f"\nWhat the program {report.program} made of it\n", style="bold"))
    for left, right in ((_events(report), _tiers(report)), (_points(report), _dead_letters(report))):
        pair = Table.grid(padding=(0, 4))
        pair.add_row(left, right)
        console.print(pair)
        console.print()
    console.print(
        f"{report.taken:,} events in {report.batches:,} transactions and {report.take_seconds:.1f} s: "
        f"{report.rate:,.0f} a second\n(of which publishing them, on the same machine, took "
        f"{report.publish_seconds:.1f} s)",
        highlight=False,
    )
    for finding in report.findings:
        mark = Text("holds", style="green") if not finding.wrong else Text("FAILS", style="bold red")
        said = f": {finding.looked_at:,}" + (f", {finding.wrong:,} wrong" if finding.wrong else "")
        console.print(Text.assemble("  ", mark, "  ", finding.claim, said))


def _events(report: Report) -> RenderableType:
    by_outcome: dict[str, dict[str, int]] = {}
    for (event_type, outcome), count in sorted(report.outcomes.items()):
        by_outcome.setdefault(outcome, {})[event_type] = count
    outcomes = list(by_outcome)
    table = Table("events in", *(outcome.replace("_", " ") for outcome in outcomes), box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for event_type in sorted({event_type for event_type, _ in report.outcomes}):
        counts = [by_outcome[outcome].get(event_type, 0) for outcome in outcomes]
        table.add_row(_short(event_type), *(f"{count:,}" if count else "" for count in counts))
    return table


def _points(report: Report) -> RenderableType:
    books = report.books
    table = Table("points, by rule", "given", "back", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for rule, currency in _rules(books):
        back = books.taken_back[rule, currency]
        table.add_row(rule, f"{books.given[rule, currency]:,}", f"{back:,}" if back else "")
    for currency, amount in books.points().items():
        table.add_row(Text(f"{currency} held now", style="bold"), Text(f"{amount:,}", style="bold"))
    return table


def _tiers(report: Report) -> RenderableType:
    table = Table("members", "", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for tier, count in _members_by_tier(report).items():
        table.add_row(tier, f"{count:,}")
    table.add_row(Text("all", style="bold"), Text(f"{report.books.members:,}", style="bold"))
    return table


def _dead_letters(report: Report) -> RenderableType:
    table = Table("dead letters", "", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for code, count in report.books.dead_letters.most_common():
        table.add_row(code, f"{count:,}")
    table.add_row(Text("all", style="bold"), Text(f"{report.books.dead_letters.total():,}", style="bold"))
    return table


def _rules(books: Books) -> list[tuple[str, str]]:
    """All rules that gave or took back, the most generous first."""
    return sorted(books.given.keys() | books.taken_back.keys(), key=lambda key: (-books.given[key], key))


def _members_by_tier(report: Report) -> dict[str, int]:
    found = dict.fromkeys(report.tiers, 0)
    for tier in report.books.tier_of.values():
        found[tier] = found.get(tier, 0) + 1
    return found


def _short(event_type: str) -> str:
    return event_type.removeprefix("loyalty.").rpartition(".v")[0] or event_type
