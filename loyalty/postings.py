"""The accounts of the books, and what must hold of every entry over them.

Accounts of the books:
  member:<id>:available   what a member may spend (a debt makes it negative)
  member:<id>:pending     what is still to mature
  program:earned          the other side of points given
  program:returned        the other side of points taken back by returns
  program:expired         the other side of points whose life has ended
  program:adjusted        the other side of points that an operator gave or took
  program:opening         the other side of points brought in from an older system
  program:held            the other side of points that a redemption holds while a stock is asked
  program:redeemed        the other side of points that were spent
  program:restored        the other side of points that were spent and came back
  program:transferred     points on their way from one member to another; 0 when all have arrived
  program:fees            the other side of what members paid for transfers
  program:forgiven        the other side of debts that were written off

Not here: what is booked on them (ledger.py).
"""

from loyalty.decisions import Entry

EARNED = "program:earned"
RETURNED = "program:returned"
EXPIRED = "program:expired"
ADJUSTED = "program:adjusted"
OPENING = "program:opening"
HELD = "program:held"
REDEEMED = "program:redeemed"
RESTORED = "program:restored"
TRANSFERRED = "program:transferred"
FEES = "program:fees"
FORGIVEN = "program:forgiven"
DEBT = "debt"
"""Stands for the lot of a posting that pays or makes a debt."""


class LedgerImbalance(Exception):
    """An entry whose postings do not sum to zero: a fault of the engine, never of the event."""

    def __init__(self, entry: Entry) -> None:
        """Say which entry."""
        super().__init__(f"postings of entry {entry.entry_id} ({entry.kind}) do not sum to zero: {entry.postings}")


def available_of(member: str) -> str:
    """The account of what a member may spend."""
    return f"member:{member}:available"


def pending_of(member: str) -> str:
    """The account of what is still to mature."""
    return f"member:{member}:pending"


def check_balanced(entry: Entry) -> None:
    """Raise LedgerImbalance unless the postings sum to zero in each currency."""
    sums: dict[str, int] = {}
    for _, currency, amount, _, _ in entry.postings:
        sums[currency] = sums.get(currency, 0) + amount
    if any(sums.values()):
        raise LedgerImbalance(entry)
