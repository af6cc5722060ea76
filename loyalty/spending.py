"""Points that leave an account because they are spent, and that come back into the lots which they came from.

Invariants:
  Q1 what is spent is gone from the lots at once, all of it; who spends has seen that there is enough
  Q2 what comes back has the end that it had; a debt is paid first, with the points that end first

Not here: why points are spent and why they come back (redemption.py).
"""

from collections.abc import Callable, Sequence

from loyalty import lots
from loyalty.decisions import Posting
from loyalty.ledger import Work
from loyalty.lots import Lot
from loyalty.postings import DEBT, available_of


def spend(
    work: Work, currency: str, amount: int, rule: str, against: str, usable: Callable[[Lot], bool]
) -> tuple[Lot, ...]:
    """Take points out of the usable lots in the order of use; answers what came out of each, as lots with that."""
    account = available_of(work.head.member)
    parts = work.take_usable(currency, amount, usable)
    work.postings.append(Posting(against, currency, amount, rule, ""))
    work.postings.extend(Posting(account, currency, -lot.left, rule, lot.lot_id) for lot in parts)
    return parts


def put_back(
    work: Work, currency: str, rule: str, parts: Sequence[Lot], alive_until_us: int | None, against: str
) -> None:
    """Put points back into their lots; `parts` stand in the order of use.

    `alive_until_us` is when points end that activity keeps alive, where the account does not say it any more.
    """
    head, account = work.head, available_of(work.head.member)
    total = sum(lot.left for lot in parts)
    work.postings.append(Posting(against, currency, -total, rule, ""))
    owed = head.debts.pop(currency, 0)
    paid = min(owed, total)
    if owed > paid:
        head.debts[currency] = owed - paid
    if paid:
        work.postings.append(Posting(account, currency, paid, rule, DEBT))
    kept = lots.without_first(parts, paid)
    for lot in kept:
        work.postings.append(Posting(account, currency, lot.left, rule, lot.lot_id))
        ends_us = lot.ends_us
        if ends_us is None and alive_until_us is not None:
            ends_us = head.active_until.get(currency, alive_until_us)
            head.active_until = {**head.active_until, currency: ends_us}
        if ends_us is not None:
            work.is_due_with(currency, ends_us)
    if kept:
        head.lots[currency] = lots.restored(head.lots.get(currency, ""), kept)
    work.move(currency, total)
