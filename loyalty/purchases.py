"""Purchases: from a basket to points, the tier basis and the record that returns will need.

Not here: what the rules give (earning.py), returns (returns.py).
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from loyalty import caps, referrals
from loyalty.account import PurchaseRecord
from loyalty.apportion import ZERO, Exact, plus
from loyalty.calendar import Local, local_time
from loyalty.circumstances import Circumstances
from loyalty.contexts import purchase_context
from loyalty.decisions import Code, Refusal
from loyalty.earning import Basket, Earned, basket_of, counted_spend, evaluate, whole_points
from loyalty.explanation import explained
from loyalty.facts import Purchase, Scalar
from loyalty.ledger import Work, lot_id_of
from loyalty.making import maker
from loyalty.plan import Plan
from loyalty.program import PurchaseRule, Tiers
from loyalty.standing import counts, qualify, raise_tier, tier_with

KIND = "earn"

_made_record = maker(PurchaseRecord)


def decide_purchase(work: Work, fact: Purchase, key: str, keep_until_us: int | None) -> Refusal | None:
    """Book what the basket earns; a refusal when the program cannot value it.

    The record is written under `key`, and dropped `keep_until_us`.
    """
    plan, head = work.plan, work.head
    refusal = _acceptable(plan, fact)
    if refusal is not None:
        return refusal
    local = local_time(fact.time_us, plan.program.zone)
    basket = basket_of(plan, fact)
    circumstances = purchase_circumstances(plan, fact, local, head.tier, head.segments, head.attributes)
    tier_before = head.tier
    earned = evaluate(plan, basket, circumstances)
    points = whole_points(plan, earned)
    tiers = plan.program.tiers
    if tiers is not None and tiers.crossing == "same" and not _waits(plan, tiers):
        would_grant = _capped(dict(head.counters), earned, points, local, fact)
        reached = tier_with(work, tiers, local, qualified(tiers, fact, basket, _parts(earned, points, would_grant)))
        if reached != head.tier:
            tier_before = reached
            earned = evaluate(plan, basket, circumstances.with_tier(reached))
            points = whole_points(plan, earned)
    grants = _capped(head.counters, earned, points, local, fact)
    granted: dict[str, int] = {}
    by_currency: dict[str, list[tuple[str, int]]] = {}
    for one, grant in zip(earned, grants, strict=True):
        if grant:
            granted[one.rule.id] = grant
            by_currency.setdefault(one.rule.currency, []).append((one.rule.id, grant))
    lot_ids = {currency: lot_id_of(fact.cause, head.member, KIND, currency) for currency in by_currency}
    for currency, parts in by_currency.items():
        work.credit(currency, parts, lot_ids[currency], new_lot=True)
    work.book(KIND, "purchase", explained(plan, basket, earned, points, grants))
    basis, amount = "", 0
    if tiers is not None:
        basis, amount = plan.qualifying_key, qualified(tiers, fact, basket, _parts(earned, points, grants))
        qualify(work, plan, local, amount, lot_ids.get(tiers.currency, ""))
    raised_to = raise_tier(work, local, "qualified", fact.transaction_id)
    record = _record(fact, work, tier_before, granted, (basis, amount, raised_to), keep_until_us)
    work.writes[key] = record
    if head.referral is not None:
        referrals.qualify_by_purchase(work, head.referral, fact, counted_spend(basket))
    return None


def _waits(plan: Plan, tiers: Tiers) -> bool:
    """Whether points of the tier basis qualify only later, once they mature."""
    return tiers.basis == "points" and plan.currencies[tiers.currency].pending is not None


def _capped(
    counters: dict[str, int], earned: list[Earned], points: list[int], local: Local, fact: Purchase
) -> list[int]:
    """What caps leave of each rule's points; the counters are moved on."""
    grants = points.copy()
    for i, one in enumerate(earned):
        rule = one.rule
        if rule.caps:
            grants[i] = caps.granted(counters, rule.id, rule.caps, points[i], local, fact)
    return grants


def _acceptable(plan: Plan, fact: Purchase) -> Refusal | None:
    program = plan.program
    if fact.currency != program.money and fact.currency not in program.exchange:
        accepted = ", ".join([program.money, *program.exchange])
        return Refusal(
            Code.CURRENCY,
            f"the purchase is in {fact.currency}, the program takes {accepted}: "
            f"add {fact.currency} to `exchange` or send the purchase to the program of that currency",
        )
    if fact.store_zone:
        try:
            ZoneInfo(fact.store_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return Refusal(Code.UNKNOWN_ZONE, f"store_zone {fact.store_zone!r} is no IANA time zone, send one or none")
    return None


def purchase_circumstances(
    plan: Plan,
    purchase: Purchase | PurchaseRecord,
    local: Local,
    tier: str,
    segments: tuple[str, ...],
    attributes: Mapping[str, Scalar],
) -> Circumstances:
    """The circumstances of a purchase, for the member as of it."""
    found = Circumstances(local, tier, segments, attributes, purchase, partial(purchase_context, plan))
    found.at_store(purchase.store_id, purchase.channel, purchase.store_zone)
    return found


def qualifying_part(one: Earned, points: int, granted: int) -> Exact:
    """What a rule adds to a tier basis of points: its base without multipliers, after its caps' share."""
    base = one.base
    return base if granted == points else (base[0] * granted, base[1] * points)


def qualified(
    tiers: Tiers, purchase: Purchase | PurchaseRecord, basket: Basket, parts: Iterable[tuple[PurchaseRule, Exact]]
) -> int:
    """What the basket adds to the tier basis: the parts of the rules that qualify, or spend."""
    if tiers.basis == "spend":
        spend = counted_spend(basket)
        if basket.spend and tiers.spend_includes:  # tax on nothing that counts does not count either
            extras = {"tax": purchase.tax_minor, "shipping": purchase.shipping_minor, "tip": purchase.tip_minor}
            included = sum(extras[name] for name in tiers.spend_includes)
            spend = plus(spend, (included * basket.exchange[0], basket.exchange[1]))
        return spend[0] // spend[1]
    total = ZERO
    for rule, part in parts:
        if counts(tiers, rule):
            total = plus(total, part)
    return total[0] // total[1]


def _parts(earned: list[Earned], points: list[int], grants: list[int]) -> Iterator[tuple[PurchaseRule, Exact]]:
    return (
        (one.rule, qualifying_part(one, part, grant)) for one, part, grant in zip(earned, points, grants, strict=True)
    )


def _record(
    fact: Purchase,
    work: Work,
    tier: str,
    granted: dict[str, int],
    qualified: tuple[str, int, str],
    keep_until_us: int | None,
) -> PurchaseRecord:
    """What a return will need. `qualified` is under which key, how much, and the tier that it raised the member to."""
    key, amount, raised_to = qualified
    return _made_record(
        fact.transaction_id,
        fact.cause.source,
        fact.cause.id,
        fact.time_us,
        fact.content,
        work.plan.program.version,
        tier,
        work.head.segments,
        work.head.attributes,
        fact.store_id,
        fact.channel,
        fact.currency,
        fact.lines,
        fact.tenders,
        fact.tax_minor,
        fact.shipping_minor,
        fact.tip_minor,
        fact.store_zone,
        fact.attributes,
        granted,
        granted,
        key,
        amount,
        amount,
        raised_to,
        {},
        b"",
        keep_until_us,
    )
