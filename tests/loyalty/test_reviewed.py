"""Cases that a review of the engine brought up, each once a fault."""

import pytest

from loyalty.decisions import Code, Outcome
from schemas.program_load import load_programs
from schemas.program_source import ProgramError
from tests.loyalty.books import BASE, Books, program
from tests.loyalty.events import back, fact, line, member_event, micros, purchase, referral, share

DAY_US = 86_400_000_000


@pytest.mark.parametrize("mode", ["floor", "half_up", "half_even", "ceil"])
def test_a_return_of_nothing_takes_nothing_whatever_the_rounding(mode: str) -> None:
    """3.00 capped at 2 and 0.50: half_even rounds 3.5 to 4, but 2.5 to 2."""
    books = Books(
        program(
            f"points: {{points: {{name: Points, rounding: {mode}}}}}\nearn:\n"
            '  - {id: a, on: purchase, give: {points: 1, per: "1.00"}, lines: {categories: [x]},'
            " at_most: {points: 2, per: day}}\n"
            '  - {id: b, on: purchase, give: {points: 1, per: "1.00"}, lines: {categories: [y]}}\n'
        )
    )
    lines = [line("1", 300, category="x"), line("2", 50, category="y"), line("3", 0, category="z")]
    books.take(purchase("p", lines))
    before = books.balance()
    books.take(back("r", "p", [("3", "1", 0)]))
    assert books.balance() == before


TIERS = (
    "tiers: {counts: points, window: lifetime, levels: [{id: low, from: 0}, {id: %s, from: 100, multiplier: '2'}]}\n"
)


def test_a_late_event_under_other_tiers_takes_no_tier_away() -> None:
    """The loader refuses such versions; where one is forced, the tier is left alone."""
    old = program(BASE + TIERS % "gold")
    new = program('version: "2"\neffective_from: 2026-03-01\n' + BASE + TIERS % "premier")
    books = Books(old, new)
    books.take(purchase("reaches premier", 10000, time="2026-03-02T12:00:00Z"))
    books.take(purchase("late", 10000, time="2026-02-01T12:00:00Z"))
    assert books.head().tier == "premier"
    books.take(purchase("next", 1000, time="2026-03-03T12:00:00Z"))
    assert sum(books.by_rule(entries=books.entries[-1:]).values()) == 20


