"""What members do with each other's points, as a program says it: transfers, pooling, closing; compiled and in words.

Not here: what becomes of the points (loyalty/transfers.py, loyalty/households.py, loyalty/closing.py).
"""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from loyalty.program import Cap
from loyalty.program_between import PoolingTerms, TransferTerms
from schemas.program_earn import Model
from schemas.program_values import Choice, Exact, Ids, OneOrMany, Whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from schemas.program_scope import Scope
    from schemas.program_source import TreePath

Period = Annotated[str, Choice("day", "week", "month", "year", "lifetime")]
_ALL = 100
"""Percent."""
_PERIODS = {"day": "a day", "week": "a week", "month": "a month", "year": "a year", "lifetime": "in all"}


class TransferLimit(Model):
    """At most so much in a period, for the member who gives."""

    points: Exact | None = None
    transfers: Annotated[Whole, Field(ge=1, le=10**6)] | None = None
    """How many transfers."""
    per: Period
    """The calendar period in which they count."""


class TransfersFile(Model):
    """Members give points to each other."""

    kinds: Ids | None = None
    """Which points may be given; without it, the first."""
    min: Exact | None = None
    """At least so many at a time."""
    max: Exact | None = None
    """At most so many at a time."""
    fee: Exact | None = None
    """Points that a transfer costs the member who gives."""
    at_most: Annotated[tuple[TransferLimit, ...], Field(max_length=10), OneOrMany()] = ()
    """Limits for each kind of points: {points: 1000, per: year}, {transfers: 3, per: day}."""


class PoolingFile(Model):
    """Members of a household earn into one pool: the account of one of them."""

    share: Annotated[Whole, Field(ge=1, le=100)] = 100
    """Percent of newly earned points that goes to the pool."""
    max_members: Annotated[Whole, Field(ge=2, le=50)] = 6
    """How many may be in a household, the one who holds the pool included."""
    kinds: Ids | None = None
    """Which points are pooled; without it, the first."""


class ClosingFile(Model):
    """What happens to points when a member leaves for good."""

    points: Annotated[str, Choice("keep", "expire")] = "keep"
    """keep: they stay, unused, until their end. expire: they end at once, and a debt is written off."""


def compiled_transfers(file: TransfersFile | None, scope: "Scope") -> tuple[TransferTerms, ...]:
    """The terms for each kind of points that may be given; () when none may."""
    if file is None:
        return ()
    kinds = file.kinds or (scope.default_points,)
    return tuple(
        _terms(file, kind, scope)
        for kind in kinds
        if scope.known_name(kind, scope.decimals, ("transfers", "kinds"), "kind of points")
    )


def compiled_pooling(file: PoolingFile | None, scope: "Scope") -> PoolingTerms | None:
    """The terms of households; None when there are none."""
    if file is None:
        return None
    kinds = tuple(dict.fromkeys(file.kinds or (scope.default_points,)))
    for kind in kinds:
        scope.known_name(kind, scope.decimals, ("pooling", "kinds"), "kind of points")
    return PoolingTerms(file.share, file.max_members, kinds)


def _terms(file: TransfersFile, kind: str, scope: "Scope") -> TransferTerms:
    def points(text: str | None, key: str, *, zero: bool = False) -> int:
        return 0 if text is None else scope.points(text, kind, ("transfers", key), zero=zero)

    least, most = points(file.min, "min") or 1, points(file.max, "max") or None
    if most is not None and most < least:
        scope.report(("transfers", "max"), f"{file.max} came, at least the {file.min} of min was expected")
    caps = tuple(
        _cap(limit, kind, scope, scope.item_path(("transfers", "at_most"), index))
        for index, limit in enumerate(file.at_most)
    )
    return TransferTerms(kind, least, most, points(file.fee, "fee", zero=True), caps)


def _cap(limit: TransferLimit, kind: str, scope: "Scope", path: "TreePath") -> Cap:
    if (limit.points is None) == (limit.transfers is None):
        scope.report(path, "a limit counts either points or transfers", "for example {points: 1000, per: year}")
    if limit.points is not None:
        return Cap(scope.points(limit.points, kind, (*path, "points")), "points", limit.per)
    return Cap(limit.transfers or 1, "awards", limit.per)


def transfer_words(
    terms: "Sequence[TransferTerms]", points: "Callable[[int, str], str]", names: "Callable[[str], str]"
) -> list[str]:
    """The sentences about transfers."""
    sentences = []
    for each in terms:
        kind = each.currency
        size = f"from {points(each.min_points, kind)}" if each.min_points > 1 else ""
        size += f"{' ' if size else ''}up to {points(each.max_points, kind)}" if each.max_points is not None else ""
        limits = [
            f"{points(cap.max_amount, kind) if cap.unit == 'points' else f'{cap.max_amount} transfers'}"
            f" {_PERIODS[cap.per]}"
            for cap in each.caps
        ]
        said = f"{size} at a time" if size else ""
        said += f"{', ' if said else ''}at most {' and '.join(limits)}" if limits else ""
        said += f"{'; ' if said else ''}a transfer costs {points(each.fee, kind)}" if each.fee else ""
        sentences.append(f"Members can give {names(kind)} to each other{f': {said}' if said else ''}.")
    return sentences


def pooling_words(terms: PoolingTerms | None, names: "Mapping[str, str]") -> list[str]:
    """The sentence about households; none when the program has none."""
    if terms is None:
        return []
    share = "All" if terms.share == _ALL else f"{terms.share} % of"
    kinds = " and ".join(names[kind] for kind in terms.currencies)
    goes = f"{share} {kinds} that a member of a household earns go to the member who holds its pool"
    return [f"{goes}; up to {terms.max_members} members are in a household."]


def closing_words(closing: str) -> str:
    """The sentence about leaving."""
    if closing == "expire":
        return "When a member leaves, all points end at once and a debt is written off."
    return "When a member leaves, points stay on the account until they end, and nobody can use them."
