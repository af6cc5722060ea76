"""What members do with each other's points, as a program says it in its compiled form.

Not here: what becomes of the points (transfers.py, closing.py).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loyalty.program import Cap


@dataclass(frozen=True, slots=True)
class TransferTerms:
    """How points of a kind may be given to another member; amounts are in the smallest unit.

    `caps` limit the points, or the number of transfers ("awards"), in a period.
    """

    currency: str
    min_points: int = 1
    max_points: int | None = None
    fee: int = 0
    caps: "tuple[Cap, ...]" = ()


@dataclass(frozen=True, slots=True)
class PoolingTerms:
    """Which share of what members of a household earn goes to whoever holds its pool, in whole percent.

    `max_members` counts everybody in the household, the holder too. `currencies` are the kinds of points.
    """

    share: int
    max_members: int
    currencies: tuple[str, ...]
