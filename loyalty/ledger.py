"""The books: postings of one decision, gathered into entries that must balance.

Invariants:
  B1 the postings of an entry sum to zero in each currency; otherwise nothing of the event is booked
  B2 credits pay a debt first; what is left becomes a lot. Pending points pay no debt before they mature
  B3 `due_us` of the account is never later than the next instant of what is booked here

Not here: the accounts of the books (postings.py); why points move (purchases.py, returns.py, activities.py,
adjustments.py).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from loyalty import lots
from loyalty.account import Head, Maturing, added_to
from loyalty.calendar import life_end_us, local_time, shifted_us
from loyalty.decisions import (
    BalanceChange,
    Dead,
    Decision,
    Entry,
    Notice,
    Outcome,
    Posting,
    RedemptionChange,
    RewardOrder,
    TierChange,
    derived_id,
)
from loyalty.facts import Cause, Message
from loyalty.lots import Lot
from loyalty.making import maker
from loyalty.plan import Plan
from loyalty.postings import DEBT, EARNED, available_of, check_balanced, pending_of
from loyalty.program import Currency

NO_BALANCE = (0, 0)

_posting, _entry, _change = maker(Posting), maker(Entry), maker(BalanceChange)
_decision = maker(Decision)


def lot_id_of(cause: Cause, member: str, kind: str, currency: str) -> str:
    """The lot that a member's points of this cause, kind of entry and currency live in."""
    return derived_id(cause, "lot", member, kind, currency)[:16]


class Taken(NamedTuple):
    """Points that were taken out of a lot, or made a debt."""

    account: str
    lot: str
    points: int


