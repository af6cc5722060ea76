"""Households: what members earn goes to the pool, comes back for a debt, and no point is lost on the way."""

from collections import Counter

import pytest

from loyalty import identity
from loyalty.account import CLOSED
from loyalty.decisions import Code, Outcome
from loyalty.due import decide_due
from loyalty.lots import parsed
from loyalty.postings import TRANSFERRED
from loyalty.ties import Household
from tests.loyalty.books import Books, SlowBooks, program
from tests.loyalty.events import (
    adjustment,
    back,
    household,
    instant,
    member_event,
    merge,
    micros,
    purchase,
    transfer,
)

EARN = 'earn: [{id: base, on: purchase, give: {points: 1, per: "1.00"}}]\n'
ALL = EARN + "pooling: {}\n"
HALF = EARN + "pooling: {share: 50}\n"
LATER, LATEST = "2026-03-03T12:00:00Z", "2026-03-04T12:00:00Z"


def _home(text: str = ALL, *members: str, slow: bool = False) -> Books:
    """`h` holds the pool; members m1 and others are in."""
    books = (SlowBooks if slow else Books)(program(text))
    books.take(member_event("eh", "enrolled", member="h"))
    for member in members or ("m1",):
        books.take(household(f"j-{member}", holder="h", member=member))
        if isinstance(books, SlowBooks):
            books.deliver_all()
    return books


def _slow(text: str = ALL) -> SlowBooks:
    books = _home(text, slow=True)
    assert isinstance(books, SlowBooks)
    return books


def _ties_out(books: Books) -> None:
    books.check_books()
    moved: Counter[str] = Counter()
    for posting in (posting for entry in books.entries for posting in entry.postings):
        if posting.account == TRANSFERRED:
            moved[posting.currency] += posting.amount
    assert not any(moved.values())


def _said(books: Books) -> list[tuple[str, str, str]]:
    return [(notice.member, notice.kind, str(notice.details.get("reason", ""))) for notice in books.notices]


def _mine(books: Books, member: str = "m1") -> Household:
    found = books.head(member).household
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "cents", "mine", "pooled"),
    [
        (ALL, 10_000, 0, 100),
        (HALF, 10_000, 50, 50),
        (HALF, 100, 1, 0),  # half a point is none
        (HALF, 300, 2, 1),
        (EARN + "pooling: {share: 33}\n", 10_000, 67, 33),
        (EARN + "points: {points: {name: P}, stars: {name: S}}\npooling: {kinds: [stars]}\n", 10_000, 100, 0),
    ],
)
def test_a_share_of_what_is_earned_goes_to_the_pool(text: str, cents: int, mine: int, pooled: int) -> None:
    books = _home(text)
    books.take(purchase("p", cents))
    assert (books.balance("m1"), books.balance("h")) == (mine, pooled)
    assert dict(_mine(books).given) == ({"points": pooled} if pooled else {})
    _ties_out(books)


def test_joining_tells_the_member_and_not_before_the_answer_anything_is_given() -> None:
    books = SlowBooks(program(ALL))
    books.take(member_event("eh", "enrolled", member="h"))
    books.take(household("j", holder="h"))
    books.take(purchase("p", 1000))
    books.deliver_all()
    assert _said(books) == [("m1", "household_joined", "")]
    books.take(purchase("q", 500))
    books.deliver_all()
    assert (books.balance("m1"), books.balance("h")) == (10, 5)
    assert books.head("h").household == Household("h", "", "", True, {}, (("m1", _mine(books).membership),))
    _ties_out(books)


