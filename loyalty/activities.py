"""Fixed points for what members do besides buying: reviews, shares, other engagements, and enrolling.

Activities give fixed points, added up; only rules marked `multiplied` take multipliers, and of those only the
ones that are not about lines of a basket.

Not here: referrals (referrals.py).
"""

from collections.abc import Sequence
from datetime import date

from loyalty import caps
from loyalty.apportion import Exact, whole_by_currency
from loyalty.calendar import Local, end_of_us, local_time, notice_us
from loyalty.circumstances import Circumstances, Predicate
from loyalty.contexts import event_context
from loyalty.explanation import reduced
from loyalty.facts import Engagement, MemberUpdate, Review, Share
from loyalty.ledger import Work, lot_id_of
from loyalty.members import decide_member
from loyalty.plan import Factors, Plan
from loyalty.program import ALL_LINES, ActivityRule
from loyalty.standing import counts, qualify, raise_tier
from loyalty.ties import GivenPart

ENROLLMENT = "enrollment"
PUBLISHED = "published"

NOTICES = {ENROLLMENT: "welcome", "inactivity": "win_back"}
"""What members call it; the others go by their kind."""

NO_LINES = (0,)
"""The class of what has no lines: multipliers for all lines act on it."""


def decide_activity(work: Work, fact: Review | Share | Engagement, on: str) -> list[GivenPart]:
    """Book what a published review, a share or an engagement gives; answers what each rule gave."""
    return give(work, fact, on)


def enroll(work: Work, fact: object) -> None:
    """Open the account: its first tier, and the welcome that the program gives.

    What the enrolling event says of the member comes first, so that a welcome may depend on it.
    """
    if isinstance(fact, MemberUpdate):
        decide_member(work, fact)
    local = local_time(work.time_us, work.plan.program.zone)
    raise_tier(work, local, ENROLLMENT)
    give(work, fact, ENROLLMENT)


def give(
    work: Work,
    fact: object,
    on: str,
    asked: Sequence[tuple[ActivityRule, Predicate | None]] | None = None,
    *,
    reason: str = "",
    day: int = 0,
) -> list[GivenPart]:
    """Book what the rules `on` something give, or those that are `asked`; answers what each rule gave.

    `reason` keeps what is given at one time apart. `day` is the local day that an occasion is about: what lives its
    own time lives from then, if that is to come.
    """
    plan, head = work.plan, work.head
    rules = plan.activities.get(on, ()) if asked is None else asked
    if not rules:
        return []
    local = local_time(work.time_us, plan.program.zone)
    circumstances = event_circumstances(work, fact, local)
    giving = [
        (rule, *_worth(plan, rule, circumstances)) for rule, holds in rules if holds is None or holds(circumstances)
    ]
    about = {"day": date.fromordinal(day).isoformat()} if day else {}
    steps = []
    given: list[GivenPart] = []
    shares = [(rule.currency, exact) for rule, exact, _ in giving]
    for (rule, exact, factors), points in zip(giving, whole_by_currency(shares, plan.program.currencies), strict=True):
        grant = caps.granted(head.counters, rule.id, rule.caps, points, local, fact)
        step: dict[str, object] = {"rule": rule.id, "kind": "fixed", "fixed": rule.points, "points": points, **about}
        if factors is not None:
            step["multipliers"] = factors.counted(NO_LINES)
            step["exact"] = reduced(exact)
        if grant != points:
            step |= {"granted": grant, "forfeited": points - grant}
        steps.append(step)
        lot_id, ends_us = _lot_of(work, rule, reason or on, max(day, local.ordinal))
        work.credit(rule.currency, [(rule.id, grant)], lot_id, ends_us=ends_us)
        tiers = plan.program.tiers
        qualifies = 0
        if tiers is not None and points and counts(tiers, rule):
            qualifies = rule.points * grant // points  # without multipliers, after the caps' share
        if grant:
            given.append(GivenPart(rule.id, rule.currency, grant, lot_id, qualifies))
            if rule.notice:
                ends = {} if ends_us is None else {"ends_us": ends_us}
                said = {"rule": rule.id, "currency": rule.currency, "points": grant, **ends, **about}
                work.notify(NOTICES.get(on, on), said)
                if ends_us is not None:
                    _told_of_end(work, rule.currency, ends_us)
    work.book(on, reason or on, steps)
    _rise(work, given, local)
    return given


def _told_of_end(work: Work, currency: str, ends_us: int) -> None:
    """Tell of an end only once, when it is so near that it would be told of again at once."""
    head, expiry = work.head, work.plan.currencies[currency].expiry
    if expiry is None or expiry.notice is None:
        return
    if notice_us(ends_us, expiry.notice, work.plan.program.zone) <= work.time_us:
        head.noticed = {**head.noticed, currency: max(ends_us, head.noticed.get(currency, -1))}


def _rise(work: Work, given: list[GivenPart], local: Local) -> None:
    """Add to the tier basis what qualifies."""
    qualifying: dict[str, int] = {}
    for part in given:
        if part.qualifies:
            qualifying[part.lot_id] = qualifying.get(part.lot_id, 0) + part.qualifies
    if qualifying:
        for lot_id, points in qualifying.items():
            qualify(work, work.plan, local, points, lot_id)
        raise_tier(work, local, "qualified")


def _lot_of(work: Work, rule: ActivityRule, reason: str, ordinal: int) -> tuple[str, int | None]:
    """The lot of what a rule gives, and its own end: a lot of its own, then. `ordinal` is the local day it lives from.

    What is given for one reason and in one currency without an end of its own shares a lot.
    """
    member, currency = work.head.member, rule.currency
    if rule.ends_after is None:
        return lot_id_of(work.cause, member, reason, currency), None
    ends_us = end_of_us(ordinal, rule.ends_after, "day", work.plan.program.zone)
    return lot_id_of(work.cause, member, f"{reason}:{rule.id}", currency), ends_us


def event_circumstances(work: Work, fact: object, local: Local) -> Circumstances:
    """The circumstances of an event that is not a purchase."""
    head = work.head
    return Circumstances(local, head.tier, head.segments, head.attributes, fact, event_context)


def _worth(plan: Plan, rule: ActivityRule, circumstances: Circumstances) -> tuple[Exact, Factors | None]:
    """The rule's exact points and the multipliers in them."""
    if not rule.multiplied:
        return (rule.points, 1), None
    which = tuple(
        i
        for i, (m, holds) in enumerate(zip(plan.program.multipliers, plan.multiplier_holds, strict=True))
        if m.lines == ALL_LINES and (m.rules is None or rule.id in m.rules) and (holds is None or holds(circumstances))
    )
    factors = plan.factors(which)
    if factors is None:
        return (rule.points, 1), None
    return (rule.points * factors[0], factors.denominator), factors
