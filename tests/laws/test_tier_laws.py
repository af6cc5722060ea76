"""LAW 9: tiers rise at once, and fall only when their time and the grace are over, to no less than what qualifies."""

from hypothesis import given

from loyalty.calendar import local_time, shifted_us
from loyalty.program import Tiers
from loyalty.standing import CONFIRMED
from loyalty.tier_life import AT_RISK, RETURN, REVIEW
from loyalty.tiers import level_of, period_number, qualifying_key, qualifying_sum
from tests.laws.cluster import HOUR_US
from tests.laws.worlds import World, examples, worlds
from tests.loyalty.books import Books
from tests.loyalty.events import fact

LATER_US = 90 * 24 * HOUR_US


def _lived(world: World) -> tuple[Books, Tiers | None]:
    books = Books(world.program, careful=False)
    for event in sorted(world.events, key=lambda event: fact(event).time_us):
        books.take(event)
    books.pass_time(fact(world.events[-1]).time_us + LATER_US)
    return books, world.program.tiers


@given(worlds(members=2, late=False, lives=True))
@examples(150)
def test_l9_nobody_falls_before_the_end_and_the_grace(world: World) -> None:
    books, tiers = _lived(world)
    if tiers is None:
        return
    order = [level.id for level in tiers.levels]
    for head in books.heads():
        ends_us = None
        for change in (each for each in books.tiers if each.member == head.member):
            if change.from_tier is not None:
                fell = order.index(change.to_tier) < order.index(change.from_tier)
                assert fell == (change.reason in {REVIEW, RETURN})
                assert (change.from_tier == change.to_tier) == (change.reason == CONFIRMED)
            if change.reason in {REVIEW, CONFIRMED}:
                assert tiers.review is not None
                assert ends_us is not None
                assert change.time_us == shifted_us(ends_us, tiers.review.grace, world.program.zone)
            has_end = tiers.review is not None and change.to_tier != order[0]
            assert (change.valid_until_us is not None) == has_end
            ends_us = change.valid_until_us
        assert head.tier_until_us == ends_us


@given(worlds(members=2, late=False, lives=True))
@examples(150)
def test_l9_nobody_is_below_what_qualifies(world: World) -> None:
    """But where a program takes members down to the first tier: there their next purchase lifts them."""
    tiers = world.program.tiers
    if tiers is None or (tiers.review is not None and tiers.review.down == "base"):
        return
    books = Books(world.program, careful=False)
    for event in sorted(world.events, key=lambda event: fact(event).time_us):
        what = fact(event)
        books.take(what)
        for head in books.heads():
            sums = head.qualifying.get(qualifying_key(tiers))
            if sums is not None and head.member == what.member:
                number = period_number(tiers, local_time(what.time_us, world.program.zone), head.enrolled_us)
                qualifies = level_of(tiers, qualifying_sum(tiers, sums, number))
                assert [level.id for level in tiers.levels].index(head.tier) >= qualifies


@given(worlds(members=2, lives=True))
@examples(60)
def test_l9_each_end_is_at_risk_once_and_before(world: World) -> None:
    books, _ = _lived(world)
    told = [(each.member, each.details["ends_us"]) for each in books.notices if each.kind == AT_RISK]
    assert len(set(told)) == len(told)
    for notice in books.notices:
        if notice.kind == AT_RISK:
            assert notice.time_us < notice.details["ends_us"]
            assert notice.details["missing"] > 0
