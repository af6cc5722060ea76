"""LAW 4: what a member holds after returns depends on what is left of the basket, and on nothing else.

Each case: a purchase before (so that caps are partly used), the purchase in question, and returns of its lines in
parts. Nothing expires, nothing was spent unless a law says so.
"""

from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

from hypothesis import assume, given
from hypothesis import strategies as st

from loyalty.account import PurchaseRecord
from loyalty.decisions import Outcome
from loyalty.program import Cap, LineFilter, Program, PurchaseRule
from tests.laws.worlds import POINTS, Draw, Part, at, baskets, examples, micro, parts, pick, programs, sale_fields
from tests.loyalty.books import Books
from tests.loyalty.events import Json, back, line, purchase


class Returned(NamedTuple):
    """A sale and the parts of it that come back, one after the other."""

    program: Program
    before: list[Json]
    lines: list[Json]
    fields: Json
    parts: list[Part]
    minute: int

    def books(self) -> Books:
        """The accounts after both sales."""
        books = Books(self.program, careful=False)
        books.take(purchase("before", self.before, time=at(self.minute)))
        books.take(purchase("p", self.lines, time=at(self.minute + 5), **self.fields))
        return books


@st.composite
def sales(draw: Draw, *, whole: bool) -> Returned:
    """A random sale with all of it (`whole`) or some of it coming back."""
    lines = draw(baskets())
    return Returned(
        draw(programs(referrals=False)),
        draw(baskets()),
        lines,
        sale_fields(draw, lines),
        draw(parts(lines, whole=whole)),
        pick(draw, [0, 300, 1700, 3000]),
    )


def _bring_back(books: Books, groups: list[list[Part]]) -> list[dict[str, int]]:
    """Take one return for each group; answers the balances after each."""
    balances = []
    for number, group in enumerate(groups):
        decision = books.take(back(f"b{number}", "p", [part.returned for part in group], time=at(6000 + number)))
        assert decision.outcome is Outcome.APPLIED, decision.refusal
        balances.append({currency: sum(held) for currency, held in books.head().balances.items()})
    return balances


def _summed(found: list[Part]) -> list[Part]:
    """One part for each line."""
    lines: dict[str, Part] = {}
    for part in found:
        one = lines.get(part.line_id, Part(part.line_id, 0, 0))
        lines[part.line_id] = Part(
            part.line_id, one.quantity_micro + part.quantity_micro, one.amount_minor + part.amount_minor
        )
    return list(lines.values())


def _standing(books: Books) -> dict[str, Any]:
    """What may not depend on the way by which it came about."""
    head, record = books.head(), books.record("p")
    return {
        "balances": {currency: held for currency, held in head.balances.items() if sum(held)},
        "lots": {currency: sorted(lots.split(";")) for currency, lots in head.lots.items()},
        "held": record.held,
        "qualified": record.qualified_held,
        "sums": {name: sums.total for name, sums in head.qualifying.items()},
        "counters": head.counters,
        "debts": head.debts,
    }


@given(sales(whole=False), st.data())
@examples(200)
def test_l4_parts_in_any_order_end_where_one_return_ends(sale: Returned, data: st.DataObject) -> None:
    assume(sale.parts)
    at_once, in_order, otherwise = sale.books(), sale.books(), sale.books()
    _bring_back(at_once, [_summed(sale.parts)])
    _bring_back(in_order, [[part] for part in sale.parts])
    _bring_back(otherwise, [[part] for part in data.draw(st.permutations(sale.parts))])
    assert _standing(in_order) == _standing(at_once)
    assert _standing(otherwise) == _standing(at_once)
    in_order.check_books()


