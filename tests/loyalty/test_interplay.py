"""What features do to each other: redemption, surprises and occasions of accounts that merge, close or are referred."""

import pytest

from loyalty.account import head_key
from loyalty.decisions import Code, Outcome, RedemptionChange, RewardOrder, derived_id
from loyalty.facts import Message
from loyalty.identity import ACCOUNT_CHARS_MAX
from loyalty.lots import Lot, joined, parsed
from loyalty.memory import RECORD_BYTES
from tests.loyalty.books import BASE, Books, SlowBooks, program
from tests.loyalty.events import (
    adjustment,
    back,
    fact,
    member_event,
    merge,
    micros,
    pay,
    purchase,
    redeem,
    referral,
    reported,
    restock,
    transfer,
)

LATER = "2026-03-05T12:00:00Z"
LAST = "2026-03-06T12:00:00Z"
FRIENDS = """
earn:
  - id: friends
    on: referral
    give: {referrer: 500, referee: 250}
    qualifying_purchase: {min_spend: "10.00", within: P60D}
"""
MUG = BASE + "rewards: [{id: mug, kind: product, price: 100, stock: 3, at_most: {number: 1, per: lifetime}}]\n"
LUCKY = BASE + "surprises: [{id: lucky, on: purchase, percent: 100, give: {points: 10}, budget: {points: 1000}}]\n"


def _on(books: Books, account: str) -> int:
    """What lies on an account of the program, by the ledger."""
    return sum(p.amount for entry in books.entries for p in entry.postings if p.account == f"program:{account}")


def _ties_out(books: Books) -> None:
    books.check_books()
    assert (_on(books, "held"), _on(books, "transferred")) == (0, 0)


def _merged_meanwhile(books: SlowBooks) -> Message:
    """The account of `a` ends in that of `b` while a message still travels; answers the message."""
    travelling = books.inbox.pop()
    books.take(merge("m", "b", member="a", time=LATER))
    books.deliver_all()
    return travelling


# ------------------------------------------------------------------ occasions of merged accounts


def test_a_birthday_that_comes_with_a_merged_account_is_kept() -> None:
    books = Books(program("earn: [{id: bd, on: birthday, give: {points: 100}}]\n"))
    books.take(member_event("a", "enrolled", member="a", birthday="07-10"))
    books.take(member_event("b", "enrolled", member="b"))
    books.take(merge("m", "b", member="a", time=LATER))
    books.pass_time(micros("2027-07-11T12:00:00Z"))
    assert books.balance("b") == 200
    _ties_out(books)


def test_the_survivors_anniversaries_go_on_whatever_the_age_of_the_other_account() -> None:
    books = Books(program("earn: [{id: an, on: anniversary, give: {points: 100}}]\n"))
    books.take(member_event("a", "enrolled", member="a", time="2016-01-05T12:00:00Z"))
    books.take(member_event("b", "enrolled", member="b", time="2025-06-05T12:00:00Z"))
    books.take(merge("m", "b", member="a", time=LATER))
    before = books.balance("b")
    books.pass_time(micros("2028-06-06T12:00:00Z"))
    assert books.balance("b") - before == 300
    _ties_out(books)


# ------------------------------------------------------------------ redemptions of accounts that end


def test_points_that_were_held_when_an_account_was_closed_end_with_it() -> None:
    books = SlowBooks(program(MUG + "closing: {points: expire}\n"))
    books.take(adjustment("a", 1000))
    books.take(redeem("r", "mug"))
    books.take(member_event("c", "closed", time=LATER))
    books.deliver_all()
    assert (books.balance(), books.head().lots) == (0, {})
    _ties_out(books)


def test_a_redemption_of_an_account_that_ends_meanwhile() -> None:
    books = SlowBooks(program(MUG))
    books.take_all([adjustment("a", 1000, member="a"), adjustment("b", 10, member="b")])
    books.take(redeem("r", "mug", member="a"))
    claim = _merged_meanwhile(books)
    assert books.head("a").merged_into == "b"
    books.inbox.append(claim)
    books.deliver_all()
    said = [(one.status, one.reason) for one in books.rewards if isinstance(one, RedemptionChange)]
    assert (said, books.balance("b")) == ([("accepted", "")], 910)
    books.take(reported("x", "cancelled", "r", member="a", time=LAST))
    books.deliver_all()
    assert books.balance("b") == 1010
    assert not [name for name in books.head("b").counters if name.startswith("reward:")]
    _ties_out(books)


def test_a_cancellation_that_overtook_its_request_and_a_merge_still_holds() -> None:
    books = Books(program(MUG))
    books.take_all([adjustment("a", 1000, member="a"), adjustment("b", 10, member="b")])
    books.take(reported("x", "cancelled", "r", member="a"))
    books.take(merge("m", "b", member="a", time=LATER))
    books.take(redeem("r", "mug", member="a", time=LATER))
    assert books.balance("b") == 1010
    assert not [one for one in books.rewards if isinstance(one, RewardOrder)]
    _ties_out(books)


