"""Transfers: exactly the points, with their ends, or a reason why not; what cannot arrive comes back."""

from collections import Counter

import pytest

from loyalty.decisions import Code, Outcome
from loyalty.lots import parsed
from loyalty.postings import EXPIRED, FEES, TRANSFERRED
from tests.loyalty.books import Books, SlowBooks, program
from tests.loyalty.events import adjustment, back, instant, member_event, micros, purchase, transfer

BASE = 'earn: [{id: base, on: purchase, give: {points: 1, per: "1.00"}}]\n'
GIVING = BASE + "transfers: {}\n"
LIVES = BASE + "transfers: {}\npoints: {points: {name: Points, expiry: {after: P30D, notice: P5D}}}\n"
NEXT = "2026-03-03T12:00:00Z"


def _rich(text: str = GIVING, points: int = 100) -> Books:
    books = Books(program(text))
    books.take(purchase("p", points * 100))
    return books


def _in_transit(books: Books) -> Counter[str]:
    found: Counter[str] = Counter()
    for posting in (posting for entry in books.entries for posting in entry.postings):
        if posting.account in {TRANSFERRED, FEES}:
            found[posting.account] += posting.amount
    return +found


def _said(books: Books) -> list[tuple[str, str, str]]:
    return [(notice.member, notice.kind, str(notice.details.get("reason", ""))) for notice in books.notices]


def test_points_go_over() -> None:
    books = _rich()
    books.take(transfer("t", "m2", 60, note="for you"))
    assert (books.balance("m1"), books.balance("m2")) == (40, 60)
    assert _said(books) == [("m1", "transfer_sent", ""), ("m2", "transfer_received", "")]
    assert books.notices[1].details == {
        "transfer_id": "t",
        "from_member": "m1",
        "currency": "points",
        "points": 60,
        "note": "for you",
    }
    assert not _in_transit(books)
    books.check_books()


@pytest.mark.parametrize(
    ("terms", "to", "points", "reason"),
    [
        ("", "m2", 10, "not_offered"),
        ("transfers: {kinds: [points]}", "m1", 10, "oneself"),
        ("transfers: {min: 20}", "m2", 19, "too_few"),
        ("transfers: {max: 20}", "m2", 21, "too_many"),
        ("transfers: {}", "m2", 101, "insufficient"),
        ("transfers: {fee: 1}", "m2", 100, "insufficient"),
        ("transfers: {at_most: {points: 50, per: day}}", "m2", 51, "limit"),
    ],
)
def test_a_transfer_is_refused_with_its_reason(terms: str, to: str, points: int, reason: str) -> None:
    books = _rich(BASE + terms + "\n")
    before = books.entries.copy()
    decision = books.take(transfer("t", to, points))
    assert decision.outcome is Outcome.APPLIED
    assert _said(books) == [("m1", "transfer_refused", reason)]
    assert books.entries == before
    assert books.messages == []
    assert books.take(transfer("t", to, points)).outcome is Outcome.DUPLICATE


def test_other_points_than_those_on_offer_are_refused() -> None:
    books = _rich()
    books.take(transfer("t", "m2", 1, currency="stars"))
    assert _said(books) == [("m1", "transfer_refused", "not_offered")]


@pytest.mark.parametrize(
    ("limit", "given"),
    [
        ("{points: 30, per: month}", [20, 0, 10, 20]),
        ("{transfers: 1, per: month}", [20, 0, 0, 20]),
        ("[{points: 30, per: month}, {transfers: 2, per: lifetime}]", [20, 0, 10, 0]),
    ],
)
def test_limits_count_what_was_given_in_the_period(limit: str, given: list[int]) -> None:
    books = _rich(BASE + f"transfers: {{at_most: {limit}}}\n")
    came = []
    for number, (points, time) in enumerate(
        [(20, NEXT), (11, NEXT), (10, NEXT), (20, "2026-04-01T12:00:00Z")],
    ):
        before = books.balance("m2")
        books.take(transfer(f"t{number}", "m2", points, time=time))
        came.append(books.balance("m2") - before)
    assert came == given
    books.check_books()


def test_a_transfer_again_moves_nothing_and_another_under_its_id_is_a_conflict() -> None:
    books = _rich()
    books.take(transfer("t", "m2", 60))
    assert books.take(transfer("t", "m2", 60)).outcome is Outcome.DUPLICATE
    assert books.take(books.messages[0]).outcome is Outcome.DUPLICATE
    other = books.take(transfer("t", "m2", 10))
    assert other.refusal is not None
    assert other.refusal.code is Code.CONFLICTING_DUPLICATE
    assert (books.balance("m1"), books.balance("m2")) == (40, 60)


def test_what_ends_soonest_is_given_first_and_keeps_its_end() -> None:
    books = Books(program(LIVES))
    books.take(purchase("p", 5000, time="2026-03-02T12:00:00Z"))
    books.take(purchase("q", 5000, time="2026-03-10T12:00:00Z"))
    books.take(transfer("t", "m2", 70, time="2026-03-11T12:00:00Z"))
    mine, theirs = (parsed(books.head(member).lots["points"]) for member in ("m1", "m2"))
    assert [(lot.left, instant(lot.ends_us or 0)) for lot in mine] == [(30, "2026-04-10T00:00:00+00:00")]
    assert [(lot.left, instant(lot.ends_us or 0), instant(lot.earned_us)) for lot in theirs] == [
        (50, "2026-04-02T00:00:00+00:00", "2026-03-02T12:00:00+00:00"),
        (20, "2026-04-10T00:00:00+00:00", "2026-03-10T12:00:00+00:00"),
    ]
    books.pass_time(micros("2026-04-30T00:00:00Z"))
    assert (books.balance("m1"), books.balance("m2")) == (0, 0)
    assert ("m2", "points_expiring", "") in _said(books)
    books.check_books()


