"""Merging two accounts: all that one had is the other's, to the point, and what comes later finds its way."""

import dataclasses

import pytest

from loyalty import identity, merging
from loyalty.account import Head
from loyalty.decisions import Code, Outcome
from loyalty.lots import parsed
from loyalty.postings import TRANSFERRED
from tests.loyalty.books import Books, SlowBooks, program
from tests.loyalty.events import (
    adjustment,
    back,
    engagement,
    line,
    member_event,
    merge,
    micros,
    purchase,
    redeem,
    referral,
    reported,
    review,
    transfer,
)

EARN = """
earn:
  - {id: base, on: purchase, give: {points: 1, per: "1.00"}}
  - {id: quiz, on: engagement, give: {points: 10}, at_most: {awards: 1, per: lifetime}}
  - {id: review, on: review, give: {points: 5}}
  - id: friends
    on: referral
    give: {referrer: 500, referee: 250}
    qualifying_purchase: {min_spend: "10.00", within: P60D}
adjustments: {negative: allow}
transfers: {}
"""
TIERS = "tiers: {levels: [{id: base, from: 0}, {id: silver, from: 100}, {id: gold, from: 180}]}\n"
LATER = "2026-03-05T12:00:00Z"


def _two(text: str = EARN) -> Books:
    """A with 120.00 bought, b with 80.00."""
    books = Books(program(text))
    books.take(purchase("pa", [line("1", 7000), line("2", 5000)], member="a"))
    books.take(purchase("pb", 8000, member="b"))
    return books


def _ties_out(books: Books) -> None:
    books.check_books()
    sums: dict[str, int] = {}
    for posting in (posting for entry in books.entries for posting in entry.postings):
        if posting.account == TRANSFERRED:
            sums[posting.currency] = sums.get(posting.currency, 0) + posting.amount
    assert not any(sums.values())
    for head in books.heads():
        if head.merged_into:
            assert not head.lots
            assert not head.debts
            assert not head.maturing
            assert not any(map(any, head.balances.values()))


def test_lots_go_over_and_the_tier_is_what_both_reach_together() -> None:
    books = _two(EARN + TIERS)
    lots = parsed(books.head("a").lots["points"]) + parsed(books.head("b").lots["points"])
    books.take(merge("m", "b", member="a", time=LATER))
    assert (books.balance("a"), books.balance("b")) == (0, 200)
    assert sorted(parsed(books.head("b").lots["points"])) == sorted(lots)
    assert (books.head("a").status, books.head("a").merged_into, books.head("b").tier) == ("merged", "b", "gold")
    assert [notice.kind for notice in books.notices] == ["merge_done", "merge_received"]
    _ties_out(books)


def test_the_higher_tier_stays_whatever_the_sums_say() -> None:
    books = _two(EARN + TIERS)
    books.take(adjustment("o", 0, member="a", kind="opening", tier="gold", time=LATER))
    books.take(merge("m", "b", member="a", time=LATER))
    assert books.head("b").tier == "gold"


def test_what_comes_later_goes_to_the_survivor_and_counts_once() -> None:
    books = _two()
    books.take(engagement("q", member="a"))
    books.take(merge("m", "b", member="a", time=LATER))
    later = purchase("pa2", 1000, member="a", time=LATER)
    books.take(later)
    assert books.balance("b") == 220
    assert books.take(later).outcome is Outcome.DUPLICATE
    assert books.take(engagement("q", member="a")).outcome is Outcome.DUPLICATE
    books.take(engagement("q2", member="b", time=LATER))
    assert books.balance("b") == 220, "the limit counts what both had"
    assert books.take(purchase("pa", [line("1", 7000), line("2", 5000)], member="a")).outcome is Outcome.DUPLICATE
    other = books.take(purchase("pa", 1, member="a")).refusal
    assert other is not None
    assert other.code is Code.CONFLICTING_DUPLICATE
    _ties_out(books)


@pytest.mark.parametrize(
    ("returned", "left"),
    [([("1", "1", 7000)], 130), ([("1", "1", 7000), ("2", "1", 5000)], 80)],
)
def test_a_return_of_an_old_purchase_takes_from_the_survivor_out_of_its_own_lot(
    returned: list[tuple[str, str, int]], left: int
) -> None:
    books = _two(EARN + TIERS)
    books.take(merge("m", "b", member="a", time=LATER))
    for number, part in enumerate(returned):
        books.take(back(f"r{number}", "pa", [part], member="a", time=LATER))
    assert books.balance("b") == left
    assert {lot.left for lot in parsed(books.head("b").lots["points"])} == {80, left - 80} - {0}
    assert books.head("b").qualifying["points:points|lifetime"].total == left
    _ties_out(books)