@given(sales(whole=True))
@examples(150)
def test_l4_a_full_return_leaves_nothing_of_the_purchase(sale: Returned) -> None:
    books = Books(sale.program, careful=False)
    books.take(purchase("before", sale.before, time=at(sale.minute)))
    without = {currency: sum(held) for currency, held in books.head().balances.items() if sum(held)}
    sums = {name: each.total for name, each in books.head().qualifying.items() if each.total}
    counters = dict(books.head().counters)
    books.take(purchase("p", sale.lines, time=at(sale.minute + 5), **sale.fields))
    _bring_back(books, [[part] for part in sale.parts])
    assert books.record("p").held == {}
    assert books.record("p").qualified_held == 0
    assert {currency: sum(held) for currency, held in books.head().balances.items() if sum(held)} == without
    assert {name: each.total for name, each in books.head().qualifying.items() if each.total} == sums
    assert books.head().counters == counters
    assert books.head().debts == {}


@given(sales(whole=True))
@examples(150)
def test_l4_a_return_never_pays(sale: Returned) -> None:
    books = sale.books()
    before = {currency: sum(held) for currency, held in books.head().balances.items()}
    qualified = books.record("p").qualified_held
    for part in sale.parts:
        (after,) = _bring_back_one(books, part)
        assert all(after[currency] <= held for currency, held in before.items()), (before, after)
        assert books.record("p").qualified_held <= qualified
        before, qualified = after, books.record("p").qualified_held


def _bring_back_one(books: Books, part: Part) -> list[dict[str, int]]:
    number = len(books.decisions)
    decision = books.take(back(f"b{number}", "p", [part.returned], time=at(6000 + number)))
    assert decision.outcome is Outcome.APPLIED, decision.refusal
    return [{currency: sum(held) for currency, held in books.head().balances.items()}]


@given(sales(whole=True))
@examples(100)
def test_l4_a_return_of_nothing_takes_nothing(sale: Returned) -> None:
    assume(not any(micro(line["quantity"]) == line["amount_minor"] == 0 for line in sale.lines))
    books = sale.books()
    before = _standing(books)
    _bring_back(books, [[Part(line["line_id"], 0, 0) for line in sale.lines]])
    assert _standing(books) == before
    assert not books.decisions[-1].entries


@given(sales(whole=False), st.integers(1, 200), st.sampled_from(["allow", "clamp"]))
@examples(100)
def test_l4_spent_points_are_owed_or_let_go_and_the_books_still_add_up(
    sale: Returned, spent: int, negative: str
) -> None:
    changed = replace(sale.program.returns, negative=negative)
    sale = sale._replace(program=replace(sale.program, returns=changed))
    books = sale.books()
    spent = min(spent, books.balance())
    if spent:
        books.spend(spent)
    held = {currency: sum(each) for currency, each in books.head().balances.items()}
    granted = sum(books.record("p").held.values())
    for part in sale.parts:
        (after,) = _bring_back_one(books, part)
        assert all(after[currency] <= before for currency, before in held.items())
        held = after
        if negative == "clamp":
            assert all(amount >= 0 for amount in after.values())
            assert not books.head().debts
    assert sum(books.record("p").held.values()) <= granted
    books.check_books()