def test_points_that_come_back_after_a_merge_end_with_those_that_had_stayed() -> None:
    kept_alive = "points: {points: {name: P, expiry: {after: P30D, restart_on: [purchase]}}}\n"
    books = Books(program(BASE + kept_alive + "rewards: [{id: pin, kind: product, price: 10}]\n"))
    books.take(adjustment("b", 1, member="b", time="2026-02-25T12:00:00Z"))
    books.take(purchase("p", 1000, member="a", time="2026-02-01T12:00:00Z"))
    books.take(redeem("r", "pin", member="a", time="2026-02-01T13:00:00Z"))
    books.take(purchase("q", 1000, member="a", time="2026-02-25T12:00:00Z"))
    books.take(merge("m", "b", member="a", time=LATER))
    books.take(reported("x", "cancelled", "r", member="a", time=LAST))
    assert books.balance("b") == 21
    assert len({lot.ends_us for lot in parsed(books.head("b").lots["points"]) if lot.left == 10}) == 1
    _ties_out(books)


# ------------------------------------------------------------------ surprises


@pytest.mark.parametrize("returned", [False, True])
def test_a_surprise_that_was_won_before_a_merge_is_the_survivors(*, returned: bool) -> None:
    books = SlowBooks(program(LUCKY))
    books.take_all([purchase("p", 500, member="a"), adjustment("b", 10, member="b")])
    claim = _merged_meanwhile(books)
    books.inbox.append(claim)
    books.deliver_all()
    assert books.balance("b") == 25
    if returned:
        books.take(back("r", "p", [("1", "1", 500)], member="a", time=LAST))
        books.deliver_all()
        assert books.balance("b") == 10
    _ties_out(books)


# ------------------------------------------------------------------ referrals


@pytest.mark.parametrize(("ends", "stays"), [("old", "new"), ("new", "old")])
def test_who_referred_themselves_and_bought_after_the_merge_gets_nothing(ends: str, stays: str) -> None:
    books = Books(program(FRIENDS))
    books.take_all([adjustment("a", 10, member="old"), referral("r", "old", member="new")])
    books.take(merge("m", stays, member=ends, time=LATER))
    books.take(purchase("p", 5000, member=stays, time=LAST))
    assert books.balance(stays) == 10
    _ties_out(books)


def test_nobody_is_referred_by_an_id_that_was_their_own() -> None:
    books = Books(program(FRIENDS))
    books.take_all([adjustment("a", 10, member="a"), adjustment("b", 10, member="b")])
    books.take(merge("m", "b", member="a", time=LATER))
    decision = books.take(referral("r", "a", member="b", time=LAST))
    assert decision.outcome is Outcome.REFUSED
    books.take(purchase("p", 5000, member="b", time=LAST))
    assert books.balance("b") == 20


def test_one_person_with_two_accounts_is_referred_once() -> None:
    books = Books(program(FRIENDS))
    books.take_all([referral("r1", "x", member="a"), purchase("p", 5000, member="a")])
    books.take(referral("r2", "y", member="b", referral_id="other"))
    books.take(merge("m", "b", member="a", time=LATER))
    books.take(purchase("q", 5000, member="b", time=LAST))
    assert [books.balance(member) for member in "xyb"] == [500, 0, 250]
    _ties_out(books)


def test_what_is_taken_back_after_a_merge_may_be_earned_again() -> None:
    books = Books(program(FRIENDS))
    books.take_all([adjustment("b", 5, member="b"), referral("r1", "x", member="a"), purchase("p", 5000, member="a")])
    books.take(merge("m", "b", member="a", time=LATER))
    books.take(purchase("q", 5000, member="b", time=LATER))
    books.take(back("ret", "p", [("1", "1", 5000)], member="a", time=LAST))
    assert [books.balance(member) for member in "xb"] == [0, 5]
    books.take_all([purchase(each, 5000, member="b", time=LAST) for each in ("s", "t")])
    assert [books.balance(member) for member in "xb"] == [500, 255]
    _ties_out(books)


def test_an_award_taken_back_before_it_came_gives_nothing_to_the_survivor_either() -> None:
    books = SlowBooks(program(FRIENDS))
    books.take_all([adjustment("a", 10, member="a"), adjustment("b", 10, member="b")])
    books.take_all([referral("r", "a", member="new"), purchase("p", 5000, member="new")])
    (award,) = books.inbox
    books.inbox.clear()
    books.take(back("ret", "p", [("1", "1", 5000)], member="new", time=LATER))
    books.deliver_all()
    books.take(merge("m", "b", member="a", time=LATER))
    books.deliver_all()
    books.inbox.append(award)
    books.deliver_all()
    assert (books.balance("b"), books.balance("new")) == (20, 0)
    _ties_out(books)


