"""Rewards that a rule gives: redemptions that cost no points, with an order like any other.

Invariants:
  G1 nothing is spent, so nothing comes back, whatever becomes of the order
  G2 prices, tiers and limits of the catalogue are those of members who redeem: a rule that gives has its own
  G3 the stock is the same for all: a gift of what is limited waits for the stock's answer, and is refused without units

Not here: when a rule gives (occasions.py), what becomes of redemptions (redemption.py).
"""

from loyalty.account import RedemptionRecord, redemption_key
from loyalty.catalogue import Reward
from loyalty.decisions import derived_id
from loyalty.ledger import Work
from loyalty.limits import STOCK, claim, limit_id
from loyalty.plan import Programs
from loyalty.redemption import PURPOSE
from loyalty.reward_news import GIFT, Status, order, tell


def give_reward(programs: Programs, work: Work, reward: Reward, rule_id: str) -> str:
    """Order one piece of a reward as a gift of a rule; answers the redemption's id."""
    redemption_id = derived_id(work.cause, GIFT, work.head.member, rule_id)
    stock = limit_id(STOCK, reward.id)
    waits = stock in work.plan.program.limits
    record = RedemptionRecord(
        redemption_id,
        work.cause.source,
        work.cause.id,
        work.time_us,
        b"",
        work.plan.program.version,
        Status.HELD if waits else Status.ACCEPTED,
        reward.id,
        1,
        reward.currency,
        money=work.plan.program.money,
        claim_id=claim(work, stock, 1, PURPOSE, redemption_id) if waits else "",
        gift_of=rule_id,
        due_us=programs.redemption_kept_until_us(work.time_us, work.now_us),
    )
    work.writes[redemption_key(work.head.member, redemption_id)] = record
    if not waits:
        tell(work, record, Status.ACCEPTED, GIFT)
        order(work, record, reward)
    return redemption_id