@pytest.mark.parametrize(
    ("before", "asks", "reason"),
    [
        ([], household("j", holder="m1"), "oneself"),
        ([], household("j", holder="nobody"), "unknown"),
        ([member_event("c", "closed", member="h")], household("j", holder="h"), "closed"),
        ([household("a", "other", holder="x"), household("b", holder="h")], household("j", holder="h"), "in_household"),
        ([household("a", "o", holder="x", member="h")], household("j", holder="h"), "in_household"),
        ([household("a", "o", holder="h", member="x")], household("j", holder="h"), "other_household"),
        ([household("a", holder="h", member="x")], household("j", holder="h"), "full"),
        ([household("a", holder="m1", member="x")], household("j", holder="h"), "in_household"),
        ([], household("j"), "not_in_it"),
        ([household("a", holder="h")], household("j", "another"), "not_in_it"),
    ],
)
def test_a_household_is_refused_with_its_reason(before: list[bytes], asks: bytes, reason: str) -> None:
    books = Books(program(EARN + "pooling: {max_members: 2}\n"))
    for member in ("h", "x"):
        books.take(member_event(f"e{member}", "enrolled", member=member))
    books.take(purchase("p", 1000))
    for event in before:
        assert books.take(event).outcome is Outcome.APPLIED
    assert books.take(asks).outcome is Outcome.APPLIED
    assert _said(books)[-1][1:] == ("household_refused", reason)
    assert books.take(asks).outcome is Outcome.DUPLICATE
    _ties_out(books)


def test_without_pooling_in_the_program_there_are_no_households() -> None:
    books = Books(program(EARN))
    books.take(household("j", holder="h"))
    assert _said(books) == [("m1", "household_refused", "not_offered")]


def test_who_is_being_merged_joins_nothing_and_holds_nothing() -> None:
    books = SlowBooks(program(ALL))
    for member in ("m1", "h", "x"):
        books.take(member_event(f"e{member}", "enrolled", member=member))
    books.take(merge("g", "x"))
    books.take(household("j", holder="h"))
    books.take(household("k", holder="m1", member="h"))
    books.inbox.reverse()
    books.deliver(0)
    books.deliver_all()
    assert [reason for _, kind, reason in _said(books) if kind == "household_refused"] == ["merging", "merging"]
    assert books.head("m1").merged_into == "x"


@pytest.mark.parametrize("who", ["m1", "h"])
def test_nobody_of_a_household_is_merged_into_another(who: str) -> None:
    books = _home()
    books.take(member_event("ex", "enrolled", member="x"))
    refusal = books.take(merge("g", "x", member=who)).refusal
    assert refusal is not None
    assert refusal.code is Code.IN_HOUSEHOLD
    books.take(household("l", member=who, time=LATER))
    assert books.take(merge("g2", "x", member=who, time=LATER)).outcome is Outcome.APPLIED
    assert books.head(who).merged_into == "x"
    _ties_out(books)


def test_somebody_who_was_merged_into_the_holder_cannot_join_it() -> None:
    books = _home(ALL, "m2")
    books.take(purchase("p", 1000))
    books.take(merge("g", "h", member="m1"))
    books.take(purchase("q", 1000, member="m2", time=LATER))
    assert (books.balance("h"), books.balance("m2")) == (20, 0)
    books.take(household("j", holder="m1", member="h", time=LATER))
    assert _said(books)[-1] == ("h", "household_refused", "oneself")
    _ties_out(books)


def test_joining_an_id_that_was_merged_joins_its_survivor() -> None:
    books = Books(program(ALL))
    for member in ("old", "new"):
        books.take(member_event(f"e{member}", "enrolled", member=member))
    books.take(merge("g", "new", member="old"))
    books.take(household("j", holder="old"))
    assert _mine(books).holder == "new"
    books.take(purchase("p", 1000))
    assert books.balance("new") == 10
    _ties_out(books)


def test_points_that_wait_go_to_the_pool_when_they_can_be_spent() -> None:
    books = _home(EARN + "pooling: {share: 50}\npoints: {points: {name: Points, pending: P1D}}\n")
    books.take(purchase("p", 1000))
    assert (books.balance("m1"), books.balance("h")) == (0, 0)
    books.pass_time(micros(LATER))
    assert (books.balance("m1"), books.balance("h")) == (5, 5)
    _ties_out(books)


