"""The books: postings of one decision, gathered into entries that must balance.

Accounts of the books:
  member:<id>:available   what a member may spend (a debt makes it negative)
  member:<id>:pending     what is still to mature
  program:earned          the other side of points given
  program:returned        the other side of points taken back by returns

Invariants:
  B1 the postings of an entry sum to zero in each currency; otherwise nothing of the event is booked
  B2 credits pay a debt first; what is left becomes a lot

Not here: why points move (purchases.py, returns.py, activities.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from loyalty import lots
from loyalty.account import Head
from loyalty.decisions import BalanceChange, Entry, Posting, TierChange, derived_id
from loyalty.facts import Award, Cause
from loyalty.plan import Plan

EARNED = "program:earned"
RETURNED = "program:returned"
DEBT = "debt"
"""Stands for the lot of a posting that pays or makes a debt."""

NO_BALANCE = (0, 0)


class LedgerImbalance(Exception):
    """An entry whose postings do not sum to zero: a fault of the engine, never of the event."""

    def __init__(self, entry: Entry) -> None:
        """Say which entry."""
        super().__init__(f"postings of entry {entry.entry_id} ({entry.kind}) do not sum to zero: {entry.postings}")


def lot_id_of(cause: Cause, member: str, kind: str, currency: str) -> str:
    """The lot that a member's points of this cause, kind of entry and currency live in."""
    return derived_id(cause, "lot", member, kind, currency)[:16]


class Work:
    """One decision in progress: the member's draft and what will be answered."""

    __slots__ = (
        "awards",
        "balances_before",
        "cause",
        "entries",
        "head",
        "leg",
        "now_us",
        "plan",
        "postings",
        "tiers",
        "time_us",
        "writes",
    )

    def __init__(
        self,
        plan: Plan,
        head: Head,
        balances_before: Mapping[str, tuple[int, int]],
        cause: Cause,
        time_us: int,
        now_us: int,
        leg: str = "",
    ) -> None:
        """`head` is a draft; `plan` the version that the event is decided under.

        `leg` keeps the messages of several decisions of one cause apart: the rule of an award.
        """
        self.leg = leg
        self.plan = plan
        self.head = head
        self.cause = cause
        self.time_us = time_us
        self.now_us = now_us
        self.balances_before = balances_before
        self.postings: list[Posting] = []
        self.entries: list[Entry] = []
        self.tiers: list[TierChange] = []
        self.awards: list[Award] = []
        self.writes: dict[str, Any] = {}

    def credit(
        self,
        currency: str,
        parts: Sequence[tuple[str, int]],
        lot_id: str,
        against: str = EARNED,
        *,
        new_lot: bool = False,
    ) -> None:
        """Give the member (rule, points): debt is paid first, the rest goes into lot `lot_id`, made if it is new.

        `new_lot` says that it must be: searching a busy member's lots takes longer than all else here.
        """
        head = self.head
        owed = head.debts.get(currency, 0)
        account = f"member:{head.member}:available"
        post = self.postings.append
        total = into_lot = 0
        for rule, amount in parts:
            if not amount:
                continue
            total += amount
            post(Posting(against, currency, -amount, rule, ""))
            paid = 0
            if owed:
                paid = min(owed, amount)
                owed -= paid
            if amount > paid:
                into_lot += amount - paid
                post(Posting(account, currency, amount - paid, rule, lot_id))
            if paid:
                post(Posting(account, currency, paid, rule, DEBT))
        if into_lot:
            present = head.lots.get(currency, "")
            lot = lots.Lot(lot_id, self.time_us, None, into_lot)
            # Only an id that is there already needs the lots to be read.
            is_there = not new_lot and lot_id in present
            head.lots[currency] = lots.put_back(present, lot) if is_there else lots.added(present, lot)
        if total > into_lot:
            if owed:
                head.debts[currency] = owed
            else:
                del head.debts[currency]
        if total:
            self._move(currency, total)

    def take(self, currency: str, amount: int, first_lot: str) -> list[tuple[str, int]]:
        """Take points out of lots, `first_lot` before the others.

        Answers what came from which lot; the parts may sum to less than asked.
        """
        remaining, parts = lots.taken(self.head.lots.get(currency, ""), amount, first_lot)
        if remaining:
            self.head.lots[currency] = remaining
        else:
            self.head.lots.pop(currency, None)
        self._move(currency, -sum(part for _, part in parts))
        return parts

    def owe(self, currency: str, amount: int) -> None:
        """Let the member's balance go below zero."""
        self.head.debts[currency] = self.head.debts.get(currency, 0) + amount
        self._move(currency, -amount)

    def _move(self, currency: str, amount: int) -> None:
        available, pending = self.head.balances.get(currency, NO_BALANCE)
        self.head.balances[currency] = (available + amount, pending)

    def book(self, kind: str, reason: str, steps: list[dict[str, Any]], version: Plan | None = None) -> None:
        """Close an entry over the postings so far; raises LedgerImbalance. Without postings and steps there is none."""
        if not self.postings and not steps:
            return
        head = self.head
        head.ledger_sequence += 1
        program = (version or self.plan).program
        entry = Entry(
            derived_id(self.cause, "entry", head.member, kind, reason, self.leg),
            kind,
            reason,
            head.member,
            program.id,
            program.version,
            program.digest,
            self.cause,
            self.time_us,
            self.now_us,
            head.ledger_sequence,
            tuple(self.postings),
            tuple(steps),
        )
        check_balanced(entry)
        self.postings.clear()
        self.entries.append(entry)

    def balance_changes(self) -> tuple[BalanceChange, ...]:
        """One message for each currency whose balance this cause changed, in the order of the account."""
        head = self.head
        found = []
        for currency, after in head.balances.items():
            before = self.balances_before.get(currency, NO_BALANCE)
            if after == before:
                continue
            available, pending = after
            head.balances_sequence += 1
            found.append(
                BalanceChange(
                    derived_id(self.cause, "balance", head.member, currency, self.leg),
                    head.member,
                    self.plan.program.id,
                    currency,
                    available,
                    pending,
                    available + pending - before[0] - before[1],
                    head.balances.copy(),
                    self.cause,
                    self.time_us,
                    self.now_us,
                    head.balances_sequence,
                )
            )
        return tuple(found)


def check_balanced(entry: Entry) -> None:
    """Raise LedgerImbalance unless the postings sum to zero in each currency."""
    sums: dict[str, int] = {}
    for posting in entry.postings:
        sums[posting.currency] = sums.get(posting.currency, 0) + posting.amount
    if any(sums.values()):
        raise LedgerImbalance(entry)
