"""What baskets are worth: multipliers against plain fractions, shares, tenders, limits of size."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.decisions import Code
from loyalty.plan import combined
from loyalty.program import Combine, Multiplier, Program
from tests.loyalty.books import BASE, Books, program
from tests.loyalty.events import Json, line, purchase

FACTORS = st.sampled_from([Fraction(1, 2), Fraction(1), Fraction(11, 10), Fraction(3, 2), Fraction(2), Fraction(3)])
HOWS = st.sampled_from(["best", "add", "multiply"])


def _plainly(factors: Sequence[tuple[str, Fraction]], within: dict[str, str], across: str) -> Fraction:
    """Two passes over the groups, as the rule is written."""
    of_groups = []
    for group in dict.fromkeys(name for name, _ in factors):
        mine = [factor for name, factor in factors if name == group]
        how = within.get(group, "best")
        if how == "best":
            of_groups.append(max(mine))
        elif how == "add":
            of_groups.append(sum(mine, Fraction(1)) - len(mine))
        else:
            product = Fraction(1)
            for factor in mine:
                product *= factor
            of_groups.append(product)
    if across == "add":
        return max(Fraction(1) + sum(of_groups) - len(of_groups), Fraction(0))
    product = Fraction(1)
    for factor in of_groups:
        product *= factor
    return max(product, Fraction(0))


@given(
    factors=st.lists(st.tuples(st.sampled_from(["default", "tier", "season"]), FACTORS), max_size=6),
    within=st.dictionaries(st.sampled_from(["default", "tier", "season"]), HOWS),
    across=st.sampled_from(["add", "multiply"]),
    exclusive=st.one_of(st.none(), st.tuples(FACTORS, FACTORS)),
)
def test_multipliers_meet_as_their_groups_say(
    factors: list[tuple[str, Fraction]],
    within: dict[str, str],
    across: str,
    exclusive: tuple[Fraction, Fraction] | None,
) -> None:
    plain = program()
    chosen = [Multiplier(f"m{i}", "", factor, group) for i, (group, factor) in enumerate(factors)]
    expected = _plainly(factors, within, across)
    if exclusive is not None:
        low, high = exclusive
        chosen = [Multiplier("low", "", low, exclusive=True, priority=1), *chosen]
        chosen += [Multiplier("high", "", high, exclusive=True, priority=2)]
        expected = high
    assert combined(chosen, _with(plain, Combine(within, across))) == expected


def _with(plain: Program, combine: Combine) -> Program:
    return replace(plain, combine=combine)


@pytest.mark.parametrize(
    ("more", "points"),
    [
        ({}, 100),
        ({"tenders": [{"type": "card", "amount_minor": 10000}]}, 100),
        ({"tenders": [{"type": "points", "amount_minor": 1000}, {"type": "card", "amount_minor": 9000}]}, 90),
        ({"tenders": [{"type": "points", "amount_minor": 10000}]}, 0),
        ({"tenders": [{"type": "points", "amount_minor": 0}, {"type": "card", "amount_minor": 10000}]}, 100),
        ({"tenders": [{"type": "gift_card", "amount_minor": 10000}]}, 100),
        ({"tax_minor": 2000, "shipping_minor": 500, "tip_minor": 300}, 100),
        ({"tax_minor": 2000, "tenders": [{"type": "points", "amount_minor": 12000}]}, 0),
    ],
    ids=["no tenders", "card", "part points", "all points", "no points", "gift card", "extras", "points pay the tax"],
)
def test_what_was_paid_for_the_lines_counts(more: Json, points: int) -> None:
    books = Books(program())
    books.take(purchase("p", 10000, **more))
    assert books.balance() == points


@pytest.mark.parametrize(
    ("tenders", "points"),
    [
        ([("card", "house", 10000)], 50),
        ([("card", "house", 5000), ("card", "other", 5000)], 25),
        ([("points", "", 2000), ("card", "house", 4000), ("cash", "", 4000)], 20),
        ([("points", "", 10000), ("card", "house", 0)], 0),
        ([("cash", "", 10000)], 0),
        ([], 0),
    ],
)
def test_a_rule_for_a_tender_counts_its_share(tenders: list[tuple[str, str, int]], points: int) -> None:
    text = 'earn: [{id: house, on: purchase, give: {points: "0.5", per: "1.00"}, when: {tenders: [house]}}]\n'
    books = Books(program(text))
    given_tenders = [{"type": kind, "label": label, "amount_minor": amount} for kind, label, amount in tenders]
    books.take(purchase("p", 10000, tenders=given_tenders))
    assert books.balance() == points


@pytest.mark.parametrize(
    ("lines", "points"),
    [
        ([line("1", 0)], 50),
        ([line("1", 0, quantity="0")], 50),
        ([line("1", 500, category="gift_card")], 0),
        ([line("1", 500, category="gift_card"), line("2", 0)], 50),
    ],
)
def test_fixed_points_ask_for_a_line_that_counts(lines: list[Json], points: int) -> None:
    books = Books(program("earn: [{id: fixed, on: purchase, give: {points: 50}}]\n"))
    books.take(purchase("p", lines))
    assert books.balance() == points
    books.check_books()


def test_a_purchase_without_points_makes_no_entry_and_is_remembered() -> None:
    books = Books(program())
    books.take(purchase("p", 99))
    assert (books.entries, books.balances) == ([], [])
    assert str(books.take(purchase("p", 99)).outcome) == "duplicate"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"currency": "EUR"}, Code.CURRENCY),
        ({"store_zone": "Mars/Olympus"}, Code.UNKNOWN_ZONE),
        ({"store_zone": "Europe"}, Code.UNKNOWN_ZONE),
    ],
)
def test_what_cannot_be_valued_is_refused(fields: Json, code: Code) -> None:
    books = Books(program())
    refusal = books.take(purchase("p", 100, **fields)).refusal
    assert refusal is not None
    assert refusal.code is code
    assert books.state == {}, "a refused first event enrolls nobody"


def test_a_basket_of_many_kinds_of_lines_is_explained_in_bounded_space() -> None:
    """A factor of nine digits for each of many categories: the exact value stays a number that people can write."""
    rules = "".join(f'    - {{id: m{i}, factor: "1.{i:09d}", lines: {{categories: c{i}}}}}\n' for i in range(1, 480))
    books = Books(program(BASE + "multiply:\n  rules:\n" + rules))
    books.take(purchase("p", [line(str(i), 1001, category=f"c{i}") for i in range(1, 480)]))
    assert books.balance() == 479 * 1001 // 100
    assert len(orjson.dumps(books.entries[0].steps[0]["exact"])) < 100


def test_the_largest_sale_that_the_contract_allows() -> None:
    books = Books(program())
    books.take(purchase("p", [line(str(i), 10**12, quantity="999999999.999999") for i in range(1000)]))
    assert books.balance() == 10**13


def test_lines_share_by_the_largest_remainder() -> None:
    books = Books(program())
    books.take(purchase("p", [line("a", 150), line("b", 180), line("c", 170)]))
    assert books.entries[0].steps[0]["lines"] == {"a": 1, "b": 2, "c": 2}
