"""What a day leaves of rules and multipliers: never too little; and what is over costs nothing."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.calendar import local_time
from loyalty.circumstances import Circumstances, predicate
from loyalty.days import may_hold_on
from loyalty.lots import Lot
from loyalty.making import maker
from loyalty.plan import Plan
from loyalty.program import EveryYear, Hours, When, Window
from loyalty.tiers import Sums
from tests.loyalty.books import Books, program
from tests.loyalty.events import micros, purchase

ZONES = [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia", "Asia/Kathmandu")]
"""Apia had no December 30 in 2011."""

moments = st.datetimes(datetime(2011, 12, 1), datetime(2012, 12, 31))  # noqa: DTZ001 a window's bounds are wall time
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
    store_zone=st.booleans(),
)


def _at(time_us: int, zone: ZoneInfo, store: ZoneInfo) -> Circumstances:
    found = Circumstances(local_time(time_us, zone), "", (), {}, None, lambda _: {})
    found.at_store("", "", store.key)
    return found


@given(whens, moments, st.sampled_from(ZONES), st.sampled_from(ZONES))
def test_what_holds_at_an_instant_is_left_on_its_day(
    when: When, moment: datetime, zone: ZoneInfo, store: ZoneInfo
) -> None:
    circumstances = _at(int(moment.replace(tzinfo=zone).timestamp()) * 1_000_000, zone, store)
    holds = predicate(when)
    if holds is None or holds(circumstances):
        assert may_hold_on(when, circumstances.local)


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
    assert [of.rule.id for of, _ in rated] == left


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
