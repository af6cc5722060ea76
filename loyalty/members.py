"""Master data: enrolling, updating and closing an account.

Not here: what happens to the points of a closed account.
"""

from loyalty.account import CLOSED
from loyalty.facts import Fact, MemberUpdate
from loyalty.ledger import Work

STATUS_ENROLLED = "enrolled"
STATUS_CLOSED = "closed"

_MONTH_DAY = len("MM-DD")
"""How a birthday ends: who adds the year tells no other day."""


def closes(fact: Fact) -> bool:
    """Whether the event closes the account."""
    return isinstance(fact, MemberUpdate) and fact.status == STATUS_CLOSED


def decide_member(work: Work, fact: MemberUpdate) -> None:
    """Take over what the event says; an event older than the newest one taken changes nothing but a closing."""
    head = work.head
    if fact.status == STATUS_CLOSED:
        head.status = CLOSED
    if fact.time_us < head.profile_us:
        return
    head.profile_us = fact.time_us
    if fact.birthday:
        if fact.birthday[-_MONTH_DAY:] != head.birthday[-_MONTH_DAY:]:
            head.birthday_us = fact.time_us
        head.birthday = fact.birthday
    if fact.attributes:
        head.attributes = fact.attributes  # the whole set: merging would let an account grow without bound
    if fact.segments is not None:
        head.segments = fact.segments
