"""What a program does, in sentences that its author can agree or disagree with.

Made from the compiled form, so that the words say what the engine will do and not what the file meant to say.

Not here: problems of a program (program_source.py).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final

from loyalty.budgets import Surprise
from loyalty.program import (
    ALL_LINES,
    ActivityRule,
    Cap,
    Currency,
    Duration,
    LineFilter,
    Multiplier,
    Program,
    PurchaseRule,
    ReferralRule,
    Tiers,
)
from schemas.currencies import MINOR_DIGITS
from schemas.program_between import closing_words, pooling_words, transfer_words
from schemas.program_by_hand_words import by_hand_words
from schemas.program_circumstances import circumstances, joined, length, listed
from schemas.program_occasion_words import given_for
from schemas.program_occasion_words import notes as gift_notes
from schemas.program_reward_words import reward_words
from schemas.program_surprise_words import surprise_sentence

_ACTIVITIES: Final = {
    "review": "a published review",
    "share": "something shared",
    "engagement": "an activity",
    "enrollment": "joining",
}
_TIER_WINDOWS: Final = {
    "lifetime": "in all",
    "calendar_year": "in the calendar year",
    "membership_year": "in the membership year",
}
_CAP_PERIODS: Final = {
    "transaction": "for each purchase",
    "day": "a day",
    "week": "a week",
    "month": "a month",
    "year": "a year",
    "lifetime": "in all",
}
_REFERRALS: Final = {
    "below_min": "What a referral gave goes back when less than its minimum is left of the purchase that qualified.",
    "full_return": "What a referral gave goes back when nothing is left of the purchase that qualified.",
    "never": "What a referral gave stays when the purchase that qualified comes back.",
}
_EACH: Final = {"sku": "product", "content_id": "content", "store_id": "store", "activity_id": "activity id"}


def describe(program: Program) -> list[str]:
    """The program in sentences, one a line; the first names it."""
    words = _Words(program)
    return [
        *words.opening(),
        *words.lives(),
        *(words.purchase_rule(rule) for rule in program.purchase_rules),
        *(words.activity_rule(rule) for rule in program.activity_rules),
        *(words.referral_rule(rule) for rule in program.referral_rules),
        *words.multipliers(),
        *(words.surprise(rule) for rule in program.surprises),
        *words.tiers(),
        *words.returns_and_stream(),
        *reward_words(program, words.points, words.money),
        *words.between_members(),
    ]


class _Words:
    """The sentences about one program, each method one or a few of them."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.currencies: Mapping[str, Currency] = {currency.id: currency for currency in program.currencies}

    def opening(self) -> list[str]:
        program = self.program
        start = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=program.effective_from_us)).astimezone(
            program.zone
        )
        kinds = joined(f"{currency.name} ({self.fineness(currency)})" for currency in program.currencies)
        since = f"{start:%Y-%m-%d %H:%M} ({program.zone.key})"
        sentences = [
            f"{program.name or program.id}, version {program.version}: from {since}.",
            f"Prices are in {program.money}. Members collect {kinds}.",
        ]
        if program.exchange:
            rates = joined(f"1 {code} counts as {self.rate_of(code)} {program.money}" for code in program.exchange)
            sentences.append(f"Other money is accepted: {rates}.")
        if program.enrollment == "required":
            sentences.append("Only members who have enrolled take part.")
        else:
            sentences.append("A member joins with the first event.")
        excluded = _not_lines(program.excluded_lines)
        sentences.append(f"Nothing is earned on {excluded}." if excluded else "Every line of a basket can earn.")
        return sentences

    def lives(self) -> list[str]:
        """When points can be used, and until when."""
        sentences = []
        for currency in self.program.currencies:
            name, expiry = currency.name, currency.expiry
            if currency.pending is not None:
                sentences.append(f"{name} can be used {length(currency.pending)} after they were earned.")
            if expiry is None:
                continue
            end = {"day": "that day", "month": "that month", "quarter": "that quarter", "year": "that year"}
            lived = f"{length(expiry.after)} after they were earned"
            if expiry.restart_on:
                active = f"the member's latest {listed(expiry.restart_on, 'or')}"
                longer = f"{lived}, or {length(expiry.restart_for)} after {active}" if expiry.restart_for else ""
                lived = longer or f"{length(expiry.after)} after {active}"
            told = f"; the member is told {length(expiry.notice)} before" if expiry.notice else ""
            sentences.append(f"{name} end {lived}, at the end of {end[expiry.to_end_of]}{told}.")
        return sentences

    def fineness(self, currency: Currency) -> str:
        how = {
            "floor": "rounded down",
            "ceil": "rounded up",
            "half_up": "rounded to the nearest, halves up",
            "half_even": "rounded to the nearest, halves to even",
        }[currency.rounding]
        what = (
            "whole"
            if currency.decimals == 0
            else f"{currency.decimals} digit{'' if currency.decimals == 1 else 's'} after the point"
        )
        return f"{what}, {how} once for each purchase"

    def rate_of(self, code: str) -> str:
        rate = self.program.exchange[code] * Fraction(10) ** (MINOR_DIGITS[code] - self.program.money_decimals)
        return number(rate)

    def points(self, amount: Fraction | int, currency: str) -> str:
        kind = self.currencies[currency]
        return f"{number(Fraction(amount) / 10**kind.decimals)} {kind.name}"

    def money(self, amount_minor: int) -> str:
        digits = self.program.money_decimals
        return f"{Decimal(amount_minor).scaleb(-digits):,.{digits}f} {self.program.money}"

    def purchase_rule(self, rule: PurchaseRule) -> str:
        lines = f" on {_lines(rule.lines)}" if rule.lines != ALL_LINES else ""
        match rule.kind:
            case "per_amount":
                per_minor = self.shown_unit(rule.rate, rule.currency)
                given = (
                    f"{self.points(rule.rate * per_minor, rule.currency)} for each {self.money(per_minor)} spent{lines}"
                )
            case "per_item":
                given = f"{self.points(rule.rate, rule.currency)} for each item{lines}"
            case _:
                what = f"a purchase with {_lines(rule.lines)}" if lines else "a purchase"
                given = f"{self.points(rule.rate, rule.currency)} for {what}"
        when = circumstances(rule.when)
        if rule.tenders is not None:
            when.append(f"for the part paid with {listed(rule.tenders)}")
        if rule.min_spend_minor:
            when.append(f"if the lines that count come to {self.money(rule.min_spend_minor)} or more")
        notes = [
            *(["multiplied"] if rule.multiplied and rule.kind == "fixed" else []),
            *(["never multiplied"] if not rule.multiplied and rule.kind != "fixed" else []),
            *self.tier_note(rule.qualifies, expected=rule.kind != "fixed"),
        ]
        return self.sentence(rule.id, rule.name, given, when, rule.caps, rule.currency, notes)

    def shown_unit(self, rate: Fraction, currency: str) -> int:
        """The amount of money to name: one unit, or as many as make the points come out readable."""
        one = 10**self.program.money_decimals
        smallest = 10 ** self.currencies[currency].decimals
        for unit in (one, 10 * one, 100 * one, 1000 * one):
            points = rate * unit / smallest
            if (points * 1000).denominator == 1 and points >= Fraction(1, 100):
                return int(unit)
        return rate.denominator

    def tier_note(self, qualifies: bool, *, expected: bool) -> list[str]:  # noqa: FBT001 - the rule's own word
        tiers = self.program.tiers
        if tiers is None or tiers.basis != "points" or qualifies == expected:
            return []
        return ["counts for tiers"] if qualifies else ["does not count for tiers"]

    def activity_rule(self, rule: ActivityRule) -> str:
        what = f"a gift, {rule.reward}," if rule.reward else self.points(rule.points, rule.currency)
        given = f"{what} for {_ACTIVITIES.get(rule.on) or given_for(rule)}"
        multiplied = ["multiplied"] if rule.multiplied else []
        notes = [*multiplied, *self.tier_note(rule.qualifies, expected=False), *gift_notes(rule)]
        return self.sentence(rule.id, rule.name, given, circumstances(rule.when), rule.caps, rule.currency, notes)

    def referral_rule(self, rule: ReferralRule) -> str:
        sides = [
            f"{self.points(amount, rule.currency)} for the {who}"
            for amount, who in ((rule.referrer_points, "referrer"), (rule.referee_points, "referee"))
            if amount
        ]
        given = joined(sides)
        when = [
            "once for each referee, "
            + ("at the sign-up" if rule.stage == "signed_up" else "when the referral qualifies")
        ]
        if rule.qualifying_spend_minor is not None and rule.within is not None:
            least = f" of {self.money(rule.qualifying_spend_minor)} or more" if rule.qualifying_spend_minor else ""
            when.append(f"a purchase{least} within {length(rule.within)} of the sign-up qualifies it")
        when += circumstances(rule.when)
        notes = self.tier_note(rule.qualifies, expected=False)
        return self.sentence(
            rule.id, rule.name, given, when, rule.referrer_caps, rule.currency, notes, "the referrer gets "
        )

    def sentence(
        self,
        rule_id: str,
        name: str,
        given: str,
        when: list[str],
        caps: Iterable[Cap],
        currency: str,
        notes: list[str],
        cap_subject: str = "",
    ) -> str:
        text = given + "".join(f", {part}" for part in when)
        limits = joined(self.cap(cap, currency) for cap in caps)
        text += f"; {cap_subject}at most {limits}" if limits else ""
        text += "".join(f"; {note}" for note in notes)
        label = f"{name} ({rule_id})" if name != rule_id else rule_id
        return f"{label}: {text}."

    def cap(self, cap: Cap, currency: str) -> str:
        if cap.unit == "points":
            amount = self.points(cap.max_amount, currency)
        else:
            amount = "once" if cap.max_amount == 1 else f"{cap.max_amount} times"
        period = f"in any {length(cap.rolling)}" if cap.rolling else _CAP_PERIODS[cap.per]
        each = f" for each {_EACH.get(cap.each, cap.each)}" if cap.each else ""
        return f"{amount} {period}{each}"

    def surprise(self, rule: Surprise) -> str:
        budget = self.program.limits[rule.budget]
        return surprise_sentence(rule, budget, self.points, self.money, number, self.cap)

    def multipliers(self) -> list[str]:
        program = self.program
        sentences = [self.multiplier(multiplier) for multiplier in program.multipliers]
        if len(sentences) > 1:
            by_group: dict[str, list[str]] = {}
            for multiplier in program.multipliers:
                by_group.setdefault(multiplier.group, []).append(multiplier.name)
            rules = {"best": "the best one counts", "add": "they add up", "multiply": "they multiply"}
            for group, names in by_group.items():
                if len(names) > 1 and group != "tier":
                    how = rules[program.combine.within.get(group, "best")]
                    sentences.append(f"Of several multipliers in group {group}, {how}.")
            if len(by_group) > 1:
                example = "2x and 3x make 4x" if program.combine.across == "add" else "2x and 3x make 6x"
                sentences.append(f"Multipliers of different groups {program.combine.across}: {example}.")
        return sentences

    def multiplier(self, multiplier: Multiplier) -> str:
        of = f" of {listed(multiplier.rules)}" if multiplier.rules is not None else ""
        lines = f" on {_lines(multiplier.lines)}" if multiplier.lines != ALL_LINES else ""
        given = f"{number(multiplier.factor)} times the points{of}{lines}"
        notes = ["while it applies, no other multiplier does"] if multiplier.exclusive else []
        return self.sentence(multiplier.id, multiplier.name, given, circumstances(multiplier.when), (), "", notes)

    def tiers(self) -> list[str]:
        tiers = self.program.tiers
        if tiers is None:
            return ["There are no tiers."]
        window = _TIER_WINDOWS.get(tiers.window, "")
        if tiers.rolling is not None:
            window = f"in the last {length(tiers.rolling)}"
        if tiers.basis == "points":
            basis = f"{self.currencies[tiers.currency].name} earned by rules that count, before multipliers,"
        else:
            more = f" with {listed(tiers.spend_includes)}" if tiers.spend_includes else ""
            basis = f"money spent{more}"
        sentences = [f"Tiers follow {basis} {window}. {_review(tiers)}"]
        for level in tiers.levels:
            reached = (
                self.points(level.threshold, tiers.currency) if tiers.basis == "points" else self.money(level.threshold)
            )
            benefits = joined(_benefit(key, value) for key, value in level.benefits.items())
            start = "from the start" if level.threshold == 0 else f"from {reached}"
            sentences.append(f"Tier {level.name} ({level.id}): {start}" + (f"; {benefits}." if benefits else "."))
        if tiers.notice.near is not None:
            near = self.points(tiers.notice.near, tiers.currency)
            near = near if tiers.basis == "points" else self.money(tiers.notice.near)
            sentences.append(f"A member whom a purchase brings to within {near} of the next tier is told.")
        if tiers.notice.at_risk is not None:
            before = length(tiers.notice.at_risk)
            sentences.append(f"A member who does not qualify for the tier yet is told {before} before it ends.")
        when = "the tier before it" if tiers.crossing == "before" else "the new tier"
        sentences.append(f"The purchase that reaches a tier earns at {when}.")
        return sentences

    def returns_and_stream(self) -> list[str]:
        returns, stream = self.program.returns, self.program.stream
        kept = f"for {length(returns.keep)}" if returns.keep else "for ever"
        minimum = "is not tested again" if returns.keep_threshold else "is tested again"
        debt = "leave a debt" if returns.negative == "allow" else "are written off, the balance stops at zero"
        parked = f"waits {length(returns.park)} for it" if returns.park else "is refused"
        blind = "takes back what the base gives for its amount" if returns.blind == "base" else "is refused"
        reviews = "is taken back" if returns.reviews == "take_back" else "stays"
        late = f"older than {length(stream.max_late)}" if stream.max_late else ""
        early = f"more than {length(stream.max_future)} in the future"
        return [
            f"Purchases can come back {kept}; a minimum spend {minimum} on what is kept; points already spent {debt}.",
            f"A return that comes before its purchase {parked}; one that names no purchase {blind}.",
            f"What a review gave {reviews} when the review is removed.",
            *(_REFERRALS[returns.referrals] for _ in self.program.referral_rules[:1]),
            by_hand_words(self.program.adjustments, number),
            f"Events {late + ' or ' if late else 'of any age are welcome; those '}{early} are refused.",
        ]

    def between_members(self) -> list[str]:
        """What members do with each other's points, and when one leaves."""
        program, names = self.program, {kind: each.name for kind, each in self.currencies.items()}
        transfers = transfer_words(program.transfers, self.points, names.__getitem__)
        return [*transfers, *pooling_words(program.pooling, names), closing_words(program.closing)]


