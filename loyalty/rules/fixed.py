"""Points once for a purchase in which any line counts: 50 points for a basket with a cake in it."""

UNITS = 1
BY_LINE = False


def measure(amount_minor: int, quantity_micro: int) -> int:  # noqa: ARG001 one shape for all kinds
    """One, whatever the lines are worth."""
    return 1