class Work:
    """One decision in progress: the member's draft and what will be answered."""

    __slots__ = (
        "balances_before",
        "cause",
        "entries",
        "head",
        "leg",
        "messages",
        "notices",
        "now_us",
        "passed_on",
        "plan",
        "postings",
        "rewards",
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
        self.notices: list[Notice] = []
        self.messages: list[Message] = []
        self.rewards: list[RedemptionChange | RewardOrder] = []
        self.writes: dict[str, Any] = {}
        self.passed_on: list[dict[str, Any]] = []
        """What an account that has ended leaves to its survivor to do (joining.py)."""

    def credit(
        self,
        currency: str,
        parts: Sequence[tuple[str, int]],
        lot_id: str,
        against: str = EARNED,
        *,
        new_lot: bool = False,
        earned: tuple[int, Plan] | None = None,
        ends_us: int | None = None,
    ) -> None:
        """Give the member (rule, points): debt is paid first, the rest goes into lot `lot_id`, made if it is new.

        `new_lot` says that it must be: searching a busy member's lots takes longer than all else here. `earned` is
        when and under which version the points were earned, if not now: their life and their waiting go by it.
        `ends_us` is an end of their own, which stands whatever the version says.
        """
        head = self.head
        earned_us, plan = earned or (self.time_us, self.plan)
        terms = plan.currencies[currency]
        if terms.pending is not None:
            matures_us = shifted_us(earned_us, terms.pending, plan.program.zone)
            if matures_us > self.now_us:
                self._credit_pending(terms, plan, parts, Lot(lot_id, earned_us, ends_us, 0), matures_us, against)
                return
        owed = head.debts.get(currency, 0)
        account = available_of(head.member)
        post = self.postings.append
        total = into_lot = 0
        for rule, amount in parts:
            if not amount:
                continue
            total += amount
            post(_posting(against, currency, -amount, rule, ""))
            paid = 0
            if owed:
                paid = min(owed, amount)
                owed -= paid
            if amount > paid:
                into_lot += amount - paid
                post(_posting(account, currency, amount - paid, rule, lot_id))
            if paid:
                post(Posting(account, currency, paid, rule, DEBT))
        if into_lot:
            present = head.lots.get(currency, "")
            lot = lot_id, earned_us, self.end_of_life(currency, earned_us, plan, ends_us), into_lot
            # Only an id that is there already needs the lots to be read.
            is_there = not new_lot and lot_id in present
            head.lots[currency] = lots.put_back(present, Lot(*lot)) if is_there else present + lots.text_of(*lot)
        if total > into_lot:
            if owed:
                head.debts[currency] = owed
            else:
                del head.debts[currency]
        if total:
            self.move(currency, total)

    def end_of_life(self, currency: str, earned_us: int, plan: Plan, own_us: int | None = None) -> int | None:
        """When points that were earned then under `plan` end, or `own_us`.

        None: never, or by the member's inactivity.
        """
        if own_us is not None:
            self.is_due_with(currency, own_us, plan)
            return own_us
        lives = plan.lives.get(currency)
        if lives is None:
            return None
        ends_us, due_us = lives[local_time(earned_us, plan.program.zone).ordinal]
        if not lives.expiry.restart_on:
            self.is_due(due_us)
            return ends_us
        held = self.head.active_until.get(currency, 0)
        ends_us = held if held > earned_us else ends_us  # An end that has passed was that of other points.
        self.head.active_until = {**self.head.active_until, currency: ends_us}
        self.is_due(lives.due_us(ends_us))
        return None

    def is_due_with(self, currency: str, ends_us: int, plan: Plan | None = None) -> None:
        """Have the account looked at when points end, or before, when the member is told of it.

        They may be points that the program has no more.
        """
        lives = (plan or self.plan).lives.get(currency)
        self.is_due(ends_us if lives is None else lives.due_us(ends_us))

    def is_due(self, instant_us: int) -> None:
        """Have the account looked at then (due.py)."""
        due_us = self.head.due_us
        self.head.due_us = instant_us if due_us is None else min(due_us, instant_us)

    def _credit_pending(
        self,
        terms: Currency,
        plan: Plan,
        parts: Sequence[tuple[str, int]],
        lot: Lot,
        matures_us: int,
        against: str,
    ) -> None:
        """Give (rule, points) that mature later; `lot` is the one they live in, empty. `plan` is their version."""
        head, account = self.head, pending_of(self.head.member)
        total = 0
        for rule, amount in parts:
            if amount:
                total += amount
                self.postings.append(Posting(against, terms.id, -amount, rule, ""))
                self.postings.append(Posting(account, terms.id, amount, rule, lot.lot_id))
        if not total:
            return
        maturing = added_to(head.maturing, lot.lot_id, points=total)
        if maturing is None:
            expiry = terms.expiry
            fixed = expiry is not None and not expiry.restart_on
            ends_us = lot.ends_us  # an end of its own
            if ends_us is None and expiry is not None and fixed:
                ends_us = life_end_us(lot.earned_us, expiry, plan.program.zone)
            lot = lot._replace(ends_us=ends_us, left=total)
            maturing = (*head.maturing, Maturing(terms.id, lot, matures_us, plan.program.version))
        head.maturing = maturing
        self.is_due(matures_us)
        self.move(terms.id, 0, total)

    def take(self, currency: str, amount: int, first_lot: str) -> list[Taken]:
        """Take points out of lots: `first_lot` before any other, then what may be spent, then what is pending.

        The parts may sum to less than asked.
        """
        found = self._take_pending(currency, amount, first_lot)
        amount -= sum(part.points for part in found)
        if amount:
            remaining, parts = lots.taken(self.head.lots.get(currency, ""), amount, first_lot)
            if remaining:
                self.head.lots[currency] = remaining
            else:
                self.head.lots.pop(currency, None)
            available = available_of(self.head.member)
            found += [Taken(available, lot_id, part) for lot_id, part in parts]
            from_lots = sum(part for _, part in parts)
            amount -= from_lots
            self.move(currency, -from_lots)
        if amount:
            found += self._take_pending(currency, amount, None)
        return found

    def _take_pending(self, currency: str, amount: int, lot_id: str | None) -> list[Taken]:
        """Take points that are pending, only out of one lot unless that is None."""
        found: list[Taken] = []
        maturing = list(self.head.maturing)
        for at, one in enumerate(maturing):
            part = min(one.lot.left, amount)
            if part and one.currency == currency and lot_id in {None, one.lot.lot_id}:
                maturing[at] = one._replace(lot=one.lot._replace(left=one.lot.left - part))
                amount -= part
                found.append(Taken(pending_of(self.head.member), one.lot.lot_id, part))
        if found:
            self.head.maturing = tuple(maturing)
            self.move(currency, 0, -sum(part.points for part in found))
        return found

    def return_expired(self, lot_id: str, amount: int) -> int:
        """Count up to `amount` of what has expired in a lot as returned; answers how much that is."""
        points, earned_us = self.head.expired.get(lot_id, NO_BALANCE)
        part = min(points, amount)
        if part:
            rest = {lot: held for lot, held in self.head.expired.items() if lot != lot_id}
            self.head.expired = {**rest, lot_id: (points - part, earned_us)} if points > part else rest
        return part

    def take_usable(
        self, currency: str, amount: int, usable: Callable[[Lot], bool] = lambda _: True
    ) -> tuple[Lot, ...]:
        """Take points out of the usable lots, in the order of use; answers what came out of each, as lots with that.

        They may sum to less than asked. Nothing is posted.
        """
        remaining, parts = lots.spent(self.head.lots.get(currency, ""), amount, usable)
        if remaining:
            self.head.lots[currency] = remaining
        else:
            self.head.lots.pop(currency, None)
        if parts:
            self.move(currency, -sum(lot.left for lot in parts))
        return parts

    def owe(self, currency: str, amount: int) -> None:
        """Let the member's balance go below zero."""
        self.head.debts[currency] = self.head.debts.get(currency, 0) + amount
        self.move(currency, -amount)

    def move(self, currency: str, amount: int, pending_amount: int = 0) -> None:
        """Change a balance, for whoever posts and moves lots himself."""
        available, pending = self.head.balances.get(currency, NO_BALANCE)
        self.head.balances[currency] = (available + amount, pending + pending_amount)

    def heading(self, member: str, message_id: str) -> tuple[Cause, str, int, bytes, bytes, str, str, str]:
        """What a message to `member` begins with. Its digests are made of what is sent."""
        sender, version = self.head.member, self.plan.program.version
        return self.cause, member, self.time_us, b"", b"", message_id, sender, version

    def notify(self, kind: str, details: Mapping[str, Any]) -> None:
        """Tell the member something; `details` are plain JSON values."""
        head = self.head
        head.notices_sequence += 1
        self.notices.append(
            Notice(
                derived_id(self.cause, "notice", head.member, kind, str(head.notices_sequence)),
                kind,
                head.member,
                self.plan.program.id,
                details,
                self.cause,
                self.time_us,
                self.now_us,
                head.notices_sequence,
            )
        )

    def book(self, kind: str, reason: str, steps: list[dict[str, Any]], version: Plan | None = None) -> None:
        """Close an entry over the postings so far; raises LedgerImbalance. Without postings and steps there is none."""
        if not self.postings and not steps:
            return
        head = self.head
        head.ledger_sequence += 1
        program = (version or self.plan).program
        entry = _entry(
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

    def decision(self, writes: Mapping[str, Any], dead: tuple[Dead, ...] = ()) -> Decision:
        """What was done, as an answer that writes these records. To be asked for once: balance changes are numbered."""
        return _decision(
            Outcome.APPLIED,
            writes,
            tuple(self.entries),
            self.balance_changes(),
            tuple(self.tiers),
            tuple(self.messages),
            None,
            tuple(self.notices),
            dead,
            tuple(self.rewards),
        )

    def balance_changes(self) -> tuple[BalanceChange, ...]:
        """One message for each currency whose balance this cause changed, in the order of the account."""
        head = self.head
        found = []
        for currency, after in head.balances.items():
            before = self.balances_before.get(currency, NO_BALANCE)
            if after == before:
                continue
            available, pending = after
            had_available, had_pending = before
            head.balances_sequence += 1
            found.append(
                _change(
                    derived_id(self.cause, "balance", head.member, currency, self.leg),
                    head.member,
                    self.plan.program.id,
                    currency,
                    available,
                    pending,
                    available + pending - had_available - had_pending,
                    head.balances,  # Not a copy: whoever changes an account after this makes a draft of it.
                    self.cause,
                    self.time_us,
                    self.now_us,
                    head.balances_sequence,
                )
            )
        return tuple(found)