# ------------------------------------------------------------------ lots


SHORT, LONG = micros("2026-04-01T00:00:00Z"), micros("2026-06-01T00:00:00Z")
TWO = joined([Lot("x", micros(LATER), SHORT, 10), Lot("x", micros(LATER), LONG, 10)])


def _with_a_lot_in_two(more: str = "") -> Books:
    """Of one lot, a part lives longer than the rest: points that came back and were given some more days."""
    books = Books(program(BASE + "points: {points: {name: Points, expiry: {after: P12M}}}\n" + more))
    books.take_all([adjustment("a", 20, member="a"), adjustment("b", 5, member="b")])
    head = books.head("a").draft()
    head.lots["points"] = TWO
    books.state[head_key("a")] = head
    return books


def _ends(books: Books, member: str) -> list[tuple[int | None, int]]:
    return sorted((lot.ends_us, lot.left) for lot in parsed(books.head(member).lots["points"]) if lot.left != 5)


def test_what_is_given_keeps_its_ends_though_one_lot_has_two() -> None:
    books = _with_a_lot_in_two("transfers: {}\n")
    books.take(transfer("t", "c", 20, member="a", time=LATER))
    assert _ends(books, "c") == [(SHORT, 10), (LONG, 10)]
    books.check_books()


def test_what_comes_back_keeps_its_ends_though_one_lot_has_two() -> None:
    books = _with_a_lot_in_two("transfers: {}\n")
    books.take(member_event("c", "enrolled", member="c"))
    books.take(member_event("d", "closed", member="c"))
    books.take(transfer("t", "c", 20, member="a", time=LATER))
    assert _ends(books, "a") == [(SHORT, 10), (LONG, 10)]
    books.check_books()


def test_what_merges_keeps_its_ends_though_one_lot_has_two() -> None:
    books = _with_a_lot_in_two()
    books.take(merge("m", "b", member="a", time=LATER))
    assert _ends(books, "b") == [(SHORT, 10), (LONG, 10)]
    books.check_books()


# ------------------------------------------------------------------ accounts that are full


def test_a_full_account_sends_gifts_back_and_says_that_it_takes_nobody_in() -> None:
    books = SlowBooks(program(BASE + "transfers: {}\n"))
    books.take_all([adjustment(f"a-{member}", 100, member=member) for member in "abc"])
    books.take(transfer("t", "b", 30, member="c"))
    books.take(merge("m", "b", member="a", time=LATER))
    full = books.head("b").draft()
    full.seen = b"\0" * (ACCOUNT_CHARS_MAX // RECORD_BYTES * RECORD_BYTES)
    books.state[head_key("b")] = full
    books.deliver_all()
    assert [books.balance(member) for member in "abc"] == [100, 100, 100]
    assert (books.head("a").status, books.head("a").leaving) == ("active", "")
    assert books.notices[-1].details["reason"] == "too_large"
    _ties_out(books)


def test_entries_of_a_merge_are_bounded() -> None:
    books = Books(program(BASE), careful=False)
    books.take_all([adjustment("a", 4500, member="a"), adjustment("b", 5, member="b")])
    head = books.head("a").draft()
    head.lots["points"] = joined(Lot(f"{number:016x}", micros(LATER), None, 1) for number in range(4500))
    books.state[head_key("a")] = head
    books.take(merge("m", "b", member="a", time=LATER))
    assert (books.balance("a"), books.balance("b"), len(parsed(books.head("b").lots["points"]))) == (0, 4505, 4501)
    assert max(len(entry.postings) for entry in books.entries) <= 4000
    _ties_out(books)


# ------------------------------------------------------------------ paying under an id that has ended

PAYS = BASE + 'pay_with_points: {points: 1, worth: "0.01"}\n'


def _paid(text: str, *ends: tuple[str, str]) -> Books:
    """500 points of a redeemed under a's id; each of `ends` is merged; then comes the sale that they paid for."""
    books = Books(program(text))
    books.take_all([adjustment(f"adj-{member}", 1000 if member == "a" else 10, member=member) for member in "abc"])
    books.take(pay("r", "sale", 1000, member="a", points=500))
    for member, into in ends:
        books.take(merge(f"m-{member}", into, member=member, time=LATER))
    return books


def _sale(event_id: str = "p", *, member: str = "a", sale: str = "sale", label: str = "r") -> bytes:
    tenders = [{"type": "points", "amount_minor": 500, "label": label}, {"type": "card", "amount_minor": 500}]
    return purchase(event_id, 1000, member=member, time=LATER, transaction_id=sale, tenders=tenders)


def _points_back(books: Books, member: str) -> None:
    books.take(back("ret", "sale", [("1", "1", 1000)], member="a", time=LAST))
    assert sum(books.balance(each) for each in "abc") == 1020
    assert books.balance(member) >= 1010
    _ties_out(books)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([("a", "b")], []),
        ([("a", "b"), ("b", "c")], []),
        ([("a", "b")], [("b", "c")]),
    ],
    ids=["a>b", "a>b>c", "a>b, then b>c"],
)
def test_points_that_paid_under_an_ended_id_come_back_with_the_return(
    before: list[tuple[str, str]], after: list[tuple[str, str]]
) -> None:
    books = _paid(PAYS, *before)
    books.take(_sale())
    for member, into in after:
        books.take(merge(f"m-{member}", into, member=member, time=LATER))
    _points_back(books, after[-1][1] if after else before[-1][1])


