"""Worlds in which members have to do with each other: they give points away, pool them, leave, turn out to be one."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from loyalty.program import Cap, Program
from loyalty.program_between import PoolingTerms, TransferTerms
from tests.laws.worlds import POINTS, STARS, Draw, World, programs, streams
from tests.loyalty.events import fact, household, instant, member_event, merge, transfer

_LIMITS = [(), (), (Cap(30, per="day"),), (Cap(2, "awards", "lifetime"),)]
_POOLING = [None, PoolingTerms(100, 6, (POINTS,)), PoolingTerms(50, 2, (POINTS, STARS))]


def _program(draw: Draw, *, lives: bool) -> Program:
    pick: Any = st.sampled_from
    terms = [TransferTerms(POINTS, 1, draw(pick([None, 40])), draw(pick([0, 0, 2])), draw(pick(_LIMITS)))]
    drawn: Program = draw(programs(lives=lives))
    return replace(
        drawn,
        transfers=(*terms, TransferTerms(STARS)),
        pooling=draw(pick(_POOLING)),
        closing=draw(pick(["keep", "expire"])),
        enrollment=draw(pick(["automatic", "automatic", "required"])),
    )


@st.composite
def between_worlds(draw: Draw, /, *, members: int = 3, lives: bool = False, **of_stream: Any) -> World:
    """A random program, and a stream with transfers and members who leave among the other events."""
    pick: Any = st.sampled_from
    names = [f"m{number}" for number in range(1, members + 1)]
    events = [member_event(f"join-{name}", "enrolled", member=name, time="2026-03-06T19:00:00Z") for name in names[:-1]]
    for number, event in enumerate(draw(streams(members=members, **of_stream))):
        events.append(event)
        when = instant(fact(event).time_us)
        events += [_extra(draw, f"x{number}-{extra}", names, when) for extra in range(draw(pick([0, 1, 1, 2])))]
    return World(_program(draw, lives=lives), events)


def _extra(draw: Draw, event_id: str, names: list[str], when: str) -> bytes:
    pick: Any = st.sampled_from
    one, other = draw(pick(names)), draw(pick([*names, "nobody"]))
    if draw(st.integers(0, 9)) == 0:
        return merge(event_id, other, member=one, time=when)
    if draw(st.integers(0, 15)) == 0:
        return member_event(event_id, "closed", member=one, time=when)
    if draw(st.integers(0, 3)) == 0:
        holder = draw(pick(["m1", "m1", "m1", other, ""]))
        return household(event_id, draw(pick(["h", "h", "h", "i"])), holder, member=one, time=when)
    points, currency = draw(pick([1, 3, 7, 20, 60])), draw(pick([POINTS, POINTS, STARS]))
    return transfer(event_id, other, points, member=one, time=when, currency=currency)
