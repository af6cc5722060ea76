"""The good little program that the tests of programs change, and where the shipped ones are."""

from pathlib import Path
from typing import Final

PROGRAMS: Final = Path(__file__).parents[2] / "config" / "programs"
SHIPPED: Final = ("coffee-club", "grocery", "one-per-unit")

CLUB: Final = """\
program: club
version: "1"
effective_from: 2026-01-01
zone: America/New_York
money: USD
points: {stars: {name: Stars}}
earn:
  - id: base
    on: purchase
    give: {points: 1, per: "1.00"}
  - id: review
    on: review
    give: {points: 25}
tiers:
  levels:
    - {id: bronze, from: 0}
    - {id: gold, from: 100}
multiply:
  rules:
    - {id: double, factor: 2}
"""


def club(old: str = "", new: str = "") -> str:
    """The little program with one passage changed; the passage must be there."""
    if old not in CLUB:
        raise ValueError(old)
    return CLUB.replace(old, new, 1) if old else CLUB