def test_a_later_version_keeps_the_tiers_that_members_are_in(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("versions")
    head = "program: club\nzone: UTC\nmoney: USD\npoints: {points: {name: Points}}\n" + BASE
    (folder / "1.yaml").write_text(f'{head}version: "1"\neffective_from: 2026-01-01\n{TIERS % "gold"}')
    (folder / "2.yaml").write_text(f'{head}version: "2"\neffective_from: 2026-02-01\n{TIERS % "premier"}')
    with pytest.raises(ProgramError, match=r"tier gold of version 1 .* is missing"):
        load_programs([folder])


FRIENDS = "earn: [{id: friends, on: referral, give: {referrer: 200, referee: 100}, when: {stage: signed_up}}]\n"


def test_two_referees_whose_sender_repeats_an_event_id_are_two_awards() -> None:
    books = Books(program(FRIENDS))
    for referee in ("ann", "ben"):
        books.take(referral("the same id", "carl", member=referee))
    assert books.balance("carl") == 400
    books.check_books()


def test_a_welcome_may_depend_on_who_enrolls() -> None:
    books = Books(program("earn: [{id: welcome, on: enrollment, give: {points: 50}, when: {segments: [students]}}]\n"))
    books.take(member_event("a", "enrolled", segments=["students"]))
    books.take(member_event("b", "enrolled", member="m2", segments=["staff"]))
    assert (books.balance("m1"), books.balance("m2")) == (50, 0)


def test_a_return_is_remembered_as_long_as_its_purchase() -> None:
    """Sent again with a new time, long after the memory of events has let it go."""
    books = Books(program("stream: {max_late: P1D}\n" + BASE))
    bought, again = micros("2026-03-02T12:00:00Z"), "2026-04-20T12:00:00Z"
    books.take(purchase("p", [line("1", 1000, quantity="10")]), bought)
    books.take(back("r", "p", [("1", "2", 200)], time="2026-03-03T12:00:00Z"), bought + DAY_US)
    books.take(purchase("lets the memory go", 100, time=again), micros(again))
    sent_again = fact(back("r", "p", [("1", "2", 200)], time=again))
    assert books.take(sent_again, micros(again)).outcome is Outcome.DUPLICATE
    assert books.balance() == 8 + 1


def test_the_basis_of_capped_points_is_that_of_the_same_basket_bought_at_once() -> None:
    """100.00 capped at 10 points qualifies 10; half of it comes back and still earns 10."""
    text = (
        'earn: [{id: base, on: purchase, give: {points: 1, per: "1.00"}, at_most: {points: 10, per: transaction}}]\n'
        "tiers: {counts: points, window: lifetime, levels: [{id: low, from: 0}]}\n"
    )
    books = Books(program(text))
    books.take(purchase("p", [line("1", 10000, quantity="2")]))
    books.take(back("r", "p", [("1", "1", 5000)]))
    assert books.balance() == 10
    assert books.head().qualifying["points:points|lifetime"].total == 10


def test_the_basis_of_a_multiplied_activity_shares_its_cap() -> None:
    """10 points four times over, capped at 10: a quarter of 10 counts for the tier, as for a purchase."""
    books = Books(
        program(
            "earn: [{id: share, on: share, give: {points: 10}, multiplied: true, qualifies: true,"
            " at_most: {points: 10, per: day}}]\n"
            "multiply: {rules: [{id: four, factor: 4}]}\n"
            "tiers: {counts: points, window: lifetime, levels: [{id: low, from: 0}]}\n"
        )
    )
    books.take(share("s"))
    assert books.balance() == 10
    assert books.head().qualifying["points:points|lifetime"].total == 2


def test_a_referral_rule_sees_the_sign_ups_attributes_when_a_purchase_qualifies() -> None:
    books = Books(
        program(
            "earn: [{id: friends, on: referral, give: {referee: 100},"
            " qualifying_purchase: {min_spend: '1.00', within: P30D},"
            """ when: {if: 'event.attributes.campaign == "spring"'}}]\n"""
        )
    )
    books.take(referral("f", "m2", attributes={"campaign": "spring"}))
    books.take(purchase("p", 1000))
    assert books.balance() == 100


def test_a_full_account_still_takes_returns_and_can_be_closed() -> None:
    books = Books(program(), careful=False)
    books.take(purchase("p", 1000))
    head = books.head().draft()
    head.lots["points"] = "0123456789abcdef,1700000000000000,,1;" * 28_000 + head.lots["points"]
    head.balances["points"] = (28_010, 0)
    books.state["m|m1"] = head
    refusal = books.take(purchase("one more", 1000)).refusal
    assert refusal is not None
    assert refusal.code is Code.ACCOUNT_FULL
    assert books.take(back("r", "p", [("1", "1", 1000)])).outcome is Outcome.APPLIED
    assert books.balance() == 28_000
    assert books.take(member_event("c", "closed")).outcome is Outcome.APPLIED


def test_an_entry_says_how_it_was_rounded_and_a_return_what_came_back() -> None:
    books = Books(program())
    books.take(purchase("p", [line("1", 1999, quantity="2")]))
    books.take(back("r", "p", [("1", "1", 1000)]))
    earned, returned = books.entries
    assert len(earned.steps) == 1
    assert earned.steps[0]["exact"] == "1999/100"
    assert earned.steps[0]["rounding"] == "floor"
    assert returned.steps[0] == {"transaction_id": "p", "returned": {"1": [1_000_000, 1000]}}
    assert returned.steps[1] == {"rule": "base", "held_before": 19, "held_after": 9}


def test_an_entry_of_several_rules_says_how_their_sum_was_rounded() -> None:
    rule = '{id: %s, on: purchase, give: {points: 1, per: "2.00"}}'
    books = Books(program(f"earn: [{rule % 'a'}, {rule % 'b'}]\n"))
    books.take(purchase("p", 100))
    assert books.entries[0].steps[-1] == {"currency": "points", "exact": "1", "rounding": "floor", "points": 1}
