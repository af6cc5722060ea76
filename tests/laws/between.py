"""Worlds in which members have to do with each other: they give points away, pool them, leave, turn out to be one."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from loyalty.program import Cap, Program
from loyalty.program_between import PoolingTerms, TransferTerms
from tests.laws.worlds import POINTS, STARS, Draw, World, pick, programs, streams
from tests.loyalty.books import program
from tests.loyalty.events import back, fact, household, instant, member_event, merge, micros, purchase, transfer

_LIMITS = [(), (), (Cap(30, per="day"),), (Cap(2, "awards", "lifetime"),)]
_POOLING = [
    PoolingTerms(100, 6, (POINTS, STARS)),
    None,
    PoolingTerms(100, 6, (POINTS,)),
    PoolingTerms(50, 2, (POINTS, STARS)),
]


def _program(draw: Draw, *, lives: bool) -> Program:
    terms = [TransferTerms(POINTS, 1, pick(draw, [None, 40]), pick(draw, [0, 0, 2]), pick(draw, _LIMITS))]
    drawn: Program = draw(programs(lives=lives))
    return replace(
        drawn,
        transfers=(*terms, TransferTerms(STARS)),
        pooling=pick(draw, _POOLING),
        closing=pick(draw, ["keep", "expire"]),
        enrollment=pick(draw, ["automatic", "automatic", "required"]),
    )


@st.composite
def between_worlds(draw: Draw, /, *, members: int = 3, lives: bool = False, **of_stream: Any) -> World:
    """A random program, and a stream with transfers and members who leave among the other events."""
    names = [f"m{number}" for number in range(1, members + 1)]
    events = [member_event(f"join-{name}", "enrolled", member=name, time="2026-03-06T19:00:00Z") for name in names[:-1]]
    if draw(st.booleans()):
        home = "2026-03-06T19:00:01Z"
        events += [household(f"home-{name}", "h", names[0], member=name, time=home) for name in names[1:]]
    for number, event in enumerate(draw(streams(members=members, **of_stream))):
        events.append(event)
        when = instant(fact(event).time_us)
        events += [_extra(draw, f"x{number}-{extra}", names, when) for extra in range(pick(draw, [0, 1, 1, 2]))]
    return World(_program(draw, lives=lives), events)


def _extra(draw: Draw, event_id: str, names: list[str], when: str) -> bytes:
    one, other = pick(draw, names), pick(draw, [*names, "nobody"])
    if draw(st.integers(0, 9)) == 0:
        return merge(event_id, other, member=one, time=when)
    if draw(st.integers(0, 15)) == 0:
        return member_event(event_id, "closed", member=one, time=when)
    if draw(st.integers(0, 3)) == 0:
        holder = pick(draw, ["m1", "m1", "m1", other, ""])
        return household(event_id, pick(draw, ["h", "h", "h", "i"]), holder, member=one, time=when)
    points, currency = pick(draw, [1, 3, 7, 20, 60]), pick(draw, [POINTS, POINTS, STARS])
    return transfer(event_id, other, points, member=one, time=when, currency=currency)


_EARN = 'earn: [{id: base, on: purchase, give: {points: 1, per: "1.00"}}]\ntransfers: {}\n'
_POINTS = ["", "points: {points: {name: P, pending: PT5M}}\n", "points: {points: {name: P, expiry: {after: P1D}}}\n"]
_POOLS = ["{}", "{share: 70}", "{max_members: 2}"]


@st.composite
def pool_worlds(draw: Draw, /) -> World:
    """A household in which much is returned: members buy, return, leave and join again; the holder gives away."""
    closing = pick(draw, ["keep", "expire"])
    text = f"{_EARN}{pick(draw, _POINTS)}pooling: {pick(draw, _POOLS)}\nclosing: {{points: {closing}}}\n"
    start_us = micros("2026-03-02T12:00:00Z")
    sales: list[tuple[str, str]] = []
    events = [member_event(f"join-{name}", "enrolled", member=name) for name in ("m1", "m2", "m3")]
    events += [household(f"home-{name}", "h", "m1", member=name) for name in ("m2", "m3")]
    for number in range(draw(st.integers(2, 14))):
        when = instant(start_us + 60_000_000 * draw(st.integers(number, 3 * number)))
        who, event_id = pick(draw, ["m2", "m2", "m3", "m1"]), f"e{number}"
        kind = pick(draw, ["buy", "buy", "buy", "return", "return", "return", "give", "leave", "join", "end", "merge"])
        if kind == "return" and sales:
            of, who = pick(draw, sales)
            cents = pick(draw, [300, 700, 1_000])
            events.append(back(event_id, of, [("1", "0", cents)], member=who, time=when))
        elif kind == "give":
            events.append(
                transfer(event_id, "x", pick(draw, [5, 10, 20]), member=pick(draw, ["m1", "m1", "m2"]), time=when)
            )
        elif kind == "leave":
            events.append(household(event_id, member=who, time=when))
        elif kind == "join":
            events.append(household(event_id, "h", "m1", member=who, time=when))
        elif kind == "end" and draw(st.integers(0, 2)) == 0:
            events.append(member_event(event_id, "closed", member=who, time=when))
        elif kind == "merge":
            events.append(merge(event_id, pick(draw, ["m1", "m2", "x"]), member=who, time=when))
        else:
            sales.append((event_id, who))
            events.append(purchase(event_id, 1_000, member=who, time=when))
    return World(program(text), events)
