"""What closing an account does to its points, as the program says: they stay where they are, or end at once.

Invariants:
  O1 an account that is closed with `expire` holds nothing and owes nothing, now and later
  O2 no tier of a closed account ends any more: it is the one that the member had

Not here: what a closed account answers to events (decide.py).
"""

from typing import Any

from loyalty import lots
from loyalty.decisions import Posting
from loyalty.ledger import Work
from loyalty.lots import Lot
from loyalty.postings import DEBT, EXPIRED, FORGIVEN, available_of, pending_of

KIND = "close"
CLOSING = "closing"
EXPIRE = "expire"

_LOTS_MAX = 1_000
"""Lots that one entry books, so that entries stay bounded."""


def close(work: Work) -> None:
    """End what ends with the account."""
    head = work.head
    head.tier_until_us = head.tier_review_us = None
    head.tier_rises = ()
    let_end(work)


def let_end(work: Work) -> None:
    """Let all points of a closed account end and write its debts off, if the program says so."""
    if work.plan.program.closing != EXPIRE:
        return
    head = work.head
    gone: list[tuple[str, str, Lot]] = []
    available, pending = available_of(head.member), pending_of(head.member)
    for currency, held in head.lots.items():
        gone += [(available, currency, lot) for lot in lots.parsed(held)]
    gone += [(pending, one.currency, one.lot) for one in head.maturing if one.lot.left]
    head.lots.clear()
    head.maturing = ()
    head.active_until = {}
    owed = list(head.debts.items())
    head.debts.clear()
    for currency, points in owed:
        work.postings.append(Posting(FORGIVEN, currency, -points, CLOSING, ""))
        work.postings.append(Posting(available, currency, points, CLOSING, DEBT))
        work.move(currency, points)
    steps: list[dict[str, Any]] = [{"rule": CLOSING, "forgiven": points, "currency": of} for of, points in owed]
    for number, first in enumerate(range(0, len(gone), _LOTS_MAX) if gone else [0]):
        for account, currency, lot in gone[first : first + _LOTS_MAX]:
            steps.append(_ended(work, account, currency, lot, is_pending=account == pending))
        work.book(KIND, f"{CLOSING}:{number}" if number else CLOSING, steps)
        steps = []


def _ended(work: Work, account: str, currency: str, lot: Lot, *, is_pending: bool) -> dict[str, Any]:
    """Post the end of a lot; answers the step that says so."""
    work.postings.append(Posting(EXPIRED, currency, lot.left, CLOSING, ""))
    work.postings.append(Posting(account, currency, -lot.left, CLOSING, lot.lot_id))
    work.move(currency, 0 if is_pending else -lot.left, -lot.left if is_pending else 0)
    return {
        "rule": CLOSING,
        "lot": lot.lot_id,
        "currency": currency,
        "points": lot.left,
        "earned_us": lot.earned_us,
    }
