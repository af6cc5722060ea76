"""What accounts do with each other, in plain words: transfers that go, arrive or come back, merges, households.

Not here: which lots it moved, which every entry says alike (narration.py).
"""

from collections.abc import Mapping
from typing import Any, Final

from workers.books.names import Names

TIES: Final = (
    *("rule", "transfer_id", "to_member", "from_member", "points", "fee", "came_back"),
    *("merge_id", "into", "debt"),
    *("household_id", "currency", "holder"),
)
"""What of a step the words say; the rest is to be said as it stands."""


def tie_words(step: Mapping[str, Any], currency: str, names: Names) -> str:
    """What a step of a transfer, of a merge or of a household says."""
    if "household_id" in step:
        return f"Household {step['household_id']}: {_pooled(step, names)}"
    if "transfer_id" in step:
        return f"Transfer {step['transfer_id']}: {_transfer(step, currency, names)}"
    return _merge(step, currency, names)


def _transfer(step: Mapping[str, Any], currency: str, names: Names) -> str:
    fee = f", and a fee of {names.points(step['fee'], currency)}" if "fee" in step else ""
    amount = f"{names.points(step['points'], currency)}{fee}"
    if "from_member" in step:
        return f"{amount} from member {step['from_member']}"
    if "came_back" in step:
        return f"{amount} came back, since member {step['to_member']} could not take them"
    return f"{amount} to member {step['to_member']}"


def _merge(step: Mapping[str, Any], currency: str, names: Names) -> str:
    """What came later than the merge names no `merge_id`: the account that has ended passed it on."""
    merge_id = step.get("merge_id")
    when = f"Merge {merge_id}" if merge_id else "After the merge"
    if "from_member" not in step:
        what = "this account ended, and what it had went" if merge_id else "what came back went on"
        return f"{when}: {what} to member {step.get('into')}"
    if "debt" in step:
        what = f"a debt of {names.points(step['debt'], currency)}"
    elif "points" in step:
        what = names.points(step["points"], currency)
    else:
        what = "what was pending"
    return f"{when}: {what} came from member {step['from_member']}"


def _pooled(step: Mapping[str, Any], names: Names) -> str:
    of = str(step.get("currency"))
    amount = f"{names.points(step['points'], of)} {of}"
    if "holder" in step:
        return f"{amount} to the pool of member {step['holder']}"
    if "to_member" in step:
        return f"{amount} out of the pool for what member {step['to_member']} owes"
    return f"{amount} from member {step['from_member']}"
