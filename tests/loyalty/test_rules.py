"""A kind of earn rule is whole: a module, a golden ledger, and words for it in the program file."""

import importlib
import pkgutil

import pytest

from loyalty import rules
from loyalty.rules import EARN_RULES
from tests.golden.notation import FOLDER
from tests.loyalty.books import Books, program
from tests.loyalty.events import line, purchase

SAID_AS = {
    "per_amount": '{points: 1, per: "1.00"}',
    "per_item": "{points: 1, per_item: true}",
    "fixed": "{points: 1}",
}
"""How a program file asks for each kind."""


def test_every_module_stands_in_the_table() -> None:
    modules = {module.name for module in pkgutil.iter_modules(rules.__path__)}
    assert modules == set(EARN_RULES)
    for kind, module in EARN_RULES.items():
        assert importlib.import_module(f"loyalty.rules.{kind}") is module


@pytest.mark.parametrize("kind", EARN_RULES)
def test_a_kind_has_a_golden_ledger_that_uses_it(kind: str) -> None:
    text = (FOLDER / "rules" / f"{kind}.ledger").read_text("utf-8")
    assert "\nsays\n" in text
    assert SAID_AS[kind].partition(",")[2].partition(":")[0].strip(" }") in text


@pytest.mark.parametrize("kind", EARN_RULES)
def test_a_kind_can_be_written_in_a_program(kind: str) -> None:
    compiled = program(f"earn: [{{id: r, on: purchase, give: {SAID_AS[kind]}}}]\n")
    assert [rule.kind for rule in compiled.purchase_rules] == [kind]


@pytest.mark.parametrize(
    ("kind", "quantity", "points"),
    [("per_amount", "3", 20), ("per_item", "3", 3), ("per_item", "2.5", 2), ("fixed", "3", 1), ("fixed", "0", 1)],
)
def test_what_a_kind_counts(kind: str, quantity: str, points: int) -> None:
    books = Books(program(f"earn: [{{id: r, on: purchase, give: {SAID_AS[kind]}}}]\n"))
    books.take(purchase("p", [line("1", 2000, quantity=quantity)]))
    assert books.balance() == points


@pytest.mark.parametrize(("kind", "points"), [("per_amount", 220), ("per_item", 3), ("fixed", 1)])
def test_only_money_is_exchanged(kind: str, points: int) -> None:
    """Three bags are three bags in any currency."""
    books = Books(program(f"exchange: {{EUR: 11}}\nearn: [{{id: r, on: purchase, give: {SAID_AS[kind]}}}]\n"))
    books.take(purchase("p", [line("1", 2000, quantity="3")], currency="EUR"))
    assert books.balance() == points


@pytest.mark.parametrize(("kind", "points"), [("per_amount", 10), ("per_item", 3), ("fixed", 1)])
def test_only_money_is_discounted_by_points(kind: str, points: int) -> None:
    """Half of the sale was paid with points: half of the money earns, and still all three bags."""
    books = Books(program(f"earn: [{{id: r, on: purchase, give: {SAID_AS[kind]}}}]\n"))
    tenders = [{"type": "points", "amount_minor": 1000}, {"type": "cash", "amount_minor": 1000}]
    books.take(purchase("p", [line("1", 2000, quantity="3")], tenders=tenders))
    assert books.balance() == points