def test_a_redemption_that_followed_its_sale_is_still_cancelled_under_the_id_that_asked_for_it() -> None:
    books = _paid(PAYS, ("a", "b"))
    books.take(_sale())
    books.take(reported("x", "cancelled", "r", member="a", time=LAST))
    assert books.balance("b") == 1010 + 5
    books.take(back("ret", "sale", [("1", "1", 1000)], member="a", time=LAST))
    assert books.balance("b") == 1010
    _ties_out(books)


def test_a_sale_that_comes_again_after_a_merge_takes_no_redemption_away() -> None:
    books = _paid(PAYS)
    books.take(_sale())
    books.take(merge("m", "b", member="a", time=LATER))
    books.take(_sale())
    assert books.redemption("r", "a").points == 500
    _points_back(books, "b")


def test_a_redemption_never_takes_the_place_of_another_of_the_same_id() -> None:
    books = _paid(PAYS)
    books.take(pay("r", "other", 1000, member="b", points=5))
    books.take(merge("m", "b", member="a", time=LATER))
    for again in ("p", "q", "p"):
        books.take(_sale(again, sale=f"sale-{again}"))
    assert (books.redemption("r", "a").points, books.redemption("r", "b").points) == (500, 5)
    books.take(reported("x", "cancelled", "r", member="a", time=LAST))
    assert books.redemption("r", "a").restored == 500
    _ties_out(books)


def test_an_order_keeps_its_id_when_its_redemption_follows_a_sale() -> None:
    books = SlowBooks(program(MUG))
    books.take_all([adjustment("a", 1000, member="a"), adjustment("b", 10, member="b")])
    books.take(redeem("held", "mug", member="a"))
    claim = _merged_meanwhile(books)
    books.take(_sale(label="held"))
    books.inbox.append(claim)
    books.deliver_all()
    assert books.redemption("held", "b").status == "accepted"
    books.take(reported("x", "fulfilled", "held", member="a", time=LAST))
    orders = [each for each in books.rewards if isinstance(each, RewardOrder)]
    assert [each.status for each in orders] == ["ordered", "fulfilled"]
    request = fact(redeem("held", "mug", member="a")).cause
    assert {each.order_id for each in orders} == {derived_id(request, "order", "a", "held")}
    books.take(back("ret", "sale", [("1", "1", 1000)], member="a", time=LAST))
    books.deliver_all()
    assert books.balance("b") == 1010
    _ties_out(books)


# ------------------------------------------------------------------ reports under the survivor's id


@pytest.mark.parametrize("followed", [False, True])
def test_a_cancellation_that_names_the_survivor_cancels_or_says_whom_to_name(*, followed: bool) -> None:
    books = _paid(PAYS, ("a", "b"))
    if followed:
        books.take(_sale())
    decision = books.take(reported("x", "cancelled", "r", member="b", time=LAST))
    if followed:
        assert books.balance("b") == 1010 + 5
    else:
        assert decision.refusal is not None
        assert decision.refusal.code is Code.UNKNOWN_REDEMPTION
        assert "the id that asked for it" in decision.refusal.message
        assert books.redemption("r", "a").status == "accepted"
    _ties_out(books)


# ------------------------------------------------------------------ gifts that there are no more of

CAKE = """
earn: [{id: bd, on: birthday, give: {reward: cake}, at_most: {awards: 1, per: lifetime}}]
rewards: [{id: cake, kind: product, price: 100, stock: 0}]
"""


def test_a_gift_that_the_stock_refuses_uses_no_limit_of_its_rule() -> None:
    books = Books(program(CAKE))
    books.take(member_event("a", "enrolled", birthday="07-10"))
    books.pass_time(micros("2026-07-11T12:00:00Z"))
    assert [one.status for one in books.rewards] == ["refused"]
    assert not books.head().counters
    books.take(restock("s", 1, limit="stock:cake", time="2026-08-01T12:00:00Z"))
    books.pass_time(micros("2028-07-11T12:00:00Z"))
    assert [one.status for one in books.rewards] == ["refused", "accepted", "ordered"]
    _ties_out(books)
