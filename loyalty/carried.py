"""Points that go from one account to another: out of lots, on their way, into lots.

A lot keeps the instant at which its points were earned and its end. Points whose end depends on what their member does
get the end that they have when they leave. What is on its way stands in the books against `program:transferred`, which
comes to zero when all has arrived.

Invariants:
  K1 what leaves is what arrives, or what comes back: lot by lot, to the point
  K2 what arrives pays a debt first, except points whose end has passed on the way: they end at once
  K3 no message holds more than LOTS_MAX lots

Not here: who may give points to whom (transfers.py).
"""

from collections.abc import Sequence

from loyalty import lots
from loyalty.decisions import Posting
from loyalty.ledger import NO_BALANCE, Work, lot_id_of
from loyalty.lots import Lot
from loyalty.postings import DEBT, TRANSFERRED, available_of

LOTS_MAX = 1_000
"""Lots in a message, so that messages and entries stay bounded."""


def take_out(work: Work, currency: str, amount: int) -> tuple[Lot, ...]:
    """Take points that the member may spend, in the order of their use; there must be enough. They are not posted."""
    parts = work.take_usable(currency, amount)
    if sum(lot.left for lot in parts) != amount:
        raise ValueError(f"{amount} {currency} are to leave an account that has less")
    return parts


def post_out(work: Work, currency: str, gone: Sequence[Lot], rule: str, to: str = TRANSFERRED) -> None:
    """Post what has left the account."""
    total = sum(lot.left for lot in gone)
    if total:
        work.postings.append(Posting(to, currency, total, rule, ""))
        account = available_of(work.head.member)
        work.postings += [Posting(account, currency, -lot.left, rule, lot.lot_id) for lot in gone]


def leaving(gone: Sequence[Lot], alive_until_us: int | None) -> list[Lot]:
    """The lots with the ends that they have for good: those that activity keeps alive end `alive_until_us`."""
    return [lot if lot.ends_us is not None else lot._replace(ends_us=alive_until_us) for lot in gone]


def arriving(work: Work, currency: str, text: str, alive_until_us: int | None, kind: str) -> list[Lot]:
    """The lots of a message as the receiver holds them: each under an id of its own."""
    return [
        lot._replace(lot_id=lot_id_of(work.cause, work.head.member, f"{kind}:{lot.lot_id}", currency))
        for lot in leaving(lots.parsed(text), alive_until_us)
    ]


def returning(work: Work, currency: str, text: str, alive_until_us: int | None) -> list[Lot]:
    """The lots of a message that comes back to who sent it.

    Points that activity kept alive live on with the others; when there are none, they have the end that they had.
    """
    return leaving(lots.parsed(text), None if currency in work.head.active_until else alive_until_us)


def put_in(work: Work, currency: str, came: Sequence[Lot], rule: str, against: str = TRANSFERRED) -> int:
    """Post what arrives, and put it into its lots; answers how much it was. A lot that is there takes its points back.

    Debt is paid first.
    """
    head, account = work.head, available_of(work.head.member)
    owed = head.debts.get(currency, 0)
    held = head.lots.get(currency, "")
    total = 0
    for lot in came:
        total += lot.left
        is_over = lot.ends_us is not None and lot.ends_us <= work.now_us
        paid = 0 if is_over else min(owed, lot.left)
        owed -= paid
        work.postings.append(Posting(against, currency, -lot.left, rule, ""))
        if paid:
            work.postings.append(Posting(account, currency, paid, rule, DEBT))
        if lot.left > paid:
            rest = lot._replace(left=lot.left - paid)
            work.postings.append(Posting(account, currency, rest.left, rule, lot.lot_id))
            held = lots.restored(held, [rest]) if lot.lot_id in held else lots.added(held, rest)
            if lot.ends_us is not None:
                work.is_due_with(currency, lot.ends_us)
    if held:
        head.lots[currency] = held
    if currency in head.debts:
        head.debts[currency] = owed
        if not owed:
            del head.debts[currency]
    if total:
        work.move(currency, total)
    return total


def available(work: Work, currency: str) -> int:
    """What the member may spend."""
    return work.head.balances.get(currency, NO_BALANCE)[0]
