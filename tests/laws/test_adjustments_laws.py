"""LAW: an adjustment changes what its member has by exactly its points, or is refused and changes nothing."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from loyalty.decisions import Outcome
from loyalty.postings import ADJUSTED, OPENING
from tests.laws.worlds import examples
from tests.loyalty.books import BASE, Books, program
from tests.loyalty.events import adjustment, purchase

MEMBERS = ("m1", "m2")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(MEMBERS),
        st.sampled_from(("purchase", "goodwill", "correction", "opening")),
        st.integers(min_value=-90, max_value=90).filter(bool),
        st.integers(min_value=1, max_value=28),
    ),
    max_size=14,
)
WAYS = st.sampled_from(("negative: refuse", "negative: allow", "approve_above: 50", "qualifies: true"))
POINTS = st.sampled_from(("", "points: {points: {name: P, pending: P3D, expiry: {after: P2Y}}}\n"))


@given(STEPS, WAYS, POINTS)
@examples(150)
def test_a_balance_moves_by_exactly_the_points_and_the_books_tie_out(
    steps: list[tuple[str, str, int, int]], way: str, points_text: str
) -> None:
    books = Books(program(f"{BASE}{points_text}adjustments: {{{way}}}\ntiers: {{levels: [{{id: one, from: 0}}]}}\n"))
    asked: Counter[str] = Counter()
    for number, (member, kind, drawn, day) in enumerate(steps):
        time = f"2026-03-{day:02}T12:00:00Z"
        if kind == "purchase":
            books.take(purchase(f"p{number}", abs(drawn) * 100, member=member, time=time))
            continue
        points = abs(drawn) if kind == "opening" else drawn
        before = total(books, member)
        answer = books.take(adjustment(f"a{number}", points, member=member, kind=kind, time=time))
        applied = answer.outcome is Outcome.APPLIED
        assert total(books, member) - before == (points if applied else 0)
        if applied:
            asked[OPENING if kind == "opening" else ADJUSTED] += points
        assert books.take(adjustment(f"a{number}", points, member=member, kind=kind, time=time)).outcome == (
            Outcome.DUPLICATE if applied else Outcome.REFUSED
        )
    books.check_books()
    booked: Counter[str] = Counter()
    for entry in books.entries:
        for posting in entry.postings:
            if posting.account in {ADJUSTED, OPENING}:
                booked[posting.account] -= posting.amount
    assert {account: sum_ for account, sum_ in booked.items() if sum_} == {a: n for a, n in asked.items() if n}


def total(books: Books, member: str) -> int:
    """What the member has, pending points included, in all."""
    return sum(sum(balance) for head in books.heads() if head.member == member for balance in head.balances.values())
