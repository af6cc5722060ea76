"""Limits over many members: stock, places and budgets, each in an account of its own that is asked by messages.

No decision reads another account, so a member's account claims units of a limit, and hears later whether it has them.
A limit lives under a text id of its own, "stock:mug", in the partition of that id; one writer decides all its claims.

Invariants:
  Q1 a claim is granted only while what is taken, with it, is within what the program and restocks give: nothing that
     comes in whatever order, twice, released or under another version, takes more
  Q2 a claim is granted whole or denied, and answered once; a claim that comes again is recognised by its own record
  Q3 a release gives back at most what its claim still holds
  Q4 a limit knows at most PERIODS_MAX periods and RESTOCKS_MAX restocks; a claim of an older period is denied

Where a version lowers a capacity below what is taken, nothing more is granted and nothing is taken back.

For accounts of members: `claim`, `release`; answers come back as `facts.Answer` (answers.py).

Not here: what is done with the units (surprises.py).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from loyalty.account import ClaimRecord, Limit, Restocked, State, claim_key, limit_key
from loyalty.calendar import DAY_US, day_start_us, local_time, period_key, period_last_ordinal
from loyalty.decisions import Code, Decision, Outcome, derived_id, refused
from loyalty.facts import Answer, Claim, Release, Restock
from loyalty.identity import DUPLICATE, conflict, untimely
from loyalty.memory import RECORD_BYTES, event_digest, forget, key_digest, recall, remember

if TYPE_CHECKING:
    from loyalty.budgets import LimitTerms
    from loyalty.ledger import Work
    from loyalty.plan import Plan, Programs

OF_LIMITS = (Claim, Release, Restock)
"""The facts that a limit's account decides, and no member's."""

STOCK = "stock"
BUDGET = "budget"
KINDS = (STOCK, BUDGET)
"""What limits are about: things or places, and points. The first word of their ids."""

PERIODS_MAX = 400
"""Periods of which a limit knows what was taken: more than a year of days."""

RESTOCKS_MAX = 10_000
"""Restocks that a limit remembers for as long as they may come again."""

SHOWN_MAX = 10
"""Restocks that a limit keeps to be looked at, the latest."""

CLAIM_KEPT_US = 400 * DAY_US
"""For how long at least a claim can be released, and is recognised when it comes again."""


def limit_id(kind: str, name: str) -> str:
    """The id of a limit: its account's name, and the key of the records that ask it."""
    return f"{kind}:{name}"


def kind_of(limit: str) -> str:
    """What a limit is about: one of KINDS, or "other"."""
    kind = limit.partition(":")[0]
    return kind if kind in KINDS else "other"


# ------------------------------------------------------------------ what a member's account says


def claim(work: "Work", limit: str, units: int, purpose: str, key: str, reference: str = "") -> str:
    """Ask a limit for units, of which there is one or more; answers the claim's id.

    The answer comes as `Answer`, to be taken by `purpose` (answers.py). `key` and `reference` come back with it: the
    purpose's own key, and the transaction that it is about, or "".
    """
    claim_id = derived_id(work.cause, "claim", limit, work.head.member, key)
    work.messages.append(Claim(*work.heading(limit, claim_id), units, purpose, key, reference))
    return claim_id


def release(work: "Work", limit: str, claim_id: str, left: int = 0) -> None:
    """Tell a limit that of a claim only `left` units are still needed."""
    release_id = derived_id(work.cause, "release", claim_id, str(left))
    work.messages.append(Release(*work.heading(limit, release_id), claim_id, left))


# ------------------------------------------------------------------ what the limit's account decides


def reads(fact: Claim | Release | Restock) -> tuple[str, ...]:
    """The state keys that the decision reads: the limit, and the claim."""
    key = limit_key(fact.member)
    match fact:
        case Claim():
            return key, claim_key(fact.member, fact.message_id)
        case Release():
            return key, claim_key(fact.member, fact.claim_id)
        case Restock():
            return (key,)


def decide_limit(programs: "Programs", state: State, fact: Claim | Release | Restock, now_us: int) -> Decision:
    """Decide what a limit is asked, on the records of `reads`."""
    found = state.get(limit_key(fact.member))
    limit = found if isinstance(found, Limit) else Limit(fact.member)
    match fact:
        case Claim():
            return _claimed(programs, state, limit, fact, now_us)
        case Release():
            return _released(state, limit, fact)
        case Restock():
            return _restocked(programs, limit, fact, now_us)


def _claimed(programs: "Programs", state: State, limit: Limit, fact: Claim, now_us: int) -> Decision:
    key = claim_key(fact.member, fact.message_id)
    before = state.get(key)
    if isinstance(before, ClaimRecord):
        return DUPLICATE if before.content == fact.content else conflict(f"claim {fact.message_id!r}")
    plan = programs.named(fact.version)
    terms = None if plan is None else plan.program.limits.get(fact.member)
    writes: dict[str, Limit | ClaimRecord] = {}
    granted, period = False, ""
    # A worker that does not know the claim's version denies it: who asked must not wait for an answer for ever.
    if plan is not None and terms is not None:
        period = period_key(terms.per, local_time(fact.time_us, plan.program.zone))
        capacity = _capacity(programs, plan, terms, fact, period, now_us)
        room = capacity + limit.added.get(period, 0) - limit.taken.get(period, 0)
        granted = fact.units <= room and not _is_closed(limit, period)
        if granted:
            limit = limit._replace(taken={**limit.taken, period: limit.taken.get(period, 0) + fact.units})
        writes[limit_key(fact.member)] = _tidied(limit._replace(capacity=terms.capacity, per=terms.per, period=period))
    # Units of a stock may come back for as long as the redemption that they are for may be cancelled.
    keeps = programs.redemption_kept_until_us if kind_of(fact.member) == STOCK else programs.kept_until_us
    kept_us = keeps(fact.time_us, now_us)
    due_us = None if kept_us is None else max(kept_us, fact.time_us + CLAIM_KEPT_US)
    writes[key] = ClaimRecord(fact.content, fact.from_member, period, fact.units if granted else 0, due_us)
    return Decision(Outcome.APPLIED, writes, messages=(_answer(fact, granted=granted),))


