"""What surprises do, in sentences that their author can agree or disagree with.

Not here: the other sentences about a program (program_words.py).
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Final

from loyalty.budgets import LimitTerms, Surprise
from loyalty.program import Cap
from schemas.program_circumstances import circumstances, joined

_DRAWN: Final = {"purchase": "purchases", "review": "published reviews", "share": "shares", "engagement": "activities"}
_PERIODS: Final = {"day": "day", "week": "week", "month": "month", "year": "year", "lifetime": "lifetime"}


def surprise_sentence(
    rule: Surprise,
    budget: LimitTerms,
    points: Callable[[Fraction | int, str], str],
    money: Callable[[int], str],
    number: Callable[[Fraction], str],
    cap: Callable[[Cap, str], str],
) -> str:
    """One surprise; the functions say amounts of points and money, numbers and limits."""
    share = f"{number(rule.share * 100)} of 100"
    if rule.times is None:
        given = points(rule.points, rule.currency)
    else:
        given = f"{number(rule.times)} times the points of the purchase"
    if rule.draw == "event":
        text = f"{given} for {share} {_DRAWN[rule.on]}, drawn one by one"
    else:
        when = "once and for all" if rule.per == "lifetime" else f"each {_PERIODS[rule.per]}"
        text = f"{given} for {share} members, drawn {when}, with their first of the {_DRAWN[rule.on]} then"
    said = circumstances(rule.when)
    if rule.min_spend_minor:
        said.append(f"if the lines that can earn come to {money(rule.min_spend_minor)} or more")
    text += "".join(f", {part}" for part in said)
    limits = joined(cap(each, rule.currency) for each in rule.caps)
    text += f"; at most {limits} for a member" if limits else ""
    per = "in all" if budget.per == "lifetime" else f"a {_PERIODS[budget.per]}"
    again = "given again" if rule.refill else "not given again"
    text += f"; all members share {points(budget.capacity, rule.currency)} {per}, what is taken back is {again}"
    if rule.on in {"purchase", "review"}:
        what = "purchase comes back" if rule.on == "purchase" else "review is removed"
        text += f"; the points {'go' if rule.returns == 'take_back' else 'stay'} when the {what}"
    label = f"{rule.name} ({rule.id})" if rule.name != rule.id else rule.id
    return f"{label}: {text}."
