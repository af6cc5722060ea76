"""Returns where it is hard: conditions, fixed points, moving shares, debts, lines without a quantity."""

import pytest

from loyalty.decisions import Code, Outcome
from tests.loyalty.books import BASE, Books, program
from tests.loyalty.events import back, line, micros, purchase

THREE = [line("a", 1000, category="a"), line("b", 1000, category="b"), line("c", 1000, category="c")]


def test_a_condition_that_only_holds_for_what_is_left_pays_nothing() -> None:
    """The circumstances are those of the purchase, so a return cannot make a rule come true again."""
    books = Books(
        program(
            """
earn:
  - {id: base, on: purchase, give: {points: 1, per: "1.00"}}
  - {id: odd, on: purchase, give: {points: 10, per: "1.00"}, when: {if: "purchase.lines.size() != 2"}}
"""
        )
    )
    books.take(purchase("p", THREE))
    after_purchase = books.balance()
    books.take(back("r1", "p", [("a", "1", 1000)]))
    after_first = books.balance()
    books.take(back("r2", "p", [("b", "1", 1000)]))
    assert after_purchase >= after_first >= books.balance()


def test_a_multiplier_that_only_holds_for_what_is_left_saves_nothing() -> None:
    books = Books(
        program(
            """
earn: [{id: base, on: purchase, give: {points: 1, per: "1.00"}}]
multiply: {rules: [{id: small, factor: 3, when: {if: "purchase.total_minor < 2500"}}]}
"""
        )
    )
    books.take(purchase("p", THREE))
    books.take(back("r1", "p", [("a", "1", 1000)]))
    assert books.balance() == 20


def test_fixed_points_do_not_rise_when_a_line_with_a_small_factor_goes() -> None:
    books = Books(
        program(
            """
earn: [{id: fixed, on: purchase, give: {points: 50}, multiplied: true}]
multiply:
  groups: {up: best, down: best}
  rules:
    - {id: up, factor: 2, group: up, lines: {categories: a}}
    - {id: down, factor: "0.5", group: down, lines: {categories: b}}
"""
        )
    )
    books.take(purchase("p", THREE))
    held = [books.balance()]
    for number, line_id in enumerate("abc"):
        books.take(back(f"r{number}", "p", [(line_id, "1", 1000)]))
        held.append(books.balance())
    assert held == sorted(held, reverse=True)
    assert (held[0], held[-1]) == (75, 0)


def test_a_condition_on_the_tier_means_the_tier_that_the_purchase_earned_at() -> None:
    """crossing: same earns at the tier that the purchase reaches, conditions included."""
    books = Books(
        program(
            """
earn:
  - {id: base, on: purchase, give: {points: 1, per: "1.00"}}
  - {id: gold-only, on: purchase, give: {points: 7, per: "10.00"}, when: {if: member.tier == "gold"}}
  - {id: not-gold, on: purchase, give: {points: 3, per: "10.00"}, when: {if: member.tier != "gold"}}
tiers: {crossing: same, levels: [{id: basic, from: 0}, {id: gold, from: 25}]}
"""
        )
    )
    books.take(purchase("p", THREE))
    assert books.record("p").granted == {"base": 30, "gold-only": 21}
    books.take(back("r", "p", [("a", "0", 0)]))
    assert books.record("p").held == {"base": 30, "gold-only": 21}


def test_a_line_without_quantity_and_amount_goes_with_its_return() -> None:
    """A free gift that the till lists as quantity 0 must not keep the fixed points of a returned basket."""
    books = Books(program("earn: [{id: fixed, on: purchase, give: {points: 50}}]\n"))
    books.take(purchase("p", [line("1", 1000), line("gift", 0, quantity="0")]))
    books.take(back("r", "p", [("1", "1", 1000), ("gift", "0", 0)]))
    assert books.balance() == 0


def test_an_award_that_moves_away_and_back_is_freed_once() -> None:
    """Shares of one point move between rules: a cap counts an award while the rule may still come to hold a point."""
    books = Books(
        program(
            """
earn:
  - {id: a, on: purchase, give: {points: 1, per: "1.00"}, lines: {categories: a}, at_most: {awards: 2, per: day}}
  - {id: b, on: purchase, give: {points: 1, per: "1.00"}, lines: {categories: b}}
  - {id: c, on: purchase, give: {points: 1, per: "1.00"}, lines: {categories: c}}
"""
        )
    )
    books.take(purchase("other", [line("1", 100, category="a")]))
    lines = [line("a", 100, category="a"), line("b", 100, category="b"), line("c", 100, category="c")]
    books.take(purchase("p", lines))
    used = [sum(books.head().counters.values())]
    for number, (line_id, amount) in enumerate([("a", 60), ("b", 40), ("c", 50), ("b", 20), ("c", 20), ("b", 40)]):
        books.take(back(f"r{number}", "p", [(line_id, "0", amount)]))
        used.append(sum(books.head().counters.values()))
        assert used[-1] >= 1 + (books.record("p").held.get("a", 0) > 0)
    books.take(back("rest", "p", [("a", "1", 40), ("b", "1", 0), ("c", "1", 30)]))
    used.append(sum(books.head().counters.values()))
    assert used == sorted(used, reverse=True)
    assert (used[0], used[-1]) == (2, 1)