def _review(tiers: Tiers) -> str:
    review = tiers.review
    if review is None:
        return "Members only rise."
    end = f"the end of that {review.to_end_of.replace('_', ' ')}"
    long = f"for {length(review.after)} and on to {end}" if review.after != Duration() else f"to {end}"
    grace = f", and {length(review.grace)} of grace" if review.grace != Duration() else ""
    down = {
        "to_qualified": "to the tier that they qualify for",
        "one_step": "by one tier",
        "base": "to the first tier",
    }[review.down]
    return f"A tier holds {long}{grace}; then those who do not qualify for it fall {down}."


def number(value: Fraction) -> str:
    """An exact number as people write it; a fraction that has no end is shown as one."""
    scaled = value
    for digits in range(10):
        if scaled.denominator == 1:
            text = str(scaled.numerator).rjust(digits + 1, "0")
            whole, part = (text[:-digits], text[-digits:]) if digits else (text, "")
            return f"{int(whole):,}" + (f".{part}" if part else "")
        scaled *= 10
    return f"{value.numerator}/{value.denominator}"


def _lines(lines: LineFilter) -> str:
    parts = [
        *([listed(lines.categories, "or")] if lines.categories is not None else []),
        *([f"products {listed(lines.skus, 'or')}"] if lines.skus is not None else []),
        *([f"brand {listed(lines.brands, 'or')}"] if lines.brands is not None else []),
    ]
    excluded = _not_lines(lines)
    wanted = " and ".join(parts) or "all lines"
    return f"{wanted} (not {excluded})" if excluded else wanted


def _not_lines(lines: LineFilter) -> str:
    return joined(
        [
            *([listed(lines.not_categories)] if lines.not_categories else []),
            *([f"products {listed(lines.not_skus)}"] if lines.not_skus else []),
            *([f"brands {listed(lines.not_brands)}"] if lines.not_brands else []),
        ],
        "or",
    )


def _benefit(key: str, value: object) -> str:
    match key, value:
        case "discount_percent", _:
            return f"{value}% off"
        case _, True:
            return key.replace("_", " ")
        case _, False:
            return f"no {key.replace('_', ' ')}"
        case _:
            pass
    return f"{key.replace('_', ' ')} {value}"
