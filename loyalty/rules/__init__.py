"""Earn rules on purchases: what each kind measures in the lines that count.

A rule gives `measure * rate` points. To add a kind: a module here, a line in the table, a golden test in
tests/golden named after it, and the word in the program's model; tests/loyalty/test_rules.py fails until
all of them exist.
"""

from collections.abc import Mapping
from typing import Protocol

from loyalty.rules import fixed, per_amount, per_item


class Kind(Protocol):
    """What a kind's module says.

    LINE_FIELD: the field of a line whose sum over the lines is the measure; None: the measure is 1, once for the
    purchase. UNITS: how many units of the measure make one of what the rate is for.
    """

    LINE_FIELD: str | None
    UNITS: int


EARN_RULES: Mapping[str, Kind] = {
    "per_amount": per_amount,
    "per_item": per_item,
    "fixed": fixed,
}
"""Key = `PurchaseRule.kind`."""
