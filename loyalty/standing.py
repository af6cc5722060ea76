"""A member's standing: adding to the tier basis and rising through the levels.

Not here: the sums themselves (tiers.py).
"""

from loyalty import tiers as sums
from loyalty.calendar import Local
from loyalty.decisions import TierChange, derived_id
from loyalty.ledger import Work
from loyalty.program import ActivityRule, PurchaseRule, ReferralRule, Tiers

NO_SUMS = sums.Sums()


def qualify(work: Work, tiers: Tiers, local: Local, amount: int, lot_id: str) -> None:
    """Add `amount` to the sum of the event's period; for points that are pending in the lot, once they mature."""
    maturing = work.head.maturing
    if maturing and tiers.basis == "points":
        for at, one in enumerate(maturing):
            if one.lot.lot_id == lot_id:
                changed = one._replace(qualifies=one.qualifies + amount)
                work.head.maturing = (*maturing[:at], changed, *maturing[at + 1 :])
                return
    settle(work, tiers, local, amount)


def settle(work: Work, tiers: Tiers, local: Local, amount: int) -> None:
    """Add `amount` to the sum of the period of `local` now."""
    key = sums.qualifying_key(tiers)
    held = work.head.qualifying.get(key, NO_SUMS)
    work.head.qualifying[key] = sums.added(held, sums.period_number(tiers, local), amount, tiers)


def tier_with(work: Work, tiers: Tiers, local: Local, amount: int) -> str:
    """The tier that the member would have with `amount` more."""
    if _is_foreign(work):
        return work.head.tier
    number = sums.period_number(tiers, local)
    held = work.head.qualifying.get(sums.qualifying_key(tiers), NO_SUMS)
    index = sums.level_reached(tiers, sums.added(held, number, amount, tiers), number, _index(work))
    return tiers.levels[index].id


def raise_tier(work: Work, local: Local, reason: str, *, at_least: str = "") -> str:
    """Move the member up to the level that the sums reach; answers the new tier, or "" when nothing changed.

    `at_least` is a level that the member is given, whatever the sums say.
    """
    tiers = work.plan.program.tiers
    if tiers is None or _is_foreign(work):
        return ""
    head = work.head
    held = head.qualifying.get(sums.qualifying_key(tiers), NO_SUMS)
    number = sums.period_number(tiers, local)
    index = sums.level_reached(tiers, held, number, max(_index(work), work.plan.level_index.get(at_least, 0)))
    level = tiers.levels[index]
    if level.id == head.tier:
        return ""
    head.tiers_sequence += 1
    work.tiers.append(
        TierChange(
            derived_id(work.cause, "tier", head.member, level.id, work.leg),
            head.member,
            work.plan.program.id,
            head.tier or None,
            level.id,
            reason,
            level.benefits,
            None,
            sums.progress(work.plan.program, index, sums.qualifying_sum(tiers, held, number)),
            work.cause,
            work.time_us,
            work.now_us,
            head.tiers_sequence,
        )
    )
    head.tier = level.id
    head.tier_since_us = work.time_us
    return level.id


def counts(tiers: Tiers, rule: PurchaseRule | ActivityRule | ReferralRule) -> bool:
    """Whether what the rule gives adds to a tier basis of points."""
    return tiers.basis == "points" and rule.qualifies and rule.currency == tiers.currency


def _is_foreign(work: Work) -> bool:
    """Whether the member has a tier that the event's version does not know: a late event must not take it away."""
    return bool(work.head.tier) and work.head.tier not in work.plan.level_index


def _index(work: Work) -> int:
    """The level that the member is in; the lowest before the first."""
    return work.plan.level_index.get(work.head.tier, 0)
