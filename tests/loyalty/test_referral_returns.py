"""What a referral gave goes back with the purchase that qualified: exactly that, on both sides, once."""

import pytest

from loyalty.between import Recoup
from loyalty.decisions import Outcome
from loyalty.facts import Award
from loyalty.ties import AwardRecord
from tests.loyalty.books import Books, program
from tests.loyalty.events import back, line, member_event, purchase, referral

FRIENDS = """
earn:
  - id: friends
    on: referral
    give: {referrer: 200, referee: 100}
    qualifying_purchase: {min_spend: "10.00", within: P60D}
    at_most: {awards: 2, per: year}
"""
LATER = "2026-03-05T12:00:00Z"


def _told(*more: str) -> Books:
    books = Books(program(FRIENDS + "".join(more)))
    books.take(referral("f", "m2"))
    return books


def _two_lines(event_id: str = "p") -> bytes:
    return purchase(event_id, [line("1", 1000), line("2", 500)])


@pytest.mark.parametrize(
    ("option", "lines", "left"),
    [
        ("below_min", [("2", "1", 500)], (100, 200)),
        ("below_min", [("1", "1", 1000)], (0, 0)),
        ("below_min", [("1", "0", 501)], (0, 0)),
        ("below_min", [("1", "0", 500)], (100, 200)),
        ("below_min", [("1", "1", 1000), ("2", "1", 500)], (0, 0)),
        ("full_return", [("1", "1", 1000)], (100, 200)),
        ("full_return", [("1", "1", 1000), ("2", "1", 500)], (0, 0)),
        ("never", [("1", "1", 1000), ("2", "1", 500)], (100, 200)),
    ],
    ids=["enough is left", "too little is left", "a cent short", "the minimum", "all", "some", "all of it", "never"],
)
def test_both_sides_give_back_what_they_were_given(
    option: str, lines: list[tuple[str, str, int]], left: tuple[int, int]
) -> None:
    books = _told(f"returns: {{referrals: {option}}}\n")
    books.take(_two_lines())
    assert (books.balance("m1"), books.balance("m2")) == (100, 200)
    books.take(back("r", "p", lines, time=LATER))
    assert (books.balance("m1"), books.balance("m2")) == left
    books.check_books()


def test_returns_one_after_the_other_take_back_once() -> None:
    books = _told()
    books.take(_two_lines())
    for number, part in enumerate([("2", "1", 500), ("1", "0", 600), ("1", "1", 400)]):
        books.take(back(f"r{number}", "p", [part], time=LATER))
    assert (books.balance("m1"), books.balance("m2")) == (0, 0)
    assert sum(isinstance(message, Recoup) for message in books.messages) == 1
    books.check_books()


def test_a_later_purchase_may_earn_it_again_but_not_one_in_between() -> None:
    books = _told()
    books.take(_two_lines("p"))
    books.take(purchase("between", 2000))
    books.take(back("r", "p", [("1", "1", 1000)], time=LATER))
    assert (books.balance("m1"), books.balance("m2")) == (0, 0)
    books.take(purchase("after", 1000, time=LATER))
    assert (books.balance("m1"), books.balance("m2")) == (100, 200)
    books.take(purchase("once more", 1000, time=LATER))
    assert (books.balance("m1"), books.balance("m2")) == (100, 200)
    books.take(back("r2", "after", [("1", "1", 1000)], time=LATER))
    assert (books.balance("m1"), books.balance("m2")) == (0, 0)
    books.check_books()


def test_a_purchase_after_the_time_of_the_referral_does_not_earn_it_again() -> None:
    books = _told()
    books.take(_two_lines())
    books.take(back("r", "p", [("1", "1", 1000)], time=LATER))
    books.take(purchase("late", 1000, time="2026-05-01T12:00:00Z"))
    assert (books.balance("m1"), books.balance("m2")) == (0, 0)


def test_a_referrer_gives_back_what_limits_left_of_the_award_and_has_room_again() -> None:
    books = Books(program(FRIENDS.replace("{awards: 2, per: year}", "{points: 250, per: year}")))
    for number in (1, 2):
        books.take(referral(f"f{number}", "m9", member=f"m{number}"))
        books.take(purchase(f"p{number}", 1000, member=f"m{number}"))
    assert books.balance("m9") == 250
    books.take(back("r2", "p2", [("1", "1", 1000)], member="m2", time=LATER))
    assert books.balance("m9") == 200
    books.take(referral("f3", "m9", member="m3", stage="qualified", time=LATER))
    assert books.balance("m9") == 250
    books.take(back("r1", "p1", [("1", "1", 1000)], member="m1", time=LATER))
    assert books.balance("m9") == 50
    books.check_books()


