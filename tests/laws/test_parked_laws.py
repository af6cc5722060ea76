"""LAW 9: wherever a purchase stands among its returns, the account ends as if it had come first.

And blind returns never make a debt.
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from loyalty.decisions import Outcome
from tests.laws.worlds import World, at, baskets, examples, parts, programs, worlds
from tests.loyalty.books import Books
from tests.loyalty.events import Json, purchase, wire
from tests.loyalty.events import back as back_event


def _ends(books: Books) -> dict[str, Any]:
    """What may not depend on the order: all of the account but its memory and when it is looked at."""
    books.check_books()
    head, record = books.head(), books.record("p")
    assert not head.parked
    return {
        "balances": head.balances,
        "debts": head.debts,
        "lots": head.lots,
        "counters": head.counters,
        "qualifying": head.qualifying,
        "tier": head.tier,
        "enrolled": head.enrolled_us,
        "held": record.held,
        "returned": record.returned,
    }


@given(programs(referrals=False), baskets(), st.data())
@examples(150)
def test_l9_a_return_that_waited_ends_where_it_would_have_ended(world: Any, lines: list[Json], data: Any) -> None:
    sale = purchase("p", lines, time=at(0))
    # The third part may be too much: refused at once, or refused after it waited.
    asked = data.draw(parts(lines, whole=False))
    returns = [back_event(f"b{n}", "p", [part.returned], time=at(5 + n)) for n, part in enumerate([*asked, *asked[:1]])]
    now_us = 2_000_000_000_000_000
    ordered, mixed = Books(world), Books(world)
    for event in (sale, *returns):
        ordered.take(event, now_us)
    first = data.draw(st.integers(0, len(returns)))
    for event in (*returns[:first], sale, *returns[first:]):
        mixed.take(event, now_us)
    assert _ends(mixed) == _ends(ordered)
    refused = {d.refusal.code for d in ordered.decisions if d.refusal is not None}
    dead = {d.refusal.code for d in mixed.decisions if d.refusal is not None}
    assert dead | {each.refusal.code for d in mixed.decisions for each in d.dead} == refused


@given(worlds(members=1, late=False), st.integers(0, 5_000), st.data())
@examples(100)
def test_l9_a_blind_return_never_makes_a_debt(world: World, amount_minor: int, data: Any) -> None:
    books = Books(world.program).take_all(world.events)
    head = books.head() if books.heads() else None
    before = dict(head.balances) if head is not None else {}
    debts = dict(head.debts) if head is not None else {}
    line = {"line_id": "1", "quantity": "1", "amount_minor": amount_minor}
    for number in range(data.draw(st.integers(1, 3))):
        raw = wire("return", f"blind{number}", "m1", at(20_000 + number), {"return_id": f"b{number}", "lines": [line]})
        assert books.take(raw).outcome is Outcome.APPLIED
        books.check_books()
    assert books.head().debts == debts
    for currency, (available, pending) in books.head().balances.items():
        had, waiting = before.get(currency, (available, pending))
        assert min(had, 0) <= available <= had
        assert pending == waiting
