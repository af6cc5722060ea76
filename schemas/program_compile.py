"""From a validated program file to the compiled program: names, money and time are resolved and checked together.

All problems are reported to the source with their position; nothing is raised for what an author wrote.
`compile_program` answers a program only when nothing was reported.

Invariants (of loyalty.program, established here):
  P1 ids unique, names exist     P2 tiers ascending from 0     P3 exclusive priorities differ     P4 windows not empty

Not here: the shape of single values (program_values.py), the parts of rules (program_rules.py).
"""

from fractions import Fraction
from typing import Final

from loyalty.calendar import bound_us
from loyalty.catalogue import PAYMENT
from loyalty.program import (
    Adjustments,
    Combine,
    Currency,
    Duration,
    Expiry,
    Level,
    LineFilter,
    Multiplier,
    Program,
    Returns,
    Stream,
    TierNotice,
    TierReview,
    Tiers,
    When,
)
from schemas import program as model
from schemas import program_catalogue
from schemas.currencies import MINOR_DIGITS
from schemas.program_between import compiled_pooling, compiled_transfers
from schemas.program_rules import Rules
from schemas.program_scope import Scope
from schemas.program_source import Source, TreePath
from schemas.program_surprises import budgets, compiled_surprises
from schemas.program_values import exact, first_instant, longest_days, period, shortest_days, zone

MAX_FACTOR: Final = 100
TIER_GROUP: Final = "tier"


def compile_program(file: model.ProgramFile, source: Source, digest: str) -> Program:
    """The compiled program; when problems were reported to the source, it is of no use."""
    scope = Scope.of(file, source)
    rules = Rules(scope)
    tiers = _tiers(file.tiers, scope) if file.tiers else None
    start = first_instant(file.effective_from)
    purchase_rules, activity_rules, referral_rules = rules.compiled(file.earn)
    multipliers = _multipliers(file.multiply, rules, scope)
    _check_ids(file, scope)
    return Program(
        id=file.program,
        version=file.version,
        digest=digest,
        effective_from_us=bound_us(start, zone(file.zone)),
        zone=zone(file.zone),
        money=file.money,
        money_decimals=MINOR_DIGITS[file.money],
        exchange=_exchange(file, scope),
        currencies=tuple(_currency(key, points, scope) for key, points in file.points.items()),
        excluded_lines=LineFilter(
            not_categories=frozenset(file.exclude.categories),
            not_skus=frozenset(file.exclude.skus),
            not_brands=frozenset(file.exclude.brands),
        ),
        purchase_rules=purchase_rules,
        activity_rules=activity_rules,
        referral_rules=referral_rules,
        multipliers=(*multipliers, *_tier_multipliers(tiers)),
        combine=Combine(within=dict(sorted(file.multiply.groups.items())), across=file.multiply.across),
        tiers=tiers,
        returns=Returns(
            keep=None if file.returns.keep == "forever" else period(file.returns.keep),
            keep_threshold=file.returns.keep_threshold,
            negative=file.returns.negative,
            park=None if file.returns.park == "none" else period(file.returns.park),
            blind=file.returns.blind,
            reviews=file.returns.reviews,
            restore_spent=file.returns.restore_spent,
            referrals=file.returns.referrals,
        ),
        stream=Stream(
            max_late=None if file.stream.max_late == "none" else period(file.stream.max_late),
            max_future=period(file.stream.max_future),
        ),
        adjustments=Adjustments(
            negative=file.adjustments.negative,
            approve_above=None if file.adjustments.approve_above is None else exact(file.adjustments.approve_above),
            qualifies=file.adjustments.qualifies,
        ),
        enrollment=file.enrollment,
        name=file.name or "",
        rewards=program_catalogue.rewards(file, rules, scope),
        payment=program_catalogue.payment(file.pay_with_points, scope),
        redemptions=program_catalogue.redemptions(file.redemptions, scope),
        limits={**budgets(file.surprises, rules), **program_catalogue.stocks(file, scope)},
        transfers=compiled_transfers(file.transfers, scope),
        pooling=compiled_pooling(file.pooling, scope),
        closing=file.closing.points,
        surprises=compiled_surprises(file.surprises, rules),
    )


def _currency(key: str, file: model.Points, scope: Scope) -> Currency:
    path = ("points", key)
    expiry = None if file.expiry is None else _expiry(file.expiry, (*path, "expiry"), scope)
    pending = None if file.pending is None else period(file.pending)
    if pending is not None and expiry is not None and longest_days(pending) >= shortest_days(expiry.after):
        scope.report(
            (*path, "pending"),
            f"{file.pending} came, less than the {file.expiry and file.expiry.after} that points live was expected",
        )
    return Currency(key, file.name, file.decimals, file.rounding, pending, expiry)


