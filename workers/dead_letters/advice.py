"""What to do about each code of a dead letter: the one place where that is written down.

The tables of docs/dead-letters.md say the same, and a test holds them to it.
"""

from collections.abc import Mapping
from typing import Final

WHAT_TO_DO: Final[Mapping[str, str]] = {
    "empty": "send one JSON object; the engine knows no deletions by empty records",
    "too_large": "send smaller events; large texts do not belong in them",
    "byte_order_mark": "send UTF-8 without one",
    "not_utf8": "encode as UTF-8",
    "not_json": "send one JSON object; check what writes it",
    "too_deep": "flatten; events themselves need 4",
    "duplicate_key": "write each name once; readers differ in which one counts",
    "not_an_object": "one event for each record, not a list of them",
    "wrong_specversion": "send CloudEvents 1.0 in structured JSON",
    "wrong_content_type": "send `application/json`, or leave it out",
    "unknown_type": "check spelling and version; update the engine if the type is new",
    "wrong_topic": "send it to the topic that the message names",
    "invalid_event": "the message names the first such field and what to send",
    "unknown_field": "leave it out, or put it into `attributes`",
    "wrong_partition": (
        "somebody else wrote to `inbox`, or partitions were added to it: only the worker writes there, and "
        "the number of partitions is fixed"
    ),
    "conflicting_duplicate": "give what is new an id of its own; a correction of a sale is a return and a new sale",
    "too_late": (
        "find out why the sender delivers late; a longer `max_late` in a new program version holds only for "
        "events of its time"
    ),
    "too_early": "set the sender's clock; then send it again",
    "no_program_in_force": "check `time`; load the version that was in force",
    "not_enrolled": "publish `loyalty.member.v1` with `enrolled`, then the event again",
    "member_closed": "nothing, or find out why events still come; an account is not opened again",
    "account_full": "one member id is shared by many, such as a cashier's own card: stop that",
    "currency_not_accepted": "add the currency to `exchange` in a new version, or keep such sales out",
    "blind_return": "send the purchase's `transaction_id`",
    "unknown_purchase": (
        "publish the purchase, then the return again; was the purchase a dead letter, or another member's?"
    ),
    "return_window_over": "the points stay",
    "returned_more_than_bought": "check line ids, quantities and amounts of the POS",
    "self_referral": "the subject is the one who was referred; send the other's id as `referrer_id`",
    "unknown_member": "send the id of an account that has taken part",
    "self_merge": "send the other member's id",
    "merge_under_way": "send it again when that is done",
    "already_merged": "merge the survivor, if anything",
    "in_household": "publish `loyalty.household.v1` with `left` for it, then send it again",
    "already_referred": "nothing: a member is referred once",
    "unknown_rule": "load the version that has it, then send it again",
    "unknown_zone": "send one such as `America/New_York`, or none",
    "needs_approval": "have somebody else approve it, then send it again with `approved_by`",
    "not_enough_points": "take no more than there is, or say `adjustments: {negative: allow}` in a new version",
    "unknown_points": "send one that it has, or leave `currency` out for the first",
    "unknown_tier": "send the id of one of its tiers; map the older system's names first",
    "unknown_limit": (
        "send `stock:` and the id of a reward with a stock, or `budget:` and that of a surprise with a budget"
    ),
    "unknown_redemption": "send the `redemption_id` and the member of the order; was the request a dead letter?",
    "redemption_over": (
        "nothing: its points are back already. What was delivered all the same is a matter for the shop"
    ),
    "redemption_too_old": "correct the points by hand, with an adjustment",
    "engine_fault": (
        "a fault of ours: report it with the message. The worker goes on with the others. After the mending, "
        "send it again"
    ),
}
"""Code -> what its sender, a program manager or an operator does about it."""

UNKNOWN: Final = "this release does not know the code: see docs/dead-letters.md of the one that wrote it"


def what_to_do(code: str) -> str:
    """The sentence for a code."""
    return WHAT_TO_DO.get(code, UNKNOWN)
