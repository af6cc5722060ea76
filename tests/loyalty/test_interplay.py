"""What features do to each other: redemption, surprises and occasions of accounts that merge, close or are referred."""

import pytest

from loyalty.account import head_key
from loyalty.decisions import Outcome, RedemptionChange, RewardOrder
from loyalty.identity import ACCOUNT_CHARS_MAX
from loyalty.lots import Lot, joined, parsed
from loyalty.memory import RECORD_BYTES
from tests.loyalty.books import BASE, Books, SlowBooks, program
from tests.loyalty.events import (
    adjustment,
    back,
    member_event,
    merge,
    micros,
    purchase,
    redeem,
    referral,
    reported,
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
    claim = books.inbox.pop()
    books.take(merge("m", "b", member="a", time=LATER))
    books.deliver_all()
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
    claim = books.inbox.pop()
    books.take(merge("m", "b", member="a", time=LATER))
    books.deliver_all()
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
