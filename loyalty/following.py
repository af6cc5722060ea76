"""Redemptions that follow a sale: it comes for an account that has ended, which has what paid for it.

The sale goes on to the survivor, whose account its returns are decided in. So the redemptions that paid for it go there
too, right before it, each as a message of its own; answers and reports on them go the way of all else that comes later.

Invariants:
  F1 a redemption is in one account: it is dropped where it leaves, in the decision that sends it
  F2 none takes another's place: where its id is known already it is sent back, stays with the id that asked, and is
     not sent again
  F3 what was decided under the ended id stays decidable there: for a sale that is known there, nothing leaves

Not here: when facts are sent on (merging.py).
"""

import json
from typing import TYPE_CHECKING, Any

from loyalty.account import Head, RedemptionRecord, State, purchase_key, redemption_key
from loyalty.between import Joining
from loyalty.decisions import Decision, Outcome, derived_id
from loyalty.facts import Purchase
from loyalty.joining import part_text
from loyalty.ledger import Work
from loyalty.lots import joined, parsed
from loyalty.restoring import spent_on

if TYPE_CHECKING:
    from loyalty.plan import Plan

KIND = "redemption"

PART_CHARS_MAX = 180_000
"""A redemption that takes more, out of thousands of lots, stays: it can be cancelled there."""


def go_along(plan: "Plan", state: State, head: Head, sale: Purchase) -> Decision:
    """Send a sale on to the survivor, and before it the redemptions that paid for it and are here."""
    writes: dict[str, None] = {}
    messages: list[Joining] = []
    if purchase_key(sale.member, sale.transaction_id) not in state:
        for redemption_id in spent_on(sale):
            key = redemption_key(sale.member, redemption_id)
            record = state.get(key)
            if not isinstance(record, RedemptionRecord) or record.asked_as == head.member:
                continue
            part = _written(record._replace(asked_as=record.asked_as or head.member))
            if len(part) > PART_CHARS_MAX:
                continue
            writes[key] = None
            message_id = derived_id(sale.cause, KIND, head.member, redemption_id)
            heading = (sale.cause, head.merged_into, sale.time_us, b"", b"", message_id, head.member)
            messages.append(Joining(*heading, plan.program.version, "", KIND, part, is_last=False))
    return Decision(Outcome.APPLIED, writes, messages=tuple(messages), moved_to=head.merged_into)


def reads(fact: Joining) -> tuple[str, ...]:
    """The state key under which a redemption is taken in; none for what else joins."""
    return (redemption_key(fact.member, _read(fact).redemption_id),) if fact.kind == KIND else ()


def is_sent_back(fact: Joining) -> bool:
    """Whether it is a redemption that comes back to the account of the id that asked for it."""
    return fact.kind == KIND and _read(fact).asked_as == fact.member


def take_in(work: Work, state: State, fact: Joining) -> None:
    """Keep a redemption that comes; or send it back, when another of its id is here."""
    record = _read(fact)
    key = redemption_key(fact.member, record.redemption_id)
    if key not in state or record.asked_as == fact.member:
        work.writes[key] = record
        return
    message_id = derived_id(work.cause, f"{KIND}-back", fact.member, record.redemption_id)
    work.messages.append(Joining(*work.heading(record.asked_as, message_id), "", KIND, fact.part, is_last=False))


def _written(record: RedemptionRecord) -> str:
    fields: dict[str, Any] = record._asdict()
    return part_text({**fields, "content": record.content.hex(), "spent": joined(record.spent)})


def _read(fact: Joining) -> RedemptionRecord:
    fields = json.loads(fact.part)
    content, spent = bytes.fromhex(fields["content"]), tuple(parsed(fields["spent"]))
    return RedemptionRecord(**{**fields, "content": content, "spent": spent})
