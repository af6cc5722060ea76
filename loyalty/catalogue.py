"""What points can be spent on: rewards with their prices and limits, and paying with points.

Invariants (the loader establishes them):
  W1 ids of rewards are unique, also among rules and multipliers: ledger entries name all of them
  W2 a price is above 0, and so is what a point is worth
  W3 `times` of a season and of a reward restrict when, never who

Not here: whether a member may have a reward (redemption.py), how lots are used (lots.py).
"""

from dataclasses import dataclass
from fractions import Fraction

from loyalty.calendar import Local, in_every_year, in_hours, in_window
from loyalty.program import Cap, When

PAYMENT = "pay_with_points"
"""Stands for the rule where points paid for a sale; nothing else of a program may have this id."""


@dataclass(frozen=True, slots=True)
class Season:
    """Another price of a reward at some times."""

    name: str
    price: int
    times: When


@dataclass(frozen=True, slots=True)
class Reward:
    """A reward. `price` is in the smallest unit of its points; `limits` count pieces for each member.

    `kind` is money_off, product, sample, free_shipping, gift_card, experience, event or donation. `face_value_minor`
    is what one piece is worth in the program's money, 0 where that says nothing.
    """

    id: str
    name: str
    kind: str
    currency: str
    price: int
    times: When
    seasons: tuple[Season, ...] = ()
    tiers: frozenset[str] | None = None
    segments: frozenset[str] | None = None
    limits: tuple[Cap, ...] = ()
    face_value_minor: int = 0
    sku: str = ""

    def price_at(self, local: Local) -> tuple[int, str]:
        """The price of one piece at a time, and the season that sets it ("" when none does).

        Of several seasons the one that is best for the member counts.
        """
        open_now = [season for season in self.seasons if is_within(season.times, local)]
        best = min(open_now, key=lambda season: season.price, default=None)
        return (self.price, "") if best is None else (best.price, best.name)


@dataclass(frozen=True, slots=True)
class Payment:
    """How points pay for a sale. Points are in the smallest unit, `worth` in minor units of the program's money.

    Points are spent in whole `block`s, at least `minimum` of them, and pay at most `share` of what is to be paid.
    """

    currency: str
    worth: Fraction
    block: int = 1
    minimum: int = 0
    share: Fraction = Fraction(1)


def is_within(times: When, local: Local) -> bool:
    """Whether a time meets all restrictions of time."""
    return (
        (times.windows is None or any(in_window(window, local) for window in times.windows))
        and (times.every_year is None or any(in_every_year(days, local) for days in times.every_year))
        and (times.weekdays is None or local.weekday in times.weekdays)
        and (times.hours is None or any(in_hours(hours, local) for hours in times.hours))
    )
