"""The rules of a program file as the domain's rules: rates, circumstances, line filters, caps.

Not here: tiers, multipliers and the program as a whole (program_compile.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Final

from loyalty.calendar import bound_us
from loyalty.conditions import Condition, ConditionError, compile_condition, fields_read
from loyalty.facts import Engagement, MemberUpdate, Referral, Review, Share
from loyalty.occasions import Kept
from loyalty.program import (
    ALL_LINES,
    ActivityRule,
    Cap,
    FieldTest,
    LineFilter,
    PurchaseRule,
    ReferralRule,
    When,
    Window,
)
from schemas import program_earn as model
from schemas.program_occasions import OCCASIONS, activity_points, check_agreement, gift
from schemas.program_scope import Scope, purchase_rule_multiplied
from schemas.program_source import TreePath
from schemas.program_values import (
    WEEKDAYS,
    did_you_mean,
    every_year,
    exact,
    first_instant,
    hours,
    last_instant,
    period,
    zone,
)

MAX_RATE_DENOMINATOR: Final = 10**12

_TRANSPORT: Final = {"cause", "member", "time_us", "body", "content"}
PURCHASE_FIELDS: Final = frozenset(
    {"transaction_id", "store_id", "channel", "currency", "total_minor", "lines", "tenders", "attributes"}
)
MEMBER_FIELDS: Final = frozenset({"tier", "segments", "attributes"})
EVENT_FIELDS: Final = {
    "review": frozenset(Review._fields) - _TRANSPORT,
    "share": frozenset(Share._fields) - _TRANSPORT,
    "engagement": frozenset(Engagement._fields) - _TRANSPORT,
    "referral": frozenset(Referral._fields) - _TRANSPORT,
    "enrollment": frozenset(MemberUpdate._fields) - _TRANSPORT,
    **dict.fromkeys(OCCASIONS, frozenset(Kept._fields)),
}
CAP_FIELDS: Final = {
    "purchase": frozenset({"store_id", "channel"}),
    "review": frozenset({"sku"}),
    "share": frozenset({"network", "content_id", "kind"}),
    "engagement": frozenset({"activity", "activity_id"}),
    "referral": frozenset[str](),
    "enrollment": frozenset[str](),
    **dict.fromkeys(OCCASIONS, frozenset[str]()),
}
"""What a cap may count each value of: fields that say what an activity was about."""


class Rules:
    """Compiles the rules of one program."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def compiled(
        self, rules: Sequence[model.Rule]
    ) -> tuple[tuple[PurchaseRule, ...], tuple[ActivityRule, ...], tuple[ReferralRule, ...]]:
        """All earn rules, by what they are about, in the order of the file."""
        purchase: list[PurchaseRule] = []
        activity: list[ActivityRule] = []
        referral: list[ReferralRule] = []
        for index, rule in enumerate(rules):
            path: TreePath = ("earn", index)
            match rule:
                case model.PurchaseRule():
                    purchase.append(self.purchase(rule, path))
                case model.ReferralRule():
                    referral.append(self.referral(rule, path))
                case model.GiftRule() | model.ReviewRule() | model.ShareRule() | model.EngagementRule():
                    activity.append(self.activity(rule, path))
                case _:
                    raise TypeError(type(rule).__name__)
        check_agreement(rules, self.scope)
        return tuple(purchase), tuple(activity), tuple(referral)

    def purchase(self, rule: model.PurchaseRule, path: TreePath) -> PurchaseRule:
        """A rule on purchases."""
        currency = self.scope.currency(rule.give.kind_of_points, (*path, "give", "in"))
        kind, rate = self.rate(rule.give, currency, (*path, "give"))
        min_spend = rule.when.min_spend
        measured = kind != "fixed"
        return PurchaseRule(
            id=rule.id,
            name=rule.name or rule.id,
            currency=currency,
            kind=kind,
            rate=rate,
            when=self.purchase_when(rule.when, (*path, "when")),
            lines=self.lines(rule.lines, (*path, "lines")),
            tenders=_set(rule.when.tenders),
            min_spend_minor=self.scope.minor(min_spend, (*path, "when", "min_spend")) if min_spend else 0,
            multiplied=purchase_rule_multiplied(rule),
            qualifies=measured if rule.qualifies is None else rule.qualifies,
            caps=self.caps(rule.at_most, "purchase", currency, (*path, "at_most")),
        )

    def rate(self, give: model.PurchaseGive, currency: str, path: TreePath) -> tuple[str, Fraction]:
        """The kind of a rule and what its measure is multiplied by."""
        if give.per is not None and give.per_item:
            self.scope.report(
                (*path, "per_item"),
                "per and per_item cannot stand together",
                "write two rules; they add up",
                at_key=True,
            )
        if give.per is None and not give.per_item:
            return "fixed", Fraction(self.scope.points(give.points, currency, (*path, "points")))
        points = exact(give.points) * 10 ** self.scope.decimals[currency]
        if points == 0:
            self.scope.report((*path, "points"), "0 came, a number of points above 0 was expected")
        if give.per is None:
            return "per_item", points
        per_minor = self.scope.minor(give.per, (*path, "per"), zero=False)
        rate = points / per_minor if per_minor else Fraction(0)
        if rate.denominator > MAX_RATE_DENOMINATOR:
            self.scope.report((*path, "points"), f"{give.points} for each {give.per} is too fine to be kept exactly")
        return "per_amount", rate

    def activity(
        self,
        rule: model.GiftRule | model.ReviewRule | model.ShareRule | model.EngagementRule,
        path: TreePath,
    ) -> ActivityRule:
        """A rule on single activities, or on what is given without any."""
        currency = self.scope.currency(rule.give.kind_of_points, (*path, "give", "in"))
        return ActivityRule(
            id=rule.id,
            name=rule.name or rule.id,
            on=rule.on,
            currency=currency,
            points=activity_points(rule, currency, self.scope, path),
            when=self.when(rule.when, (*path, "when"), rule.on, fields=_field_tests(rule.when)),
            multiplied=rule.multiplied,
            qualifies=rule.qualifies,
            caps=self.caps(rule.at_most, rule.on, currency, (*path, "at_most")),
            **(gift(rule, currency, self.scope, path) if isinstance(rule, model.GiftRule) else {}),
        )

    def referral(self, rule: model.ReferralRule, path: TreePath) -> ReferralRule:
        """A rule on referrals."""
        give = rule.give
        currency = self.scope.currency(give.kind_of_points, (*path, "give", "in"))
        referrer = self.scope.points(give.referrer, currency, (*path, "give", "referrer"), zero=True)
        referee = self.scope.points(give.referee, currency, (*path, "give", "referee"), zero=True)
        if referrer == referee == 0:
            self.scope.report((*path, "give"), "neither side gets points", "give: {referrer: 200, referee: 100}")
        qualifying = rule.qualifying_purchase
        spend: int | None = None
        if qualifying is not None:
            spend = self.scope.minor(qualifying.min_spend, (*path, "qualifying_purchase", "min_spend"))
            if rule.when.stage == "signed_up":
                self.scope.report(
                    (*path, "qualifying_purchase"),
                    "a referral that pays at the sign-up needs no purchase",
                    "leave out qualifying_purchase, or write stage: qualified",
                    at_key=True,
                )
        return ReferralRule(
            id=rule.id,
            name=rule.name or rule.id,
            currency=currency,
            referrer_points=referrer,
            referee_points=referee,
            stage=rule.when.stage,
            qualifying_spend_minor=spend,
            within=period(qualifying.within) if qualifying else None,
            when=self.when(rule.when, (*path, "when"), "referral", fields=_field_tests(rule.when)),
            referrer_caps=self.caps(rule.at_most, "referral", currency, (*path, "at_most")),
            qualifies=rule.qualifies,
        )

    def purchase_when(
        self, when: model.PurchaseWhen, path: TreePath, on: str = "purchase", fields: tuple[FieldTest, ...] = ()
    ) -> When:
        """Circumstances of a purchase, for rules and multipliers; of another event `on` whose fields are tested."""
        return self.when(
            when,
            path,
            on,
            fields=fields,
            stores=_set(when.stores),
            channels=_set(when.channels),
            store_zone=when.zone == "store",
        )

    def when(
        self,
        when: model.When,
        path: TreePath,
        on: str,
        *,
        fields: tuple[FieldTest, ...] = (),
        stores: frozenset[str] | None = None,
        channels: frozenset[str] | None = None,
        store_zone: bool = False,
    ) -> When:
        """Circumstances of any event."""
        return replace(
            self.times(when, path),
            tiers=self.tiers(when.tiers, path),
            segments=_set(when.segments),
            stores=stores,
            channels=channels,
            fields=fields,
            condition=self.condition(when.condition, (*path, "if"), on) if when.condition is not None else None,
            store_zone=store_zone,
        )

    def times(self, when: model.Times, path: TreePath) -> When:
        """What restricts when, and nothing else."""
        days = when.every_year
        return When(
            windows=self.windows(when, path),
            every_year=None if days is None else tuple(every_year(day.first, day.last) for day in days),
            weekdays=None if when.weekdays is None else frozenset(WEEKDAYS.index(day) + 1 for day in when.weekdays),
            hours=None if when.hours is None else tuple(hours(text) for text in when.hours),
        )

    def tiers(self, tiers: Iterable[str] | None, path: TreePath) -> frozenset[str] | None:
        """The tiers whose members a rule is for; `path` is that of the block that names them."""
        for tier in tiers or ():
            self.tier(tier, (*path, "tiers"))
        return _set(tiers)

    def tier(self, tier: str, path: TreePath) -> None:
        """Report a tier that does not exist."""
        if self.scope.tiers is None:
            self.scope.report((*path, tier), "the program has no tiers", "add tiers, or leave this key out")
        else:
            self.scope.known_name(tier, self.scope.tiers, path, "tier")

    def windows(self, when: model.Times, path: TreePath) -> tuple[Window, ...] | None:
        """The stretches of time, or None when time does not matter."""
        single = when.start is not None or when.end is not None
        if when.dates is not None:
            if single:
                self.scope.report(
                    (*path, "dates"), "dates stands beside from and until", "write one of them", at_key=True
                )
            places = [(*path, "dates", index) for index in range(len(when.dates))]
            return tuple(self.window(dates, place) for dates, place in zip(when.dates, places, strict=True))
        return (self.window(when, path),) if single else None

    def window(self, dates: model.Dates, path: TreePath) -> Window:
        """One stretch of time, half-open."""
        start = None if dates.start is None else first_instant(dates.start)
        end = None if dates.end is None else last_instant(dates.end)
        if start is None and end is None:
            self.scope.report(path, "neither from nor until is given")
        local = zone(self.scope.zone)
        if start is not None and end is not None and bound_us(start, local) >= bound_us(end, local):
            self.scope.report(
                (*path, "until"), f"{dates.end} does not lie after {dates.start}", "until comes after from"
            )
        return Window(start, end)

    def condition(self, text: str, path: TreePath, on: str) -> Condition | None:
        """A compiled condition, or None when a problem was reported."""
        event = "purchase" if on == "purchase" else "event"
        known = {event: PURCHASE_FIELDS if on == "purchase" else EVENT_FIELDS[on], "member": MEMBER_FIELDS}
        variables = frozenset(known)
        try:
            condition = compile_condition(text, variables)
        except ConditionError as error:
            self.scope.report_inside(path, text, (error.line, error.column), error.message)
            return None
        for use in fields_read(text, variables):
            if use.field and use.field not in known[use.variable]:
                hint = did_you_mean(use.field, sorted(known[use.variable]))
                if "attributes" in known[use.variable] and not hint.startswith("did"):
                    hint = f"own fields are in {use.variable}.attributes.{use.field}; {hint}"
                self.scope.report_inside(
                    path, text, (use.line, use.column), f"{use.variable} has no field {use.field}", hint
                )
        return condition

    def lines(self, lines: model.LineFilter | None, path: TreePath) -> LineFilter:
        """Which lines count."""
        if lines is None:
            return ALL_LINES
        but = lines.exclude or model.Lines()
        compiled = LineFilter(
            categories=_set(lines.categories),
            skus=_set(lines.skus),
            brands=_set(lines.brands),
            not_categories=frozenset(but.categories or ()),
            not_skus=frozenset(but.skus or ()),
            not_brands=frozenset(but.brands or ()),
        )
        pairs = (
            ("categories", compiled.categories, compiled.not_categories),
            ("skus", compiled.skus, compiled.not_skus),
            ("brands", compiled.brands, compiled.not_brands),
        )
        for key, wanted, unwanted in pairs:
            for both in sorted((wanted or frozenset()) & unwanted):
                self.scope.report((*path, "except", key, both), f"{both} is both wanted and excepted")
        return compiled

    def caps(self, caps: Iterable[model.Cap], on: str, currency: str, path: TreePath) -> tuple[Cap, ...]:
        """The limits of a rule."""
        return tuple(self.cap(cap, on, currency, self.scope.item_path(path, index)) for index, cap in enumerate(caps))

    def cap(self, cap: model.Cap, on: str, currency: str, path: TreePath) -> Cap:
        """One limit."""
        if (cap.points is None) == (cap.awards is None):
            self.scope.report(path, "a limit counts either points or awards", "for example {points: 500, per: day}")
        if (cap.per is None) == (cap.rolling is None):
            self.scope.report(path, "a limit needs either per or rolling", "for example per: day, or rolling: P30D")
        if cap.awards == 0:
            self.scope.report((*path, "awards"), "0 came, a number above 0 was expected")
        if cap.per == "transaction" and on != "purchase":
            self.scope.report((*path, "per"), "only purchases have transactions", "day, week, month, year or lifetime")
        if cap.per == "transaction" and cap.awards is not None:
            self.scope.report((*path, "awards"), "a rule gives one award for each transaction anyway", "limit points")
        if cap.each is not None and cap.each not in CAP_FIELDS[on]:
            known = ", ".join(sorted(CAP_FIELDS[on])) or "nothing of its own"
            self.scope.report((*path, "each"), f"{cap.each} cannot be counted for {on}", f"{on} has {known}")
        return Cap(
            max_amount=self.scope.points(cap.points, currency, (*path, "points")) if cap.points else cap.awards or 0,
            unit="points" if cap.points is not None else "awards",
            per="rolling" if cap.rolling else cap.per or "transaction",
            rolling=self.scope.calendar_period(cap.rolling, (*path, "rolling")) if cap.rolling else None,
            each=cap.each or "",
        )


def _set(values: Iterable[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _field_tests(when: model.When) -> tuple[FieldTest, ...]:
    """Tests of an activity's own fields."""
    tests: list[FieldTest] = []

    def one_of(name: str, values: Iterable[str] | None) -> None:
        if values is not None:
            tests.append(FieldTest(name, "in", frozenset(values)))

    match when:
        case model.ReviewWhen():
            one_of("status", ["published"])
            one_of("sku", when.skus)
            for name, least in (("text_length", when.min_text_length), ("rating", when.min_rating)):
                if least is not None:
                    tests.append(FieldTest(name, "min", least))
            for name, wanted in (("has_photo", when.photo), ("verified_purchase", when.verified)):
                if wanted is not None:
                    tests.append(FieldTest(name, "is", wanted))
        case model.ShareWhen():
            one_of("network", when.networks)
            one_of("kind", when.kinds)
            one_of("content_id", when.contents)
        case model.EngagementWhen():
            one_of("activity", when.activities)
        case model.ReferralWhen():
            one_of("code", when.codes)
        case _:
            pass
    return tuple(tests)