@pytest.mark.parametrize(("option", "left"), [("allow", -120), ("clamp", 0)])
def test_a_return_of_what_was_spent_is_the_survivors_debt_or_let_go(option: str, left: int) -> None:
    books = _two(EARN + f"returns: {{negative: {option}}}\n")
    books.take(merge("m", "b", member="a", time=LATER))
    books.spend(200, "b")
    books.take(back("r", "pa", [("1", "1", 7000), ("2", "1", 5000)], member="a", time=LATER))
    assert books.balance("b") == left
    _ties_out(books)


@pytest.mark.parametrize(("debtor", "other"), [("a", "b"), ("b", "a")])
def test_a_debt_of_one_is_paid_by_the_other(debtor: str, other: str) -> None:
    books = Books(program(EARN))
    books.take(adjustment("d", -50, member=debtor, kind="correction"))
    books.take(purchase("p", 8000, member=other))
    books.take(merge("m", "b", member="a", time=LATER))
    assert (books.balance("a"), books.balance("b")) == (0, 30)
    _ties_out(books)


def test_pending_points_go_on_waiting() -> None:
    books = _two(EARN + TIERS + "points: {points: {name: Points, pending: P7D}}\n")
    books.take(merge("m", "b", member="a", time=LATER))
    assert books.head("b").balances["points"] == (0, 200)
    books.take(back("r", "pa", [("1", "1", 7000)], member="a", time=LATER))
    assert books.head("b").balances["points"] == (0, 130)
    books.pass_time(micros("2026-04-01T00:00:00Z"))
    assert books.head("b").balances["points"] == (130, 0)
    assert books.head("b").tier == "silver"
    _ties_out(books)


def test_a_review_of_the_ended_account_can_be_removed() -> None:
    books = _two()
    books.take(review("v", member="a"))
    books.take(merge("m", "b", member="a", time=LATER))
    assert books.balance("b") == 205
    books.take(review("v2", review_id="v", status="removed", member="a", time=LATER))
    assert books.balance("b") == 200
    _ties_out(books)


def test_a_return_that_waits_goes_along() -> None:
    books = _two()
    books.take(back("r", "px", [("1", "1", 1000)], member="a", time=LATER))
    books.take(merge("m", "b", member="a", time=LATER))
    books.take(purchase("px", 1000, member="a", time="2026-03-02T13:00:00Z"))
    assert books.balance("b") == 200
    _ties_out(books)


def test_chains_end_in_the_last() -> None:
    books = _two()
    books.take(purchase("pc", 1000, member="c"))
    books.take(merge("m1", "b", member="a", time=LATER))
    books.take(merge("m2", "c", member="b", time=LATER))
    books.take(purchase("pa2", 500, member="a", time=LATER))
    assert (books.balance("a"), books.balance("b"), books.balance("c")) == (0, 0, 215)
    books.take(back("r", "pa", [("1", "1", 7000)], member="a", time=LATER))
    assert books.balance("c") == 145
    assert books.head("c").absorbed == ("b", "a")
    _ties_out(books)


def test_into_one_that_has_ended_means_into_its_survivor() -> None:
    books = _two()
    books.take(purchase("pc", 1000, member="c"))
    books.take(merge("m1", "b", member="a", time=LATER))
    books.take(merge("m2", "a", member="c", time=LATER))
    assert (books.balance("b"), books.head("c").merged_into) == (210, "b")
    _ties_out(books)


@pytest.mark.parametrize(
    ("member", "into", "code"),
    [("a", "a", Code.SELF_MERGE), ("nobody", "a", Code.UNKNOWN_MEMBER), ("z", "b", Code.ALREADY_MERGED)],
)
def test_a_merge_is_refused(member: str, into: str, code: Code) -> None:
    books = _two()
    books.take(purchase("pz", 100, member="z"))
    books.take(merge("m0", "a", member="z"))
    refusal = books.take(merge("m", into, member=member, time=LATER)).refusal
    assert refusal is not None
    assert refusal.code is code


@pytest.mark.parametrize(("into", "reason"), [("nobody", "unknown"), ("closed", "closed"), ("a0", "merged_before")])
def test_a_merge_that_the_other_cannot_take_says_why(into: str, reason: str) -> None:
    books = _two()
    books.take(member_event("c", "closed", member="closed"))
    books.take(purchase("p0", 100, member="a0"))
    books.take(merge("m0", "a", member="a0"))
    books.take(merge("m", into, member="a", time=LATER))
    assert books.notices[-1].kind == "merge_refused"
    assert books.notices[-1].details == {"merge_id": "m", "into": into, "reason": reason} | (
        {"into": "a"} if reason == "merged_before" else {}
    )
    assert books.head("a").status == "active"
    books.take(merge("m2", "b", member="a", time=LATER))
    assert books.head("a").merged_into == "b"
    _ties_out(books)


