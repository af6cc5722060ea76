"""Points for each item: 2 points for each bag gives 6 points on three bags, and 1 point on half a bag."""

from loyalty.facts import MICRO

UNITS = MICRO
BY_LINE = True


def measure(amount_minor: int, quantity_micro: int) -> int:  # noqa: ARG001 one shape for all kinds
    """Quantity of the lines, in millionths."""
    return quantity_micro
