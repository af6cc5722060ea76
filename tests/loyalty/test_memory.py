"""What is remembered of events, and for how long: an event that may still come again is still known."""

import pytest

from loyalty.decisions import Code, Outcome
from loyalty.memory import RECORD_BYTES, forget, key_digest, recall, remember
from tests.loyalty.books import Books, program
from tests.loyalty.events import engagement, fact, instant, micros

QUIZ = "earn: [{id: quiz, on: engagement, give: {points: 10}}]\n"
DAY_US = 86_400_000_000
START = micros("2026-03-02T12:00:00+00:00")


def test_a_key_is_found_only_where_a_record_begins() -> None:
    key, other = key_digest("event", "s", "1"), key_digest("event", "s", "2")
    seen = remember(b"", other, key, 0)  # the key's bytes stand where a digest belongs
    assert recall(seen, key) is None
    assert recall(remember(seen, key, b"12345678", 0), key) == b"12345678"
    assert len(seen) == RECORD_BYTES


def test_keys_that_begin_alike_are_kept_apart() -> None:
    keys = [b"a" * 7 + bytes([last]) for last in range(3)]
    seen = b""
    for number, key in enumerate(keys):
        seen = remember(seen, key, bytes([number]) * 8, 0)
    assert [recall(seen, key) for key in keys] == [bytes([number]) * 8 for number in range(3)]
    assert recall(seen, b"a" * 8) is None


def test_forgetting_drops_whole_records_from_the_front() -> None:
    seen = b""
    for minute in range(5):
        seen = remember(seen, key_digest("event", "s", str(minute)), b"12345678", minute * 60_000_000)
    assert forget(seen, 0) == seen
    assert forget(seen, 3 * 60_000_000) == seen[3 * RECORD_BYTES :]
    assert forget(seen, 60 * 60_000_000) == b""


def test_kinds_of_keys_do_not_meet() -> None:
    assert (
        len({key_digest("a", "b", "c"), key_digest("a", "bc"), key_digest("ab", "c"), key_digest("a", "c", "b")}) == 4
    )


def _taken_twice(books: Books, event_time_us: int, first_us: int, again_us: int) -> list[str]:
    """Take an event, some other event in between, and the first once more; answers what became of it."""
    event = fact(engagement("e", time=instant(event_time_us)))
    answers = [books.take(event, first_us)]
    books.take(fact(engagement("between", time=instant(again_us))), again_us)
    answers.append(books.take(event, again_us))
    assert books.balance() in {20, 10}, "paid once"
    return [str(each.refusal.code if each.refusal else each.outcome) for each in answers]


def test_an_event_is_known_for_as_long_as_it_may_come_again() -> None:
    books = Books(program(QUIZ + "stream: {max_late: P10D}\n"))
    assert _taken_twice(books, START, START, START + 10 * DAY_US) == [Outcome.APPLIED, Outcome.DUPLICATE]


def test_an_event_from_the_future_is_known_until_it_is_too_late() -> None:
    books = Books(program(QUIZ + "stream: {max_late: P1D, max_future: P30D}\n"))
    ahead = START + 29 * DAY_US
    assert _taken_twice(books, ahead, START, ahead + DAY_US) == [Outcome.APPLIED, Outcome.DUPLICATE]


def test_a_version_that_forgets_sooner_does_not_forget_for_the_one_before() -> None:
    long = program(QUIZ + "stream: {max_late: P30D}\n")
    short = program(QUIZ + 'stream: {max_late: P1D}\nversion: "2"\neffective_from: 2026-03-10\n')
    books = Books(long, short)
    assert _taken_twice(books, START, START, START + 20 * DAY_US) == [Outcome.APPLIED, Outcome.DUPLICATE]


@pytest.mark.parametrize(
    ("lateness_us", "code"),
    [
        (10 * DAY_US, None),
        (10 * DAY_US + 1, Code.TOO_LATE),
        (-300_000_000, None),
        (-300_000_001, Code.TOO_EARLY),
    ],
)
def test_too_late_and_too_early(lateness_us: int, code: Code | None) -> None:
    books = Books(program(QUIZ + "stream: {max_late: P10D, max_future: PT5M}\n"))
    decision = books.take(fact(engagement("e", time=instant(START))), START + lateness_us)
    assert (decision.refusal.code if decision.refusal else None) is code


def test_what_was_refused_leaves_no_trace() -> None:
    books = Books(program(QUIZ + "stream: {max_late: P10D}\n"))
    event = fact(engagement("e", time=instant(START)))
    books.take(event, START + 20 * DAY_US)
    assert books.state == {}
    assert books.take(event, START).outcome is Outcome.APPLIED


def test_the_same_story_under_another_id_is_a_duplicate_and_another_story_a_conflict() -> None:
    books = Books(program(QUIZ))
    books.take(engagement("e"))
    again = engagement("e2", activity_id="e")
    other = engagement("e3", activity_id="e", properties={"score": 8})
    assert books.take(again).outcome is Outcome.DUPLICATE
    conflict = books.take(other).refusal
    assert conflict is not None
    assert conflict.code is Code.CONFLICTING_DUPLICATE
    assert books.balance() == 10