def test_points_whose_end_passed_on_the_way_end_at_once_and_pay_no_debt() -> None:
    books = SlowBooks(program(LIVES + "adjustments: {negative: allow}\n"))
    books.take(adjustment("debt", -10, member="m2", kind="correction"))
    books.take(purchase("p", 5000))
    books.take(transfer("t", "m2", 50, time=NEXT))
    assert _in_transit(books) == {TRANSFERRED: 50}
    books.deliver(now_us=micros("2026-05-01T00:00:00Z"))
    assert books.balance("m2") == -10
    expired = [posting for entry in books.entries for posting in entry.postings if posting.account == EXPIRED]
    assert [posting.amount for posting in expired] == [50]
    assert not _in_transit(books)
    books.check_books()


def test_a_gift_pays_a_debt_first() -> None:
    books = Books(program(GIVING + "adjustments: {negative: allow}\n"))
    books.take(adjustment("debt", -30, member="m2", kind="correction"))
    books.take(purchase("p", 10000))
    books.take(transfer("t", "m2", 50))
    assert books.balance("m2") == 20
    assert books.head("m2").debts == {}
    books.check_books()


def test_a_debtor_and_pending_points_give_nothing() -> None:
    books = Books(program(BASE + "transfers: {}\npoints: {points: {name: Points, pending: P7D}}\n"))
    books.take(purchase("p", 10000))
    books.take(transfer("t", "m2", 1))
    assert _said(books) == [("m1", "transfer_refused", "insufficient")]


@pytest.mark.parametrize("reason", ["closed", "unknown"])
def test_points_that_nobody_takes_come_back_into_their_lots(reason: str) -> None:
    required = "enrollment: required\n" if reason == "unknown" else ""
    books = Books(program(BASE + "transfers: {fee: 5, at_most: {points: 80, per: year}}\n" + required))
    books.take(member_event("e", "enrolled"))
    if reason == "closed":
        books.take(member_event("c", "closed", member="m2"))
    books.take(purchase("p", 5000))
    books.take(purchase("q", 5000))
    lots = books.head("m1").lots
    books.take(transfer("t", "m2", 60))
    assert books.balance("m1") == 100
    assert sorted(parsed(books.head("m1").lots["points"])) == sorted(parsed(lots["points"]))
    assert [kind for _, kind, _ in _said(books)] == ["transfer_sent", "transfer_returned"]
    assert not _in_transit(books)
    books.take(member_event("e3", "enrolled", member="m3"))
    books.take(transfer("u", "m3", 80, time=NEXT))
    assert (books.balance("m1"), books.balance("m3")) == (15, 80), "the limit has its room again"
    books.check_books()


@pytest.mark.parametrize(("option", "left"), [("expire", 0), ("keep", 100)])
def test_points_that_come_back_to_a_member_who_has_left_end_or_stay(option: str, left: int) -> None:
    books = SlowBooks(program(GIVING + f"closing: {{points: {option}}}\n"))
    books.take(member_event("c2", "closed", member="m2"))
    books.take(purchase("p", 10000))
    books.take(transfer("t", "m2", 60))
    books.take(member_event("c1", "closed", time=NEXT))
    books.deliver_all()
    assert books.balance() == left
    assert not _in_transit(books)
    books.check_books()


def test_a_gift_enrolls_where_everybody_is_welcome() -> None:
    books = _rich(GIVING.replace("earn: [", "earn: [{id: welcome, on: enrollment, give: {points: 5}}, "))
    books.take(transfer("t", "new", 60))
    assert books.balance("new") == 65
    books.check_books()


def test_what_was_given_counts_for_no_tier() -> None:
    tiers = "tiers: {levels: [{id: base, from: 0}, {id: gold, from: 50}]}\n"
    books = _rich(GIVING + tiers)
    books.take(transfer("t", "m2", 60))
    assert (books.head("m1").tier, books.head("m2").tier) == ("gold", "base")
    assert books.head("m2").qualifying == {}


def test_a_return_after_a_gift_leaves_a_debt_and_touches_the_gift_not() -> None:
    books = _rich()
    books.take(transfer("t", "m2", 60))
    books.take(back("r", "p", [("1", "1", 10000)], time=NEXT))
    assert (books.balance("m1"), books.balance("m2")) == (-60, 60)
    books.check_books()


def test_points_kept_alive_by_activity_get_the_end_that_they_have() -> None:
    text = BASE + "transfers: {}\npoints: {points: {name: Points, expiry: {after: P30D, restart_on: [purchase]}}}\n"
    books = _rich(text)
    books.take(transfer("t", "m2", 60, time="2026-03-20T12:00:00Z"))
    books.take(purchase("q", 100, time="2026-03-25T12:00:00Z"))
    books.take(purchase("q2", 100, member="m2", time="2026-03-25T12:00:00Z"))
    books.pass_time(micros("2026-04-02T00:00:00Z"))
    assert (books.balance("m1"), books.balance("m2")) == (41, 1)
    books.check_books()


def test_many_lots_go_in_several_messages() -> None:
    books = Books(program(GIVING), careful=False)
    for number in range(1_050):
        books.take(purchase(f"p{number}", 100))
    books.take(transfer("t", "m2", 1_040))
    assert (books.balance("m1"), books.balance("m2")) == (10, 1_040)
    assert len(books.messages) == 2
    assert not _in_transit(books)
    books.check_books()
