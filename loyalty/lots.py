"""Lots: every point lives in the lot that it was earned in until it is spent, taken back or expires.

A currency's lots are kept as one text, `id,earned_us,ends_us,left;...` in order of booking. Members with
hundreds of lots earn far more often than they spend: adding a lot then costs a string append, and only what
takes points out reads the text.

Invariants:
  L1 every lot has left > 0; an empty lot is not kept
  L2 lots are used in the order (soonest end, earned first, booked first); never-ending lots last
  L3 the sum of left, minus the member's debt, is available + pending

Not here: debt (account.py), when lots end (due.py).
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import starmap
from typing import NamedTuple

from loyalty.making import maker

NEVER = ""


class Lot(NamedTuple):
    """Points earned together. `ends_us` None: they never end; otherwise the first instant they are not usable."""

    lot_id: str
    earned_us: int
    ends_us: int | None
    left: int


_lot = maker(Lot)


def text_of(lot_id: str, earned_us: int, ends_us: int | None, left: int) -> str:
    """The lot of these fields as it stands in the text; "" when nothing is left in it."""
    return f"{lot_id},{earned_us},{NEVER if ends_us is None else ends_us},{left};" if left > 0 else ""


def added(lots: str, lot: Lot) -> str:
    """The lots with one more; unchanged when nothing is left in it."""
    return lots + text_of(*lot)


# Whoever looks at an account because it is due asks several times; a few texts are kept, since they may be long.
@lru_cache(maxsize=4)
def parsed(lots: str) -> tuple[Lot, ...]:
    """The lots, in order of booking."""
    found = []
    for text in lots.split(";")[:-1]:
        lot_id, earned, ends, left = text.split(",")
        found.append(_lot(lot_id, int(earned), int(ends) if ends else None, int(left)))
    return tuple(found)


def joined(lots: Iterable[Lot]) -> str:
    """The text of the lots that have something left."""
    return "".join(starmap(text_of, lots))


def left_total(lots: str) -> int:
    """The sum of what is left in the lots."""
    return sum(lot.left for lot in parsed(lots))


def _use_order(lot: Lot) -> tuple[bool, int, int]:
    return lot.ends_us is None, lot.ends_us or 0, lot.earned_us


def taken(lots: str, amount: int, first: str = "") -> tuple[str, list[tuple[str, int]]]:
    """Take `amount` out of the lots, out of lot `first` before any other.

    Returns the lots that remain and what came from which lot; that may sum to less than `amount`.
    """
    all_lots = list(parsed(lots))
    order = sorted(range(len(all_lots)), key=lambda i: (all_lots[i].lot_id != first, *_use_order(all_lots[i])))
    parts = []
    for i in order:
        if amount == 0:
            break
        lot = all_lots[i]
        part = min(lot.left, amount)
        all_lots[i] = lot._replace(left=lot.left - part)
        amount -= part
        parts.append((lot.lot_id, part))
    return joined(all_lots), parts


def spent(lots: str, amount: int, usable: Callable[[Lot], bool]) -> tuple[str, tuple[Lot, ...]]:
    """Take `amount` out of the usable lots, in the order of use.

    Returns the lots that remain and what came out of which lot, as a lot with that in it.
    """
    all_lots = list(parsed(lots))
    places = [place for place, lot in enumerate(all_lots) if usable(lot)]
    parts = []
    for place in sorted(places, key=lambda place: _use_order(all_lots[place])):
        lot = all_lots[place]
        part = min(lot.left, amount)
        if part == 0:
            break
        amount -= part
        all_lots[place] = lot._replace(left=lot.left - part)
        parts.append(lot._replace(left=part))
    return joined(all_lots), tuple(parts)


def without_first(parts: Iterable[Lot], amount: int) -> list[Lot]:
    """The parts without their first `amount` points."""
    rest = []
    for lot in parts:
        gone = min(amount, lot.left)
        amount -= gone
        if lot.left > gone:
            rest.append(lot._replace(left=lot.left - gone))
    return rest


def restored(lots: str, parts: Iterable[Lot]) -> str:
    """Put points back into the lots that they came from, which are made again where they are gone.

    A lot is known by its id and its end: what lives longer than the rest of its lot stands beside it.
    """
    back: dict[tuple[str, int | None], int] = {}
    made: list[Lot] = []
    for part in parts:
        key = part.lot_id, part.ends_us
        if key not in back:
            made.append(part._replace(left=0))
        back[key] = back.get(key, 0) + part.left
    return joined(
        lot._replace(left=lot.left + back.pop((lot.lot_id, lot.ends_us), 0)) for lot in (*parsed(lots), *made)
    )


def put_back(lots: str, lot: Lot) -> str:
    """Put points into lot `lot.lot_id`, which is made again if it is gone."""
    all_lots = list(parsed(lots))
    for i, present in enumerate(all_lots):
        if present.lot_id == lot.lot_id:
            all_lots[i] = present._replace(left=present.left + lot.left)
            return joined(all_lots)
    return added(lots, lot)
