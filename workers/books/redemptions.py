"""A redemption in plain words: the price and its season, what points paid, and why they came back.

Not here: which lots they came out of, which every entry says alike (narration.py).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from loyalty.catalogue import PAYMENT
from schemas.currencies import MINOR_DIGITS
from workers.books.names import Names

_SPENT: Final = ("rule", "redemption_id", "quantity", "price", "season", "usual_price", "points")
_PAID: Final = ("rule", "redemption_id", "transaction_id", "worth", "value_minor", "money", "points")
_GRANTED: Final = ("rule", "redemption_id", "granted", "points")
_GIVEN: Final = ("rule", "redemption_id", "reward", "day")
_RESTORED: Final = ("rule", "redemption_id", "spent", "restored", "because", "said")
_BECAUSE: Final = {
    "cancelled": "it was cancelled",
    "failed": "it could not be delivered",
    "returned": "goods that it paid for came back",
    "out_of_stock": "there was not enough in stock",
    "closed": "the account was closed meanwhile",
}


def step_keys(step: Mapping[str, Any]) -> tuple[str, ...]:
    """What of a step the words say; the rest is to be said as it stands."""
    if "restored" in step:
        return _RESTORED
    if "granted" in step:
        return _GRANTED
    if "reward" in step:
        return _GIVEN
    return _PAID if "worth" in step else _SPENT


def redemption_title(rule: str, redemption_id: str, names: Names) -> str:
    """What was redeemed."""
    what = "Paid with points" if rule == PAYMENT else names.called(rule)
    return f"{what}, redemption {redemption_id}" if redemption_id else what


def redemption_words(step: Mapping[str, Any], currency: str, names: Names) -> str:
    """What a redemption took, or what of it came back."""
    if "restored" in step:
        return _restored(step, currency, names)
    if "reward" in step:
        given = names.called(step["reward"])
        given = f"{given} as a gift" if "redemption_id" in step else f"a limit of the rule left no {given}"
        return f"{given}, for {step['day']}"
    points = names.points(step.get("points", 0), currency)
    if "granted" in step:
        return f"the stock granted {step['granted']}, so {points} {currency} that were held are spent"
    if "worth" in step:
        value = Decimal(step["value_minor"]).scaleb(-MINOR_DIGITS.get(step["money"], 0))
        return f"{points} {currency} paid {value:,f} {step['money']} of sale {step['transaction_id']}"
    price = names.points(step["price"], currency)
    season = f" ({step['season']}, else {names.points(step['usual_price'], currency)})" if "season" in step else ""
    return f"{step['quantity']} at {price} {currency}{season} took {points}"


def _restored(step: Mapping[str, Any], currency: str, names: Names) -> str:
    spent, back = (names.points(step[key], currency) for key in ("spent", "restored"))
    said = f" ({step['said']})" if "said" in step else ""
    return f"{back} of {spent} {currency} came back, because {_BECAUSE.get(step['because'], step['because'])}{said}"
