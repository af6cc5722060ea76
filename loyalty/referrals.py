"""Referrals, decided in the account of the referee, so that nobody is referred twice by anyone.

The referee's part is booked here; the referrer's travels as an award through the inbox and is booked in the
referrer's account, under the cause's time and version.

Invariants:
  R1 a rule pays once; what was taken back may be earned again, by a later purchase within its time
  R2 the link knows what each rule paid, so that exactly that can be taken back

Not here: taking rewards back when the qualifying purchase is returned (referral_returns.py).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from loyalty import caps
from loyalty.account import Head
from loyalty.activities import event_circumstances
from loyalty.apportion import Exact
from loyalty.calendar import Local, local_time, shifted_us
from loyalty.decisions import Code, Refusal, derived_id
from loyalty.facts import Award, Purchase, Referral
from loyalty.ledger import Work, lot_id_of
from loyalty.program import ReferralRule
from loyalty.standing import counts, qualify, raise_tier
from loyalty.ties import GivenPart, Paid, ReferralLink

KIND = "referral"
QUALIFIED = "qualified"


def decide_referral(
    work: Work, fact: Referral, came_back: Callable[[ReferralRule], bool] = lambda _: False
) -> Refusal | None:
    """Remember who referred the member, and pay the rules of the stage that the referral has come to.

    `came_back` says whether the purchase that the event names has come back, by what a rule asks of it.
    """
    if fact.referrer_id in _ids(work.head):
        return Refusal(
            Code.SELF_REFERRAL, "referrer_id is the referee, who is the event's subject: send the referrer's id"
        )
    head = work.head
    link = head.referral
    if link is None:
        link = ReferralLink(fact.referral_id, fact.referrer_id, fact.code, fact.attributes, fact.time_us)
    elif (link.referral_id, link.referrer) != (fact.referral_id, fact.referrer_id):
        return Refusal(
            Code.ALREADY_REFERRED,
            f"the member was referred before, in referral {link.referral_id!r}: a member is referred once",
        )
    if fact.time_us < link.linked_us:  # the stages may come in any order
        link = replace(link, linked_us=fact.time_us)
    head.referral = link
    local = local_time(fact.time_us, work.plan.program.zone)
    circumstances = event_circumstances(work, fact, local)
    for rule, holds in zip(work.plan.program.referral_rules, work.plan.referral_holds, strict=True):
        if rule.stage == fact.stage and (holds is None or holds(circumstances)) and not came_back(rule):
            _pay(work, rule, local, fact.transaction_id)
    return None


def qualify_by_purchase(work: Work, link: ReferralLink, fact: Purchase, spend: Exact) -> None:
    """Pay the rules for which this purchase of a referred member qualifies."""
    zone = work.plan.program.zone
    local = local_time(fact.time_us, zone)
    # What rules ask of a referral event, they ask of the referral as it stands now.
    asked = Referral(
        fact.cause,
        fact.member,
        fact.time_us,
        fact.body,
        fact.content,
        link.referral_id,
        link.referrer,
        link.code,
        QUALIFIED,
        fact.transaction_id,
        link.attributes,
    )
    circumstances = event_circumstances(work, asked, local)
    for rule, holds in zip(work.plan.program.referral_rules, work.plan.referral_holds, strict=True):
        minimum = rule.qualifying_spend_minor
        if minimum is None or spend[0] < minimum * spend[1] or not (holds is None or holds(circumstances)):
            continue
        if rule.within is not None and fact.time_us >= shifted_us(link.linked_us, rule.within, zone):
            continue
        if fact.time_us >= link.linked_us:
            _pay(work, rule, local, fact.transaction_id)


def _ids(head: Head) -> tuple[str, ...]:
    """The ids that this one member has, or had before accounts were merged."""
    return head.member, *head.absorbed


def _pay(work: Work, rule: ReferralRule, local: Local, transaction_id: str) -> None:
    """Book the referee's part and send the referrer's, once for each rule."""
    head = work.head
    link = head.referral
    # Who was referred and who referred may have become one since.
    if link is None or link.referrer in _ids(head) or any(paid.rule == rule.id for paid in link.paid):
        return
    award_id, version = "", work.plan.program.version
    if rule.referrer_points:
        award_id = derived_id(work.cause, "award", rule.id, head.member, link.referrer)
        work.messages.append(Award(*work.heading(link.referrer, award_id), rule.id))
    part = _book(work, rule, rule.referee_points, rule.referee_points, "referee", local)
    minimum = rule.qualifying_spend_minor or 0
    paid = Paid(rule.id, version, work.time_us, transaction_id, minimum, part, award_id)
    head.referral = replace(link, paid=(*link.paid, paid))


def decide_award(work: Work, fact: Award) -> Refusal | GivenPart | None:
    """Book the referrer's part of a referral, within the limits of the referrer's own account; answers what it gave."""
    rule = next((rule for rule in work.plan.program.referral_rules if rule.id == fact.rule), None)
    if rule is None:
        return Refusal(
            Code.UNKNOWN_RULE,
            f"version {fact.version!r} of the program has no referral rule {fact.rule!r}: load the version that had it",
        )
    local = local_time(fact.time_us, work.plan.program.zone)
    points = rule.referrer_points
    grant = caps.granted(work.head.counters, rule.id, rule.referrer_caps, points, local, fact)
    return _book(work, rule, points, grant, "referrer", local, fact.from_member)


def _book(
    work: Work, rule: ReferralRule, points: int, grant: int, side: str, local: Local, referee: str = ""
) -> GivenPart | None:
    if not points:
        return None
    step: dict[str, Any] = {"rule": rule.id, "kind": "fixed", "side": side, "fixed": points, "points": points}
    if grant != points:
        step |= {"granted": grant, "forfeited": points - grant}
    if referee:
        step["referee"] = referee
    lot_id = lot_id_of(work.cause, work.head.member, KIND, rule.currency)
    work.credit(rule.currency, [(rule.id, grant)], lot_id)
    work.book(KIND, f"{side}:{rule.id}", [step])
    tiers = work.plan.program.tiers
    qualifies = grant if tiers is not None and counts(tiers, rule) else 0
    if qualifies:
        qualify(work, work.plan, local, qualifies, lot_id)
        raise_tier(work, local, "qualified")
    return GivenPart(rule.id, rule.currency, grant, lot_id, qualifies) if grant else None
