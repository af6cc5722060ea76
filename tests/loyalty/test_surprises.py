"""Surprises: who wins, what the budget grants, and what goes back with its cause."""

import hashlib
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from loyalty.account import Limit, head_key, limit_key
from loyalty.calendar import DAY_US
from loyalty.decisions import Outcome
from loyalty.facts import Answer, Cause, Claim, Release
from loyalty.identity import ACCOUNT_CHARS_MAX
from loyalty.memory import RECORD_BYTES
from loyalty.program import Program
from loyalty.surprises import SURPRISED_MAX, drawn
from tests.loyalty.books import Books, SlowBooks, program
from tests.loyalty.events import (
    NOON,
    back,
    engagement,
    line,
    member_event,
    merge,
    micros,
    purchase,
    restock,
    review,
    share,
)

ALL = "percent: 100"
UTC = ZoneInfo("UTC")
NEXT_DAY = "2026-03-03T12:00:00Z"
NEXT_WEEK = "2026-03-09T12:00:00Z"


def surprises(*rules: str, more: str = "") -> Program:
    """A program with one point for each 1.00 and these surprises."""
    listed = "".join(f"  - {{{rule}}}\n" for rule in rules)
    return program(f'earn: [{{id: base, on: purchase, give: {{points: 1, per: "1.00"}}}}]\n{more}surprises:\n{listed}')


def lucky(points: int = 1000, *, share: str = ALL, on: str = "purchase", more: str = "", refill: str = "false") -> str:
    """A surprise of 10 points for all, within a budget of so many."""
    budget = f"budget: {{points: {points}, refill: {refill}}}"
    return f"id: lucky, on: {on}, {share}, give: {{points: 10}}, {budget}{more}"


def taken(books: Books, limit: str = "budget:lucky") -> int:
    found = books.state.get(limit_key(limit))
    return sum(found.taken.values()) if isinstance(found, Limit) else 0


def won(books: Books, rule: str = "lucky", member: str = "m1") -> int:
    return books.by_rule(member)[rule, "points"]


# ------------------------------------------------------------------ the draw


def test_anybody_can_do_the_draw_again() -> None:
    (rule,) = surprises(lucky(share="percent: 25, seed: spring")).surprises
    draw = drawn(rule, Cause("/pos/store-12", "12-3-000123", "loyalty.purchase.v1"), "m1", micros(NEXT_DAY), UTC)
    assert draw.text == "spring\n/pos/store-12\n12-3-000123"
    assert draw.digits == hashlib.sha256(draw.text.encode()).hexdigest()[:16]
    assert draw.wins == (Fraction(int(draw.digits, 16), 1 << 64) < Fraction(1, 4))


@pytest.mark.parametrize(("percent", "least", "most"), [("2", 10, 32), ("50", 450, 550), ("100", 1000, 1000)])
def test_the_share_is_what_it_says(percent: str, least: int, most: int) -> None:
    (rule,) = surprises(lucky(share=f'percent: "{percent}"')).surprises
    wins = sum(
        drawn(rule, Cause("/pos/1", f"e{number}", "t"), "m1", micros(NEXT_DAY), UTC).wins for number in range(1000)
    )
    assert least <= wins <= most


def test_another_seed_draws_others() -> None:
    one, other = surprises(
        lucky(share="percent: 50, seed: a"), lucky(share="percent: 50, seed: b").replace("lucky", "other")
    ).surprises
    causes = [Cause("/pos/1", f"e{number}", "t") for number in range(200)]
    both = [
        drawn(one, cause, "m1", micros(NEXT_DAY), UTC).wins == drawn(other, cause, "m1", micros(NEXT_DAY), UTC).wins
        for cause in causes
    ]
    assert 60 < sum(both) < 140


