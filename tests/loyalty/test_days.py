"""What a day leaves to ask of rules and multipliers: never too little; and what is certain is not asked again."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.calendar import local_time
from loyalty.circumstances import Circumstances, predicate
from loyalty.days import left_to_ask, may_hold, on_day
from loyalty.lots import Lot
from loyalty.making import maker
from loyalty.plan import Plan
from loyalty.program import EveryYear, Hours, When, Window
from loyalty.tiers import Sums
from tests.loyalty.books import Books, program
from tests.loyalty.events import micros, purchase

ZONES = [
    ZoneInfo(name)
    for name in ("UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Pacific/Apia", "Asia/Kathmandu")
]
"""Apia had no December 30 in 2011. In St. John's, until then, clocks went back a minute after midnight."""

moments = st.datetimes(datetime(2010, 11, 1), datetime(2012, 12, 31))  # noqa: DTZ001 a window's bounds are wall time
month_days = st.sampled_from([(1, 1), (2, 28), (2, 29), (3, 25), (12, 29), (12, 31)])


@st.composite
def windows(draw: st.DrawFn) -> Window:
    start = draw(moments)
    end = start + draw(st.timedeltas(timedelta(minutes=1), timedelta(days=40)))
    return Window(draw(st.sampled_from([start, None])), draw(st.sampled_from([end, None])))


whens = st.builds(
    When,
    windows=st.none() | st.lists(windows(), max_size=2).map(tuple),
    every_year=st.none() | st.lists(st.builds(EveryYear, month_days, month_days), max_size=2).map(tuple),
    weekdays=st.none() | st.frozensets(st.integers(1, 7)),
    hours=st.none() | st.just((Hours(1200, 300),)),
    tiers=st.none() | st.frozensets(st.sampled_from(["silver", "gold"])),
    channels=st.none() | st.just(frozenset({"app"})),
    store_zone=st.booleans(),
)


def _at(time_us: int, zone: ZoneInfo, store: ZoneInfo, tier: str = "", channel: str = "") -> Circumstances:
    found = Circumstances(local_time(time_us, zone), tier, (), {}, None, lambda *_: {})
    found.at_store("", channel, store.key)
    return found


def _holds(when: When, circumstances: Circumstances) -> bool:
    holds = predicate(when)
    return holds is None or holds(circumstances)


def _left_holds(when: When, circumstances: Circumstances) -> bool:
    """The same, by what the day and the tier leave to ask."""
    if not may_hold(when, circumstances.local, circumstances.tier):
        return False
    left = left_to_ask(on_day(when), circumstances.local)
    return left is None or left(circumstances)


@given(
    whens,
    moments,
    st.integers(0, 1),
    st.sampled_from(ZONES),
    st.sampled_from(ZONES),
    st.sampled_from(["silver", "gold", ""]),
    st.sampled_from(["app", "store"]),
)
def test_what_a_day_leaves_to_ask_says_what_all_would_say(
    when: When, moment: datetime, fold: int, zone: ZoneInfo, store: ZoneInfo, tier: str, channel: str
) -> None:
    time_us = int(moment.replace(tzinfo=zone, fold=fold).timestamp()) * 1_000_000
    circumstances = _at(time_us, zone, store, tier, channel)
    assert _left_holds(when, circumstances) == _holds(when, circumstances)


ST_JOHNS = ZoneInfo("America/St_Johns")
SIXTH, SEVENTH = datetime(2010, 11, 6), datetime(2010, 11, 7)  # noqa: DTZ001 a window's bounds are wall time


@pytest.mark.parametrize("window", [Window(SIXTH, SEVENTH), Window(SEVENTH, None), Window(None, SIXTH)])
@pytest.mark.parametrize("hour", [0, 23])
@pytest.mark.parametrize("fold", [0, 1])
def test_an_hour_of_a_day_that_comes_again_after_midnight(window: Window, hour: int, fold: int) -> None:
    time_us = int(datetime(2010, 11, 6, hour, 30, tzinfo=ST_JOHNS, fold=fold).timestamp()) * 1_000_000
    circumstances = _at(time_us, ST_JOHNS, ST_JOHNS)
    assert circumstances.local.day == SIXTH.day
    when = When(windows=(window,))
    assert _left_holds(when, circumstances) == _holds(when, circumstances)


FULL_DAY = Window(datetime(2012, 3, 25), datetime(2012, 3, 26))  # noqa: DTZ001
HALF_DAY = Window(datetime(2012, 3, 25, 12), datetime(2012, 3, 26))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("when", "is_asked"),
    [
        (When(weekdays=frozenset({7})), False),
        (When(every_year=(EveryYear((3, 1), (3, 31)),)), False),
        (When(tiers=frozenset({"gold"})), False),
        (When(windows=(FULL_DAY,)), False),
        (When(windows=(HALF_DAY,)), True),
        (When(windows=(HALF_DAY, FULL_DAY)), False),
        (When(weekdays=frozenset({7}), hours=(Hours(600, 720),)), True),
        (When(weekdays=frozenset({7}), store_zone=True), True),
        (When(windows=(FULL_DAY,), store_zone=True), True),
        (When(tiers=frozenset({"gold"}), store_zone=True), False),
        (When(tiers=frozenset({"gold"}), channels=frozenset({"app"})), True),
    ],
)
def test_what_a_day_and_a_tier_decide_is_not_asked(when: When, *, is_asked: bool) -> None:
    """March 25, 2012, a Sunday of 23 hours."""
    circumstances = _at(micros("2012-03-25T12:00:00Z"), ZoneInfo("Europe/Berlin"), ZoneInfo("UTC"), "gold")
    assert may_hold(when, circumstances.local, "gold")
    assert (left_to_ask(on_day(when), circumstances.local) is not None) == is_asked


DAYS = """
earn:
  - {id: base, on: purchase, give: {points: 1, per: "1.00"}}
  - {id: june, on: purchase, give: {points: 5}, when: {every_year: {from: 06-01, to: 06-30}}}
  - {id: brunch, on: purchase, give: {points: 9}, when: {weekdays: [sat], zone: store}}
multiply:
  rules:
    - {id: fair, factor: 2, when: {from: 2026-06-15, until: 2026-06-15}}
"""


@pytest.mark.parametrize(
    ("time", "left"),
    [
        ("2026-05-31T23:59:59Z", ["base", "brunch"]),
        ("2026-06-01T00:00:00Z", ["base", "june", "brunch"]),
    ],
)
def test_rules_that_are_out_of_season_are_not_even_asked(time: str, left: list[str]) -> None:
    plan = Plan(program(DAYS))
    rated = plan.rated(_at(micros(time), plan.program.zone, plan.program.zone))
    assert [of.rule.id for of, _, _ in rated] == left


def test_the_same_day_gives_the_same_whoever_came_before() -> None:
    books = Books(program(DAYS))
    times = ["2026-06-15T00:00:00Z", "2026-06-14T23:59:59Z", "2026-06-15T23:59:59Z", "2026-06-16T00:00:00Z"]
    given = [books.take(purchase(f"p{at}", 1000, time=time)).entries[-1] for at, time in enumerate(times)]
    points = [sum(each.amount for each in entry.postings if each.amount > 0) for entry in given]
    assert points == [25, 15, 25, 15]


def test_a_maker_makes_what_its_class_makes() -> None:
    made: Any = maker(Lot)
    lot = made("l", 1, None, left=5)
    assert (lot, type(lot)) == (Lot("l", 1, None, 5), Lot)
    assert maker(Sums)() == Sums()
    with pytest.raises(TypeError, match="argument"):
        made("l")
