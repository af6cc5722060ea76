"""Referrals: one person is referred once, by somebody else, and both sides are paid once."""

import pytest

from loyalty.decisions import Code, Outcome
from tests.loyalty.books import Books, program
from tests.loyalty.events import purchase, referral

FRIENDS = """
earn:
  - id: friends
    on: referral
    give: {referrer: 200, referee: 100}
    qualifying_purchase: {min_spend: "10.00", within: P60D}
    at_most: {awards: 2, per: year}
"""


@pytest.mark.parametrize(
    ("amount", "time", "paid"),
    [
        (1000, "2026-03-02T12:00:00Z", True),
        (999, "2026-03-02T12:00:00Z", False),
        (1000, "2026-05-01T11:59:59Z", True),
        (1000, "2026-05-01T12:00:00Z", False),
        (1000, "2026-03-02T11:59:59Z", False),
    ],
    ids=["at once", "a cent short", "on the last second", "too late", "before the sign-up"],
)
def test_a_purchase_qualifies(amount: int, time: str, *, paid: bool) -> None:
    books = Books(program(FRIENDS))
    books.take(referral("f", "m2"))
    books.take(purchase("p", amount, time=time))
    assert (books.balance("m1"), books.balance("m2")) == ((100, 200) if paid else (0, 0))
    books.check_books()


def test_both_sides_are_paid_once_whatever_comes_again() -> None:
    books = Books(program(FRIENDS))
    books.take(referral("f", "m2"))
    books.take(purchase("p", 1000))
    books.take(purchase("q", 1000))
    books.take(referral("g", "m2", stage="qualified"))
    assert (books.balance("m1"), books.balance("m2")) == (100, 200)
    assert books.take(books.messages[0]).outcome is Outcome.DUPLICATE


def test_the_referrer_has_limits_of_his_own() -> None:
    books = Books(program(FRIENDS))
    for number in range(3):
        books.take(referral(f"f{number}", "m9", member=f"m{number}", stage="qualified"))
    assert books.balance("m9") == 400
    assert books.balance("m2") == 100
    assert books.entries[-1].steps[0]["forfeited"] == 200
    books.check_books()


def test_nobody_refers_himself_or_is_referred_twice() -> None:
    books = Books(program(FRIENDS))
    alone = books.take(referral("self", "m1"))
    assert alone.refusal is not None
    assert alone.refusal.code is Code.SELF_REFERRAL
    assert books.state == {}, "a refused first event enrolls nobody"
    books.take(referral("f", "m2"))
    again = books.take(referral("g", "m3", referral_id="ref2"))
    assert again.refusal is not None
    assert again.refusal.code is Code.ALREADY_REFERRED
    books.take(purchase("p", 1000))
    assert (books.balance("m2"), books.balance("m3")) == (200, 0)


@pytest.mark.parametrize(
    ("when", "code", "time", "paid"),
    [
        ("codes: [SPRING]", "SPRING", "2026-03-02T12:00:00Z", True),
        ("codes: [SPRING]", "OTHER", "2026-03-02T12:00:00Z", False),
        ("until: 2026-03-31", "C", "2026-03-31T12:00:00Z", True),
        ("until: 2026-03-31", "C", "2026-04-01T12:00:00Z", False),
        ("if: event.code == 'SPRING'", "SPRING", "2026-03-02T12:00:00Z", True),
        ("if: event.code == 'SPRING'", "OTHER", "2026-03-02T12:00:00Z", False),
    ],
)
def test_what_a_referral_rule_asks_holds_for_a_qualifying_purchase_too(
    when: str, code: str, time: str, *, paid: bool
) -> None:
    books = Books(program(FRIENDS + f"    when: {{{when}}}\n"))
    books.take(referral("f", "m2", code=code))
    books.take(purchase("p", 1000, time=time))
    assert (books.balance("m1"), books.balance("m2")) == ((100, 200) if paid else (0, 0))


def test_two_rules_that_pay_for_one_cause_send_messages_with_ids_of_their_own() -> None:
    second = "  - {id: bonus, on: referral, give: {referrer: 7}}\n"
    books = Books(program(FRIENDS + second))
    books.take(referral("f", "m2", stage="qualified"))
    assert books.balance("m2") == 207
    books.check_books()


def test_a_message_is_decided_by_the_version_that_sent_it_though_another_is_in_force_by_then() -> None:
    first = program(FRIENDS)
    second = program(FRIENDS.replace("referrer: 200", "referrer: 900") + 'version: "2"\neffective_from: 2026-02-01\n')
    books = Books(first)
    books.take(referral("f", "m2", stage="qualified"))
    (award,) = books.messages
    late = Books(first, second)
    late.take(award)
    assert (late.balance("m2"), [entry.version for entry in late.entries]) == (200, ["1"])
