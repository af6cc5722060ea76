"""Who takes the answers of limits in a member's account: the one table from a claim's purpose to its function.

An answer comes once for each claim, under the time and version of the event that claimed, also to an account that was
closed meanwhile: whoever takes it gives back what is no longer needed.

Not here: limits themselves (limits.py).
"""

from collections.abc import Callable, Mapping

from loyalty import redemption, surprises
from loyalty.account import State, purchase_key, redemption_key
from loyalty.decisions import Refusal
from loyalty.facts import Answer
from loyalty.ledger import Work
from loyalty.plan import Programs

ANSWERED: Mapping[str, Callable[[Programs, Work, State, Answer], Refusal | None]] = {
    surprises.PURPOSE: surprises.answered,
    redemption.PURPOSE: redemption.answered,
}
"""To add a purpose: its function here, and what it reads below."""


def reads(fact: Answer) -> tuple[str, ...]:
    """The state keys that the one who takes the answer reads, besides the member's head."""
    sale = (purchase_key(fact.member, fact.reference),) if fact.reference else ()
    return (redemption_key(fact.member, fact.key), *sale) if fact.purpose == redemption.PURPOSE else sale
