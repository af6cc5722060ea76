"""A small world to decide in: accounts in memory, and everything that came out, checked as it comes.

Checked at every step, for each decision: nothing that was given to it changed, deciding twice gives the same,
records survive their encoding, the entries balance, and the account agrees with its lots and debt.
"""

import copy
import functools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from typing_extensions import override

from loyalty.account import (
    Head,
    PurchaseRecord,
    Record,
    RedemptionRecord,
    State,
    head_key,
    purchase_key,
    redemption_key,
)
from loyalty.decide import decide
from loyalty.decisions import (
    BalanceChange,
    Decision,
    Entry,
    Notice,
    Outcome,
    RedemptionChange,
    RewardOrder,
    TierChange,
)
from loyalty.due import decide_due, look_us
from loyalty.facts import Fact, Message
from loyalty.fetching import fetched
from loyalty.lots import left_total, taken
from loyalty.plan import Programs
from loyalty.program import Program
from schemas.encode import encode_balance, encode_entry, encode_notice, encode_return, encode_reward, encode_tier
from schemas.messages import encode_message, readdressed
from schemas.program_load import parse_program
from schemas.state import decode_record, encode_record, look_of
from tests.loyalty.events import fact
from workers.batch import as_received

T = TypeVar("T")

PLAIN = {
    "program": "test",
    "version": '"1"',
    "effective_from": "2000-01-01",
    "zone": "UTC",
    "money": "USD",
    "points": "{points: {name: Points}}",
    "stream": "{max_late: none}",
}
"""What a program of a test says when it says nothing else."""

BASE = 'earn: [{id: base, on: purchase, give: {points: 1, per: "1.00"}}]\n'
"""One point for each 1.00."""


@functools.lru_cache(maxsize=256)  # It is frozen, and a law asks for the same few again and again.
def program(text: str = BASE) -> Program:
    """A program in YAML, with PLAIN for the keys that it leaves out."""
    said = {row.partition(":")[0] for row in text.splitlines() if row[:1].isalpha()}
    return parse_program("".join(f"{key}: {value}\n" for key, value in PLAIN.items() if key not in said) + text)