def test_what_is_pooled_keeps_its_end() -> None:
    books = _home(EARN + "pooling: {}\npoints: {points: {name: Points, expiry: {after: P30D}}}\n")
    books.take(purchase("p", 1000))
    (lot,) = parsed(books.head("h").lots["points"])
    assert lot.ends_us is not None
    assert instant(lot.ends_us).startswith("2026-04-02T00:00")
    books.pass_time(lot.ends_us)
    assert books.balance("h") == 0
    _ties_out(books)


def test_points_that_have_ended_when_they_are_earned_end_with_the_member() -> None:
    books = _home(EARN + "pooling: {}\npoints: {points: {name: Points, expiry: {after: P30D}}}\n")
    books.take(purchase("p", 1000), micros("2026-05-02T12:00:00Z"))
    assert not [entry for entry in books.entries if entry.kind == "household"]
    assert (books.balance("m1"), books.balance("h")) == (0, 0)
    _ties_out(books)


def test_points_that_were_not_earned_stay() -> None:
    books = _home(ALL + "transfers: {}\n", "m1")
    books.take(adjustment("a", 30))
    books.take(purchase("p", 2000, member="x"))
    books.take(transfer("t", "m1", 5, member="x"))
    assert (books.balance("m1"), books.balance("h")) == (35, 0)
    _ties_out(books)


def test_points_that_pay_a_debt_are_not_pooled() -> None:
    books = _home(ALL + "adjustments: {negative: allow}\n")
    books.take(adjustment("a", -30, kind="correction"))
    books.take(purchase("p", 5000))
    assert (books.balance("m1"), books.balance("h"), _mine(books).given) == (0, 20, {"points": 20})
    _ties_out(books)


def test_tiers_count_what_the_member_earned_and_nothing_at_the_holder() -> None:
    tiers = "tiers: {basis: points, window: lifetime, levels: [{id: base, from: 0}, {id: gold, from: 50}]}\n"
    books = _home(ALL + tiers)
    books.take(purchase("p", 6000))
    assert (books.head("m1").tier, books.head("h").tier) == ("gold", "base")


# ------------------------------------------------------------------ debts


@pytest.mark.parametrize(
    ("spent", "mine", "pool", "given"),
    [
        (0, 0, 40, {"points": 40}),  # 60 of 100 came back
        (70, -30, 0, {"points": 70}),  # 30 were there
        (100, -60, 0, {"points": 100}),
    ],
)
def test_a_debt_is_fetched_from_the_pool(spent: int, mine: int, pool: int, given: dict[str, int]) -> None:
    books = _home()
    books.take(purchase("p", 10_000))
    if spent:
        books.spend(spent, "h")
    books.take(back("r", "p", [("1", "0", 6000)], time=LATER))
    assert (books.balance("m1"), books.balance("h"), dict(_mine(books).given)) == (mine, pool, given)
    _ties_out(books)


def test_no_more_is_fetched_than_was_given() -> None:
    books = Books(program(ALL))
    books.take(purchase("p", 10_000))
    books.spend(100, "m1")
    books.take(purchase("q", 50_000, member="h"))
    books.take(household("j", holder="h"))
    books.take(purchase("s", 1_000, time=LATER))
    books.take(back("r", "p", [("1", "1", 10_000)], time=LATER))
    assert (books.balance("m1"), books.balance("h"), dict(_mine(books).given)) == (-90, 500, {})
    _ties_out(books)


def test_two_returns_while_the_pool_has_not_answered_ask_for_no_more_than_was_given() -> None:
    books = _slow()
    books.take(purchase("p", 6_000))
    books.deliver_all()
    books.take(adjustment("a", 100, member="h"))
    books.take(back("r1", "p", [("1", "0", 4_000)], time=LATER))
    books.take(back("r2", "p", [("1", "0", 2_000)], time=LATER))
    books.inbox.reverse()
    books.deliver_all()
    assert (books.balance("m1"), books.balance("h"), dict(_mine(books).given)) == (0, 100, {})
    _ties_out(books)


