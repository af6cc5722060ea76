"""What moves points, by the account on the program's side of a posting: its column in reports, and its verb.

The one table to extend when the engine books something new. An account that is not in it still counts: in a column
named after it.
"""

from typing import Final, NamedTuple

from loyalty.decisions import Entry, Posting
from loyalty.postings import (
    ADJUSTED,
    EARNED,
    EXPIRED,
    FEES,
    FORGIVEN,
    HELD,
    OPENING,
    REDEEMED,
    RESTORED,
    RETURNED,
    TRANSFERRED,
)

MEMBER: Final = "member:"
"""What the accounts of members begin with: member:<id>:available, member:<id>:pending."""


class Column(NamedTuple):
    """What an account of the program stands for. `always`: a report has it also when nothing moved."""

    name: str
    came: str
    """Said of points that a member got from it."""
    went: str
    """Said of points that a member lost to it."""
    always: bool = True


COLUMNS: Final = {
    EARNED: Column("issued", "given", "no longer given"),
    REDEEMED: Column("redeemed", "no longer redeemed", "redeemed"),
    HELD: Column("held", "no longer held", "held for a redemption", always=False),
    RESTORED: Column("restored", "put back", "no longer put back", always=False),
    EXPIRED: Column("expired", "put back after expiry", "expired"),
    RETURNED: Column("taken back", "given back", "taken back"),
    ADJUSTED: Column("adjusted", "added by an adjustment", "removed by an adjustment"),
    TRANSFERRED: Column("transferred", "received by a transfer", "sent by a transfer", always=False),
    FEES: Column("fees", "given back as a fee", "paid as a fee", always=False),
    FORGIVEN: Column("forgiven", "forgiven with the account", "owed again", always=False),
    OPENING: Column("brought in", "brought in from an older system", "corrected at opening", always=False),
}
"""Account -> column, in the order of reports."""


def column_of(account: str) -> str:
    """The column of an account of the program; a new one is named after the account: "program:burned" -> "burned".

    Of other accounts, only the first word counts: what may follow is an id, and there are many.
    """
    known = COLUMNS.get(account)
    if known is not None:
        return known.name
    family, _, rest = account.partition(":")
    return rest if family == "program" and rest else family


def columns(seen: set[str]) -> list[str]:
    """Columns of a report in which these moved something: those that are always there, then others that moved."""
    known = [column.name for column in COLUMNS.values() if column.always or column.name in seen]
    return known + sorted(seen - set(known))


def is_members(posting: Posting) -> bool:
    """Whether it is the member's side."""
    return posting.account.startswith(MEMBER)


def pot_of(posting: Posting) -> str:
    """Which of a member's accounts it is: available, pending."""
    return posting.account.rpartition(":")[2]


def moved(entry: Entry) -> dict[str, int]:
    """Currency -> how many points the members have more (or less) by an entry, without what only changed its place."""
    found: dict[str, int] = {}
    for posting in entry.postings:
        if is_members(posting):
            found[posting.currency] = found.get(posting.currency, 0) + posting.amount
    return found


def what_happened(entry: Entry) -> str:
    """An entry in a word or two, by the accounts against which it books: "taken back", "given"."""
    words: dict[str, None] = {}
    for posting in entry.postings:
        if not is_members(posting):
            column = COLUMNS.get(posting.account)
            if column is None:
                words[column_of(posting.account)] = None
            elif posting.account == TRANSFERRED:
                words[_moved_over(entry, column, came=posting.amount < 0)] = None
            else:
                words[column.came if posting.amount < 0 else column.went] = None
    if words:
        return ", ".join(words)
    if any("reward" in step and "redemption_id" in step for step in entry.steps):
        return "a reward as a gift"
    pots = dict.fromkeys(pot_of(posting) for posting in entry.postings if posting.amount > 0)
    return f"moved to {', '.join(pots)}" if pots else "nothing moved"


def _moved_over(entry: Entry, column: Column, *, came: bool) -> str:
    """Points go from account to account by a transfer, which may come back, or with a whole account that is merged."""
    if entry.kind == "merge":
        return "came by a merge" if came else "went by a merge"
    if came and any("came_back" in step for step in entry.steps):
        return "back from a transfer that nobody took"
    return column.came if came else column.went
