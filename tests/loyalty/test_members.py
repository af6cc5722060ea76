"""Members: joining by any event and once, master data that only goes forward, closing."""

import pytest

from loyalty.decisions import Code, Outcome
from tests.loyalty.books import BASE, Books, program
from tests.loyalty.events import back, engagement, member_event, purchase, referral, review, share

WELCOME = BASE.replace("}}]", "}}, {id: welcome, on: enrollment, give: {points: 50}}]")


@pytest.mark.parametrize(
    "first",
    [
        purchase("e", 0),
        review("e"),
        review("e", status="removed"),
        share("e"),
        engagement("e"),
        member_event("e", "enrolled"),
        member_event("e"),
        referral("e", "m2"),
    ],
)
def test_the_first_event_opens_the_account_and_gives_the_welcome_once(first: bytes) -> None:
    books = Books(program(WELCOME))
    books.take(first)
    books.take(member_event("later", "enrolled"))
    books.take(engagement("more"))
    assert books.balance() == 50
    books.check_books()


def test_an_award_opens_the_referrers_account() -> None:
    books = Books(program(WELCOME.replace("]", ", {id: f, on: referral, give: {referrer: 7}}]")))
    books.take(referral("f", "m2", stage="qualified"))
    assert (books.balance("m1"), books.balance("m2")) == (50, 57)
    books.check_books()


@pytest.mark.parametrize(
    "first",
    [back("e", "p", [("1", "1", 1)]), purchase("e", 100, currency="EUR"), referral("e", "m1")],
    ids=["unknown purchase", "other currency", "self-referral"],
)
def test_a_refused_first_event_opens_nothing(first: bytes) -> None:
    books = Books(program(WELCOME + "returns: {park: none}\n"))
    assert books.take(first).outcome is Outcome.REFUSED
    assert books.state == {}
    books.take(purchase("p", 100))
    assert books.balance() == 51


def test_where_enrollment_is_required_nothing_else_opens_an_account() -> None:
    books = Books(program(WELCOME + "enrollment: required\n"))
    for first in (purchase("a", 100), review("b"), member_event("c"), member_event("d", "closed"), referral("e", "m2")):
        refusal = books.take(first).refusal
        assert refusal is not None
        assert refusal.code is Code.NOT_ENROLLED
    books.take(member_event("f", "enrolled"))
    assert books.take(purchase("a", 100)).outcome is Outcome.APPLIED
    assert books.balance() == 51


def test_closing_an_account_that_was_never_opened_gives_no_welcome() -> None:
    books = Books(program(WELCOME))
    books.take(member_event("c", "closed"))
    assert books.balance() == 0
    assert books.take(purchase("p", 100)).outcome is Outcome.REFUSED


def test_late_master_data_does_not_undo_newer() -> None:
    books = Books(program())
    books.take(member_event("new", time="2026-03-02T12:00:00Z", segments=["b"], attributes={"size": 2}))
    books.take(member_event("old", time="2026-03-01T12:00:00Z", segments=["a"], birthday="02-29"))
    head = books.head()
    assert (head.segments, head.attributes, head.birthday) == (("b",), {"size": 2}, "")
    books.take(member_event("same", time="2026-03-02T12:00:00Z", birthday="02-29"))
    assert (books.head().segments, books.head().birthday) == (("b",), "02-29")


def test_a_late_closing_closes() -> None:
    books = Books(program())
    books.take(member_event("new", time="2026-03-02T12:00:00Z"))
    books.take(member_event("old", "closed", time="2026-03-01T12:00:00Z"))
    assert books.take(purchase("p", 100)).outcome is Outcome.REFUSED


def test_member_ids_cannot_reach_into_each_other() -> None:
    """State keys escape what separates their parts."""
    books = Books(program())
    books.take(purchase("c", 1000, member="a|b"))
    books.take(purchase("b|c", 2000, member="a"))
    books.take(purchase("c", 3000, member="a%7Cb"))
    assert [books.balance(member) for member in ("a|b", "a", "a%7Cb")] == [10, 20, 30]
