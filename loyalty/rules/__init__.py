"""Earn rules on purchases: what each kind measures in the lines that count.

A rule gives `measure * rate` points. To add a kind: a module here, a line in the table, a golden test in
tests/golden named after it, and the word in the program's model; tests/loyalty/test_rules.py fails until
all of them exist.
"""

from collections.abc import Mapping
from typing import Protocol

from loyalty.rules import fixed, per_amount, per_item


class Measure(Protocol):
    """What a kind of rule counts in a group of lines, given their summed amount and quantity."""

    def __call__(self, amount_minor: int, quantity_micro: int) -> int:
        """The measure of the group, an integer in the unit that the kind's rate is given for."""


class Kind(Protocol):
    """The parts of a kind's module."""

    measure: Measure
    UNITS: int  # how many units of the measure make one of what the rate is for
    BY_LINE: bool  # whether lines add up; False: once for the purchase


EARN_RULES: Mapping[str, Kind] = {
    "per_amount": per_amount,
    "per_item": per_item,
    "fixed": fixed,
}
"""Key = `PurchaseRule.kind`."""