def test_two_who_merge_into_each_other_at_once_both_stay() -> None:
    books = SlowBooks(program(EARN))
    for name in ("a", "b"):
        books.take(purchase(f"p{name}", 1000, member=name))
    books.take(merge("m1", "b", member="a", time=LATER))
    books.take(merge("m2", "a", member="b", time=LATER))
    books.deliver_all()
    assert [(head.member, head.status, head.leaving, head.promised) for head in books.heads()] == [
        ("a", "active", "", ()),
        ("b", "active", "", ()),
    ]
    assert {notice.details["reason"] for notice in books.notices} == {"under_way"}
    _ties_out(books)


def test_who_takes_somebody_in_does_not_end_before() -> None:
    books = SlowBooks(program(EARN))
    for name in ("a", "b", "c"):
        books.take(purchase(f"p{name}", 1000, member=name))
    books.take(merge("m1", "b", member="a", time=LATER))
    books.deliver()
    early = books.take(merge("m2", "c", member="b", time=LATER)).refusal
    assert early is not None
    assert early.code is Code.MERGE_UNDER_WAY
    books.deliver_all()
    books.take(merge("m2", "c", member="b", time=LATER))
    books.deliver_all()
    assert books.balance("c") == 30
    _ties_out(books)


@pytest.mark.parametrize(("option", "left"), [("keep", 200), ("expire", 0)])
def test_a_survivor_who_leaves_meanwhile_does_with_points_what_leaving_does(option: str, left: int) -> None:
    books = SlowBooks(program(EARN + f"closing: {{points: {option}}}\n"))
    books.take(purchase("pa", 12000, member="a"))
    books.take(purchase("pb", 8000, member="b"))
    books.take(merge("m", "b", member="a", time=LATER))
    books.deliver()
    books.take(member_event("c", "closed", member="b", time=LATER))
    books.deliver_all()
    assert (books.balance("a"), books.balance("b")) == (0, left)
    _ties_out(books)


def test_points_of_a_closed_account_can_be_had_again_by_a_merge() -> None:
    books = _two(EARN + "closing: {points: keep}\n")
    books.take(member_event("c", "closed", member="a", time=LATER))
    books.take(merge("m", "b", member="a", time=LATER))
    assert books.balance("b") == 200
    _ties_out(books)


def test_closing_the_ended_id_does_not_close_the_survivor() -> None:
    books = _two()
    books.take(merge("m", "b", member="a", time=LATER))
    refusal = books.take(member_event("c", "closed", member="a", time=LATER)).refusal
    assert refusal is not None
    assert refusal.code is Code.MEMBER_CLOSED
    assert books.head("b").status == "active"


@pytest.mark.parametrize(("ends", "stays"), [("referee", "referrer"), ("referrer", "referee")])
def test_who_referred_themselves_gives_both_parts_back(ends: str, stays: str) -> None:
    books = Books(program(EARN.replace('per: "1.00"', 'per: "1000.00"')))
    books.take(member_event("e", "enrolled", member="referrer"))
    books.take(referral("f", "referrer", member="referee"))
    books.take(purchase("p", 1000, member="referee"))
    assert (books.balance("referrer"), books.balance("referee")) == (500, 250)
    books.take(merge("m", stays, member=ends, time=LATER))
    assert (books.balance("referrer"), books.balance("referee")) == (0, 0)
    books.take(back("r", "p", [("1", "1", 1000)], member="referee", time=LATER))
    assert (books.balance("referrer"), books.balance("referee")) == (0, 0)
    _ties_out(books)


@pytest.mark.parametrize(("ends", "stays"), [("referee", "referrer"), ("referrer", "referee")])
@pytest.mark.parametrize("qualified_before", [False, True])
def test_who_has_become_the_referrer_is_paid_for_no_later_purchase(
    ends: str, stays: str, qualified_before: bool
) -> None:
    books = Books(program(EARN))
    books.take(member_event("e", "enrolled", member="referrer"))
    books.take(referral("f", "referrer", stage="signed_up", member="referee"))
    if qualified_before:
        books.take(purchase("p", 2000, member="referee"))
        books.take(back("r", "p", [("1", "1", 2000)], member="referee"))
    books.take(merge("m", stays, member=ends, time=LATER))
    books.take(purchase("p2", 2000, member="referee", time=LATER))
    assert books.balance(stays) == 20
    assert [entry for entry in books.entries if entry.kind == "referral" and entry.time_us >= micros(LATER)] == []
    _ties_out(books)


