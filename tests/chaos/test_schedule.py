"""A schedule is the seed's: the same again, and with all that its goals ask for."""

from collections import Counter
from itertools import pairwise

import pytest

from tests.chaos.schedule import Cut, Fault, Goals, Moment, Refuse, Strike, schedule

SMALL = Goals(
    kills=10, zombies=3, broker_deaths=2, broker_freezes=1, rebalances=5, stops=4, refusals=4, cuts=3, reader_kills=2
)


def drawn(seed: int, goals: Goals = SMALL) -> list[Strike]:
    return schedule(seed, 60, goals, workers=3, with_switch=2)


def test_a_seed_gives_the_same_schedule_and_another_seed_another() -> None:
    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_a_schedule_holds_what_its_goals_ask_for_and_some_to_spare() -> None:
    counted = Counter(strike.fault for strike in drawn(1, Goals()))
    assert counted == {
        Fault.KILL: 111,
        Fault.FREEZE: 44,
        Fault.STOP: 44,
        Fault.REFUSE: 22,
        Fault.CUT: 27,
        Fault.BROKER_KILL: 22,
        Fault.BROKER_FREEZE: 7,
        Fault.READER_KILL: 14,
    }


def test_all_ways_of_each_fault_are_in_it() -> None:
    ways = {(strike.fault, strike.how) for strike in drawn(1, Goals()) if strike.how}
    assert ways == {
        *((Fault.KILL, each) for each in Moment),
        *((Fault.REFUSE, each) for each in Refuse),
        *((Fault.CUT, each) for each in Cut),
    }


@pytest.mark.parametrize("seed", range(5))
def test_each_target_has_its_faults_in_order_of_time(seed: int) -> None:
    strikes = drawn(seed, Goals())
    assert all(one.at_seconds <= two.at_seconds for one, two in pairwise(strikes))
    assert strikes[0].at_seconds >= 0
    assert strikes[-1].at_seconds <= 60
    assert {strike.target for strike in strikes} == {"worker 0", "worker 1", "worker 2", "proxy", "broker", "reader"}
    assert {strike.target for strike in strikes if strike.fault is Fault.REFUSE} == {"worker 2"}


def test_what_is_not_asked_for_is_not_in_it() -> None:
    nothing = Goals(**dict.fromkeys(Goals.__slots__, 0))
    assert drawn(1, nothing) == []
