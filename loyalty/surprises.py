"""Surprises: points for a share of events or members, by a draw that anybody can do again, within a budget of all.

The draw is over a text, and its sha256 decides: read as a number between 0 and 1, it lies below the share. The text is
the seed, the event's source and its id, each on a line of its own; for a draw of members the seed, the member and the
period's first day. Who wins claims the points of the budget (limits.py), and gets them with the answer, under the time
and version of the event.

Invariants:
  O1 the draw hangs on the seed, the event or member and the period alone; nobody's order, time or balance moves it
  O2 points are given only for units that the budget has granted, and at most as many
  O3 units that were granted and are not given go back to the budget
  O4 with the purchase or review that won go its points, unless the program lets them stay
  O5 an account knows of at most SURPRISED_MAX surprises what they gave, the latest

Not here: the budget (limits.py).
"""

from datetime import date
from fractions import Fraction
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from loyalty import caps
from loyalty.account import CLOSED, PurchaseRecord, State, Surprised, purchase_key
from loyalty.activities import event_circumstances
from loyalty.budgets import DRAW_BYTES, Surprise, draw_bound
from loyalty.calendar import Local, local_time, shifted_us
from loyalty.circumstances import Circumstances, Predicate
from loyalty.decisions import Code, Refusal
from loyalty.earning import basket_of, counted_spend
from loyalty.facts import Answer, Cause, Engagement, Purchase, Review, Share
from loyalty.ledger import Work, lot_id_of
from loyalty.limits import claim, release
from loyalty.memory import key_digest, recall
from loyalty.plan import Plan, Programs
from loyalty.purchases import purchase_circumstances
from loyalty.returns import KIND as RETURN
from loyalty.returns import recoup, remaining

if TYPE_CHECKING:
    from collections.abc import Callable

KIND = "surprise"
PURPOSE = "surprise"
"""What claims on budgets say that they are for."""

SURPRISED_MAX = 100


class Draw(NamedTuple):
    """A draw: the text, the first 16 hex digits of its sha256, and whether they lie below the share."""

    text: str
    digits: str
    wins: bool


def drawn(rule: Surprise, cause: Cause, member: str, time_us: int, zone: ZoneInfo) -> Draw:
    """Draw for an event, or for the member in the period of the time."""
    text = _text(rule, cause, member, time_us, zone)
    checksum, bound = _checksum(text), draw_bound(rule.share)
    return Draw(text, checksum.hex(), not bound or checksum < bound)


def _text(rule: Surprise, cause: Cause, member: str, time_us: int, zone: ZoneInfo) -> str:
    if rule.draw == "event":
        return f"{rule.seed}\n{cause.source}\n{cause.id}"
    return f"{rule.seed}\n{member}\n{_period(rule.per, local_time(time_us, zone))}"


def _checksum(text: str) -> bytes:
    return sha256(text.encode()).digest()[:DRAW_BYTES]


def _period(per: str, local: Local) -> str:
    """The first local day of the period, as people write it; nothing for all time."""
    match per:
        case "day":
            day = local.ordinal
        case "week":
            day = local.ordinal - local.weekday + 1
        case "month":
            day = local.ordinal - local.day + 1
        case "year":
            day = date(local.year, 1, 1).toordinal()
        case _:
            return ""
    return date.fromordinal(day).isoformat()


# ------------------------------------------------------------------ who wins


def draw_surprises(work: Work, fact: Purchase | Review | Share | Engagement, on: str) -> None:
    """Draw for an event that was decided, and claim what it wins."""
    head, zone = work.head, work.plan.program.zone
    for rule, holds, bound in work.plan.surprises.get(on, ()):
        # First the draw: it is cheap, and few win.
        if not bound or _checksum(_text(rule, fact.cause, head.member, fact.time_us, zone)) < bound:
            _claim_won(work, fact, rule, holds)