def _expiry(file: model.Expiry, path: TreePath, scope: Scope) -> Expiry:
    after = scope.calendar_period(file.after, (*path, "after"))
    notice = None if file.notice is None else scope.calendar_period(file.notice, (*path, "notice"))
    if notice is not None and longest_days(notice) >= shortest_days(after):
        scope.report((*path, "notice"), f"{file.notice} came, less than the {file.after} that points live was expected")
    restart_for = None if file.restart_for is None else scope.calendar_period(file.restart_for, (*path, "restart_for"))
    if restart_for is not None and not file.restart_on:
        hint = "for example restart_on: purchase"
        scope.report((*path, "restart_for"), "restart_for only matters with restart_on", hint)
    if restart_for is not None and notice is not None and longest_days(notice) >= shortest_days(restart_for):
        left = f"{file.notice} came, less than the {file.restart_for} that points live on was expected"
        scope.report((*path, "notice"), left)
    return Expiry(after, file.to_end_of, frozenset(file.restart_on), notice, restart_for)


def _exchange(file: model.ProgramFile, scope: Scope) -> dict[str, Fraction]:
    """Minor units of the program's money for one minor unit of each other currency."""
    rates: dict[str, Fraction] = {}
    for code, text in sorted(file.exchange.items()):
        path = ("exchange", code)
        if code == file.money:
            scope.report(path, f"{code} is the money of the program already", "leave it out", at_key=True)
        rate = exact(text)
        if rate == 0:
            scope.report(path, "0 came, a rate above 0 was expected")
        rates[code] = rate * Fraction(10) ** (MINOR_DIGITS[file.money] - MINOR_DIGITS[code])
    return rates


def _tiers(file: model.Tiers, scope: Scope) -> Tiers:
    path = ("tiers",)
    currency = scope.currency(file.counts, (*path, "counts"))
    if file.basis == "spend" and file.counts is not None:
        scope.report((*path, "counts"), "counts names points, but the basis is spend", "leave counts out", at_key=True)
    if file.basis == "points" and file.spend_includes:
        scope.report((*path, "spend_includes"), "spend_includes needs basis: spend", at_key=True)
    levels: list[Level] = []
    for index, level in enumerate(file.levels):
        here = (*path, "levels", index)
        if file.basis == "points":
            threshold = scope.points(level.threshold, currency, (*here, "from"), zero=True)
        else:
            threshold = scope.minor(level.threshold, (*here, "from"))
        if index == 0 and threshold != 0:
            scope.report((*here, "from"), f"the first tier starts at {level.threshold}", "write from: 0")
        if levels and threshold <= levels[-1].threshold:
            scope.report((*here, "from"), f"{level.threshold} does not lie above the tier before ({levels[-1].id})")
        if level.id in {known.id for known in levels}:
            scope.report((*here, "id"), f"there is a tier {level.id} already")
        factor = _factor(level.multiplier, (*here, "multiplier"), scope)
        levels.append(Level(level.id, level.name or level.id, threshold, factor, dict(sorted(level.benefits.items()))))
    rolling = _rolling(file, scope)
    return Tiers(
        levels=tuple(levels),
        basis=file.basis,
        currency=currency if file.basis == "points" else "",
        spend_includes=frozenset(file.spend_includes),
        window="rolling" if rolling else str(file.window),
        rolling=rolling,
        crossing=file.crossing,
        review=None if file.review is None else _review(file.review, scope),
        notice=_tier_notice(file, currency, scope),
    )


def _review(file: model.TierReview, scope: Scope) -> TierReview:
    path = ("tiers", "review")
    if file.after is None and file.to_end_of == "day":
        scope.report(path, "a tier that ends on the day it was reached", "add after: P12M, or to_end_of: year")
    after = Duration() if file.after is None else scope.calendar_period(file.after, (*path, "after"))
    grace = Duration() if file.grace is None else scope.calendar_period(file.grace, (*path, "grace"))
    return TierReview(after, file.to_end_of, grace, file.down)


