"""LAW: points that are spent are spent once, come back at most once, and where they came from.

The streams hold purchases, returns and all the rest besides; one of the rewards has few places for all members.
"""

from collections import Counter

from hypothesis import assume, given
from hypothesis import strategies as st

from loyalty.account import Head, Limit, RedemptionRecord
from loyalty.decisions import Entry, RedemptionChange, RewardOrder
from loyalty.lots import parsed
from loyalty.postings import HELD, REDEEMED, RESTORED
from loyalty.program import Program
from tests.laws.cluster import assert_replayed, assert_same_twice, worked, worked_as_time_passes
from tests.laws.worlds import SEATS, Part, World, at, baskets, examples, parts, pick, programs, with_rewards, worlds
from tests.loyalty.books import Books
from tests.loyalty.events import Json, adjustment, back, pay, purchase, redeem, reported


def on_account(entries: list[Entry], account: str) -> Counter[tuple[str, str]]:
    """(member, currency) -> the sum of the postings on an account of the program."""
    found: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        for posting in entry.postings:
            if posting.account == account:
                found[entry.member, posting.currency] += posting.amount
    return found


def nonzero(sums: Counter[tuple[str, str]]) -> dict[tuple[str, str], int]:
    return {key: amount for key, amount in sums.items() if amount}


@given(worlds(spends=True, lives=True, length=14))
@examples(150)
def test_the_books_add_up_and_records_agree_with_them(world: World) -> None:
    books = Books(world.program).take_all(world.events)
    books.check_books()
    spent: Counter[tuple[str, str]] = Counter()
    for key, record in books.state.items():
        if isinstance(record, RedemptionRecord):
            assert 0 <= record.restored <= record.points == sum(lot.left for lot in record.spent)
            spent[key.split("|")[1], record.currency] += record.points - record.restored
    posted = on_account(books.entries, REDEEMED)
    posted.update(on_account(books.entries, RESTORED))
    assert nonzero(posted) == nonzero(spent)
    assert nonzero(on_account(books.entries, HELD)) == {}, "nothing is held when every stock has answered"


@given(worlds(spends=True, length=14))
@examples(100)
def test_each_request_is_answered_once_and_each_order_is_one(world: World) -> None:
    books = Books(world.program, careful=False).take_all(world.events)
    answered = Counter(
        (each.member, each.redemption_id)
        for each in books.rewards
        if isinstance(each, RedemptionChange) and each.status in {"accepted", "refused"}
    )
    assert set(answered.values()) <= {1}
    accepted = {
        (each.member, each.redemption_id)
        for each in books.rewards
        if isinstance(each, RedemptionChange) and each.status == "accepted" and each.reward
    }
    ordered = [each for each in books.rewards if isinstance(each, RewardOrder) and each.status == "ordered"]
    assert {(each.member, each.redemption_id) for each in ordered} == accepted
    assert len({each.order_id for each in ordered}) == len(ordered)


@given(worlds(spends=True, lives=True, members=3, length=14))
@examples(100)
def test_no_more_places_are_taken_than_there_are(world: World) -> None:
    books = Books(world.program, careful=False)
    taken = 0
    for event in world.events:
        books.take(event)
        limit = books.state.get("l|stock:seat")
        taken = sum(limit.taken.values()) if isinstance(limit, Limit) else 0
        assert taken <= SEATS
    held = [each for each in books.state.values() if isinstance(each, RedemptionRecord) and each.reward == "seat"]
    assert sum(each.quantity for each in held if each.status in {"accepted", "fulfilled"}) == taken


def _holdings(head: Head) -> tuple[object, ...]:
    lots = {currency: sorted(parsed(text)) for currency, text in head.lots.items()}
    return lots, head.balances, head.debts, head.counters, head.qualifying, head.tier


@given(worlds(spends=True, length=10), st.sampled_from(["cancelled", "failed"]), st.data())
@examples(120)
def test_a_redemption_that_comes_to_nothing_leaves_the_account_as_before_it(
    world: World, how: str, data: st.DataObject
) -> None:
    """While nothing ends meanwhile, whatever was before."""
    books = Books(world.program, careful=False).take_all(world.events)
    member = pick(data.draw, [head.member for head in books.heads()])
    books.take(adjustment("fund", pick(data.draw, [0, 9]), member=member, time=at(20_000), kind="opening"))
    before = _holdings(books.head(member))
    reward = pick(data.draw, ["pen", "mug", "seat"])
    books.take(redeem("last", reward, member=member, time=at(20_001)))
    assume(books.redemption("last", member).status == "accepted" if f"r|{member}|last" in books.state else False)
    assert _holdings(books.head(member)) != before
    books.take(reported("undone", how, "last", member=member, time=at(20_002)))
    assert _holdings(books.head(member)) == before


@given(programs(referrals=False), baskets(), st.data())
@examples(100)
def test_returns_in_any_number_restore_what_one_restores(
    program: Program, lines: list[Json], data: st.DataObject
) -> None:
    """A part of a sale that points paid for comes back, in one return or in many: as many points are back."""
    due = sum(line["amount_minor"] for line in lines)
    assume(due > 1)
    made = with_rewards(data.draw, program)
    some = data.draw(parts(lines, whole=data.draw(st.booleans())))
    tenders = [
        {"type": "points", "label": "r", "amount_minor": due // 2},
        {"type": "card", "amount_minor": due - due // 2},
    ]
    restored = []
    for returns in ([some], [[part] for part in some]):
        books = Books(made, careful=False)
        books.take_all([adjustment("a", 50), pay("r", "s", due), purchase("s", lines, tenders=tenders)])
        assume("r|m1|r" in books.state)
        for number, each in enumerate(returns):
            together: dict[str, Part] = {}
            for part in each:
                held = together.get(part.line_id, Part(part.line_id, 0, 0))
                quantity, amount = held.quantity_micro + part.quantity_micro, held.amount_minor + part.amount_minor
                together[part.line_id] = Part(part.line_id, quantity, amount)
            if together:
                books.take(back(f"b{number}", "s", [part.returned for part in together.values()]))
        books.check_books()
        restored.append(books.redemption("r").restored)
    assert restored[0] == restored[1]


@given(worlds(spends=True, lives=True, members=3, length=12), st.data())
@examples(60)
def test_a_replay_of_the_journal_gives_the_same_bytes(world: World, data: st.DataObject) -> None:
    assert_replayed(worked(world, data), world)


@given(worlds(spends=True, lives=True, length=10), st.data())
@examples(40)
def test_a_replay_of_the_journal_gives_the_same_bytes_as_time_passes(world: World, data: st.DataObject) -> None:
    assert_replayed(worked_as_time_passes(world, data), world)


@given(worlds(spends=True, members=2, length=12))
@examples(40)
def test_the_same_input_twice_changes_nothing(world: World) -> None:
    assert_same_twice(world)