def _claim_won(
    work: Work, fact: Purchase | Review | Share | Engagement, rule: Surprise, holds: Predicate | None
) -> None:
    """Claim what a draw has won, as far as the rule's conditions and the member's limits allow it."""
    plan, head = work.plan, work.head
    local = local_time(fact.time_us, plan.program.zone)
    record = work.writes.get(purchase_key(head.member, fact.transaction_id)) if isinstance(fact, Purchase) else None
    if holds is not None and not holds(_circumstances(work, fact, record, local)):
        return
    points = _worth(plan, rule, record, rule.points) if isinstance(record, PurchaseRecord) else rule.points
    grant = caps.granted(head.counters, rule.id, plan.surprise_caps[rule.id], points, local, fact)
    if grant:
        claim(work, rule.budget, grant, PURPOSE, rule.id, _reference(fact))


def _circumstances(
    work: Work, fact: Purchase | Review | Share | Engagement, record: PurchaseRecord | None, local: Local
) -> Circumstances:
    """The member of a purchase is as of it: the purchase may have raised the tier."""
    if record is None:
        return event_circumstances(work, fact, local)
    member = record.tier, record.segments, record.member_attributes
    return purchase_circumstances(work.plan, record, local, *member)


def _reference(fact: Purchase | Review | Share | Engagement) -> str:
    match fact:
        case Purchase():
            return fact.transaction_id
        case Review():
            return fact.review_id
        case Share() | Engagement():
            return ""


def _worth(plan: Plan, rule: Surprise, record: PurchaseRecord, points: int) -> int:
    """What the surprise is worth for what is left of a purchase; `points` if it gives fixed ones."""
    basket = basket_of(plan, record, remaining(record.lines, record.returned))
    if not basket.spend:  # No line that could earn is left.
        return 0
    spend = counted_spend(basket)
    tested = not (record.returned and plan.program.returns.keep_threshold)
    if tested and spend[0] < rule.min_spend_minor * spend[1]:
        return 0
    return points if rule.times is None else _more(plan, rule, record)


def _more(plan: Plan, rule: Surprise, record: PurchaseRecord) -> int:
    """What is missing to so many times what a purchase holds of the surprise's points, rounded down."""
    more = Fraction(0) if rule.times is None else rule.times - 1
    return int(more * _earned(plan, rule, record))


def _earned(plan: Plan, rule: Surprise, record: PurchaseRecord) -> int:
    return sum(points for name, points in record.held.items() if plan.rule_named[name].currency == rule.currency)


# ------------------------------------------------------------------ what the budget answered


def answered(programs: Programs, work: Work, state: State, fact: Answer) -> Refusal | None:
    """Give what the budget has granted, as far as it is still due; what is not goes back."""
    plan, head = work.plan, work.head
    rule = next((rule for rule in plan.program.surprises if rule.id == fact.key), None)
    if rule is None:
        return Refusal(
            Code.UNKNOWN_RULE,
            f"version {fact.version!r} of the program has no surprise {fact.key!r}: load the version that had it",
        )
    local = local_time(fact.time_us, plan.program.zone)
    found = state.get(purchase_key(head.member, fact.reference)) if rule.on == "purchase" else None
    record = found if isinstance(found, PurchaseRecord) else None
    points = _due(programs, work, rule, record, fact) if fact.granted else 0
    if points < fact.units:
        left_over = fact.units - points
        caps.freed(head.counters, rule.id, plan.surprise_caps[rule.id], left_over, int(not points), local, fact)
        if fact.granted:
            release(work, rule.budget, fact.claim_id, points)
    if not points:
        return None
    lot_id = lot_id_of(work.cause, head.member, f"{KIND}:{rule.id}", rule.currency)
    work.credit(rule.currency, [(rule.id, points)], lot_id)
    work.book(KIND, f"{KIND}:{rule.id}", [_step(plan, rule, record, fact, local, points)])
    if rule.returns == "take_back" and fact.reference:
        one = Surprised(
            rule.id, rule.on, fact.reference, fact.claim_id, fact.time_us, fact.version, rule.currency, points, lot_id
        )
        kept = (old for old in head.surprised if not _is_over(plan, old, work.now_us))
        head.surprised = (*kept, one)[-SURPRISED_MAX:]
    return None


