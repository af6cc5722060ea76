"""LAW 1: the books add up, at every step of every stream.

Books checks each decision: postings sum to zero, the input is untouched, deciding twice agrees, records survive
their encoding. Here: whole accounts, and what rules gave against what they may give.
"""

from collections import Counter

from hypothesis import given

from loyalty.account import PurchaseRecord
from loyalty.calendar import local_time, period_key, window_start_ordinal
from loyalty.postings import EARNED, RETURNED
from loyalty.program import Duration
from loyalty.tiers import period_number, qualifying_sum
from tests.laws.worlds import World, examples, worlds
from tests.loyalty.books import Books


@given(worlds())
@examples(150)
def test_l1_ledger_balances_lots_and_sequences_agree(world: World) -> None:
    Books(world.program).take_all(world.events).check_books()


@given(worlds(length=14))
@examples(120)
def test_l1_a_member_has_what_purchases_still_hold_and_activities_gave(world: World) -> None:
    books = Books(world.program, careful=False).take_all(world.events)
    for head in books.heads():
        expected: Counter[str] = Counter()
        for record in _records(books, head.member):
            for rule, held in record.held.items():
                assert held > 0
                assert sum(record.held.values()) <= sum(record.granted.values())
                expected[_currency(world, rule)] += held
        for entry in books.entries:
            of_purchase = entry.kind == "earn" or (entry.kind == "return" and entry.reason == "return")
            if entry.member == head.member and not of_purchase:
                for posting in entry.postings:
                    if posting.account in {EARNED, RETURNED}:
                        expected[posting.currency] -= posting.amount
        assert {c: sum(b) for c, b in head.balances.items() if sum(b)} == {c: n for c, n in expected.items() if n}


@given(worlds(length=14))
@examples(120)
def test_l2_no_rule_takes_back_more_than_it_gave(world: World) -> None:
    books = Books(world.program, careful=False)
    net: Counter[tuple[str, str]] = Counter()
    for event in world.events:
        first = len(books.entries)
        books.take(event)
        for entry in books.entries[first:]:
            for posting in entry.postings:
                if posting.account in {EARNED, RETURNED}:
                    net[entry.member, posting.rule] -= posting.amount
        assert all(amount >= 0 for amount in net.values())


@given(worlds(length=14))
@examples(120)
def test_l2_what_a_rule_gives_never_exceeds_its_caps(world: World) -> None:
    """Counted when a purchase is booked: what all purchases of the period then hold of the rule."""
    books = Books(world.program, careful=False)
    for event in world.events:
        decision = books.take(event)
        booked = [record for record in decision.writes.values() if isinstance(record, PurchaseRecord)]
        for record in booked:
            if record.returned:
                continue
            head = next(head for head in books.heads() if record in _records(books, head.member))
            for rule in world.program.purchase_rules:
                for cap in rule.caps:
                    if cap.per == "transaction":
                        assert record.held.get(rule.id, 0) <= cap.max_amount
                    elif cap.rolling is None:
                        period = _period(world, cap.per, record)
                        held = [
                            each.held[rule.id]
                            for each in _records(books, head.member)
                            if rule.id in each.held and _period(world, cap.per, each) == period
                        ]
                        if rule.id in record.held:
                            assert (sum(held) if cap.unit == "points" else len(held)) <= cap.max_amount


@given(worlds(length=14))
@examples(100)
def test_l3_the_tier_basis_is_what_purchases_and_activities_qualify(world: World) -> None:
    """In the window that ends with the newest day: what purchases still hold, and the activity that qualifies."""
    books = Books(world.program, careful=False).take_all(world.events)
    tiers = world.program.tiers
    if tiers is None:
        return
    for head in books.heads():
        expected: Counter[int] = Counter()
        for record in _records(books, head.member):
            local = local_time(record.time_us, world.program.zone)
            expected[period_number(tiers, local, head.enrolled_us)] += record.qualified_held
        for entry in books.entries:
            if entry.member == head.member and tiers.basis == "points":
                number = period_number(tiers, local_time(entry.time_us, world.program.zone), head.enrolled_us)
                given_for_quiz = (p for p in entry.postings if p.rule == "quiz" and p.account == EARNED)
                expected[number] -= sum(posting.amount for posting in given_for_quiz)
        for sums in head.qualifying.values():
            first = {"lifetime": 0, "calendar_year": sums.newest, "membership_year": sums.newest}.get(tiers.window)
            if first is None:
                first = window_start_ordinal(sums.newest, tiers.rolling or Duration(days=1)) if sums.newest else 0
            in_window = sum(amount for number, amount in expected.items() if first <= number <= sums.newest)
            assert qualifying_sum(tiers, sums, sums.newest) == in_window


def _records(books: Books, member: str) -> list[PurchaseRecord]:
    return [
        record
        for key, record in books.state.items()
        if isinstance(record, PurchaseRecord) and key.split("|")[1] == member
    ]


def _currency(world: World, rule_id: str) -> str:
    return next(rule.currency for rule in world.program.purchase_rules if rule.id == rule_id)


def _period(world: World, per: str, record: PurchaseRecord) -> str:
    return period_key(per, local_time(record.time_us, world.program.zone))