def _tier_notice(file: model.Tiers, currency: str, scope: Scope) -> TierNotice:
    path = ("tiers", "notice")
    near, at_risk = file.notice.near, None
    amount = None
    if near is not None:
        by_points = file.basis == "points"
        amount = scope.points(near, currency, (*path, "near")) if by_points else scope.minor(near, (*path, "near"))
    if file.notice.at_risk is not None:
        at_risk = scope.calendar_period(file.notice.at_risk, (*path, "at_risk"))
        if file.review is None:
            scope.report((*path, "at_risk"), "no tier ends here", "add tiers.review", at_key=True)
        elif file.review.after is not None and longest_days(at_risk) >= shortest_days(period(file.review.after)):
            scope.report(
                (*path, "at_risk"),
                f"{file.notice.at_risk} came, less than the {file.review.after} that a tier holds was expected",
            )
    return TierNotice(amount, at_risk)


def _rolling(file: model.Tiers, scope: Scope) -> Duration | None:
    if not isinstance(file.window, model.Rolling):
        return None
    return scope.calendar_period(file.window.rolling, ("tiers", "window", "rolling"))


def _factor(text: str, path: TreePath, scope: Scope) -> Fraction:
    factor = exact(text)
    if factor > MAX_FACTOR:
        scope.report(path, f"{text} came, a factor of at most {MAX_FACTOR} was expected")
    return factor


def tier_multiplier_id(tier: str) -> str:
    """The id under which a tier's multiplier stands among the others."""
    return f"tier-{tier}"


def _tier_multipliers(tiers: Tiers | None) -> tuple[Multiplier, ...]:
    if tiers is None:
        return ()
    return tuple(
        Multiplier(
            id=tier_multiplier_id(level.id),
            name=level.name,
            factor=level.multiplier,
            group=TIER_GROUP,
            when=When(tiers=frozenset({level.id})),
        )
        for level in tiers.levels
        if level.multiplier != 1
    )


def _multipliers(file: model.Multiply, rules: Rules, scope: Scope) -> tuple[Multiplier, ...]:
    compiled: list[Multiplier] = []
    priorities: dict[int, str] = {}
    for index, rule in enumerate(file.rules):
        path = ("multiply", "rules", index)
        if rule.exclusive:
            other = priorities.setdefault(rule.priority, rule.id)
            if other != rule.id:
                scope.report(
                    (*path, "priority"),
                    f"{rule.id} and {other} are both exclusive with priority {rule.priority}",
                    "give each exclusive multiplier a priority of its own; the highest applies",
                )
        elif rule.priority:
            scope.report((*path, "priority"), "a priority only matters with exclusive: true", at_key=True)
        scope.known_name(rule.group, scope.groups, (*path, "group"), "group of multipliers")
        for target in rule.of or ():
            if scope.known_name(target, scope.rule_ids, (*path, "of"), "earn rule"):
                _check_target(target, (*path, "of"), scope)
        compiled.append(
            Multiplier(
                id=rule.id,
                name=rule.name or rule.id,
                factor=_factor(rule.factor, (*path, "factor"), scope),
                group=rule.group,
                when=rules.purchase_when(rule.when, (*path, "when")),
                lines=rules.lines(rule.lines, (*path, "lines")),
                rules=None if rule.of is None else frozenset(rule.of),
                exclusive=rule.exclusive,
                priority=rule.priority,
            )
        )
    return tuple(compiled)


def _check_target(target: str, path: TreePath, scope: Scope) -> None:
    if target in scope.unmultiplied:
        hint = f"write multiplied: true at {target}" if scope.unmultiplied[target] else "leave it out"
        scope.report((*path, target), f"the points of {target} are not multiplied", hint)


def _check_ids(file: model.ProgramFile, scope: Scope) -> None:
    """Rules, multipliers and rewards share one space of ids, because ledger entries name them all."""
    seen: dict[str, str] = {}
    places: list[tuple[str, TreePath]] = [
        *((rule.id, ("earn", index)) for index, rule in enumerate(file.earn)),
        *((rule.id, ("multiply", "rules", index)) for index, rule in enumerate(file.multiply.rules)),
        *((reward.id, ("rewards", index)) for index, reward in enumerate(file.rewards)),
        *((rule.id, ("surprises", index)) for index, rule in enumerate(file.surprises)),
    ]
    reserved = {tier_multiplier_id(level.id) for level in file.tiers.levels} if file.tiers else set()
    for name, path in places:
        if name == PAYMENT:
            scope.report((*path, "id"), f"{name} stands for points that pay for a sale", "choose another id")
        if name in reserved:
            scope.report((*path, "id"), f"{name} is the id of a tier's own multiplier", "choose another id")
        place = scope.source.values.get((*path, "id"), (1, 1))
        if name in seen:
            scope.report((*path, "id"), f"the id {name} is used twice; first in {seen[name]}", "each id stands once")
        seen.setdefault(name, f"line {place[0]}")
