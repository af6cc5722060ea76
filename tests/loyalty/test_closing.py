"""What closing does to an account: points stay or end, a debt is written off, and nothing comes after."""

import pytest

from loyalty.facts import Award
from loyalty.postings import EXPIRED, FORGIVEN
from tests.loyalty.books import Books, program
from tests.loyalty.events import adjustment, member_event, micros, purchase, referral

BASE = """
earn:
  - {id: base, on: purchase, give: {points: 1, per: "1.00"}}
  - {id: friends, on: referral, give: {referrer: 200, referee: 100}}
adjustments: {negative: allow}
"""
PENDING = "points: {points: {name: Points, pending: P7D}}\n"
LATER = "2026-03-04T12:00:00Z"


def _posted(books: Books, account: str) -> int:
    return sum(p.amount for entry in books.entries for p in entry.postings if p.account == account)


@pytest.mark.parametrize(
    ("option", "balance", "expired"),
    [("keep", (50, 0), 0), ("expire", (0, 0), 50)],
)
def test_available_points(option: str, balance: tuple[int, int], expired: int) -> None:
    books = Books(program(BASE + f"closing: {{points: {option}}}\n"))
    books.take(purchase("p", 5000))
    books.take(member_event("c", "closed", time=LATER))
    assert books.head().balances["points"] == balance
    assert _posted(books, EXPIRED) == expired
    books.check_books()


@pytest.mark.parametrize(
    ("option", "at_once", "later"),
    [("keep", (0, 50), (50, 0)), ("expire", (0, 0), (0, 0))],
)
def test_pending_points(option: str, at_once: tuple[int, int], later: tuple[int, int]) -> None:
    books = Books(program(BASE + PENDING + f"closing: {{points: {option}}}\n"))
    books.take(purchase("p", 5000))
    books.take(member_event("c", "closed", time=LATER))
    assert books.head().balances["points"] == at_once
    books.pass_time(micros("2026-04-01T00:00:00Z"))
    assert books.head().balances["points"] == later
    books.check_books()


@pytest.mark.parametrize(("option", "left", "forgiven"), [("keep", -30, 0), ("expire", 0, -30)])
def test_a_debt(option: str, left: int, forgiven: int) -> None:
    books = Books(program(BASE + f"closing: {{points: {option}}}\n"))
    books.take(adjustment("a", -30, kind="correction"))
    books.take(member_event("c", "closed", time=LATER))
    assert books.balance() == left
    assert _posted(books, FORGIVEN) == forgiven
    books.check_books()


def test_an_award_to_a_member_who_has_left_is_refused() -> None:
    books = Books(program(BASE + "closing: {points: expire}\n"))
    books.take(member_event("c", "closed", member="m2"))
    books.take(referral("f", "m2", stage="qualified"))
    assert isinstance(books.messages[0], Award)
    refused = books.decisions[-1].refusal
    assert refused is not None
    assert (refused.code, books.balance("m1"), books.balance("m2")) == ("member_closed", 100, 0)


def test_the_tier_stays_as_it_was_and_is_reviewed_no_more() -> None:
    tiers = """
tiers:
  levels: [{id: base, from: 0}, {id: gold, from: 10}]
  review: {after: P30D}
  notice: {at_risk: P5D}
"""
    books = Books(program(BASE + tiers + "closing: {points: expire}\n"))
    books.take(purchase("p", 5000))
    books.take(member_event("c", "closed", time=LATER))
    told = len(books.tiers), len(books.notices)
    books.pass_time(micros("2027-03-01T00:00:00Z"))
    assert books.head().tier == "gold"
    assert (len(books.tiers), len(books.notices)) == told
    assert books.head().due_us is None


def test_closing_twice_and_closing_first_change_nothing_more() -> None:
    books = Books(program(BASE + "closing: {points: expire}\n"))
    books.take(member_event("c0", "closed", member="m9"))
    assert books.entries == []
    books.take(purchase("p", 5000))
    books.take(member_event("c", "closed", time=LATER))
    entries = len(books.entries)
    books.take(member_event("c2", "closed", time="2026-03-05T12:00:00Z"))
    assert len(books.entries) == entries
    books.check_books()
