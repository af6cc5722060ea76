"""The rewards of a program file and paying with points, as the domain's.

Not here: the rules that give points (program_rules.py), the program as a whole (program_compile.py).
"""

from fractions import Fraction
from typing import Final

from loyalty.budgets import LimitTerms
from loyalty.catalogue import PAYMENT, Payment, Reward, Season
from loyalty.limits import STOCK, limit_id
from loyalty.program import Cap, Redemptions
from schemas import program as whole
from schemas import program_rewards as model
from schemas.program_rules import Rules
from schemas.program_scope import Scope
from schemas.program_source import TreePath
from schemas.program_values import period

NEEDS_FACE_VALUE: Final = frozenset({"money_off", "gift_card"})
HAS_NONE: Final = frozenset({"free_shipping"})
HAS_PLACES: Final = frozenset({"experience", "event"})


def rewards(file: whole.ProgramFile, rules: Rules, scope: Scope) -> tuple[Reward, ...]:
    """The catalogue."""
    return tuple(_reward(reward, ("rewards", index), rules, scope) for index, reward in enumerate(file.rewards))


def stocks(file: whole.ProgramFile, scope: Scope) -> dict[str, LimitTerms]:
    """The limits over all members that rewards have, by the limit's id."""
    found: dict[str, LimitTerms] = {}
    for index, reward in enumerate(file.rewards):
        path = ("rewards", index)
        if reward.stock is not None and reward.places is not None:
            scope.report((*path, "places"), "stock and places are the same", "write one of them", at_key=True)
        if reward.places is not None and reward.kind not in HAS_PLACES:
            scope.report((*path, "places"), f"a reward of kind {reward.kind} has no places", "write stock", at_key=True)
        units = reward.places if reward.stock is None else reward.stock
        if units is not None:
            found[limit_id(STOCK, reward.id)] = LimitTerms(units)
    return found


def _reward(file: model.Reward, path: TreePath, rules: Rules, scope: Scope) -> Reward:
    currency = scope.currency(file.kind_of_points, (*path, "in"))
    face_value = file.face_value
    if face_value is None and file.kind in NEEDS_FACE_VALUE:
        scope.report(path, f"a reward of kind {file.kind} needs a face_value", 'for example face_value: "5.00"')
    if face_value is not None and file.kind in HAS_NONE:
        scope.report(
            (*path, "face_value"), f"a reward of kind {file.kind} has no face_value", "leave it out", at_key=True
        )
    return Reward(
        id=file.id,
        name=file.name or file.id,
        kind=file.kind,
        currency=currency,
        price=scope.points(file.price, currency, (*path, "price")),
        times=rules.times(file.when, (*path, "when")),
        seasons=tuple(
            _season(season, currency, scope.item_path((*path, "seasons"), index), rules, scope)
            for index, season in enumerate(file.seasons)
        ),
        tiers=rules.tiers(file.when.tiers, (*path, "when")),
        segments=None if file.when.segments is None else frozenset(file.when.segments),
        limits=tuple(
            _limit(limit, scope.item_path((*path, "at_most"), index), scope) for index, limit in enumerate(file.at_most)
        ),
        face_value_minor=0 if face_value is None else scope.minor(face_value, (*path, "face_value"), zero=False),
        sku=file.sku or "",
    )


def _season(file: model.Season, currency: str, path: TreePath, rules: Rules, scope: Scope) -> Season:
    given = (file.start, file.end, file.dates, file.every_year, file.weekdays, file.hours)
    if all(each is None for each in given):
        scope.report(path, "a season without times", "for example every_year: {from: 01-07, to: 02-28}")
    price = scope.points(file.price, currency, (*path, "price"))
    return Season(file.name or "seasonal price", price, rules.times(file, path))


def _limit(file: model.RewardLimit, path: TreePath, scope: Scope) -> Cap:
    if (file.per is None) == (file.rolling is None):
        scope.report(path, "a limit needs either per or rolling", "for example {number: 2, per: month}")
    if file.number == 0:
        scope.report((*path, "number"), "0 came, a number above 0 was expected")
    return Cap(
        max_amount=file.number,
        unit="pieces",
        per="rolling" if file.rolling else file.per or "lifetime",
        rolling=scope.calendar_period(file.rolling, (*path, "rolling")) if file.rolling else None,
    )


def payment(file: model.PayWithPoints | None, scope: Scope) -> Payment | None:
    """How points pay for a sale; None: they do not."""
    if file is None:
        return None
    path = (PAYMENT,)
    currency = scope.currency(file.kind_of_points, (*path, "in"))
    points = scope.points(file.points, currency, (*path, "points"))
    worth_minor = scope.minor(file.worth, (*path, "worth"), zero=False)
    block = 1 if file.block is None else scope.points(file.block, currency, (*path, "block"))
    minimum = 0 if file.minimum is None else scope.points(file.minimum, currency, (*path, "minimum"))
    return Payment(
        currency=currency,
        worth=Fraction(worth_minor, points or 1),
        block=block or 1,
        minimum=minimum,
        share=Fraction(file.max_percent, 100),
    )


def redemptions(file: model.Redemptions, scope: Scope) -> Redemptions:
    """What becomes of redemptions that come to nothing."""
    return Redemptions(
        keep=None if file.keep == "forever" else period(file.keep),
        grace=None if file.grace is None else scope.calendar_period(file.grace, ("redemptions", "grace")),
    )
