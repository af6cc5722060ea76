"""Percentiles, exact: every wait is kept, none is sorted into a bucket."""

from collections.abc import Sequence
from math import ceil


def percentile(waits: Sequence[float], percent: float) -> float:
    """The smallest wait that at least `percent` of all do not exceed. Raises ValueError without any."""
    if not waits:
        raise ValueError("nothing was waited for")
    return sorted(waits)[max(0, ceil(len(waits) * percent / 100) - 1)]
