"""What a referral gave goes back when the purchase that qualified comes back.

The referee's account decides: it knows the purchase and what each rule has paid. The referrer is told by a message
which award it was, and takes back what that gave after its limits.

Invariants:
  B1 each side gives back what it was given and no more, once; limits get their room back
  B2 an award that is taken back before it came gives nothing when it comes
  B3 the rule may pay again, for a later purchase within its time

Not here: what a referral gives (referrals.py).
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loyalty import caps
from loyalty.account import PurchaseRecord, award_key, purchase_key
from loyalty.between import Recoup
from loyalty.calendar import local_time
from loyalty.decisions import Decision, Outcome, Refusal, derived_id
from loyalty.earning import basket_of, counted_spend
from loyalty.facts import Award, Referral
from loyalty.ledger import Work
from loyalty.referrals import decide_award
from loyalty.returns import KIND, recoup, remaining
from loyalty.standing import qualify
from loyalty.ties import AwardRecord, GivenPart, Paid, ReferralLink

if TYPE_CHECKING:
    from collections.abc import Callable

    from loyalty.account import State
    from loyalty.plan import Plan, Programs
    from loyalty.program import ReferralRule

_PAID = "what a referral has paid"
BELOW_MIN = "below_min"
FULL_RETURN = "full_return"
NEVER = "never"


def take_back_referral(programs: "Programs", work: Work, record: PurchaseRecord) -> None:
    """Take back what a purchase's referral gave, if too little of the purchase is left. `record` is the new one."""
    link = work.head.referral
    if link is None:
        return
    paid = [one for one in link.paid if one.transaction_id == record.transaction_id]
    gone = [one for one in paid if _is_gone(programs, one.version, one.minimum_minor, record)]
    if not gone:
        return
    work.head.referral = replace(link, paid=tuple(one for one in link.paid if one not in gone))
    for one in gone:
        _take_back(programs, work, one, link.referrer)
        if work.head.merged_into:
            work.passed_on.append({"what": "unpaid", "rule": one.rule})


def take_back_all(programs: "Programs", work: Work, link: ReferralLink) -> None:
    """Take back all that a referral has paid: it turned out that nobody was referred."""
    work.head.referral = replace(link, paid=())
    for one in link.paid:
        _take_back(programs, work, one, link.referrer)


def _take_back(programs: "Programs", work: Work, one: Paid, referrer: str) -> None:
    if one.part is not None:
        _book_back(work, programs.of(one.version, _PAID), one.part, one.time_us, "referee", one.transaction_id)
    if one.award_id:
        message_id = derived_id(work.cause, "recoup", one.award_id)
        heading = work.heading(referrer, message_id)[:-1]
        work.messages.append(Recoup(*heading, one.version, one.award_id, one.transaction_id))


def came_back(programs: "Programs", state: "State", fact: Referral) -> "Callable[[ReferralRule], bool]":
    """Whether the purchase that a referral names has come back already, by what a rule asks of it."""
    record = state.get(purchase_key(fact.member, fact.transaction_id)) if fact.transaction_id else None
    plan = programs.at(fact.time_us)
    if not isinstance(record, PurchaseRecord) or not record.returned or plan is None:
        return lambda _: False
    version = plan.program.version
    return lambda rule: _is_gone(programs, version, rule.qualifying_spend_minor or 0, record)


def _is_gone(programs: "Programs", version: str, minimum_minor: int, record: PurchaseRecord) -> bool:
    """Whether too little of a purchase is left, by the version that paid.

    A purchase that never came to the minimum, since an event said that it qualified, counts until nothing is left.
    """
    how = programs.of(version, _PAID).program.returns.referrals
    if how == NEVER:
        return False
    plan = programs.of(record.version, _PAID)
    left, left_den = counted_spend(basket_of(plan, record, remaining(record.lines, record.returned)))
    if how == FULL_RETURN or not minimum_minor:
        return left <= 0
    then, then_den = counted_spend(basket_of(plan, record))
    return left <= 0 or (left < minimum_minor * left_den and then >= minimum_minor * then_den)


def take_award(programs: "Programs", work: Work, state: "State", fact: Award) -> Refusal | None:
    """Book an award, and keep what it gave."""
    key = award_key(fact.member, fact.message_id)
    if key in state:
        return None  # It was taken back before it came.
    given = decide_award(work, fact)
    if isinstance(given, Refusal):
        return given
    if work.plan.program.returns.referrals != NEVER:
        work.writes[key] = AwardRecord(
            fact.message_id, fact.time_us, fact.version, given, False, programs.kept_until_us(fact.time_us, work.now_us)
        )
    return None


def decide_recoup(programs: "Programs", work: Work, state: "State", fact: Recoup) -> None:
    """Take back what an award truly gave, whatever of it limits had left."""
    key = award_key(fact.member, fact.award_id)
    record = state.get(key)
    if not isinstance(record, AwardRecord):
        work.writes[key] = _never(programs, fact, work.now_us)
        return
    if record.is_over:
        return
    work.writes[key] = record._replace(part=None, is_over=True)
    if record.part is None:
        return
    plan = programs.of(record.version, _PAID)
    _book_back(work, plan, record.part, record.time_us, "referrer", fact.transaction_id, fact.from_member)
    rule = next(rule for rule in plan.program.referral_rules if rule.id == record.part.rule)
    local = local_time(record.time_us, plan.program.zone)
    caps.freed(work.head.counters, rule.id, rule.referrer_caps, record.part.points, 1, local, fact)


def recoup_of_nobody(programs: "Programs", state: "State", fact: Recoup, now_us: int) -> Decision:
    """Of somebody who is no member there is nothing to take; the award must not give anything later."""
    key = award_key(fact.member, fact.award_id)
    if key in state:
        return Decision(Outcome.DUPLICATE)
    return Decision(Outcome.APPLIED, {key: _never(programs, fact, now_us)})


def _never(programs: "Programs", fact: Recoup, now_us: int) -> AwardRecord:
    until_us = programs.kept_until_us(fact.time_us, now_us)
    return AwardRecord(fact.award_id, fact.time_us, fact.version, None, True, until_us)


def _book_back(
    work: Work, plan: "Plan", part: GivenPart, time_us: int, side: str, transaction_id: str, referee: str = ""
) -> None:
    """Take back what one side of a referral was given, and what it added to the tier basis."""
    step: dict[str, Any] = {"rule": part.rule, "side": side, "held_before": part.points, "held_after": 0}
    if transaction_id:
        step["transaction_id"] = transaction_id
    if referee:
        step["referee"] = referee
    step |= recoup(work, plan, part.currency, part.rule, part.points, part.lot_id)
    work.book(KIND, f"{side}:{part.rule}", [step], plan)
    if part.qualifies:
        qualify(work, plan, local_time(time_us, plan.program.zone), -part.qualifies, part.lot_id)
