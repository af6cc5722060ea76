"""Accounts for people and for comparison: a line of JSON for each member and limit, the same from worker and replay.

Not here: how accounts are stored (schemas/state.py).
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from loyalty.account import Head, Limit
from loyalty.calendar import period_last_ordinal
from loyalty.lots import Lot, parsed
from schemas.encode import instant_text
from schemas.state import written


def account_fields(head: Head) -> dict[str, Any]:
    """What an account holds, in words: balances, tier, lots, what it owes, how much it has qualified for."""
    return {
        "member": head.member,
        "status": head.status,
        "enrolled_at": instant_text(head.enrolled_us) if head.enrolled_us >= 0 else None,
        "balances": {
            currency: {"available": available, "pending": pending}
            for currency, (available, pending) in sorted(head.balances.items())
        },
        "debts": dict(sorted(head.debts.items())),
        "tier": head.tier or None,
        "tier_since": instant_text(head.tier_since_us) if head.tier else None,
        "tier_until": None if head.tier_until_us is None else instant_text(head.tier_until_us),
        "qualifying": {name: sums.total for name, sums in sorted(head.qualifying.items())},
        "lots": {
            currency: [_lot(lot, lot.ends_us or head.active_until.get(currency)) for lot in parsed(lots)]
            for currency, lots in sorted(head.lots.items())
        },
        "pending_lots": [
            {"currency": one.currency, **_lot(one.lot, one.lot.ends_us), "matures_at": instant_text(one.matures_us)}
            for one in head.maturing
            if one.lot.left
        ],
        "sequences": {
            "ledger": head.ledger_sequence,
            "balances": head.balances_sequence,
            "tiers": head.tiers_sequence,
            "notices": head.notices_sequence,
            "rewards": head.rewards_sequence,
        },
    }


def _lot(lot: Lot, ends_us: int | None) -> dict[str, Any]:
    return {
        "lot": lot.lot_id,
        "earned_at": instant_text(lot.earned_us),
        "ends_at": None if ends_us is None else instant_text(ends_us),
        "left": lot.left,
    }


def account_lines(heads: Iterable[Head]) -> Iterator[bytes]:
    """A line for each account, sorted by member."""
    for head in sorted(heads, key=lambda each: each.member):
        yield written(account_fields(head)) + b"\n"


def limit_fields(limit: Limit) -> dict[str, Any]:
    """What the account of a limit holds, in words. `capacity` and `per` are what the program last said."""
    periods = sorted({*limit.taken, *limit.added}, key=lambda period: (period_last_ordinal(period) or 0, period))
    return {
        "limit": limit.limit,
        "capacity": limit.capacity,
        "per": limit.per,
        "periods": [
            {
                "last_day": _last_day(period),
                "added": limit.added.get(period, 0),
                "taken": limit.taken.get(period, 0),
            }
            for period in periods
        ],
        "restocks": [
            {
                "restock_id": one.restock_id,
                "time": instant_text(one.time_us),
                "units": one.units,
                "reason": one.reason,
                "operator": one.operator,
                "reference": one.reference,
            }
            for one in limit.restocks
        ],
    }


def _last_day(period: str) -> str | None:
    """The last local day of a period; None when it has no end."""
    last = period_last_ordinal(period)
    return None if last is None else date.fromordinal(last).isoformat()


def limit_lines(limits: Iterable[Limit]) -> Iterator[bytes]:
    """A line for each limit, sorted by id."""
    for limit in sorted(limits, key=lambda each: each.limit):
        yield written(limit_fields(limit)) + b"\n"
