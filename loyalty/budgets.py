"""What all members share, as a program says it: limits, and the surprises that are paid from a budget.

Not here: how a limit is kept (limits.py), who is surprised (surprises.py).
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

from loyalty.program import Cap, When

DRAW_BYTES = 8
"""So many bytes of a checksum count in a draw."""


def draw_bound(share: Fraction) -> bytes:
    """The lowest checksum that is not drawn: as many lie below it as the share says. Empty when all are drawn."""
    bound = ceil(share * (1 << 8 * DRAW_BYTES))
    return bound.to_bytes(DRAW_BYTES, "big") if share < 1 else b""


@dataclass(frozen=True, slots=True)
class LimitTerms:
    """So many units for all members together, in each local `per`: day, week, month, year or lifetime."""

    capacity: int
    per: str = "lifetime"


@dataclass(frozen=True, slots=True)
class Surprise:
    """Points for a `share` of events (`on`: purchase, review, share, engagement) or of members, within a budget.

    `draw` is event or member: each event draws for itself, or each member once in a local `per` (day, week, month,
    year, lifetime), given with the first event then. `seed` begins the text that is drawn by. `points` are fixed;
    with `times` it is so many times what the purchase earned, of which it has one already. `budget` is the limit's id.
    """

    id: str
    name: str
    on: str
    currency: str
    share: Fraction
    seed: str
    budget: str
    points: int = 0
    times: Fraction | None = None
    draw: str = "event"  # event | member
    per: str = ""
    when: When = field(default_factory=When)
    min_spend_minor: int = 0
    caps: tuple[Cap, ...] = ()
    returns: str = "take_back"  # take_back | keep
    refill: bool = False
