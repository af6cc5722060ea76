"""What conditions read of a purchase: every field by itself, and all of them where the purchase is read as a whole."""

import pytest

from loyalty.calendar import local_time
from loyalty.circumstances import predicate
from loyalty.conditions import compile_condition
from loyalty.facts import Purchase
from loyalty.plan import Plan
from loyalty.program import When
from loyalty.purchases import purchase_circumstances
from tests.loyalty.books import program
from tests.loyalty.events import fact, line, purchase

PLAN = Plan(program("exclude: {categories: [gift_card]}\nearn: []"))
SALE = fact(
    purchase(
        "p1",
        [line("1", 300, category="coffee"), line("2", 700, category="gift_card")],
        tenders=[{"type": "card", "label": "house-card", "amount_minor": 1000}],
        attributes={"table": "terrace"},
    )
)


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ("purchase.transaction_id == 'p1'", True),
        ("purchase.store_id == 's1'", True),
        ("purchase.channel == 'store'", True),
        ("purchase.currency == 'USD'", True),
        ("purchase.total_minor == 300", True),
        ("purchase.lines.exists(l, l.category == 'gift_card' && l.amount_minor == 700)", True),
        ("purchase.tenders.exists(t, t.label == 'house-card')", True),
        ("purchase.attributes.table == 'terrace'", True),
        ("purchase.attributes.table == 'bar'", False),
        ("size(purchase) == 8", True),
        ("purchase['channel'] == 'store' && purchase.total_minor == 300", True),
        ("purchase.channel == 'store' && member.tier == 'gold' && 'staff' in member.segments", True),
        ("member.attributes.shoe == 'large'", False),
    ],
)
def test_what_a_condition_finds_in_a_purchase(source: str, *, holds: bool) -> None:
    assert isinstance(SALE, Purchase)
    local = local_time(SALE.time_us, PLAN.program.zone)
    circumstances = purchase_circumstances(PLAN, SALE, local, "gold", ("staff",), {})
    condition = compile_condition(source, frozenset({"purchase", "member"}))
    test = predicate(When(condition=condition))
    assert test is not None
    assert test(circumstances) == holds