@pytest.mark.parametrize(("negative", "left", "debt", "not_recouped"), [("allow", -70, 70, None), ("clamp", 0, 0, 70)])
def test_points_that_are_spent_become_debt_or_are_let_go(
    negative: str, left: int, debt: int, not_recouped: int | None
) -> None:
    books = Books(program(BASE + f"returns: {{negative: {negative}}}\n"))
    books.take(purchase("p", 10000))
    books.spend(70)
    books.take(back("r", "p", [("1", "1", 10000)]))
    assert books.balance() == left
    assert books.head().debts.get("points", 0) == debt
    assert books.entries[-1].steps[-1].get("not_recouped") == not_recouped
    books.check_books()


def test_the_next_credit_pays_a_debt_first() -> None:
    books = Books(program())
    books.take(purchase("p", 10000))
    books.spend(70)
    books.take(back("r", "p", [("1", "1", 10000)]))
    books.take(purchase("q", 10000))
    assert (books.balance(), books.head().debts) == (30, {})
    assert [(p.amount, p.lot == "debt") for p in books.entries[-1].postings[1:]] == [(30, False), (70, True)]
    books.take(back("s", "q", [("1", "1", 10000)]))
    assert (books.balance(), books.head().debts) == (-70, {"points": 70})
    books.check_books()


def test_own_lot_first_then_the_oldest() -> None:
    books = Books(program())
    for event_id, day in (("old", "01"), ("mine", "02"), ("new", "03")):
        books.take(purchase(event_id, 1000, time=f"2026-03-{day}T12:00:00Z"))
    lots = [entry.postings[1].lot for entry in books.entries]
    books.take(back("r", "mine", [("1", "1", 1000)]))
    assert [(p.lot, p.amount) for p in books.entries[-1].postings[1:]] == [(lots[1], -10)]
    books.spend(5)
    books.take(back("s", "new", [("1", "0", 100)]))
    assert [(p.lot, p.amount) for p in books.entries[-1].postings[1:]] == [(lots[2], -1)]


@pytest.mark.parametrize(
    ("bought", "returns", "outcome"),
    [
        ("2", [("1", "1", 500), ("1", "1", 500)], Outcome.APPLIED),
        ("2", [("1", "2", 1000), ("1", "1", 0)], Outcome.REFUSED),
        ("2", [("1", "1", 900), ("1", "1", 101)], Outcome.REFUSED),
        ("2", [("1", "2.000001", 1000)], Outcome.REFUSED),
        ("0", [("1", "0", 1000)], Outcome.APPLIED),
        ("2", [("other", "1", 1)], Outcome.REFUSED),
    ],
    ids=["two halves", "quantity twice", "amount twice", "a millionth too much", "no quantity", "unknown line"],
)
def test_no_more_comes_back_than_was_bought(bought: str, returns: list[tuple[str, str, int]], outcome: Outcome) -> None:
    books = Books(program())
    books.take(purchase("p", [line("1", 1000, quantity=bought)]))
    decision = [books.take(back(f"r{number}", "p", [each])) for number, each in enumerate(returns)][-1]
    assert decision.outcome is outcome
    if decision.refusal is not None:
        assert decision.refusal.code is Code.RETURN_TOO_MUCH
        assert books.record("p").returned.get("1", (0, 0))[1] <= 1000


def test_the_return_window_ends_at_the_same_wall_clock_time() -> None:
    books = Books(program(BASE + "zone: America/New_York\nreturns: {keep: P1D}\n"))
    books.take(purchase("p", 1000, time="2026-03-07T12:00:00-05:00"))  # the next day has 23 hours
    late = books.take(back("late", "p", [("1", "1", 1000)], time="2026-03-08T12:00:00-04:00"))
    assert late.refusal is not None
    assert late.refusal.code is Code.RETURN_TOO_LATE
    assert books.take(back("now", "p", [("1", "1", 1000)], time="2026-03-08T11:59:59-04:00")).refusal is None


def test_a_return_is_decided_under_the_version_of_its_purchase() -> None:
    first = program()
    second = program(BASE.replace("points: 1", "points: 5") + 'version: "2"\neffective_from: 2026-04-01\n')
    books = Books(first, second)
    books.take(purchase("p", 1000))
    books.take(back("r", "p", [("1", "0", 400)], time="2026-04-02T12:00:00Z"))
    assert books.balance() == 6
    assert books.entries[-1].version == "1"
    assert books.head().lots["points"].count(str(micros("2026-03-02T12:00:00+00:00"))) == 1


def test_room_that_a_return_frees_serves_later_purchases_of_the_period() -> None:
    books = Books(program(BASE.replace("}}]", "}, at_most: {points: 100, per: day}}]")))
    books.take(purchase("p", 15000))
    books.take(purchase("q", 1000))
    assert books.balance() == 100
    books.take(back("r", "p", [("1", "0", 9000)]))  # 60 are left to justify 100
    assert books.balance() == 60
    books.take(purchase("s", 5000))
    assert books.balance() == 100
    books.take(purchase("t", 5000, time="2026-03-03T00:00:00Z"))
    assert books.balance() == 150