def _capacity(programs: "Programs", plan: "Plan", terms: "LimitTerms", fact: Claim, period: str, now_us: int) -> int:
    """What the claim's version gives, and no more than the version that has come after it within the period.

    A late claim must not take what a newer version has withdrawn.
    """
    last = period_last_ordinal(period)
    at_us = now_us if last is None else min(now_us, day_start_us(last + 1, plan.program.zone) - 1)
    later = programs.at(at_us) if at_us > fact.time_us else None
    of_later = None if later is None else later.program.limits.get(fact.member)
    if of_later is None or of_later.per != terms.per:
        return terms.capacity
    return min(terms.capacity, of_later.capacity)


def _answer(fact: Claim, *, granted: bool) -> Answer:
    return Answer(
        fact.cause,
        fact.from_member,
        fact.time_us,
        b"",
        b"",
        derived_id(fact.cause, "answer", fact.message_id),
        fact.member,
        fact.version,
        fact.message_id,
        fact.units,
        granted,
        fact.purpose,
        fact.key,
        fact.reference,
    )


def _released(state: State, limit: Limit, fact: Release) -> Decision:
    key = claim_key(fact.member, fact.claim_id)
    before = state.get(key)
    if not isinstance(before, ClaimRecord) or before.held <= fact.left:
        return DUPLICATE  # Given back before, never granted, or so long ago that it does not matter any more.
    taken = dict(limit.taken)
    if before.period in taken:
        taken[before.period] -= before.held - fact.left
    return Decision(
        Outcome.APPLIED,
        {limit_key(fact.member): limit._replace(taken=taken), key: before._replace(held=fact.left)},
    )


def _restocked(programs: "Programs", limit: Limit, fact: Restock, now_us: int) -> Decision:
    event_key = event_digest(fact.cause)
    business_key = key_digest("restock", fact.restock_id)
    body, content = recall(limit.seen, event_key), recall(limit.seen, business_key)
    if body is not None:
        return DUPLICATE if body == fact.body else conflict(f"event {fact.cause.id!r} of {fact.cause.source!r}")
    if content is not None:
        return DUPLICATE if content == fact.content else conflict(f"restock {fact.restock_id!r}")
    plan = programs.at(fact.time_us)
    if plan is None:
        return refused(Code.NO_PROGRAM, "no version of the program is in force at the event's time: check `time`")
    refusal = untimely(plan, fact, now_us)
    if refusal is not None:
        return Decision(Outcome.REFUSED, refusal=refusal)
    terms = plan.program.limits.get(fact.member)
    if terms is None:
        return _unknown(fact.member, "the program in force at the event's time")
    seen = limit.seen if programs.remembered_us is None else forget(limit.seen, now_us - programs.remembered_us)
    seen = remember(remember(seen, event_key, fact.body, now_us), business_key, fact.content, now_us)
    period = period_key(terms.per, local_time(fact.time_us, plan.program.zone))
    shown = Restocked(fact.restock_id, fact.time_us, fact.units, fact.reason, fact.operator, fact.reference)
    if len(seen) > RESTOCKS_MAX * 2 * RECORD_BYTES:
        return refused(Code.ACCOUNT_FULL, "the limit has been restocked more often than it can remember: wait")
    limit = limit._replace(
        added={**limit.added, period: limit.added.get(period, 0) + fact.units},
        seen=seen,
        restocks=(*limit.restocks, shown)[-SHOWN_MAX:],
        capacity=terms.capacity,
        per=terms.per,
        period=period,
    )
    return Decision(Outcome.APPLIED, {limit_key(fact.member): _tidied(limit)})


def _unknown(limit: str, where: str) -> Decision:
    return refused(
        Code.UNKNOWN_LIMIT,
        f"{where} has no limit {limit!r}: send `stock:` and the id of a reward with a stock, or `budget:` and that of "
        "a surprise with a budget",
    )


# ------------------------------------------------------------------ what is kept


def _is_closed(limit: Limit, period: str) -> bool:
    """Whether the period is no longer than those that have been let go."""
    last = period_last_ordinal(period)
    return last is not None and last <= limit.closed_to


def _tidied(limit: Limit) -> Limit:
    """The limit with its latest periods only; those that never end stay."""
    if len(limit.taken) + len(limit.added) <= PERIODS_MAX:
        return limit
    ends = {last for period in (*limit.taken, *limit.added) if (last := period_last_ordinal(period)) is not None}
    closed_to = sorted(ends)[len(ends) // 2]

    def kept(units: Mapping[str, int]) -> dict[str, int]:
        return {
            period: number
            for period, number in units.items()
            if (last := period_last_ordinal(period)) is None or last > closed_to
        }

    return limit._replace(taken=kept(limit.taken), added=kept(limit.added), closed_to=closed_to)
