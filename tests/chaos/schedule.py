"""What is done to the engine, and when: drawn from a seed, so that a campaign can be run again.

Invariants:
  C1 the same seed, length and goals give the same schedule, on every machine; the moments at which a process is hit
     within its work differ, since machines do
  C2 each target has its faults in order of time, and one at a time
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Fault(StrEnum):
    """A kind of fault."""

    KILL = "kill"
    """A worker, with -9: one that owns partitions, or whatever it does: it may start, restore or hand over."""
    FREEZE = "freeze"
    """A worker that is ready, beyond its session timeout; then it wakes, and is a zombie."""
    STOP = "stop"
    """A worker, with SIGTERM; it stays away for a while. Two rebalances."""
    REFUSE = "refuse"
    """A call of a worker's producer fails."""
    CUT = "cut"
    """The connection of the worker that reaches the broker through the proxy."""
    BROKER_KILL = "broker kill"
    BROKER_FREEZE = "broker freeze"
    READER_KILL = "reader kill"
    """The downstream reader, with -9."""


class Cut(StrEnum):
    """What a proxy does to connections."""

    DELAY = "delay"
    """Bytes come late."""
    DROP = "drop"
    """Bytes vanish, and the connections with them when it is over."""
    RESET = "reset"
    """Connections are reset, and new ones at once."""


class Refuse(StrEnum):
    """Which call of a producer fails, and how."""

    BEGIN = "begin"
    SEND = "send"
    """A batch of records is not written; the others of its transaction are."""
    COMMIT_REFUSED = "commit refused"
    COMMIT_UNHEARD = "commit unheard"
    """The transaction is committed, and nobody hears of it."""


class Moment(StrEnum):
    """When a worker is killed."""

    OWNER = "owner"
    ANY = "any moment"


class Strike(NamedTuple):
    """One fault of the schedule."""

    at_seconds: float
    """Since the start of the campaign; later when the one before on the same target takes longer."""
    fault: Fault
    target: str
    """`worker 1`, `broker`, `proxy` or `reader`."""
    seconds: float = 0.0
    """How long it lasts; of a kill, how old the process has to be."""
    how: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goals:
    """How many of each a campaign has to bring about, at least."""

    kills: int = 100
    zombies: int = 20
    """Workers that were frozen beyond their session, woke up and were fenced."""
    broker_deaths: int = 20
    broker_freezes: int = 6
    rebalances: int = 50
    stops: int = 40
    refusals: int = 20
    cuts: int = 24
    reader_kills: int = 12


FREEZES_PER_ZOMBIE = 2
"""Not every worker that was frozen is fenced: one without a batch may join again, which is fine."""
AIMED_SHARE = 0.65
"""Of the freezes: in the middle of a transaction."""
STRIKES_PER_GOAL = 1.1
"""Some miss: what they are for does not come about in time."""
SESSION_SECONDS = 6.0


def schedule(seed: int, seconds: float, goals: Goals, *, workers: int, with_switch: int) -> list[Strike]:
    """All strikes, in order of time.

    Worker `with_switch` is the one whose calls are made to fail, and whose freezes are aimed.
    Kinds are spread over the whole length, each by itself, so that each meets each.
    """
    chance = random.Random(f"{seed}:{seconds}:{goals}:{workers}")
    slots = [f"worker {number}" for number in range(workers)]
    # A freeze that is aimed leaves a transaction open; and who is frozen more is killed less.
    failing = f"worker {with_switch}"
    others = [slot for slot in slots if slot != failing] or slots

    def spread(goal: int) -> Iterator[float]:
        count = math.ceil(goal * STRIKES_PER_GOAL)
        return ((number + chance.random()) * seconds / count for number in range(count))

    strikes = [
        Strike(at, Fault.KILL, chance.choice((*slots, *others)), chance.uniform(0, 6), chance.choice(list(Moment)))
        for at in spread(goals.kills)
    ]
    strikes += [
        Strike(
            at,
            Fault.FREEZE,
            failing if chance.random() < AIMED_SHARE else chance.choice(others),
            SESSION_SECONDS + chance.uniform(1.5, 4),
        )
        for at in spread(goals.zombies * FREEZES_PER_ZOMBIE)
    ]
    strikes += [Strike(at, Fault.STOP, chance.choice(slots), chance.uniform(0, 5)) for at in spread(goals.stops)]
    for number, at in enumerate(spread(goals.refusals)):
        strikes.append(Strike(at, Fault.REFUSE, failing, how=_turn(list(Refuse), number)))
    for number, at in enumerate(spread(goals.cuts)):
        long = chance.random() < 0.4  # Beyond the session of the worker behind it.
        lasting = SESSION_SECONDS + chance.uniform(1, 4) if long else chance.uniform(0.2, 4)
        strikes.append(Strike(at, Fault.CUT, "proxy", lasting, _turn(list(Cut), number)))
    strikes += [Strike(at, Fault.BROKER_KILL, "broker", chance.uniform(0.2, 2)) for at in spread(goals.broker_deaths)]
    for at in spread(goals.broker_freezes):
        strikes.append(Strike(at, Fault.BROKER_FREEZE, "broker", chance.uniform(1, 9)))
    strikes += [Strike(at, Fault.READER_KILL, "reader") for at in spread(goals.reader_kills)]
    return sorted(strikes)


def _turn(kinds: Sequence[StrEnum], number: int) -> str:
    return kinds[number % len(kinds)].value