def test_a_fetch_that_overtakes_what_was_given_gets_what_is_there() -> None:
    books = _slow()
    books.take(purchase("p", 6_000))
    books.take(back("r", "p", [("1", "1", 6_000)], time=LATER))
    books.deliver(1)
    books.deliver_all()
    assert (books.balance("m1"), books.balance("h"), dict(_mine(books).given)) == (-60, 60, {"points": 60})
    _ties_out(books)


def test_what_is_fetched_for_a_debt_that_was_paid_meanwhile_stays_with_the_member() -> None:
    books = _slow(ALL + "transfers: {}\n")
    books.take(purchase("p", 6_000))
    books.deliver_all()
    books.take(back("r", "p", [("1", "1", 6_000)], time=LATER))
    books.take(adjustment("a", 60, time=LATER))
    books.deliver_all()
    assert (books.balance("m1"), books.balance("h")) == (60, 0)
    _ties_out(books)


def test_a_return_that_waited_for_its_purchase_asks_the_pool_too() -> None:
    books = _home(HALF)
    books.take(back("r", "p", [("1", "1", 6_000)]))
    books.take(purchase("p", 6_000))
    assert (books.balance("m1"), books.balance("h"), dict(_mine(books).given)) == (0, 0, {})
    _ties_out(books)


# ------------------------------------------------------------------ leaving


def test_who_leaves_gives_no_more_and_gets_nothing_back() -> None:
    books = _home()
    books.take(purchase("p", 1000))
    books.take(household("l", time=LATER))
    books.take(purchase("q", 2000, time=LATER))
    books.take(back("r", "p", [("1", "1", 1000)], time=LATEST))
    assert (books.balance("m1"), books.balance("h")) == (10, 10)
    assert _said(books)[-1] == ("m1", "household_left", "asked")
    assert books.head("m1").household is None
    assert books.head("h").household is None
    _ties_out(books)


def test_the_place_of_who_left_is_free_again_and_a_new_membership_counts_anew() -> None:
    books = _home(EARN + "pooling: {max_members: 2}\n")
    books.take(purchase("p", 1000))
    books.take(household("l", time=LATER))
    books.take(household("j2", holder="h", time=LATER))
    assert _mine(books).is_in
    assert _mine(books).given == {}
    books.take(household("j3", holder="h", member="x", time=LATER))
    assert _said(books)[-1] == ("x", "household_refused", "full")


def test_who_leaves_before_the_answer_is_in_no_household() -> None:
    for order in ([0, 0, 0, 0], [1, 0, 0, 0]):
        books = SlowBooks(program(ALL))
        books.take(member_event("eh", "enrolled", member="h"))
        books.take(household("j", holder="h"))
        books.take(household("l"))
        for at in order:
            if books.inbox:
                books.deliver(at)
        books.deliver_all()
        assert books.head("m1").household is None
        assert books.head("h").household is None


@pytest.mark.parametrize("event", [household("l", member="h", time=LATER), member_event("c", "closed", member="h")])
def test_the_holder_ends_the_household(event: bytes) -> None:
    books = _home(ALL, "m1", "m2")
    books.take(purchase("p", 1000))
    books.take(event)
    books.take(purchase("q", 2000, time=LATER))
    assert (books.balance("m1"), books.balance("h")) == (20, 10)
    assert [said for said in _said(books) if said[2] == "ended"] == [
        ("m1", "household_left", "ended"),
        ("m2", "household_left", "ended"),
    ]
    assert all(head.household is None for head in books.heads())
    _ties_out(books)


