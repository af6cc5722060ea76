"""What points can be spent on, as a marketer writes it: the catalogue of rewards, and paying with points.

Invariants:
  M1 unknown keys are refused everywhere
  M2 a new key has a default, so that it changes the digest of no program that does not use it

Not here: what it is compiled to (program_catalogue.py), rules that give points (program_earn.py).
"""

from typing import Annotated, Final

from pydantic import Field

from schemas.program_earn import Model, Times
from schemas.program_values import (
    Choice,
    Exact,
    Id,
    Ids,
    Name,
    OneOrMany,
    Period,
    PeriodOr,
    Text,
    Texts,
    Whole,
)

KINDS: Final = (
    "money_off",
    "product",
    "sample",
    "free_shipping",
    "gift_card",
    "experience",
    "event",
    "donation",
)


class Season(Times):
    """Another price at some times."""

    name: Name | None = None
    """For people: Winter price."""
    price: Exact
    """The price of one, in points, in these times. Of several seasons the best for the member counts."""


class RewardWhen(Times):
    """Who may have it, and when. Every key that is given must hold."""

    tiers: Ids | None = None
    """Members of these tiers only."""
    segments: Texts | None = None
    """Members in any of these segments only."""


class RewardLimit(Model):
    """At most so many for each member in a period."""

    number: Whole
    """So many of them."""
    per: Annotated[str, Choice("day", "week", "month", "year", "lifetime")] | None = None
    """A period of the local calendar."""
    rolling: Period | None = None
    """In place of per: the days before, for example P30D."""


class Reward(Model):
    """Something that points buy."""

    id: Id
    """Unique among rewards and rules; stands in every ledger entry of the reward, and in its orders."""
    name: Name | None = None
    """For people."""
    kind: Annotated[str, Choice(*KINDS)]
    """What kind of thing: whoever delivers goes by it."""
    price: Exact
    """The price of one, in points."""
    kind_of_points: Annotated[Id | None, Field(alias="in")] = None
    """Which points; the first of the program if left out."""
    seasons: Annotated[tuple[Season, ...], Field(max_length=50), OneOrMany()] = ()
    """Other prices at other times: {price: 90, every_year: {from: 01-07, to: 02-28}}."""
    face_value: Exact | None = None
    """What one is worth, in the program's money: money_off and gift_card need it."""
    sku: Text | None = None
    """The product, for whoever delivers it."""
    stock: Whole | None = None
    """So many pieces for all members together; what is delivered later is added by loyalty.stock.v1."""
    places: Whole | None = None
    """The same, said of an experience or event."""
    when: RewardWhen = RewardWhen()
    at_most: Annotated[tuple[RewardLimit, ...], Field(max_length=10), OneOrMany()] = ()
    """Limits for each member: {number: 2, per: month}. Several must all hold."""


class PayWithPoints(Model):
    """How points pay for a sale: {points: 100, worth: "1.00"}."""

    points: Exact
    """So many points ..."""
    worth: Exact
    """... pay so much, in the program's money."""
    kind_of_points: Annotated[Id | None, Field(alias="in")] = None
    """Which points; the first of the program if left out."""
    block: Exact | None = None
    """Points are used in whole blocks of so many. Without it: single ones."""
    minimum: Exact | None = None
    """At least so many points at a time."""
    max_percent: Annotated[Whole, Field(ge=1, le=100)] = 100
    """At most so many percent of what is to be paid."""


class Redemptions(Model):
    """What becomes of redemptions that come to nothing."""

    keep: Annotated[str, PeriodOr("forever")] = "P400D"
    """How long a redemption can be cancelled; or forever."""
    grace: Period | None = None
    """How long points live that come back after their end. Without it they end at once."""
