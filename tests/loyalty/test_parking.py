"""Returns that wait for their purchase, where it is hard: how many, for how long, and what is remembered of them."""

from loyalty.account import head_key
from loyalty.decisions import Code, Outcome
from loyalty.parking import PARKED_MAX
from tests.loyalty.books import BASE, Books, program
from tests.loyalty.events import back, micros, purchase, review

DAY = 86_400_000_000
NOW = micros("2026-03-02T12:00:00Z")


def test_so_many_wait_and_what_is_over_is_refused() -> None:
    books = Books(program())
    for number in range(PARKED_MAX):
        assert books.take(back(f"r{number}", f"p{number}", [("1", "1", 1)])).outcome is Outcome.APPLIED
    refused = books.take(back("over", "p", [("1", "1", 1)]))
    assert refused.refusal is not None
    assert refused.refusal.code is Code.UNKNOWN_PURCHASE
    assert len(books.head().parked) == PARKED_MAX


def test_returns_too_large_to_be_kept_are_refused() -> None:
    books = Books(program())
    large = [(f"{number:0100d}", "1", 1) for number in range(400)]
    outcomes = [books.take(back(f"r{number}", "p", large)).outcome for number in range(5)]
    assert outcomes == [Outcome.APPLIED] * 3 + [Outcome.REFUSED] * 2


def test_a_return_that_waits_longer_than_events_are_remembered_is_still_known() -> None:
    books = Books(program(BASE + "stream: {max_late: P1D}\nreturns: {park: P90D}\n"))
    first = back("r", "p", [("1", "1", 100)])
    books.take(first)
    for day in range(1, 40):  # each forgets what is older than two days
        books.take(review(f"v{day}", time=f"2026-04-{day % 28 + 1:02d}T12:00:00Z"), NOW + 30 * DAY)
    later = "2026-04-01T12:00:00Z"
    assert books.take(back("other", "p", [("1", "1", 100)], time=later, return_id="r")).outcome is Outcome.DUPLICATE
    conflict = books.take(back("another", "p", [("1", "1", 50)], time=later, return_id="r"))
    assert conflict.refusal is not None
    assert conflict.refusal.code is Code.CONFLICTING_DUPLICATE


def test_what_waited_in_vain_leaves_no_trace_and_is_taken_when_it_comes_again() -> None:
    books = Books(program())
    early, sale = back("r", "p", [("1", "0", 100)]), purchase("p", 1000)
    books.take(purchase("before", 300))
    books.take(early)
    books.pass_time(NOW + 31 * DAY)
    assert [dead.refusal.code for each in books.decisions for dead in each.dead] == [Code.UNKNOWN_PURCHASE]
    assert books.take(early, NOW + 32 * DAY).outcome is Outcome.APPLIED
    books.take(sale, NOW + 33 * DAY)
    assert books.balance() == 3 + 9
    assert books.take(early, NOW + 34 * DAY).outcome is Outcome.DUPLICATE


def test_an_account_that_only_waited_is_gone_when_the_time_is_over() -> None:
    books = Books(program("earn: [{id: welcome, on: enrollment, give: {points: 50}}]\n"))
    books.take(back("r", "p", [("1", "1", 100)]))
    assert (books.balance(), books.entries) == (0, [])
    books.pass_time(NOW + 31 * DAY)
    assert head_key("m1") not in books.state
