"""LAW: what members give each other is neither made nor lost, whatever the order of messages and batches."""

from collections import Counter

import orjson
from hypothesis import given
from hypothesis import strategies as st

from loyalty.account import ACTIVE, CLOSED, Head
from loyalty.between import Pooled
from loyalty.lots import left_total, parsed
from loyalty.postings import TRANSFERRED
from schemas.state import decode_record
from tests.laws.between import between_worlds, pool_worlds
from tests.laws.cluster import Cluster, assert_replayed, worked, worked_as_time_passes
from tests.laws.worlds import World, examples, pick
from tests.loyalty.books import BASE, Books, SlowBooks, program
from tests.loyalty.events import adjustment, back, fact, merge, pay, purchase

MINUTE_US = 60_000_000


@given(between_worlds())
@examples(150)
def test_l9_all_that_left_has_arrived(world: World) -> None:
    books = Books(world.program).take_all(world.events)
    books.check_books()
    _holds(books)


@given(between_worlds(), st.data())
@examples(100)
def test_l9_in_whatever_order_the_messages_come(world: World, data: st.DataObject) -> None:
    """Also between the events; those of one sender to one receiver keep their order."""
    books = SlowBooks(world.program)
    for event in world.events:
        books.take(event)
        for _ in range(data.draw(st.integers(0, len(books.inbox)))):
            _deliver_one(books, data)
    while books.inbox:
        _deliver_one(books, data)
    books.check_books()
    _holds(books)


@given(pool_worlds(), st.data())
@examples(300)
def test_l9_a_household_loses_no_point_in_whatever_order_the_messages_come(world: World, data: st.DataObject) -> None:
    """What a pool still has of a member is what went in and did not come out, on both sides."""
    books = SlowBooks(world.program)
    for event in world.events:
        books.take(event)
        for _ in range(data.draw(st.integers(0, len(books.inbox)))):
            _deliver_one(books, data)
    books.pass_time(max(fact(event).time_us for event in world.events) + 10 * MINUTE_US)
    while books.inbox:
        _deliver_one(books, data)
    books.check_books()
    _holds(books)
    _what_was_given_is_known(books)


def _what_was_given_is_known(books: Books) -> None:
    given_by: Counter[str] = Counter()
    for message in books.messages:
        if isinstance(message, Pooled):
            given_by[message.membership] += left_total(message.lots) * (1 if message.way == "in" else -1)
    for head in books.heads():
        if head.household is not None and head.household.holder:
            assert sum(head.household.given.values()) == given_by[head.household.membership]


@given(pool_worlds(), st.data())
@examples(100)
def test_l9_a_household_is_replayed_to_the_byte(world: World, data: st.DataObject) -> None:
    cluster = pick(data.draw, [worked, worked_as_time_passes])(world, data)
    assert_replayed(cluster, world)
    _nothing_is_on_its_way(cluster)


def _deliver_one(books: SlowBooks, data: st.DataObject) -> None:
    ways = [(message.from_member, message.member) for message in books.inbox]
    firsts = [at for at, way in enumerate(ways) if way not in ways[:at]]
    books.deliver(pick(data.draw, firsts))


def _holds(books: Books) -> None:
    sums: Counter[tuple[str, str]] = Counter()
    for posting in (posting for entry in books.entries for posting in entry.postings):
        whose = "held" if posting.account.startswith("member:") else posting.account
        sums[whose, posting.currency] += posting.amount
    for (account, currency), amount in sums.items():
        if account == TRANSFERRED:
            assert not amount, "something is still on its way"
        if account == "held":
            assert amount == sum(sum(head.balances.get(currency, (0, 0))) for head in books.heads())
    _households_agree(books)
    for head in books.heads():
        assert not head.promised
        assert not head.leaving
        if head.merged_into:
            assert not head.lots
            assert not head.debts
            assert not any(map(any, head.balances.values()))
        if head.status == CLOSED and books.programs.plans[0].program.closing == "expire":
            assert not head.lots
            assert not head.debts
            assert not any(map(any, head.balances.values()))


def _households_agree(books: Books) -> None:
    """Who is in knows it, the holder knows who is in, and nobody gives more than came of it."""
    of_members: set[tuple[str, str, str, str]] = set()
    of_holders: set[tuple[str, str, str, str]] = set()
    for head in books.heads():
        mine = head.household
        if mine is None:
            continue
        assert head.status == ACTIVE
        assert mine.is_in
        assert all(points > 0 for points in mine.given.values())
        if mine.holder:
            of_members.add((mine.household_id, mine.holder, head.member, mine.membership))
        else:
            terms = books.programs.plans[0].program.pooling
            assert terms is not None
            assert 0 < len(mine.members) < terms.max_members
            of_holders |= {(mine.household_id, head.member, *one) for one in mine.members}
    assert of_members == of_holders


@given(between_worlds(lives=True))
@examples(100)
def test_l9_no_point_lives_longer_by_being_given_away(world: World) -> None:
    """The ends of all lots that anybody holds are ends that lots of purchases and activities were given."""
    books = Books(world.program, careful=False).take_all(world.events)
    for head in books.heads():
        for currency, held in head.lots.items():
            expiry = next(terms for terms in world.program.currencies if terms.id == currency).expiry
            for lot in parsed(held):
                if expiry is not None and not expiry.restart_on:
                    assert lot.ends_us is not None


@given(between_worlds(lives=True), st.data())
@examples(80)
def test_l9_a_replay_of_the_journal_gives_the_same_bytes(world: World, data: st.DataObject) -> None:
    cluster = pick(data.draw, [worked, worked_as_time_passes])(world, data)
    assert_replayed(cluster, world)
    _nothing_is_on_its_way(cluster)


def _nothing_is_on_its_way(cluster: Cluster) -> None:
    sums: Counter[str] = Counter()
    for raw in cluster.stream("ledger"):
        for posting in orjson.loads(raw)["data"]["postings"]:
            if posting["account"] == TRANSFERRED:
                sums[posting["currency"]] += posting["amount"]
    assert not any(sums.values())
    for state in cluster.state:
        for head in map(decode_record, state.accounts_held()):
            if isinstance(head, Head):
                for currency, (available, _) in head.balances.items():
                    left = sum(lot.left for lot in parsed(head.lots.get(currency, "")))
                    assert available == left - head.debts.get(currency, 0)


@given(st.data())
@examples(60)
def test_l9_points_that_paid_come_back_though_the_sale_went_on_to_another_account(data: st.DataObject) -> None:
    """A merge, the sale and its return come while others are slow: so the sale finds its account ended, or not."""
    text = BASE + 'pay_with_points: {points: 1, worth: "0.01"}\n'
    tenders = [{"type": "points", "amount_minor": 500, "label": "r"}, {"type": "card", "amount_minor": 500}]
    events = [adjustment(f"adj-{member}", 1000, member=member) for member in ("a", "b", "c")]
    events += [pay("r", "sale", 1000, member="a", points=500)]
    events += [merge("m1", "b", member="a"), merge("m2", "c", member="b")]
    events += [purchase("p", 1000, member="a", transaction_id="sale", tenders=tenders)]
    events += [back("ret", "sale", [("1", "1", 1000)], member="a")]
    world = World(program(text), events)
    cluster = worked(world, data)
    heads = [orjson.loads(each) for each in cluster.accounts().splitlines()]
    assert sum(head["balances"]["points"]["available"] for head in heads) == 3000
    _nothing_is_on_its_way(cluster)
    assert_replayed(cluster, world)
