"""Conditions: what they decide, what is refused when they are compiled, and that they never raise."""

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.conditions import MAX_SOURCE_CHARS, Condition, ConditionError, compile_condition, fields_read

VARIABLES = frozenset({"purchase", "member"})
CONTEXT: dict[str, Any] = {
    "purchase": {
        "channel": "app",
        "total_minor": 1250,
        "lines": [
            {"sku": "A", "category": "coffee", "quantity_micro": 2_000_000, "amount_minor": 1000},
            {"sku": "B", "category": "cake", "quantity_micro": 1_000_000, "amount_minor": 250},
        ],
        "tenders": [{"type": "card", "label": "house-card", "amount_minor": 1250}],
        "attributes": {"table": "terrace", "guests": 3, "birthday": True},
    },
    "member": {"tier": "gold", "segments": ["students"], "attributes": {}},
}


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ('purchase.channel == "app"', True),
        ('purchase.channel == "store"', False),
        ('purchase.channel in ["app", "online"] && purchase.total_minor >= 1250', True),
        ('"students" in member.segments', True),
        ('purchase.lines.exists(line, line.category == "cake" && line.amount_minor > 200)', True),
        ('purchase.lines.all(line, line.category == "cake")', False),
        ("size(purchase.lines) == 2", True),
        ("purchase.attributes.birthday", True),
        ('has(purchase.attributes.table) && purchase.attributes.table.startsWith("terr")', True),
        ("!has(member.attributes.vip)", True),
        ('purchase["channel"].matches("^a.p$")', True),
        ("purchase.attributes.guests * 2 == 6", True),
        # What cannot be evaluated does not hold, not even negated.
        ('member.attributes.vip == "yes"', False),
        ('member.attributes.vip != "yes"', False),
        ("purchase.total_minor / (purchase.attributes.guests - 3) > 0", False),
        ("9223372036854775807 + purchase.total_minor > 0", False),
        ("purchase.channel > 5", False),
        ("purchase.attributes.table", False),
        ("purchase.attributes.guests", False),
        (f"{'[1,2,3,4,5,6,7,8,9,10].map(x, ' * 5}1{')' * 5}.size() == 10", False),  # The iterations are bounded.
        # One side of && or || decides where it can.
        ('member.attributes.vip == "yes" || purchase.channel == "app"', True),
    ],
)
def test_what_holds(source: str, holds: bool) -> None:
    assert compile_condition(source, VARIABLES).test(CONTEXT) is holds


@pytest.mark.parametrize(
    ("source", "line", "column", "told"),
    [
        ("purchase.total_minor > 9.99", 1, 24, "9.99 is a number with a fraction"),
        ("purchase.total_minor > .5", 1, 24, ".5 is a number with a fraction"),
        ("purchase.total_minor > 1e3", 1, 24, "1e3 is a number with a fraction"),
        ("double(purchase.total_minor) > 1", 1, 1, "double is not available"),
        ("type(purchase.total_minor) == double", 1, 31, "double is not available"),
        ("purchase.channel = 'app'", 1, 18, "to compare, write =="),
        ("purchase.channel == 'app", 1, 21, "this is not an expression"),
        (
            "true &&\n  purchse.channel == 'app'",
            2,
            3,
            "purchse.channel is not known here; a condition may read member, ",
        ),
        ("now() > 1", 1, 1, "now is not known here"),
        ("'a' > 1", 1, 5, "> does not work on (string, int)"),
        ("size(purchase.lines)", 1, 1, "the condition gives a number; it must be true or false"),
        ("purchase.channel.matches('(')", 1, 26, "the regular expression '(' is not valid: missing )"),
        ("  ", 1, 1, "the condition is empty"),
        ("(" * 100 + "true" + ")" * 100, 1, 1, "the condition is nested too deeply"),
        ("true" + " " * MAX_SOURCE_CHARS, 1, 1, "the condition has 2004 characters; at most 2000 are accepted"),
    ],
)
def test_what_is_refused(source: str, line: int, column: int, told: str) -> None:
    with pytest.raises(ConditionError) as caught:
        compile_condition(source, VARIABLES)
    assert told in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    "source",
    [
        "purchase.channel == '1.5'",
        'purchase.channel == "double(1.5)"',
        "purchase.channel == '\\'1.5'",
        "purchase.channel == r'\\d' + r'1.5'",
        "purchase.channel == '''1.5\n' 2.5'''",
        'purchase.channel == """1.5 " 2.5"""',
        "purchase.channel == 'app' // 1.5 and double",
        "purchase.attributes.double == 1",
        "b'1.5' == b'1.5'",
        "br'1.5' == b'1.5'",
    ],
)
def test_doubles_are_looked_for_outside_of_texts_only(source: str) -> None:
    assert compile_condition(source, VARIABLES).source == source


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("purchase.channel == 'app' && member.tier == 'gold'", {"purchase.channel", "member.tier"}),
        ("purchase.lines.exists(l, l.sku == 'A')", {"purchase.lines"}),
        ("purchase['channel'] == 'app' && purchase.total_minor > 1", {"purchase"}),
        ("size(member) > 0", {"member"}),
        ("'purchase.channel' == 'member.tier'", set()),
    ],
)
def test_what_a_condition_reads(source: str, reads: set[str]) -> None:
    assert compile_condition(source, VARIABLES).reads == reads


def test_uses_come_with_their_place() -> None:
    (use,) = fields_read("true &&\n purchase.channel == 'app'", VARIABLES)
    assert use == ("purchase", "channel", 2, 2)


def test_equal_by_source_and_variables_also_after_pickling() -> None:
    one = compile_condition("member.tier == 'gold'", VARIABLES)
    assert one == compile_condition("member.tier == 'gold'", VARIABLES)
    assert one != compile_condition("member.tier == 'gold'", frozenset({"member"}))
    copied = pickle.loads(pickle.dumps(one))  # noqa: S301 - our own bytes
    assert (copied, hash(copied)) == (one, hash(one))
    assert copied.test(CONTEXT)


def test_tuples_and_sets_count_as_lists() -> None:
    condition = compile_condition("'students' in member.segments && size(member.segments) == 2", VARIABLES)
    assert condition.test({"member": {"segments": ("students", "staff")}})
    assert condition.test({"member": {"segments": frozenset({"students", "staff"})}})


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just(object()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_TRIED = [
    compile_condition(source, VARIABLES)
    for source in (
        "purchase.channel == 'app' || member.tier in ['gold']",
        "purchase.lines.exists(l, l.amount_minor / l.quantity_micro > 1)",
        "size(purchase) + size(member) > purchase.total_minor",
    )
]


@given(
    condition=st.sampled_from(_TRIED),
    context=st.dictionaries(
        st.sampled_from(["purchase", "member", "x"]),
        _VALUES
        | st.fixed_dictionaries({"channel": _VALUES, "lines": _VALUES, "total_minor": _VALUES, "tier": _VALUES}),
    ),
)
def test_no_context_makes_it_raise(condition: Condition, context: dict[str, Any]) -> None:
    assert condition.test(context) in {True, False}