@pytest.mark.parametrize("closing", ["keep", "expire"])
def test_points_for_a_pool_that_has_closed_come_back_into_their_lots(closing: str) -> None:
    books = _slow(ALL + f"closing: {{points: {closing}}}\n")
    books.take(purchase("p", 1000))
    books.take(member_event("c", "closed", member="h", time=LATER))
    books.deliver_all()
    assert (books.balance("m1"), books.balance("h")) == (10, 0)
    books.take(back("r", "p", [("1", "1", 1000)], time=LATEST))
    books.deliver_all()
    assert (books.balance("m1"), books.head("m1").debts) == (0, {})
    _ties_out(books)


@pytest.mark.parametrize("closing", ["keep", "expire"])
def test_everybody_closes_while_points_are_on_their_way(closing: str) -> None:
    books = _slow(ALL + f"closing: {{points: {closing}}}\n")
    books.take(purchase("p", 1000))
    books.take(member_event("c", "closed", member="h", time=LATER))
    books.take(member_event("d", "closed", member="m1", time=LATER))
    books.deliver_all()
    assert books.head("m1").status == CLOSED
    assert (books.balance("m1"), books.balance("h")) == ((10, 0) if closing == "keep" else (0, 0))
    _ties_out(books)


def test_a_closed_member_leaves_and_its_place_is_free() -> None:
    books = _home()
    books.take(purchase("p", 1000))
    books.take(member_event("c", "closed", time=LATER))
    assert books.head("h").household is None
    assert books.balance("h") == 10
    _ties_out(books)


def test_a_fetch_from_a_pool_that_has_closed_gets_nothing() -> None:
    books = _slow()
    books.take(purchase("p", 1000))
    books.deliver_all()
    books.take(back("r", "p", [("1", "1", 1000)], time=LATER))
    books.take(member_event("c", "closed", member="h", time=LATER))
    books.deliver_all()
    assert (books.balance("m1"), books.balance("h")) == (-10, 10)
    _ties_out(books)


def test_what_was_on_its_way_when_both_were_merged_arrives() -> None:
    books = _slow()
    for member in ("x", "y"):
        books.take(member_event(f"e{member}", "enrolled", member=member))
    books.take(purchase("p", 1000))
    waiting = books.inbox.pop()
    books.take(household("l", time=LATER))
    books.deliver_all()
    books.take(merge("g", "x", member="h", time=LATER))
    books.take(merge("g2", "y", member="m1", time=LATER))
    books.deliver_all()
    books.inbox.append(waiting)
    books.deliver_all()
    assert books.balance("x") == 10
    _ties_out(books)


def test_points_for_a_pool_that_is_full_of_events_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    books = _slow()
    books.take(purchase("p", 1000))
    monkeypatch.setattr(identity, "ACCOUNT_CHARS_MAX", 30)
    while books.inbox:
        books.deliver()
        monkeypatch.setattr(identity, "ACCOUNT_CHARS_MAX", 10**6)
    assert (books.balance("m1"), books.balance("h"), dict(_mine(books).given)) == (10, 0, {})
    _ties_out(books)


def test_every_message_counts_once() -> None:
    books = _slow()
    books.take(purchase("p", 10_000))
    books.take(back("r", "p", [("1", "0", 6_000)], time=LATER))
    while books.inbox:
        message = books.inbox[0]
        books.deliver()
        assert books.take(message).outcome is Outcome.DUPLICATE
    assert (books.balance("m1"), books.balance("h")) == (0, 40)
    _ties_out(books)


def test_the_clock_gives_to_the_pool_once() -> None:
    books = _home(EARN + "pooling: {}\npoints: {points: {name: Points, pending: P1D}}\n")
    books.take(purchase("p", 1000))
    key = "m|m1"
    first = decide_due(books.programs, {key: books.state[key]}, key, micros(LATER))
    again = decide_due(books.programs, first.writes, key, micros(LATER))
    assert len(first.messages) == 1
    assert not again.messages
