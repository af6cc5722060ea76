"""Which records a decision reads: they are fetched, and then it is decided without waiting.

Not here: what is decided (decide.py), how records are kept (the worker's store).
"""

from collections.abc import Callable, Sequence

from loyalty import answers, following, limits
from loyalty.account import PurchaseRecord, Record, award_key, head_key, purchase_key, redemption_key
from loyalty.between import Joining, Recoup
from loyalty.facts import (
    Answer,
    Award,
    Claim,
    Fact,
    Purchase,
    Redemption,
    RedemptionReport,
    Referral,
    Release,
    Restock,
    Return,
)
from loyalty.restoring import spent_on


def reads(fact: Fact) -> Sequence[str]:
    """The state keys that a fact names: the account's first, then that of its own record where it has one."""
    match fact:
        case Purchase():
            keys = head_key(fact.member), purchase_key(fact.member, fact.transaction_id)
            return (*keys, *_redemption_keys(fact.member, fact)) if fact.tenders else keys
        case Return() | Referral() if fact.transaction_id:
            return head_key(fact.member), purchase_key(fact.member, fact.transaction_id)
        case Redemption() if fact.transaction_id:
            own = redemption_key(fact.member, fact.redemption_id)
            return head_key(fact.member), own, purchase_key(fact.member, fact.transaction_id)
        case Redemption() | RedemptionReport():
            return head_key(fact.member), redemption_key(fact.member, fact.redemption_id)
        case Claim() | Release() | Restock():
            return limits.reads(fact)
        case Answer():
            return head_key(fact.member), *answers.reads(fact)
        case Award():
            return head_key(fact.member), award_key(fact.member, fact.message_id)
        case Recoup():
            return head_key(fact.member), award_key(fact.member, fact.award_id)
        case Joining():
            return head_key(fact.member), *following.reads(fact)
        case _:
            return (head_key(fact.member),)


def _redemption_keys(member: str, sale: Purchase | PurchaseRecord) -> list[str]:
    return [redemption_key(member, redemption_id) for redemption_id in spent_on(sale)]


def fetched(fact: Fact, get: Callable[[str], Record | None]) -> dict[str, Record]:
    """All that the decision of this fact reads: fetch it, then decide."""
    state = {key: record for key in reads(fact) if (record := get(key)) is not None}
    if isinstance(fact, Return) and fact.transaction_id:
        sale = state.get(purchase_key(fact.member, fact.transaction_id))
        if isinstance(sale, PurchaseRecord) and sale.tenders:
            keys = _redemption_keys(fact.member, sale)
            state.update({key: record for key in keys if (record := get(key)) is not None})
    return state