def test_members_are_drawn_once_a_period() -> None:
    rule = lucky(share="percent: 50, draw: member, per: week, seed: spring")
    books = Books(surprises(rule))
    days = [f"2026-03-{day:02}T12:00:00Z" for day in range(2, 30)]  # four weeks, from a Monday
    days += [f"2026-04-{day:02}T12:00:00Z" for day in range(6, 27)]  # and three more
    books.take_all(purchase(f"p{at}", 100, time=time) for at, time in enumerate(days))
    weeks = {entry.time_us // (7 * 86_400_000_000) for entry in books.entries if entry.kind == "surprise"}
    gifts = [entry for entry in books.entries if entry.kind == "surprise"]
    (compiled,) = surprises(rule).surprises
    drawn_weeks = {
        (micros(time) - micros(days[0])) // (7 * 86_400_000_000)
        for time in days
        if drawn(compiled, Cause("", "", ""), "m1", micros(time), UTC).wins
    }
    assert len(gifts) == len(weeks) == len(drawn_weeks)
    assert 0 < len(gifts) < 7  # this member, these weeks


# ------------------------------------------------------------------ who gets it


@pytest.mark.parametrize(
    ("rule", "events", "points"),
    [
        (lucky(), [purchase("p", 500)], 10),
        (lucky(), [purchase("p", 500), purchase("p", 500), purchase("p", 600)], 10),  # a duplicate, a conflict
        (lucky(more=", when: {min_spend: '5.01'}"), [purchase("p", 500)], 0),
        (lucky(more=", when: {channels: [app]}"), [purchase("p", 500), purchase("q", 500, channel="app")], 10),
        (lucky(more=", when: {if: purchase.total_minor > 400}"), [purchase("p", 400), purchase("q", 401)], 10),
        (lucky(), [purchase("p", [line("1", 500, category="gift_card")])], 0),  # what never earns wins nothing
        (lucky(more=", at_most: {awards: 1, per: day}"), [purchase("p", 1), purchase("q", 1)], 10),
        (
            lucky(more=", at_most: {points: 15, per: day}"),
            [purchase("p", 1), purchase("q", 1), purchase("r", 1, time=NEXT_DAY)],
            25,
        ),
        (lucky(on="review"), [review("r"), review("q", review_id="r", status="removed"), review("s")], 10),
        (lucky(on="review"), [review("q", review_id="r", status="removed"), review("r")], 0),
        (lucky(on="share"), [share("s"), share("s")], 10),
        (lucky(on="engagement", more=", when: {activities: [quiz]}"), [engagement("a"), engagement("b", "walk")], 10),
        ("id: lucky, on: purchase, percent: 100, give: {times: 3}, budget: {points: 99}", [purchase("p", 750)], 14),
        ("id: lucky, on: purchase, percent: 100, give: {times: '1.5'}, budget: {points: 99}", [purchase("p", 750)], 3),
    ],
)
def test_who_wins_gets_it(rule: str, events: list[bytes], points: int) -> None:
    books = Books(surprises(rule)).take_all(events)
    assert won(books) == points
    assert taken(books) >= points
    books.check_books()


def test_the_budget_is_shared_and_never_overdrawn() -> None:
    books = Books(surprises(lucky(35)))
    books.take_all(purchase(f"p{number}", 100, member=f"m{number}") for number in range(9))
    assert [won(books, member=f"m{number}") for number in range(9)] == [10, 10, 10, *[0] * 6]
    assert taken(books) == 30
    books.take(restock("more", 5, limit="budget:lucky"))
    books.take_all(purchase(f"q{number}", 100, member=f"m{number}") for number in range(9))
    assert taken(books) == 40
    answers = [message for message in books.messages if isinstance(message, Answer)]
    assert len(answers) == 18


def test_a_denied_award_leaves_room_under_the_members_own_limit() -> None:
    books = Books(surprises(lucky(10, more=", at_most: {awards: 1, per: week}"), lucky(10).replace("lucky", "other")))
    books.take(purchase("p", 100, member="m2"))
    books.take(purchase("p", 100))
    assert (won(books), books.head().counters) == (0, {})
    books.take(restock("more", 10, limit="budget:lucky"))
    books.take(purchase("q", 100, time=NEXT_DAY))
    assert won(books) == 10


def test_the_points_are_booked_under_the_events_time_and_version() -> None:
    first = surprises(lucky(), more="")
    second = program('version: "2"\neffective_from: 2026-03-03\nearn: []\n')
    books = Books(first, second)
    books.take(purchase("p", 100), micros(NEXT_DAY))
    (entry,) = [entry for entry in books.entries if entry.kind == "surprise"]
    assert (entry.version, entry.time_us, entry.recorded_at_us) == (
        "1",
        micros("2026-03-02T12:00:00Z"),
        micros(NEXT_DAY),
    )
    assert entry.cause.id == "p"
    (step,) = entry.steps
    draw = hashlib.sha256(b"lucky\n/pos/1\np").hexdigest()[:16]
    said = {"rule": "lucky", "kind": "surprise", "points": 10, "fixed": 10, "draw": draw, "of": "event"}
    assert step == said | {"share": "1", "budget": "budget:lucky"}


def test_surprises_do_not_count_towards_tiers() -> None:
    tiers = "tiers: {levels: [{id: bronze, from: 0}, {id: silver, from: 10}]}\n"
    books = Books(surprises(lucky(), more=tiers)).take_all([purchase("p", 900)])
    assert (books.balance(), books.head().tier) == (19, "bronze")


# ------------------------------------------------------------------ what goes back


HALF = [("1", "1", 500)]


def two_lines(event_id: str = "p") -> bytes:
    return purchase(event_id, [line("1", 500), line("2", 500)])


@pytest.mark.parametrize(
    ("rule", "returns", "points", "budget"),
    [
        (lucky(), HALF, 10, 10),
        (lucky(), [*HALF, ("2", "1", 500)], 0, 10),  # what was given is spent, unless the budget is refilled
        (lucky(refill="true"), [*HALF, ("2", "1", 500)], 0, 0),
        (lucky(more=", returns: keep"), [*HALF, ("2", "1", 500)], 10, 10),
        (lucky(more=", when: {min_spend: '6.00'}"), HALF, 0, 10),
        (
            "id: lucky, on: purchase, percent: 100, give: {times: 3}, budget: {points: 99, refill: true}",
            HALF,
            10,
            10,
        ),
    ],
)
def test_what_comes_back_takes_its_surprise_along(
    rule: str, returns: list[tuple[str, str, int]], points: int, budget: int
) -> None:
    books = Books(surprises(rule)).take_all([two_lines(), back("r", "p", returns, time=NEXT_DAY)])
    assert (won(books), taken(books)) == (points, budget)
    assert bool(books.head().surprised) == (bool(points) and "keep" not in rule)
    books.check_books()


def test_partial_returns_end_where_one_return_ends() -> None:
    rule = "id: lucky, on: purchase, percent: 100, give: {times: 3}, budget: {points: 99, refill: true}"
    for parts in ([HALF, [("2", "1", 500)]], [[("2", "1", 500)], HALF], [[*HALF, ("2", "1", 500)]]):
        books = Books(surprises(rule)).take_all([two_lines()])
        for number, part in enumerate(parts):
            books.take(back(f"r{number}", "p", part, time=NEXT_DAY))
        assert (won(books), taken(books), books.balance(), books.head().surprised) == (0, 0, 0, ())


def test_a_review_that_is_removed_takes_its_surprise_along() -> None:
    books = Books(surprises(lucky(on="review", refill="true"))).take_all([review("r"), review("s")])
    assert (won(books), taken(books)) == (20, 20)
    books.take(review("r2", review_id="r", status="removed", time=NEXT_DAY))
    assert (won(books), taken(books)) == (10, 10)
    assert [one.reference for one in books.head().surprised] == ["s"]
    books.check_books()


def test_what_was_spent_leaves_a_debt() -> None:
    books = Books(surprises(lucky())).take_all([purchase("p", 500)])
    books.spend(15)
    books.take(back("r", "p", HALF, time=NEXT_DAY))
    assert (books.balance(), books.head().debts) == (-15, {"points": 15})
    books.check_books()


def test_after_the_time_for_returns_surprises_are_forgotten() -> None:
    books = Books(surprises(lucky(), more="returns: {keep: P5D}\n"))
    books.take_all([purchase("p", 100), purchase("q", 100, time=NEXT_WEEK)])
    assert [one.reference for one in books.head().surprised] == ["q"]


def test_an_account_remembers_its_latest_surprises() -> None:
    books = Books(surprises(lucky(10**6)), careful=False)
    books.take_all(purchase(f"p{number}", 100) for number in range(SURPRISED_MAX + 5))
    assert [one.reference for one in books.head().surprised] == [f"p{at}" for at in range(5, SURPRISED_MAX + 5)]


# ------------------------------------------------------------------ what happens between claim and answer


@pytest.mark.parametrize(
    ("rule", "first", "then", "points"),
    [
        (lucky(), purchase("p", 500), back("r", "p", HALF), 0),
        (lucky(more=", returns: keep"), purchase("p", 500), back("r", "p", HALF), 10),
        (lucky(), two_lines(), back("r", "p", HALF), 10),
        (
            "id: lucky, on: purchase, percent: 100, give: {times: 3}, budget: {points: 99}",
            two_lines(),
            back("r", "p", HALF),
            10,
        ),
        (lucky(on="review"), review("r"), review("q", review_id="r", status="removed"), 0),
        (lucky(more=", returns: keep"), purchase("p", 500), member_event("c", "closed"), 0),
        (lucky(on="share"), share("s"), member_event("c", "closed"), 0),
    ],
)
def test_what_is_no_longer_due_goes_back_to_the_budget(rule: str, first: bytes, then: bytes, points: int) -> None:
    books = SlowBooks(surprises(rule))
    books.take(first)
    (claim,) = books.inbox
    assert isinstance(claim, Claim)
    books.take(then)
    assert won(books) == 0
    books.deliver_all()
    assert (won(books), taken(books)) == (points, points)
    books.check_books()


def test_a_return_that_came_first_leaves_nothing_to_win() -> None:
    books = Books(surprises(lucky())).take_all([back("r", "p", HALF), purchase("p", 500)])
    assert (won(books), taken(books), books.balance()) == (0, 0, 0)


def test_messages_that_come_again_change_nothing() -> None:
    books = Books(surprises(lucky(refill="true"))).take_all([purchase("p", 500), back("r", "p", HALF)])
    assert [type(message) for message in books.messages] == [Claim, Answer, Release]
    state = dict(books.state)
    for message in list(books.messages):
        assert books.take(message).outcome is Outcome.DUPLICATE
    assert books.state == state


def test_an_account_that_is_too_full_still_hears_what_it_has_won() -> None:
    books = SlowBooks(surprises(lucky()))
    books.take(purchase("p", 500))
    full = books.head().draft()
    full.seen = b"\0" * (ACCOUNT_CHARS_MAX // RECORD_BYTES * RECORD_BYTES)
    books.state[head_key("m1")] = full
    assert books.take(purchase("q", 500)).refusal is not None
    books.deliver_all()
    assert won(books) == 10


def test_claims_are_forgotten_when_nothing_can_come_back_any_more() -> None:
    books = Books(surprises(lucky(), more="stream: {max_late: P10D}\n"))
    books.take_all(purchase(f"p{number}", 100) for number in range(3))
    assert sum(key.startswith("c|") for key in books.state) == 3
    books.pass_time(micros(NOON) + 411 * DAY_US)
    assert sum(key.startswith("c|") for key in books.state) == 3
    books.pass_time(micros(NOON) + 413 * DAY_US)
    assert not [key for key in books.state if key.startswith("c|")]
    assert taken(books) == 30


@pytest.mark.parametrize(
    ("rule", "event", "points"),
    [
        (lucky(), purchase("p", 500), 10),
        (lucky(on="review"), review("r"), 10),
        (lucky(on="share", more=", returns: keep"), share("s"), 10),
    ],
)
def test_what_a_member_wins_who_is_merged_meanwhile_goes_to_the_survivor(rule: str, event: bytes, points: int) -> None:
    books = SlowBooks(surprises(rule))
    books.take(member_event("e", "enrolled", member="m2"))
    books.take(event)
    (claim,) = books.inbox
    books.inbox.clear()
    books.take(merge("together", "m2", time=NEXT_DAY))
    books.deliver_all()  # The merge overtakes the claim: all of it is done when the answer comes.
    books.inbox.append(claim)
    books.deliver_all()
    earned = sum(books.by_rule("m2").values())
    assert books.balance("m1") == 0
    assert books.balance("m2") == earned
    assert taken(books) == points
    assert points <= earned
    books.check_books()