@pytest.mark.parametrize(("option", "left"), [("allow", (-100, -200)), ("clamp", (0, 0))])
def test_what_was_spent_is_a_debt_or_let_go(option: str, left: tuple[int, int]) -> None:
    books = _told(f"returns: {{negative: {option}}}\n")
    books.take(_two_lines())
    books.spend(100, "m1")
    books.spend(200, "m2")
    books.take(back("r", "p", [("1", "1", 1000)], time=LATER))
    assert (books.balance("m1"), books.balance("m2")) == left
    books.check_books()


def test_a_return_that_waited_for_its_purchase_takes_back_too() -> None:
    books = _told()
    books.take(back("r", "p", [("1", "1", 1000)], time=LATER))
    books.take(purchase("p", [line("1", 1000), line("2", 500)], time="2026-03-02T13:00:00Z"))
    assert (books.balance("m1"), books.balance("m2")) == (0, 0)
    assert [type(message) for message in books.messages] == [Award, Recoup]
    books.check_books()


def test_a_purchase_that_an_event_names_counts_until_it_comes_back() -> None:
    books = Books(program(FRIENDS))
    books.take(purchase("p", 700))
    books.take(referral("f", "m2", stage="qualified", transaction_id="p"))
    books.take(back("r", "p", [("1", "0", 300)], time=LATER))
    assert (books.balance("m1"), books.balance("m2")) == (100, 200), "it never came to the minimum; the event said so"
    books.take(back("r2", "p", [("1", "1", 400)], time=LATER))
    assert (books.balance("m1"), books.balance("m2")) == (0, 0)
    books.check_books()


def test_a_purchase_that_came_back_before_the_event_qualifies_nobody() -> None:
    books = Books(program(FRIENDS))
    books.take(purchase("p", 1000))
    books.take(back("r", "p", [("1", "1", 1000)], time=LATER))
    books.take(referral("f", "m2", stage="qualified", transaction_id="p", time=LATER))
    assert (books.balance("m1"), books.balance("m2")) == (0, 0)
    books.take(purchase("q", 1000, time=LATER))
    assert (books.balance("m1"), books.balance("m2")) == (100, 200)


def _award_and_recoup() -> tuple[Award, Recoup]:
    books = _told()
    books.take(_two_lines())
    books.take(back("r", "p", [("1", "1", 1000)], time=LATER))
    award, recoup = books.messages
    assert isinstance(award, Award)
    assert isinstance(recoup, Recoup)
    return award, recoup


def test_an_award_that_was_taken_back_before_it_came_gives_nothing() -> None:
    award, recoup = _award_and_recoup()
    books = Books(program(FRIENDS))
    books.take(recoup)
    assert books.heads() == [], "it makes nobody a member"
    books.take(award)
    assert books.balance("m2") == 0
    assert [entry for entry in books.entries if entry.member == "m2"] == []


def test_taking_back_twice_takes_once() -> None:
    award, recoup = _award_and_recoup()
    books = Books(program(FRIENDS))
    books.take(award)
    books.take(recoup)
    assert books.take(recoup).outcome is Outcome.DUPLICATE
    books.take(recoup._replace(message_id="another"))
    assert books.balance("m2") == 0
    books.check_books()


def test_a_closed_referrer_gives_back_what_is_there_and_owes_nothing() -> None:
    books = _told()
    books.take(_two_lines())
    books.spend(150, "m2")
    books.take(member_event("c", "closed", member="m2"))
    books.take(back("r", "p", [("1", "1", 1000)], time=LATER))
    assert books.balance("m2") == 0
    assert books.entries[-1].steps[0]["not_recouped"] == 150
    books.check_books()


def test_what_an_award_gave_is_forgotten_when_nobody_can_return_the_purchase_any_more() -> None:
    books = Books(program(FRIENDS + "stream: {max_late: P30D}\n"))
    books.take(referral("f", "m2"))
    books.take(_two_lines())
    assert sum(isinstance(record, AwardRecord) for record in books.state.values()) == 1
    last = books.record("p").due_us
    assert last is not None
    books.pass_time(last)
    assert not any(isinstance(record, AwardRecord) for record in books.state.values())
