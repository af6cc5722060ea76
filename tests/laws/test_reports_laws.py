"""LAW 4: what is read back from the books says what the accounts say, for every stream.

The entries go through their bytes, and are booked late by random amounts.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from loyalty.catalogue import PAYMENT
from loyalty.decisions import Entry
from loyalty.lots import parsed
from schemas.encode import encode_entry, encode_tier
from schemas.readback import read_entry, read_tier_change
from tests.laws.worlds import World, examples, worlds
from tests.loyalty.books import Books
from tests.loyalty.events import fact
from workers.books.account import Account
from workers.books.moments import Span
from workers.books.month import Month, Row, totals
from workers.books.names import Names
from workers.books.narration import told
from workers.books.trace import Trace

HOUR_US = 3_600_000_000


def booked_late(world: World, hours_late: Sequence[int]) -> Books:
    """The stream, each event heard of so many hours after it happened; the clock never goes back."""
    books = Books(world.program, careful=False)
    now_us = 0
    for number, event in enumerate(world.events):
        late_us = hours_late[number % len(hours_late)] * HOUR_US
        now_us = max(now_us, fact(event).time_us + late_us)
        books.take(event, now_us)
    return books


def spans(entries: Sequence[Entry], cuts: Sequence[int]) -> list[Span]:
    """Spans without a gap over all entries, cut at some of their own instants."""
    times = sorted(entry.recorded_at_us for entry in entries)
    chosen = {times[cut % len(times)] for cut in cuts} | {times[0] - 1, times[-1] + 1}
    return [Span(*both) for both in pairwise(sorted(chosen))]


lateness = st.lists(st.sampled_from([0, 0, 1, 30, 900]), min_size=1, max_size=5)


@given(worlds(length=14) | worlds(length=14, spends=True), lateness, st.lists(st.integers(0, 99), max_size=4))
@examples(120)
def test_l4_each_month_ties_out_opens_as_the_last_one_closed_and_ends_at_the_balances(
    world: World, hours_late: list[int], cuts: list[int]
) -> None:
    books = booked_late(world, hours_late)
    entries = [read_entry(encode_entry(entry)) for entry in books.entries]
    assert entries == [entry._replace(steps=tuple(map(dict, entry.steps))) for entry in books.entries]
    if not entries:
        return
    before: dict[Any, int] = {}
    rows: list[Row] = []
    for span in spans(entries, cuts):
        month = Month(span)
        for entry in entries:
            month.take(entry)
        rows = month.rows()
        assert [row.off for row in (*rows, *totals(rows))] == [0] * len((*rows, *totals(rows)))
        assert {(row.currency, row.rule): row.opening for row in rows if row.opening} == before
        before = {(row.currency, row.rule): row.closing for row in rows if row.closing}
    held: dict[str, int] = {}
    for head in books.heads():
        for currency, balance in head.balances.items():
            held[currency] = held.get(currency, 0) + sum(balance)
    assert {row.currency: row.closing for row in totals(rows) if row.closing} == {c: n for c, n in held.items() if n}


@given(worlds(length=14) | worlds(length=14, spends=True), lateness)
@examples(100)
def test_l4_a_member_read_back_has_the_balances_lots_debts_and_tier_of_the_account(
    world: World, hours_late: list[int]
) -> None:
    books = booked_late(world, hours_late)
    for head in books.heads():
        account = Account(None, None, "event")
        for entry in books.entries:
            if entry.member == head.member:
                account.take(read_entry(encode_entry(entry)))
        for change in books.tiers:
            if change.member == head.member:
                account.take_tier(read_tier_change(encode_tier(change)))
        found = {currency: (pots["available"], pots["pending"]) for currency, pots in account.balances.items()}
        assert {c: b for c, b in found.items() if any(b)} == {c: b for c, b in head.balances.items() if any(b)}
        assert {currency: debt for currency, debt in account.debts.items() if debt} == head.debts
        assert sorted((lot.currency, lot.lot, lot.left["available"]) for lot in account.lots()) == sorted(
            (currency, lot.lot_id, lot.left) for currency, text in head.lots.items() for lot in parsed(text)
        )
        tier = account.tier()
        assert (tier.tier if tier else "") == head.tier
        assert account.gaps == 0


IN_WORDS = {PAYMENT: "Paid with points"}
"""What is no rule of the program, and how it is called."""


@given(worlds(length=14) | worlds(length=14, spends=True))
@examples(60)
def test_l4_every_entry_can_be_told_and_what_is_left_of_its_lots_is_what_the_account_has(world: World) -> None:
    books = booked_late(world, [0])
    left = {lot.lot_id: lot.left for head in books.heads() for text in head.lots.values() for lot in parsed(text)}
    for wanted in books.entries:
        trace = Trace(wanted.entry_id)
        for entry in books.entries:
            if trace.may_concern(encode_entry(entry)):
                trace.take(entry)
        [followed] = trace.found
        assert followed.entry == wanted
        for lot in followed.given:
            assert sum(amount for (of, _), amount in followed.left.items() if of == lot) == left.get(lot, 0)
        text = "\n".join(told(followed, Names([world.program])))
        rules = {str(step["rule"]) for step in wanted.steps if "rule" in step}
        assert all(IN_WORDS.get(rule, rule) in text for rule in rules)
