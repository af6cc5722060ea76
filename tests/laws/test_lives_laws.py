"""LAW 8: points wait, end and are told of as the program says, and nothing of it is lost or done twice."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from loyalty.account import Head
from loyalty.calendar import active_end_us, life_end_us
from loyalty.decide import ACTIVITY
from loyalty.due import POINTS_EXPIRING
from loyalty.lots import parsed
from loyalty.postings import EARNED, EXPIRED, RETURNED, available_of
from loyalty.program import Currency
from tests.laws.cluster import HOUR_US, assert_replayed, worked_as_time_passes
from tests.laws.worlds import World, examples, pick, worlds
from tests.loyalty.books import Books
from tests.loyalty.events import fact

LATER_US = 500 * 24 * HOUR_US
"""Behind the end of everything that ends."""


def _taken(world: World) -> Books:
    """The events in order of their times: time passes between them."""
    books = Books(world.program)
    for event in sorted(world.events, key=lambda event: fact(event).time_us):
        books.take(event)
    return books


@given(worlds(members=2, late=False, lives=True))
@examples(150)
def test_l8_what_was_given_is_held_taken_back_or_expired(world: World) -> None:
    books = _taken(world)
    books.pass_time(fact(world.events[-1]).time_us + LATER_US)
    books.check_books()
    sums: Counter[tuple[str, str]] = Counter()
    for posting in (posting for entry in books.entries for posting in entry.postings):
        whose = "held" if posting.account.startswith("member:") else posting.account
        sums[whose, posting.currency] += posting.amount
    for currency in {currency for _, currency in sums}:
        given_points, expired = -sums[EARNED, currency], sums[EXPIRED, currency]
        assert given_points == sums["held", currency] + sums[RETURNED, currency] + expired
        assert 0 <= expired <= given_points


@given(worlds(members=2, late=False, lives=True))
@examples(150)
def test_l8_nothing_is_left_behind_its_end(world: World) -> None:
    books = _taken(world)
    now_us = fact(world.events[-1]).time_us + LATER_US
    books.pass_time(now_us)
    for head in books.heads():
        assert not head.maturing
        for terms in world.program.currencies:
            available, pending = head.balances.get(terms.id, (0, 0))
            assert pending == 0
            if terms.expiry is not None and available > 0:  # time gives some, which end later
                ends = {lot.ends_us or head.active_until[terms.id] for lot in parsed(head.lots[terms.id])}
                assert min(ends) > now_us
        assert head.due_us is None or head.due_us > now_us


def lots_of_own_life(books: Books, world: World) -> set[str]:
    """Lots whose end was given to them."""
    rules = {rule.id for rule in world.program.activity_rules if rule.ends_after is not None}
    postings = (posting for entry in books.entries for posting in entry.postings)
    return {posting.lot for posting in postings if posting.rule in rules and posting.lot}


def kept_alive_until(books: Books, world: World, member: str, terms: Currency, before_us: int) -> set[int]:
    """When the member's points of a kind that activity keeps alive may end, as far as was known at `before_us`.

    As the latest activity says; or a whole life after points came while none was in force.
    """
    expiry, zone = terms.expiry, world.program.zone
    assert expiry is not None
    facts = [each for each in map(fact, world.events) if each.member == member]
    active = [each.time_us for each in facts if ACTIVITY.get(type(each)) in expiry.restart_on]

    def ends_us(at_us: int) -> int:
        return max((active_end_us(each, expiry, zone) for each in active if each <= at_us), default=0)

    account = available_of(member), terms.id
    came = {
        entry.time_us
        for entry in books.entries
        for posting in entry.postings
        if (posting.account, posting.currency) == account
        and posting.amount > 0
        and ends_us(entry.time_us) <= entry.time_us
    }
    latest = ends_us(before_us)
    return {latest, *(end for each in came if (end := life_end_us(each, expiry, zone)) >= latest)}


@given(worlds(members=2, late=False, lives=True))
@examples(150)
def test_l8_no_lot_is_held_at_or_after_its_end(world: World) -> None:
    """At every step, and no lot ends before its time."""
    books = Books(world.program)
    zone = world.program.zone
    for event in sorted(world.events, key=lambda event: fact(event).time_us):
        now_us = fact(event).time_us
        books.take(event)
        own = lots_of_own_life(books, world)
        for head in books.heads():
            for terms in world.program.currencies:
                for lot in parsed(head.lots.get(terms.id, "")):
                    assert lot.ends_us is None or lot.ends_us > now_us
                    if terms.expiry is not None and not terms.expiry.restart_on and lot.lot_id not in own:
                        assert lot.ends_us == life_end_us(lot.earned_us, terms.expiry, zone)
    own = lots_of_own_life(books, world)
    lives = {each.id: each for each in world.program.currencies}
    for entry in books.entries:
        for step in entry.steps if entry.kind == "expire" else ():
            if step["lot"] in own:
                continue
            terms = lives[step["currency"]]
            assert terms.expiry is not None
            if terms.expiry.restart_on:
                assert entry.time_us in kept_alive_until(books, world, entry.member, terms, entry.time_us)
            else:
                assert entry.time_us == life_end_us(step["earned_us"], terms.expiry, zone)


@given(worlds(members=2, late=False, lives=True))
@examples(60)
def test_l8_each_end_is_told_once_and_before(world: World) -> None:
    books = _taken(world)
    books.pass_time(fact(world.events[-1]).time_us + LATER_US)
    notices = [each for each in books.notices if each.kind == POINTS_EXPIRING]
    told = [(each.member, each.details["currency"], each.details["ends_us"]) for each in notices]
    assert len(set(told)) == len(told)
    for notice in notices:
        assert notice.time_us < notice.details["ends_us"]
        assert notice.details["points"] > 0


@given(worlds(members=3, lives=True), st.data())
@examples(100)
def test_l8_a_replay_of_the_journal_gives_the_same_bytes_as_time_passes(world: World, data: st.DataObject) -> None:
    assert_replayed(worked_as_time_passes(world, data), world)


@given(worlds(members=2, lives=True), st.data())
@examples(60)
def test_l8_a_pause_is_caught_up_with(world: World, data: st.DataObject) -> None:
    """Whether batches without events came often or never, in the end the books say the same but for when."""
    often, never = Books(world.program, careful=False), Books(world.program, careful=False)
    events = sorted(world.events, key=lambda event: fact(event).time_us)
    for event in events:
        often.take(event)
        never.take(event)
    last_us = fact(events[-1]).time_us
    for _ in range(data.draw(st.integers(1, 6))):
        last_us += pick(data.draw, [HOUR_US, 30 * HOUR_US, 24 * 45 * HOUR_US])
        often.pass_time(last_us)
    never.pass_time(last_us)
    assert often.entries == never.entries
    assert often.notices == never.notices
    assert {key: each for key, each in often.state.items() if isinstance(each, Head)} == {
        key: each for key, each in never.state.items() if isinstance(each, Head)
    }
