"""What an account holds, in sums: from the state that a worker keeps, or from a line of accounts.ndjson.

Not here: whether it is right (walk.py).
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from loyalty.account import Head
from loyalty.lots import left_total

NO_POINTS = (0, 0)
_SEQUENCE = "_sequence"
NUMBERED: Final = {name.removesuffix(_SEQUENCE): name for name in Head.__slots__ if name.endswith(_SEQUENCE)}
"""Topic word -> the field of a head that numbers its records."""

Pots = tuple[int, int]
"""(available, pending)."""


class NoAccount(Exception):
    """A line or record that is no account; the message says what is wrong with it."""


class Held(NamedTuple):
    """An account. `sequences`: topic word -> number of the latest record there. `balances` must be `in_lots`."""

    member: str
    tier: str
    sequences: Mapping[str, int]
    balances: Mapping[str, Pots]
    in_lots: Mapping[str, Pots]


def held_of(head: Head) -> Held:
    """The sums of a head."""
    in_lots = {currency: (left_total(text), 0) for currency, text in head.lots.items()}
    for currency, owed in head.debts.items():
        available, pending = in_lots.get(currency, NO_POINTS)
        in_lots[currency] = available - owed, pending
    for one in head.maturing:
        available, pending = in_lots.get(one.currency, NO_POINTS)
        in_lots[one.currency] = available, pending + one.lot.left
    sequences = {word: getattr(head, name) for word, name in NUMBERED.items()}
    return Held(head.member, head.tier, sequences, head.balances, in_lots)


def held_in(line: bytes) -> Held:
    """The sums of a line that `account_lines` wrote. Raises NoAccount."""
    try:
        fields = orjson.loads(line)
        balances = {
            currency: (_whole(each["available"]), _whole(each["pending"]))
            for currency, each in fields["balances"].items()
        }
        return Held(fields["member"], fields["tier"] or "", fields["sequences"], balances, _in_lots(fields))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NoAccount(f"this is no account ({type(error).__name__}: {error})") from error


def _in_lots(fields: Mapping[str, Any]) -> dict[str, Pots]:
    found = {currency: (sum(_whole(lot["left"]) for lot in lots), 0) for currency, lots in fields["lots"].items()}
    for currency, owed in fields["debts"].items():
        available, pending = found.get(currency, NO_POINTS)
        found[currency] = available - _whole(owed), pending
    for lot in fields["pending_lots"]:
        available, pending = found.get(lot["currency"], NO_POINTS)
        found[lot["currency"]] = available, pending + _whole(lot["left"])
    return found


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is no whole number")
    return value
