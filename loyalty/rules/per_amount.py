"""Points for each unit of money: 1 point for each 1.00 gives 19 points on 19.99."""

UNITS = 1
BY_LINE = True


def measure(amount_minor: int, quantity_micro: int) -> int:  # noqa: ARG001 one shape for all kinds
    """Money paid for the lines, in minor units."""
    return amount_minor