@st.composite
def close_calls(draw: Draw) -> Returned:
    """Several rules of a point or two with equal remainders: every return moves points between them."""
    program = draw(programs(tiers=False, referrals=False))
    rules = tuple(
        PurchaseRule(
            f"r{number}",
            "",
            POINTS,
            "per_amount",
            Fraction(1, 100),
            lines=LineFilter(categories=frozenset({category})),
            caps=pick(draw, [(), (Cap(1, per="transaction"),), (Cap(2, "awards", "day"),), (Cap(3, per="week"),)]),
        )
        for number, category in enumerate("abcd")
    )
    amounts = st.sampled_from([60, 40, 50, 90, 130, 150, 170, 199])
    lines = [line(category, draw(amounts), category=category) for category in "abcd"]
    whole = [Part(each["line_id"], 0, each["amount_minor"]) for each in lines]
    steps = [
        Part(part.line_id, 0, part.amount_minor * draw(st.integers(1, 4)) // 10) for part in whole for _ in range(2)
    ]
    chosen = draw(st.permutations(steps))
    return Returned(
        replace(program, purchase_rules=rules, multipliers=()), [line("1", 150, category="a")], lines, {}, chosen, 0
    )


@given(close_calls(), st.data())
@examples(150)
def test_l4_points_that_move_between_rules_depend_on_what_is_left_alone(sale: Returned, data: st.DataObject) -> None:
    at_once, in_order, otherwise = sale.books(), sale.books(), sale.books()
    _bring_back(at_once, [_summed(sale.parts)])
    _bring_back(in_order, [[part] for part in sale.parts])
    _bring_back(otherwise, [[part] for part in data.draw(st.permutations(sale.parts))])
    assert _standing(in_order) == _standing(at_once) == _standing(otherwise)
    in_order.check_books()
    for number, each in enumerate(sale.lines):
        rest = each["amount_minor"] - sum(part.amount_minor for part in sale.parts if part.line_id == each["line_id"])
        in_order.take(back(f"last{number}", "p", [(each["line_id"], "1", rest)], time=at(7000)))
    assert in_order.record("p").held == {}


@given(close_calls(), st.lists(st.sampled_from("abcd"), min_size=2, max_size=8))
@examples(150)
def test_l2_points_that_move_back_find_their_room_under_a_cap(sale: Returned, bought: list[str]) -> None:
    """Between the returns, other purchases of the day take whatever room the caps have."""
    books = sale.books()
    for number in range(max(len(sale.parts), len(bought))):
        for part in sale.parts[number : number + 1]:
            books.take(back(f"b{number}", "p", [part.returned], time=at(100 + number)))
        for category in bought[number : number + 1]:
            books.take(purchase(f"q{number}", [line("1", 100, category=category)], time=at(100 + number)))
        for rule in sale.program.purchase_rules:
            held = [each.held.get(rule.id, 0) for each in books.state.values() if isinstance(each, PurchaseRecord)]
            for cap in rule.caps:
                if cap.per in {"day", "week"}:  # all of it lies in one day
                    assert (sum(held) if cap.unit == "points" else sum(map(bool, held))) <= cap.max_amount


# ------------------------------------------------------------------------------------------ splitting
@given(sales(whole=False), st.data())
@examples(150)
def test_l5_splitting_a_line_changes_no_total(sale: Returned, data: st.DataObject) -> None:
    """The same goods on more lines: no rule gives another figure, also after the same goods came back."""
    split: list[Json] = []
    for bought in sale.lines:
        cut = data.draw(st.integers(0, 4))
        quantity, amount = micro(bought["quantity"]), bought["amount_minor"]
        first = Part("", quantity * cut // 4, amount * cut // 4)
        second = Part("", quantity - first.quantity_micro, amount - first.amount_minor)
        for name, part in (("x", first), ("y", second)):
            split.append(
                {
                    **bought,
                    "line_id": f"{bought['line_id']}{name}",
                    "quantity": part.returned[1],
                    "amount_minor": part.amount_minor,
                }
            )
    whole, cut_up = sale.books(), sale._replace(lines=split).books()
    assert whole.record("p").granted == cut_up.record("p").granted
    assert whole.record("p").qualified == cut_up.record("p").qualified
    assert whole.head().balances == cut_up.head().balances
    assert whole.head().counters == cut_up.head().counters
    gone = [each["line_id"] for each in sale.lines if data.draw(st.booleans())]
    if gone:
        everything = {
            each["line_id"]: Part(each["line_id"], micro(each["quantity"]), each["amount_minor"])
            for each in (*sale.lines, *split)
        }
        _bring_back(whole, [[everything[each] for each in gone]])
        _bring_back(cut_up, [[everything[f"{each}{name}"] for each in gone for name in "xy"]])
        assert whole.record("p").held == cut_up.record("p").held
        assert whole.head().balances == cut_up.head().balances


@given(sales(whole=False), st.data())
@examples(60)
def test_l5_the_order_of_lines_changes_no_total(sale: Returned, data: st.DataObject) -> None:
    shuffled = sale._replace(lines=data.draw(st.permutations(sale.lines)))
    assert shuffled.books().record("p").granted == sale.books().record("p").granted
