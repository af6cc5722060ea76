"""Reviews: what a published one gives, and what goes back when it is removed.

Invariants:
  V1 a removal takes back what the publication gave and no more, once; the caps of the publication's period get it back
  V2 removed before it was published, a review gives nothing
  V3 an account knows of at most GIVEN_MAX reviews what they gave, the latest, each as long as a purchase is kept

Not here: what rules give (activities.py).
"""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from loyalty import caps
from loyalty.account import Given
from loyalty.activities import PUBLISHED, decide_activity
from loyalty.calendar import Local, local_time, shifted_us
from loyalty.facts import Review
from loyalty.ledger import Work
from loyalty.memory import key_digest, recall
from loyalty.returns import KIND, recoup
from loyalty.standing import qualify
from loyalty.ties import GivenPart

if TYPE_CHECKING:
    from loyalty.plan import Plan, Programs

ON = "review"
REMOVED = "removed"
TAKE_BACK = "take_back"

GIVEN_MAX = 200


def decide_review(programs: "Programs", work: Work, fact: Review) -> None:
    """Book what a review gives, or take back what it gave."""
    takes_back = work.plan.program.returns.reviews == TAKE_BACK
    if fact.status != PUBLISHED:
        _removed(programs, work, fact)
        return
    if takes_back and recall(work.head.seen, key_digest(ON, fact.review_id, REMOVED)) is not None:
        return
    parts = decide_activity(work, fact, ON)
    if takes_back and parts:
        _remember(work, fact, tuple(parts))


def _key(fact: Review) -> str:
    return key_digest(ON, fact.review_id).hex()


def _remember(work: Work, fact: Review, parts: tuple[GivenPart, ...]) -> None:
    """Keep in the account what the review gave, and no longer what can no more be taken back."""
    plan = work.plan
    fields = {cap.each for rule, _ in plan.activities[ON] for cap in rule.caps if cap.each}
    values = {field: str(getattr(fact, field)) for field in sorted(fields)}
    one = Given(_key(fact), fact.time_us, plan.program.version, parts, values)
    work.head.given = (*(old for old in work.head.given if not _is_over(plan, old, work.now_us)), one)[-GIVEN_MAX:]


def _is_over(plan: "Plan", one: Given, at_us: int) -> bool:
    keep = plan.program.returns.keep
    return keep is not None and at_us >= shifted_us(one.time_us, keep, plan.program.zone)


def _removed(programs: "Programs", work: Work, fact: Review) -> None:
    head = work.head
    one = next((one for one in head.given if one.key == _key(fact)), None)
    if one is None:
        return
    head.given = tuple(other for other in head.given if other is not one)
    plan = programs.of(one.version, f"review {fact.review_id!r}")
    if _is_over(plan, one, fact.time_us):
        return
    local = local_time(one.time_us, plan.program.zone)
    steps = [_taken_back(work, plan, one, part, local, fact.review_id) for part in one.parts]
    work.book(KIND, ON, steps, plan)
    for part in one.parts:
        if part.qualifies:
            qualify(work, plan, local, -part.qualifies, part.lot_id)


def _taken_back(work: Work, plan: "Plan", one: Given, part: GivenPart, local: Local, review_id: str) -> dict[str, Any]:
    """Take back what one rule gave; answers how, as a step."""
    said: dict[str, Any] = {"review_id": review_id, "rule": part.rule, "held_before": part.points, "held_after": 0}
    said |= recoup(work, plan, part.currency, part.rule, part.points, part.lot_id)
    for rule, _ in plan.activities[ON]:
        if rule.id == part.rule:
            event = SimpleNamespace(**one.values)
            caps.freed(work.head.counters, rule.id, rule.caps, part.points, 1, local, event)
    return said
