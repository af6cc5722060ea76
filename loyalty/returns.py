"""Returns: the remaining basket is decided again, and the difference to what is held goes back.

The basket that is left is valued by the rules of the purchase, under the circumstances kept with it, each rule
giving at most what it was granted then. What a member holds afterwards therefore depends on what is left of
the basket alone, not on the order or number of returns.

With e the exact value of a rule now, p its exact value and a its points at the purchase, g what caps left of
them, a rule is worth m = min(e, g + max(p - a, 0)), and the member holds the rounded sum of all m, spread by the
largest remainder, no rule above g. That never rises when the basket shrinks, is all of g while nothing came
back, and 0 when nothing is left.

Invariants:
  R1 partial returns in any order and number end where one return of the same lines ends
  R2 a return never pays; a full return takes back exactly what the purchase still holds
  R3 points go back from the purchase's own lot first, then from the lots that end soonest, then become debt

Not here: blind returns (blind.py), returns before their purchase (parking.py).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from loyalty import caps
from loyalty.account import ACTIVE, PurchaseRecord, State
from loyalty.apportion import ZERO, Exact, ceiling, largest_remainder, lesser, plus, rounded
from loyalty.calendar import local_time, shifted_us
from loyalty.circumstances import Circumstances
from loyalty.decisions import Code, Posting, Refusal
from loyalty.earning import Earned, basket_of, evaluate, whole_points
from loyalty.facts import Cause, Line, Return, ReturnLine
from loyalty.ledger import Taken, Work, lot_id_of
from loyalty.plan import Plan
from loyalty.postings import DEBT, RETURNED, TRANSFERRED, available_of
from loyalty.purchases import KIND as EARN
from loyalty.purchases import purchase_circumstances, qualified, qualifying_part
from loyalty.restoring import restore_spent
from loyalty.standing import qualify
from loyalty.tier_life import fall_with_return

KIND = "return"
NOTHING_BACK = (0, 0)
PURCHASE_TYPE = "loyalty.purchase.v1"


def decide_return(
    work: Work, state: State, fact: Return, record: PurchaseRecord, plan: Plan
) -> Refusal | PurchaseRecord:
    """Book what goes back; answers the purchase's new record, or why the return is refused.

    `plan` is the version that the purchase was decided under.
    """
    program = plan.program
    keep = program.returns.keep
    if keep is not None and fact.time_us >= shifted_us(record.time_us, keep, program.zone):
        return Refusal(
            Code.RETURN_TOO_LATE,
            f"purchase {record.transaction_id} is older than `returns.keep`: the points stay, or correct them by hand",
        )
    returned = _returned(record, fact.lines)
    if isinstance(returned, Refusal):
        return returned
    left_before, left = remaining(record.lines, record.returned), remaining(record.lines, returned)
    if record.tenders:  # before points are taken back: what comes back may be taken, and is no debt then
        restore_spent(work, state, record, left_before, left, plan)
    bought = _bought(plan, record)
    held, room, qualified_held = _worth(plan, record, bought, left)
    _give_back(work, plan, record, held, fact.lines)
    if any(plan.rule_named[rule_id].caps for rule_id in record.granted):
        _, room_before, _ = _worth(plan, record, bought, left_before)
        _free_caps(work, plan, record, room_before, room)
    _lower_basis(work, plan, record, qualified_held)
    return record._replace(held=held, qualified_held=qualified_held, returned=returned)


def _returned(record: PurchaseRecord, lines: tuple[ReturnLine, ...]) -> dict[str, tuple[int, int]] | Refusal:
    """What came back of each line, this return included."""
    bought = {line.line_id: line for line in record.lines}
    returned = dict(record.returned)
    for line in lines:
        original = bought.get(line.line_id)
        if original is None:
            return Refusal(
                Code.RETURN_TOO_MUCH,
                f"purchase {record.transaction_id} has no line {line.line_id!r}: send the line_id of the purchase",
            )
        quantity, amount = returned.get(line.line_id, NOTHING_BACK)
        quantity, amount = quantity + line.quantity_micro, amount + line.amount_minor
        if quantity > original.quantity_micro or amount > original.amount_minor:
            return Refusal(
                Code.RETURN_TOO_MUCH,
                f"line {line.line_id!r} of purchase {record.transaction_id}: more comes back than was bought, "
                f"{quantity} of {original.quantity_micro} millionths of quantity, "
                f"{amount} of {original.amount_minor} minor units of money",
            )
        returned[line.line_id] = (quantity, amount)
    return returned


def remaining(lines: tuple[Line, ...], returned: Mapping[str, tuple[int, int]]) -> tuple[Line, ...]:
    """The basket without what came back. A line whose whole quantity came back is gone, whatever its amount."""
    left = []
    for line in lines:
        quantity, amount = returned.get(line.line_id, NOTHING_BACK)
        if line.quantity_micro and quantity == line.quantity_micro:
            continue
        if not line.quantity_micro and line.line_id in returned and amount == line.amount_minor:
            continue  # a line sold without a quantity is gone with its money
        left.append(
            line._replace(quantity_micro=line.quantity_micro - quantity, amount_minor=line.amount_minor - amount)
        )
    return tuple(left)


class _Bought(NamedTuple):
    """The purchase as it was decided, before caps: what each rule was worth, and its points."""

    circumstances: Circumstances
    earned: list[Earned]
    points: list[int]


def _bought(plan: Plan, record: PurchaseRecord) -> _Bought:
    # Conditions and windows are those of the purchase: only the lines and the minimum spend are asked again.
    local = local_time(record.time_us, plan.program.zone)
    circumstances = purchase_circumstances(plan, record, local, record.tier, record.segments, record.member_attributes)
    earned = evaluate(plan, basket_of(plan, record), circumstances)
    return _Bought(circumstances, earned, whole_points(plan, earned))


def _worth(
    plan: Plan, record: PurchaseRecord, bought: _Bought, lines: tuple[Line, ...]
) -> tuple[dict[str, int], dict[str, int], int]:
    """What the remaining lines justify: points by rule, the most that each rule may come to, the tier basis."""
    circumstances, then, points_then = bought
    then_of = {one.rule.id: one for one in then}
    basket = basket_of(plan, record, lines)
    now = [
        # What is given once for a basket keeps the factors of the purchase: they hang on lines that may be gone.
        one if one.of.line_field is not None else then_of[one.rule.id]
        for one in evaluate(plan, basket, circumstances, test_minimum=not plan.program.returns.keep_threshold)
        if one.rule.id in then_of
    ]
    limits = {
        one.rule.id: _limit(one.exact, points, record.granted.get(one.rule.id, 0))
        for one, points in zip(then, points_then, strict=True)
    }
    cut: dict[str, int] = {}
    for one, points in zip(then, points_then, strict=True):
        currency = one.rule.currency
        cut[currency] = cut.get(currency, 0) + points - record.granted.get(one.rule.id, 0)
    held, room = _held(plan, now, limits, record.granted, cut)
    tiers = plan.program.tiers
    if tiers is None:
        return held, room, 0
    most = {
        one.rule.id: qualifying_part(one, points, record.granted.get(one.rule.id, 0))
        for one, points in zip(then, points_then, strict=True)
    }
    parts = [(one.rule, lesser(one.base, most[one.rule.id])) for one in now]
    return held, room, min(qualified(tiers, record, basket, parts), record.qualified_held)


def _limit(exact: Exact, points: int, granted: int) -> Exact:
    """The most that a rule may be worth: what caps left of it, and the fraction that its rounding cut off."""
    return plus((granted, 1), max((exact[0] - points * exact[1], exact[1]), ZERO, key=lambda e: e[0]))


def _held(
    plan: Plan, now: list[Earned], limits: dict[str, Exact], granted: Mapping[str, int], cut: dict[str, int]
) -> tuple[dict[str, int], dict[str, int]]:
    """Points that each rule holds, and the most that it may come to. `cut` is what caps took at the purchase."""
    held: dict[str, int] = {}
    room: dict[str, int] = {}
    for currency in plan.program.currencies:
        mine = [one for one in now if one.rule.currency == currency.id]
        worth = [lesser(one.exact, limits[one.rule.id]) for one in mine]
        bounds = [min(ceiling(m), granted.get(one.rule.id, 0)) for one, m in zip(mine, worth, strict=True)]
        total = ZERO
        for m in worth:
            total = plus(total, m)
        # Rounded with what caps cut, as at the purchase: half_even depends on the integer that it rounds from.
        off = cut.get(currency.id, 0)
        target = min(rounded(plus(total, (off, 1)), currency.rounding) - off, sum(bounds))
        for one, part, bound in zip(mine, largest_remainder(target, worth, bounds), bounds, strict=True):
            room[one.rule.id] = bound
            if part:
                held[one.rule.id] = part
    return held, room


def _give_back(
    work: Work, plan: Plan, record: PurchaseRecord, held: dict[str, int], lines: tuple[ReturnLine, ...]
) -> None:
    """Book the difference between what rules held and hold."""
    cause = Cause(record.source, record.event_id, PURCHASE_TYPE)
    steps: list[dict[str, Any]] = []
    # Rules that hold more than before come first: a point that moves between rules must not touch other lots.
    moves = sorted(
        ((rule_id, record.held.get(rule_id, 0), held.get(rule_id, 0)) for rule_id in record.granted),
        key=lambda move: move[1] - move[2],
    )
    for rule_id, before, after in moves:
        if before == after:
            continue
        rule = plan.rule_named[rule_id]
        lot_id = lot_id_of(cause, work.head.member, EARN, rule.currency)
        said = {"rule": rule_id, "held_before": before, "held_after": after}
        if after > before:
            earned = record.time_us, plan
            if work.head.merged_into:
                _pass_on(work, "give", rule.currency, rule_id, after - before, lot_id, plan, record.time_us)
            else:
                work.credit(rule.currency, [(rule_id, after - before)], lot_id, RETURNED, earned=earned)
        else:
            said |= recoup(work, plan, rule.currency, rule_id, before - after, lot_id)
        steps.append(said)
    if steps:
        back = {line.line_id: [line.quantity_micro, line.amount_minor] for line in lines}
        steps.insert(0, {"transaction_id": record.transaction_id, "returned": back})
    work.book(KIND, "return", steps, plan)


def _free_caps(work: Work, plan: Plan, record: PurchaseRecord, before: dict[str, int], after: dict[str, int]) -> None:
    """Give caps back what no rule can come to again.

    A point may move to another rule and back as lines go. Room is therefore kept for the most that what is left may
    give, which only falls; else a later purchase could take the room and the point come back into it.
    """
    local = local_time(record.time_us, plan.program.zone)
    for rule_id in record.granted:
        had, has = before.get(rule_id, 0), after.get(rule_id, 0)
        if had != has:
            rule = plan.rule_named[rule_id]
            caps.freed(work.head.counters, rule_id, rule.caps, had - has, bool(had) - bool(has), local, record)


def _pass_on(
    work: Work, what: str, currency: str, rule_id: str, amount: int, lot_id: str, plan: Plan, earned_us: int
) -> None:
    """Let the survivor of an account that has ended give or take points: here they only go on their way."""
    sign = 1 if what == "take" else -1
    work.postings.append(Posting(RETURNED, currency, sign * amount, rule_id, ""))
    work.postings.append(Posting(TRANSFERRED, currency, -sign * amount, rule_id, ""))
    work.passed_on.append(
        {
            "what": what,
            "currency": currency,
            "rule": rule_id,
            "points": amount,
            "lot": lot_id,
            "version": plan.program.version,
            "earned_us": earned_us,
        }
    )


def recoup(
    work: Work, plan: Plan, currency: str, rule_id: str, amount: int, lot_id: str, against: str = RETURNED
) -> dict[str, int]:
    """Take back what a rule gave into a lot; answers what of it was not to be had, for the entry's step.

    What has expired in the lot counts as returned. `plan` is the version that gave it and says whether debts may arise;
    in an account that is closed none does.
    """
    said: dict[str, int] = {}
    if work.head.merged_into:
        _pass_on(work, "take", currency, rule_id, amount, lot_id, plan, 0)
        return said
    expired = work.return_expired(lot_id, amount)
    if expired:
        said["expired_before"] = expired
    debt = plan.program.returns.negative == "allow" and work.head.status == ACTIVE
    missing = take_back(work, currency, rule_id, amount - expired, lot_id, debt=debt, against=against)
    if missing:
        said["not_recouped"] = missing
    return said


def take_back(
    work: Work, currency: str, rule_id: str, amount: int, lot_id: str, *, debt: bool = False, against: str = RETURNED
) -> int:
    """Post points that are taken from the member, out of lot `lot_id` first; answers what could not be had.

    With `debt` all of it goes: what is missing becomes a debt. `against` is the other side of the postings.
    """
    parts = work.take(currency, amount, lot_id)
    missing = amount - sum(part.points for part in parts)
    if missing and debt:
        work.owe(currency, missing)
        parts.append(Taken(available_of(work.head.member), DEBT, missing))
        missing = 0
    if amount > missing:
        work.postings.append(Posting(against, currency, amount - missing, rule_id, ""))
    work.postings.extend(Posting(part.account, currency, -part.points, rule_id, part.lot) for part in parts)
    return missing


def _lower_basis(work: Work, plan: Plan, record: PurchaseRecord, qualified_held: int) -> None:
    tiers = plan.program.tiers
    if tiers is None or not record.qualifying_key or qualified_held == record.qualified_held:
        return
    cause = Cause(record.source, record.event_id, PURCHASE_TYPE)
    lot_id = lot_id_of(cause, work.head.member, EARN, tiers.currency)
    local = local_time(record.time_us, plan.program.zone)
    qualify(work, plan, local, qualified_held - record.qualified_held, lot_id)
    fall_with_return(work, record.transaction_id, local)
