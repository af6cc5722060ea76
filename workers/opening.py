"""Moving a program here: a table of balances from an older system becomes events, and the ledger is held against it.

Invariants:
  O1 the same table, batch, time and operators give the same bytes: to publish them twice brings nothing in twice
  O2 either every row becomes events that the engine's own contract takes, or none does and each wrong row is named
  O3 what was booked ties out when each row has one ledger entry with its points, kind of points and tier, and the
     batch has no other

Not here: files and what is printed (commands/importer.py).
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import orjson

from loyalty.decisions import Entry
from loyalty.postings import OPENING
from schemas.decode import decode
from schemas.refusals import Undecodable

NEEDED: Final = ("member", "points")
KNOWN: Final = (*NEEDED, "currency", "tier", "earned_at", "ends_at", "reference", "birthday", "segments")
FIRST: Final = "(the program's first)"
"""In totals, the points of rows that name no currency."""
_OPTIONAL: Final = ("currency", "tier", "earned_at", "ends_at", "reference")


class Terms(NamedTuple):
    """What all rows have in common. `approved_by` may be ""."""

    batch: str
    time: str
    operator: str
    approved_by: str = ""

    @property
    def source(self) -> str:
        """`source` of the events."""
        return f"/opening/{self.batch}"


class Row(NamedTuple):
    """A row of the table, and the events that it becomes. `currency` "" is the program's first."""

    number: int
    event_id: str
    member: str
    points: int
    currency: str
    tier: str
    events: tuple[bytes, ...]


class WrongTableError(Exception):
    """Rows that cannot be taken; each of `problems` says where, what came and what to send."""

    def __init__(self, problems: list[str]) -> None:
        """Keep all of them."""
        super().__init__("\n".join(problems))
        self.problems = problems


def read_table(lines: Iterable[str], terms: Terms) -> list[Row]:
    """The rows of a CSV with a header. Raises WrongTableError."""
    table = csv.DictReader(lines, strict=True)
    header = list(table.fieldnames or ())
    problems = [f"line 1: there is no column {name}; send a header with it" for name in NEEDED if name not in header]
    problems += [
        f"line 1: the column {name!r} is not known; send only {', '.join(KNOWN)}"
        for name in header
        if name not in KNOWN or header.count(name) > 1
    ]
    if problems:
        raise WrongTableError(problems)
    rows: list[Row] = []
    try:
        for number, cells in enumerate(table, 1):
            found = _row(number, table.line_num, cells, terms)
            if isinstance(found, Row):
                rows.append(found)
            else:
                problems.append(found)
    except csv.Error as error:
        problems.append(f"line {table.line_num}: {error}; send one row of comma-separated values")
    if problems:
        raise WrongTableError(problems)
    return rows


def _row(number: int, line: int, cells: Mapping[Any, Any], terms: Terms) -> Row | str:
    """A row, or what is wrong with it."""
    if None in cells or None in cells.values():
        return f"line {line}: it has another number of values than the header; send one for each column, or nothing"
    said = {name: value.strip() for name, value in cells.items() if value.strip()}
    text = said.get("points", "")
    if not text.isascii() or not text.isdecimal():
        return f"line {line}: points is {text!r}; send a whole number, 0 or more, in the smallest unit"
    event_id = f"{terms.batch}-{number}"
    data: dict[str, Any] = {"adjustment_id": event_id, "kind": "opening", "points": int(text)}
    data |= {"reason": f"opening {terms.batch}", "operator": terms.operator}
    data |= {"approved_by": terms.approved_by} if terms.approved_by else {}
    data |= {name: said[name] for name in _OPTIONAL if name in said}
    profile: dict[str, Any] = {"birthday": said["birthday"]} if "birthday" in said else {}
    if "segments" in said:
        profile["segments"] = [name.strip() for name in said["segments"].split(";")]
    member = said.get("member", "")
    events = (
        [_event("member", f"{event_id}-member", member, {"status": "enrolled", **profile}, terms)] if profile else []
    )
    events.append(_event("adjustment", event_id, member, data, terms))
    for raw in events:
        decoded = decode(raw, strict=True)
        if isinstance(decoded, Undecodable):
            return f"line {line}: {decoded.message}"
    return Row(number, event_id, member, int(text), said.get("currency", ""), said.get("tier", ""), tuple(events))


def _event(kind: str, event_id: str, member: str, data: dict[str, Any], terms: Terms) -> bytes:
    event = {"specversion": "1.0", "id": event_id, "source": terms.source, "type": f"loyalty.{kind}.v1"}
    event |= {"time": terms.time, "subject": member, "datacontenttype": "application/json"}
    return orjson.dumps({**event, "data": data})


class Totals(NamedTuple):
    """What a table brings in: by kind of points, and rows by tier."""

    rows: int
    members: int
    points: Mapping[str, int]
    tiers: Mapping[str, int]


def totals_of(rows: list[Row]) -> Totals:
    """The sums of a table."""
    points: Counter[str] = Counter()
    for row in rows:
        points[row.currency or FIRST] += row.points
    tiers = Counter(row.tier for row in rows if row.tier)
    members = len({row.member for row in rows})
    return Totals(len(rows), members, dict(sorted(points.items())), dict(sorted(tiers.items())))


def differences(rows: list[Row], entries: Iterable[Entry], terms: Terms) -> Iterator[str]:
    """Where the ledger does not say what the table says, row by row."""
    booked: dict[str, Entry] = {}
    for entry in entries:
        if entry.cause.source == terms.source and entry.kind == "adjustment":
            booked[entry.cause.id] = entry
    for row in rows:
        found = booked.pop(row.event_id, None)
        if found is None:
            yield f"row {row.number}, member {row.member}: not booked; look for {row.event_id} among the dead letters"
            continue
        moved = [each for each in found.postings if each.account == OPENING]
        points = -sum(each.amount for each in moved)
        tier = next((str(step["tier"]) for step in found.steps if "tier" in step), "")
        currencies = {each.currency for each in moved} if row.currency else set()
        if (found.member, points, tier) != (row.member, row.points, row.tier) or currencies - {row.currency}:
            yield (
                f"row {row.number}: the table says member {row.member}, {row.points} {row.currency} {row.tier}; "
                f"booked is member {found.member}, {points} {' '.join(sorted(currencies))} {tier}"
            )
    for event_id, entry in booked.items():
        yield f"{event_id} of member {entry.member} is booked, but no row of the table"