def test_nobody_is_referred_by_an_id_of_their_own() -> None:
    books = _two()
    books.take(merge("m", "b", member="a", time=LATER))
    refused = books.take(referral("f", "a", member="b", time=LATER)).refusal
    assert refused is not None
    assert refused.code is Code.SELF_REFERRAL


def test_a_referral_is_taken_back_from_survivors_of_both_sides() -> None:
    books = Books(program(EARN))
    books.take(referral("f", "m9", member="m1"))
    books.take(purchase("p", 1000))
    books.take(purchase("x", 100, member="one"))
    books.take(purchase("y", 100, member="nine"))
    books.take(merge("ma", "one", member="m1", time=LATER))
    books.take(merge("mb", "nine", member="m9", time=LATER))
    assert (books.balance("one"), books.balance("nine")) == (261, 501)
    books.take(back("r", "p", [("1", "1", 1000)], member="m1", time=LATER))
    assert (books.balance("one"), books.balance("nine")) == (1, 1)
    _ties_out(books)


def test_a_transfer_to_or_back_to_one_that_has_ended_goes_to_the_survivor() -> None:
    books = SlowBooks(program(EARN))
    books.take(purchase("pa", 1000, member="a"))
    books.take(purchase("pb", 1000, member="b"))
    books.take(purchase("pc", 1000, member="c"))
    books.take(member_event("gone", "closed", member="z"))
    books.take(transfer("t1", "a", 4, member="c", time=LATER))
    books.take(transfer("t2", "z", 3, member="a", time=LATER))
    held, books.inbox = books.inbox, []
    books.take(merge("m", "b", member="a", time=LATER))
    books.deliver_all()
    books.inbox = held
    books.deliver_all()
    assert (books.balance("a"), books.balance("b"), books.balance("c")) == (0, 24, 6)
    _ties_out(books)


def test_every_field_of_an_account_has_its_fate() -> None:
    """A new field has to be thought of: does it go over, is it done with, or does it stay with the ended account?"""
    goes_over = {"birthday", "birthday_us", "debts", "lots", "qualifying", "counters", "seen", "active", "referral"}
    goes_over |= {"maturing", "active_until", "expired", "parked", "given", "surprised", "kept", "absorbed", "tier"}
    stays = {"member", "enrolled_us", "status", "balances", "ledger_sequence", "balances_sequence", "tiers_sequence"}
    stays |= {"notices_sequence", "rewards_sequence", "due_us", "timed_us", "tier_since_us", "merged_into"}
    survivors_own = {"profile_us", "attributes", "segments", "noticed", "tier_rises", "tier_until_us", "tier_review_us"}
    before_the_end = {"leaving", "promised", "household"}
    fields = {field.name for field in dataclasses.fields(Head)}
    assert fields == goes_over | stays | survivors_own | before_the_end


def test_nobody_refers_or_gives_to_an_id_of_their_own() -> None:
    books = _two()
    books.take(merge("m", "b", member="a", time=LATER))
    refusal = books.take(referral("f", "a", member="b", time=LATER)).refusal
    assert refusal is not None
    assert refusal.code is Code.SELF_REFERRAL
    books.take(transfer("t", "a", 5, member="b", time=LATER))
    assert books.notices[-1].details["reason"] == "oneself"


def test_accounts_that_are_too_large_together_stay_two(monkeypatch: pytest.MonkeyPatch) -> None:
    books = _two()
    monkeypatch.setattr(merging, "ACCOUNT_CHARS_MAX", 100)
    books.take(merge("m", "b", member="a", time=LATER))
    assert books.notices[-1].details["reason"] == "too_large"
    assert (books.balance("a"), books.balance("b")) == (120, 80)


def test_a_gift_to_an_account_that_is_full_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    books = SlowBooks(program(EARN))
    books.take(purchase("pa", 1000, member="a"))
    books.take(purchase("pb", 1000, member="b"))
    books.take(transfer("t", "b", 4, member="a", time=LATER))
    monkeypatch.setattr(identity, "ACCOUNT_CHARS_MAX", 100)
    books.deliver_all()
    assert (books.balance("a"), books.balance("b")) == (10, 10)
    _ties_out(books)


def test_a_redemption_of_the_ended_account_can_be_cancelled() -> None:
    books = _two(EARN + "rewards: [{id: mug, kind: product, price: 30}]\n")
    lots = books.head("a").lots
    books.take(redeem("r1", "mug", member="a"))
    books.take(merge("m", "b", member="a", time=LATER))
    assert books.balance("b") == 170
    books.take(reported("c", "cancelled", "r1", member="a", time=LATER))
    assert books.balance("b") == 200
    assert {lot for lot in parsed(lots["points"]) if lot in parsed(books.head("b").lots["points"])}
    _ties_out(books)