def _due(programs: Programs, work: Work, rule: Surprise, record: PurchaseRecord | None, fact: Answer) -> int:
    """How much of what was granted is still to be given: the account may be closed, the purchase returned."""
    if work.head.status == CLOSED:  # An account that was merged passes on what it gets.
        return 0
    if rule.returns != "take_back":
        return fact.units
    if record is not None:
        plan = programs.named(record.version) or work.plan
        return min(_worth(plan, rule, record, fact.units), fact.units)
    if rule.on == "review":
        removed = recall(work.head.seen, key_digest("review", fact.reference, "removed"))
        return fact.units if removed is None else 0
    return fact.units


def _step(
    plan: Plan, rule: Surprise, record: PurchaseRecord | None, fact: Answer, local: Local, points: int
) -> dict[str, Any]:
    """How it came about: everything that the draw can be done again with, but for the seed."""
    step: dict[str, Any] = {"rule": rule.id, "kind": KIND, "points": points}
    if rule.times is None:
        step["fixed"] = rule.points
    elif record is not None:
        step |= {"times": str(rule.times), "earned": _earned(plan, rule, record)}
    draw = drawn(rule, fact.cause, fact.member, fact.time_us, plan.program.zone)
    step |= {"draw": draw.digits, "of": rule.draw, "share": str(rule.share), "budget": rule.budget}
    if rule.draw == "member":
        step["period"] = _period(rule.per, local)
    wanted = rule.points if rule.times is None else points
    if points < wanted:
        step |= {"granted": points, "forfeited": wanted - points}
        step["points"] = wanted
    return step


# ------------------------------------------------------------------ what goes back


def take_back_with_purchase(programs: Programs, work: Work, record: PurchaseRecord) -> None:
    """Take back what surprises gave for what came back of a purchase."""

    def worth(one: Surprised, rule: Surprise, plan: Plan) -> int:
        return min(_worth(plan, rule, record, one.points), one.points)

    _take_back(programs, work, "purchase", record.transaction_id, worth)


def take_back_with_review(programs: Programs, work: Work, review_id: str) -> None:
    """Take back what surprises gave for a review that was removed."""
    _take_back(programs, work, "review", review_id, lambda *_: 0)


def _take_back(
    programs: Programs, work: Work, on: str, reference: str, worth: "Callable[[Surprised, Surprise, Plan], int]"
) -> None:
    head = work.head
    steps: list[dict[str, Any]] = []
    kept: list[Surprised] = []
    for one in head.surprised:
        plan = programs.named(one.version)
        rule = None if plan is None else next((r for r in plan.program.surprises if r.id == one.rule), None)
        is_it = (one.on, one.reference) == (on, reference)
        if plan is None or rule is None or not is_it or _is_over(plan, one, work.time_us):
            kept.append(one)
            continue
        left = worth(one, rule, plan)
        if left < one.points:
            back = one.points - left
            said: dict[str, Any] = {"rule": rule.id, "held_before": one.points, "held_after": left}
            said |= {"review_id": reference} if on == "review" else {}
            steps.append(said | recoup(work, plan, one.currency, rule.id, back, one.lot_id))
            local = local_time(one.time_us, plan.program.zone)
            caps.freed(head.counters, rule.id, plan.surprise_caps[rule.id], back, int(not left), local, one)
            if rule.refill:
                release(work, rule.budget, one.claim_id, left)
        if left:
            kept.append(one._replace(points=left))
    if not steps:
        return
    head.surprised = tuple(kept)
    if on == "purchase":
        steps.insert(0, {"transaction_id": reference})
    work.book(RETURN, KIND, steps)


def _is_over(plan: Plan, one: Surprised, at_us: int) -> bool:
    keep = plan.program.returns.keep
    return keep is not None and at_us >= shifted_us(one.time_us, keep, plan.program.zone)
