"""Rules that give without a deed: when a birthday, an anniversary or a silence is, and how long what it gives lives.

Not here: what such a rule gives and to whom (program_rules.py).
"""

from collections.abc import Iterable
from typing import Any, Final

from loyalty.occasions import ANNIVERSARY, BIRTHDAY, INACTIVITY
from loyalty.program import Duration, Occasion
from schemas import program_earn as model
from schemas.program_scope import Scope
from schemas.program_source import TreePath
from schemas.program_values import longest_days, shortest_days

OCCASIONS: Final = (BIRTHDAY, ANNIVERSARY, INACTIVITY)
MAX_AWAY_DAYS: Final = 180
"""The longest lead, and the longest `late`, so that two years of one occasion never meet."""
_MUST_AGREE: Final = {BIRTHDAY: ("lead", "late", "leap"), ANNIVERSARY: ("lead", "late")}


def gift(rule: model.GiftRule, currency: str, scope: Scope, path: TreePath) -> dict[str, Any]:
    """What is said of a rule that gives without a deed, as fields of the domain's rule."""
    ends_after = None
    if rule.ends_after is not None:
        ends_after = scope.calendar_period(rule.ends_after, (*path, "ends_after"))
        pending = scope.pending.get(currency)
        if pending is not None and longest_days(pending) >= shortest_days(ends_after):
            scope.report(
                (*path, "ends_after"), f"{rule.ends_after} came, more than the time that {currency} wait was expected"
            )
    occasion = _occasion(rule, scope, path) if isinstance(rule, model.OccasionRule) else None
    reward = rule.give.reward if isinstance(rule, model.OccasionRule) else None
    if reward is not None:
        _check_reward(rule, reward, scope, path)
    return {"ends_after": ends_after, "notice": rule.notice, "occasion": occasion, "reward": reward or ""}


def activity_points(rule: model.ActivityRule, currency: str, scope: Scope, path: TreePath) -> int:
    """The points that a rule gives; 0 where it gives a reward."""
    if isinstance(rule, model.OccasionRule) and rule.give.reward is not None and rule.give.points == "0":
        return 0
    return scope.points(rule.give.points, currency, (*path, "give", "points"))


def _check_reward(rule: model.GiftRule, reward: str, scope: Scope, path: TreePath) -> None:
    """A reward is there, and nothing is said of it that is about points."""
    scope.known_name(reward, scope.rewards, (*path, "give", "reward"), "reward")
    if rule.give.points != "0":
        scope.report(
            (*path, "give", "points"), "points and a reward cannot stand together", "write two rules", at_key=True
        )
    said = {"in": rule.give.kind_of_points, "multiplied": rule.multiplied, "qualifies": rule.qualifies}
    for key, value in {**said, "ends_after": rule.ends_after}.items():
        if value:
            where = (*path, "give", key) if key == "in" else (*path, key)
            scope.report(where, f"{key} is about points, and a reward is given", "leave it out", at_key=True)
    for index, cap in enumerate(rule.at_most):
        if cap.points is not None:
            place = (*scope.item_path((*path, "at_most"), index), "points")
            scope.report(place, "a reward is given whole", "limit awards")


def _occasion(rule: model.OccasionRule, scope: Scope, path: TreePath) -> Occasion:
    late = _away(rule.late, scope, (*path, "late"))
    match rule:
        case model.BirthdayRule():
            return Occasion(_away(rule.lead, scope, (*path, "lead")), late, rule.leap)
        case model.AnniversaryRule():
            return Occasion(_away(rule.lead, scope, (*path, "lead")), late, from_year=rule.from_year)
        case model.InactivityRule():
            after = scope.calendar_period(rule.after, (*path, "after"))
            return Occasion(late=late, after=after, activities=frozenset(rule.of))
        case _:
            raise TypeError(type(rule).__name__)


def _away(text: str | None, scope: Scope, path: TreePath) -> Duration:
    if text is None:
        return Duration()
    duration = scope.calendar_period(text, path)
    if longest_days(duration) > MAX_AWAY_DAYS:
        scope.report(path, f"{text} came, at most {MAX_AWAY_DAYS} days were expected")
    return duration


def check_agreement(rules: Iterable[model.Rule], scope: Scope) -> None:
    """A birthday is kept once a year, at one moment: all its rules say the same of that; anniversaries, too."""
    first: dict[str, model.OccasionRule] = {}
    for index, rule in enumerate(rules):
        if not isinstance(rule, model.BirthdayRule | model.AnniversaryRule):
            continue
        other = first.setdefault(rule.on, rule)
        for key in _MUST_AGREE[rule.on]:
            mine, said = getattr(rule, key), getattr(other, key)
            if mine != said:
                wanted = f"{said} was expected" if said else f"no {key} was expected"
                scope.report(
                    ("earn", index, key),
                    f"{mine or 'nothing'} came, {wanted}, as {other.id} says",
                    f"all rules on {rule.on} are asked at one moment: say the same in each of them",
                )