class Books:
    """Accounts, and what was said about them. `now` of a decision is the event's own time unless given."""

    def __init__(self, *programs: Program, careful: bool = True) -> None:
        self.programs = Programs(programs)
        self.careful = careful
        self.state: dict[str, Record] = {}
        self.decisions: list[Decision] = []
        self.entries: list[Entry] = []
        self.balances: list[BalanceChange] = []
        self.tiers: list[TierChange] = []
        self.notices: list[Notice] = []
        self.rewards: list[RedemptionChange | RewardOrder] = []
        self.messages: list[Message] = []
        self.spent: Counter[tuple[str, str]] = Counter()

    def pass_time(self, until_us: int) -> list[Decision]:
        """Decide what falls due by that instant, in order, each at its own."""
        decisions = []
        while due := [
            (at_us, key)
            for key, record in self.state.items()
            if (at_us := look_us(self.programs, record)) is not None and at_us <= until_us
        ]:
            due_us, key = min(due)
            decision = self._decided(decide_due, {key: self.state[key]}, key, due_us)
            decisions.append(decision)
            self._pass_on(decision, due_us)
        return decisions

    def take(self, event: bytes | Fact, now_us: int | None = None) -> Decision:
        """Decide an event, write what it changes, then decide the messages that follow from it.

        What falls due before is decided before.
        """
        what = fact(event) if isinstance(event, bytes) else event
        now_us = what.time_us if now_us is None else now_us
        self.pass_time(now_us)
        state = fetched(what, self.state.get)
        decision = self._decided(decide, state, what, now_us)
        if decision.moved_to:
            # What goes along is right before it in the inbox, however slow that is.
            Books._pass_on(self, decision, now_us)
            return self.take(readdressed(what, event if isinstance(event, bytes) else b"", decision.moved_to), now_us)
        self._pass_on(decision, now_us)
        return decision

    def _pass_on(self, decision: Decision, now_us: int) -> None:
        """Decide the messages of a decision, as they are read from the inbox."""
        for message in map(as_received, decision.messages):
            self.messages.append(message)
            self.take(message, now_us)

    def _decided(
        self, of: Callable[[Programs, State, T, int], Decision], state: State, what: T, now_us: int
    ) -> Decision:
        """Decide, look at how it was done, and write what it changes."""
        before = copy.deepcopy(state) if self.careful else state
        decision = of(self.programs, state, what, now_us)
        if self.careful:
            assert state == before, "a decision changed what it was given"
            assert of(self.programs, state, what, now_us) == decision, "deciding twice gave two answers"
            self._check(decision)
        self._write(decision)
        return decision

    def _write(self, decision: Decision) -> None:
        for key, record in decision.writes.items():
            if record is None:
                del self.state[key]
            else:
                self.state[key] = record
        self.decisions.append(decision)
        self.entries += decision.entries
        self.balances += decision.balances
        self.tiers += decision.tiers
        self.notices += decision.notices
        self.rewards += decision.rewards

    def take_all(self, events: Iterable[bytes | Fact]) -> "Books":
        """Take events one after the other."""
        for event in events:
            self.take(event)
        return self

    def _check(self, decision: Decision) -> None:
        if decision.outcome is not Outcome.APPLIED:
            assert decision == Decision(decision.outcome, refusal=decision.refusal), "a trace of what was not applied"
        for key, record in decision.writes.items():
            assert record is None or decode_record(encode_record(record)) == record, key
            assert record is None or look_of(encode_record(record), self.programs.start_after) == look_us(
                self.programs, record
            )
        for entry in decision.entries:
            sums: Counter[str] = Counter()
            for posting in entry.postings:
                sums[posting.currency] += posting.amount
            assert not any(sums.values()), entry
            encode_entry(entry)
        for change in decision.balances:
            assert change.balances[change.currency] == (change.available, change.pending), "changed after it was told"
            encode_balance(change)
        for tier in decision.tiers:
            encode_tier(tier)
        for notice in decision.notices:
            encode_notice(notice)
        for reward in decision.rewards:
            encode_reward(reward)
        for message in decision.messages:
            encode_message(message)
        for dead in decision.dead:
            assert fact(encode_return(dead.fact)) == dead.fact, "what waited cannot be sent again"

    # ------------------------------------------------------------------ looking at it
    def head(self, member: str = "m1") -> Head:
        """A member's account."""
        found = self.state[head_key(member)]
        assert isinstance(found, Head)
        return found

    def record(self, transaction_id: str, member: str = "m1") -> PurchaseRecord:
        """A purchase's record."""
        found = self.state[purchase_key(member, transaction_id)]
        assert isinstance(found, PurchaseRecord)
        return found

    def redemption(self, redemption_id: str, member: str = "m1") -> RedemptionRecord:
        """A redemption's record."""
        found = self.state[redemption_key(member, redemption_id)]
        assert isinstance(found, RedemptionRecord)
        return found

    def heads(self) -> list[Head]:
        """All accounts, by member."""
        return sorted((each for each in self.state.values() if isinstance(each, Head)), key=lambda each: each.member)

    def balance(self, member: str = "m1", currency: str = "points") -> int:
        """What a member may spend."""
        found = self.state.get(head_key(member))
        return found.balances.get(currency, (0, 0))[0] if isinstance(found, Head) else 0

    def by_rule(self, member: str = "m1", *, entries: Sequence[Entry] | None = None) -> Counter[tuple[str, str]]:
        """(rule, currency) -> points that the member got, less what went back."""
        found: Counter[tuple[str, str]] = Counter()
        for entry in self.entries if entries is None else entries:
            for posting in entry.postings:
                if posting.account.startswith(f"member:{member}:"):
                    found[posting.rule, posting.currency] += posting.amount
        return found

    def spend(self, amount: int, member: str = "m1", currency: str = "points") -> None:
        """Let points be gone, as a redemption will: out of the lots, in their order of use."""
        head = self.head(member).draft()
        head.lots[currency], parts = taken(head.lots.get(currency, ""), amount)
        available, pending = head.balances[currency]
        assert sum(part for _, part in parts) == amount
        head.balances[currency] = (available - amount, pending)
        self.spent[member, currency] += amount
        self.state[head_key(member)] = head

    def check_books(self) -> None:
        """The ledger adds up to the balances, the balances to lots and debt, and sequences have no gaps."""
        for head in self.heads():
            mine = [entry for entry in self.entries if entry.member == head.member]
            assert [entry.sequence for entry in mine] == list(range(1, len(mine) + 1))
            assert [c.sequence for c in self.balances if c.member == head.member] == list(
                range(1, head.balances_sequence + 1)
            )
            assert [t.sequence for t in self.tiers if t.member == head.member] == list(
                range(1, head.tiers_sequence + 1)
            )
            assert [r.sequence for r in self.rewards if r.member == head.member] == list(
                range(1, head.rewards_sequence + 1)
            )
            assert head.ledger_sequence == len(mine)
            booked: Counter[str] = Counter()
            for (_, currency), amount in self.by_rule(head.member, entries=mine).items():
                booked[currency] += amount
            for currency in {*booked, *head.balances}:
                available, pending = head.balances.get(currency, (0, 0))
                assert booked[currency] - self.spent[head.member, currency] == available + pending
                left = left_total(head.lots.get(currency, ""))
                assert available == left - head.debts.get(currency, 0)
                assert pending == sum(one.lot.left for one in head.maturing if one.currency == currency)
                assert not (left and head.debts.get(currency, 0)), "a debt is paid before a lot is made"
        for ids in (
            [entry.entry_id for entry in self.entries],
            [change.change_id for change in self.balances],
            [tier.change_id for tier in self.tiers],
            [notice.notice_id for notice in self.notices],
            [change.change_id for change in self.rewards],
        ):
            assert len(set(ids)) == len(ids), "two messages with one id"


class SlowBooks(Books):
    """Books whose messages wait until they are delivered, in any order."""

    def __init__(self, *programs: Program, careful: bool = True) -> None:
        super().__init__(*programs, careful=careful)
        self.inbox: list[Message] = []

    @override
    def _pass_on(self, decision: Decision, now_us: int) -> None:
        self.inbox += map(as_received, decision.messages)

    def deliver(self, at: int = 0, now_us: int | None = None) -> Decision:
        """Deliver a message that waits; the first unless said otherwise."""
        message = self.inbox.pop(at)
        self.messages.append(message)
        return self.take(message, now_us)

    def deliver_all(self) -> None:
        """Deliver messages, and what follows from them, in their order."""
        while self.inbox:
            self.deliver()
