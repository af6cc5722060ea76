"""An entry in plain words: what happened, how each point came about, and what became of the points since.

Steps have few kinds, and each has its sentence here. What a step says beyond that, or a kind that nobody has told this
module about, is said as it stands: name and value.

Not here: what the steps mean to the engine (loyalty/explanation.py).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from loyalty.decisions import Entry
from loyalty.facts import MICRO
from loyalty.postings import DEBT
from schemas.encode import instant_text
from workers.books.kinds import is_members, moved, pot_of, what_happened
from workers.books.names import Names, number
from workers.books.redemptions import redemption_title, redemption_words, step_keys
from workers.books.tie_words import TIES, tie_words
from workers.books.trace import Followed

_ROUNDING: Final = {
    "floor": "rounded down",
    "ceil": "rounded up",
    "half_up": "rounded, halves up",
    "half_even": "rounded, halves to even",
}
_LATE_US: Final = 60_000_000
"""Booked so much after it happened is worth a word."""
_IN: Final = "  "


def told(followed: Followed, names: Names) -> list[str]:
    """An entry and what followed, as lines of text."""
    entry = followed.entry
    return [*_head(entry, names), "", *how(entry, names), *(["", *since(followed, names)] if followed.given else [])]


def amounts(entry: Entry, names: Names) -> str:
    """What an entry moved: "+51 points, -3 stars"."""
    found = [f"{names.signed(amount, currency)} {currency}" for currency, amount in moved(entry).items() if amount]
    return ", ".join(found) or "no points"


def _head(entry: Entry, names: Names) -> Iterator[str]:
    cause = entry.cause
    yield f"Entry {entry.entry_id}: {amounts(entry, names)} for member {entry.member}, {what_happened(entry)}"
    yield f"{_IN}kind       {entry.kind}, {entry.reason}"
    yield f"{_IN}cause      {cause.type} {cause.id} from {cause.source}"
    yield f"{_IN}happened   {instant_text(entry.time_us)}"
    yield f"{_IN}booked     {instant_text(entry.recorded_at_us)}{_lateness(entry)}"
    yield f"{_IN}decided by {entry.program}, version {entry.version}, digest {entry.digest[:12]}"


def _lateness(entry: Entry) -> str:
    late_us = entry.recorded_at_us - entry.time_us
    if late_us < _LATE_US:
        return ""
    minutes = late_us // _LATE_US
    days, hours = minutes // 1_440, minutes // 60
    late = _count(days, "day") if days else _count(hours, "hour") if hours else _count(minutes, "minute")
    return f", {late} later"


def _count(amount: int, word: str) -> str:
    return f"{amount:,} {word}{'' if amount == 1 else 's'}"


# ---------------------------------------------------------------- how it came about


def how(entry: Entry, names: Names) -> list[str]:
    """Step by step how an entry came about, then which lots it moved."""
    lines = ["How it came about"]
    currency_of = {posting.rule: posting.currency for posting in entry.postings}
    for step in entry.steps:
        rule = str(step.get("rule"))
        lines += [f"{_IN}{line}" for line in _step(step, currency_of.get(rule) or names.currency_of(rule), names)]
    if not entry.steps:
        lines.append(f"{_IN}The entry says no more than its postings.")
    return lines + [f"{_IN}{line}" for line in _places(entry, names)]


_BECAME = {"expiry": "ended", "maturity": "can be used from here on", "closing": "ended with the account"}
"""What became of a lot, by the reason."""


def _step(step: Mapping[str, Any], currency: str, names: Names) -> Iterator[str]:
    left = dict(step)
    match step:
        case {"rule": str(rule), "redemption_id": str(_)} | {"rule": str(rule), "reward": str(_)}:
            _drop(left, *step_keys(step))
            title = redemption_title(rule, step.get("redemption_id", ""), names)
            yield f"{title}: {redemption_words(step, currency, names)}"
        case {"rule": str(rule), "side": str(_), "held_before": int(before)}:
            _drop(left, "rule", "side", "referee", "transaction_id", "held_before", "held_after", "not_recouped")
            yield (
                f"{names.called(rule)}{_side(step)}: {_why_back(step)}, so "
                f"{names.points(before, currency)} went back{_let_go(step, currency, names)}"
            )
        case {"rule": str(rule), "held_before": int(before), "held_after": int(after)}:
            _drop(left, "rule", "held_before", "held_after", "not_recouped", "review_id")
            said = _again(before, after, str(step.get("review_id", "")), currency, names)
            yield f"{names.called(rule)}: {said}{_let_go(step, currency, names)}"
        case {"rule": str(rule), "exact": str(exact), "rate": str(rate), "amount_minor": int(amount)}:
            _drop(left, "rule", "kind", "exact", "rate", "amount_minor", "quantity_micro", "counts", "multipliers")
            _drop(left, "points", "granted", "forfeited", "lines", "rounding")
            measured = _measured(step, str(step.get("kind")), amount, Fraction(rate), currency, names)
            yield f"{names.called(rule)}: {measured}{_times(step, names)} = {names.points(Fraction(exact), currency)}"
            yield from _whole(step, currency, names)
        case {"rule": str(rule), "draw": str(draw), "share": str(share), "points": int(points)}:
            _drop(left, "rule", "kind", "points", "draw", "share", "of", "budget", "fixed", "times", "earned")
            _drop(left, "granted", "forfeited", "period")
            yield f"{names.called(rule)}: {_prize(step, points, currency, names)}"
            yield f"{_IN}drawn: {_drawn(step)}, {draw}, is among the lowest {number(Fraction(share) * 100)} of 100"
            yield from _whole(step, currency, names, exact=True)
            yield f"{_IN}out of {step.get('budget')}, which all members share"
        case {"rule": str(rule), "fixed": int(fixed), "points": int(points)}:
            _drop(left, "rule", "kind", "fixed", "points", "multipliers", "exact", "granted", "forfeited")
            _drop(left, "side", "referee", "day")
            exact = f" = {names.points(Fraction(step['exact']), currency)}" if "exact" in step else ""
            given = f"{names.points(fixed, currency)} fixed{_times(step, names)}{exact}"
            yield f"{names.called(rule)}: {given}{_side(step)}"
            yield from _whole(step, currency, names, exact=points == fixed)
        case {"currency": str(of), "exact": str(exact), "rounding": str(rounding), "points": int(points)}:
            _drop(left, "currency", "exact", "rounding", "points")
            together = f"Together {names.points(Fraction(exact), of)} {of}, {_rounded(rounding)} once to"
            yield f"{together} {names.points(points, of)} and shared out"
        case {
            "rule": str(rule),
            "lot": str(lot),
            "currency": str(of),
            "points": int(points),
            "earned_us": int(earned_us),
        }:
            _drop(left, "rule", "lot", "currency", "points", "earned_us")
            yield (
                f"{names.points(points, of)} {of} of lot {lot}, "
                f"earned {instant_text(earned_us)}: {_BECAME.get(rule, rule)}"
            )
        case {"transfer_id": str(_), "points": int(_)} | {"rule": "merge" | "household"}:
            _drop(left, *TIES)
            yield tie_words(step, currency, names)
        case {"transaction_id": str(_)} | {"returned": dict(_)}:
            _drop(left, "transaction_id", "returned")
            yield _came_back(step, names)
        case _:
            yield from _as_it_stands(left, names)
            return
    if left:
        yield f"{_IN}also {_pairs(left)}"


def _drop(left: dict[str, Any], *keys: str) -> None:
    for key in keys:
        left.pop(key, None)


def _as_it_stands(step: Mapping[str, Any], names: Names) -> Iterator[str]:
    rest = {key: value for key, value in step.items() if key != "rule"}
    rule = step.get("rule")
    yield f"{names.called(rule)}: {_pairs(rest)}" if isinstance(rule, str) else _pairs(rest)


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in values.items())


def _measured(
    step: Mapping[str, Any], kind: str, amount_minor: int, rate: Fraction, currency: str, names: Names
) -> str:
    """What a rule of a purchase counted, and at which rate."""
    counts = f", of which {step['counts']} counts," if "counts" in step else ""
    match kind:
        case "per_item":
            quantity = number(Fraction(step.get("quantity_micro", 0), MICRO))
            return f"{quantity} items{counts} at {names.points(rate, currency)} each"
        case "fixed":
            return f"{names.points(rate, currency)} for the purchase"
        case "per_amount" if "counts" in step:
            # Money of another currency perhaps: the step does not say which.
            return f"{names.paid(amount_minor)}{counts} at {names.rate(rate, currency)}"
        case "per_amount":
            return f"{names.money(amount_minor)} at {names.rate(rate, currency)}"
        case _:
            return f"{kind}, {names.paid(amount_minor)} at rate {rate}"


def _times(step: Mapping[str, Any], names: Names) -> str:
    """The multipliers; those of a purchase may be about some of the lines only."""
    factors = step.get("multipliers", {}).items()
    said = [f"times {number(Fraction(factor))} for {names.called(name)}" for name, factor in factors]
    where = " where it applies" if "amount_minor" in step else ""
    return f", {' and '.join(said)}{where}," if said else ""


def _whole(step: Mapping[str, Any], currency: str, names: Names, *, exact: bool = False) -> Iterator[str]:
    """What became of a rule's exact points: rounded, spread over the lines, then cut by its limits."""
    how_rounded = _rounded(step["rounding"]) + " to" if "rounding" in step else "its share of the rounded sum:"
    by_line = f" ({_by_line(step['lines'], currency, names)})" if step.get("lines") else ""
    if not exact:
        yield f"{_IN}{how_rounded} {names.points(step['points'], currency)}{by_line}"
    if "granted" in step:
        granted, forfeited = (names.points(step.get(key, 0), currency) for key in ("granted", "forfeited"))
        yield f"{_IN}a limit of the rule left {granted}, forfeited: {forfeited}"


def _rounded(how_rounded: str) -> str:
    return _ROUNDING.get(how_rounded, f"rounded ({how_rounded})")


def _by_line(lines: Mapping[str, int], currency: str, names: Names) -> str:
    ordered = sorted(lines, key=lambda line: (len(line), line))  # As a till counts: 9 before 10.
    return ", ".join(f"line {line}: {names.points(lines[line], currency)}" for line in ordered)


def _prize(step: Mapping[str, Any], points: int, currency: str, names: Names) -> str:
    if "times" not in step:
        return f"{names.points(points, currency)} fixed, by surprise"
    earned = names.points(step.get("earned", 0), currency)
    times = number(Fraction(step["times"]))
    return f"{times} times the {earned} that the purchase holds, by surprise: {names.points(points, currency)} more"


def _drawn(step: Mapping[str, Any]) -> str:
    if step.get("of") == "event":
        return "the checksum of the event"
    since = step.get("period")
    return f"the member's checksum for the period from {since} on" if since else "the member's checksum"


def _side(step: Mapping[str, Any]) -> str:
    match step:
        case {"side": "referrer", "referee": str(referee)}:
            return f", for having referred member {referee}"
        case {"side": "referee"}:
            return ", for having been referred"
        case {"side": side}:
            return f", as {side}"
        case {"day": str(day)}:
            return f", for {day}"
        case _:
            return ""


def _again(before: int, after: int, review: str, currency: str, names: Names) -> str:
    """A return decides what is left of the basket again, rule by rule; of a review nothing is left."""
    gave, gives = names.points(before, currency), names.points(after, currency)
    back = names.points(before - after, currency)
    if review:
        return f"review {review} was removed, so {back} went back"
    if after < before:
        return f"held {gave}; what is left of the basket is worth {gives}, so {back} went back"
    came = names.points(after - before, currency)
    return f"held {gave}; of what is left of the basket {gives} fall to it, so {came} came from the other rules"


def _came_back(step: Mapping[str, Any], names: Names) -> str:
    lines = _returned(step.get("returned") or {}, names)
    if "transaction_id" not in step:
        return f"Goods without a purchase came back: {lines}"
    return f"Purchase {step['transaction_id']}{f': came back {lines}' if lines else ''}"


def _why_back(step: Mapping[str, Any]) -> str:
    """Why what a referral gave goes back."""
    return f"purchase {step['transaction_id']} came back" if "transaction_id" in step else "both are one member"


def _let_go(step: Mapping[str, Any], currency: str, names: Names) -> str:
    if "not_recouped" not in step:
        return ""
    return f", of which {names.points(step['not_recouped'], currency)} could not be had and were let go"


def _returned(lines: Mapping[str, Any], names: Names) -> str:
    found = []
    for line in sorted(lines, key=lambda each: (len(each), each)):
        quantity_micro, amount_minor = lines[line]
        found.append(f"line {line} ({number(Fraction(quantity_micro, MICRO))} for {names.paid(amount_minor)})")
    return ", ".join(found)


def _places(entry: Entry, names: Names) -> Iterator[str]:
    """Where the points went or were taken, lot by lot."""
    sums: Counter[tuple[str, str, str]] = Counter()
    for posting in entry.postings:
        if is_members(posting):
            sums[posting.currency, pot_of(posting), posting.lot] += posting.amount
    for (currency, pot, lot), amount in sums.items():
        if not amount:
            continue
        points = f"{names.points(abs(amount), currency)} {currency}"
        if lot == DEBT:
            yield f"{points} {'paid a debt' if amount > 0 else 'were not there: a debt, which the next points pay'}"
        else:
            yield f"{points} {'into' if amount > 0 else 'out of'} {_lot(lot)}, {pot}"


def _lot(lot: str) -> str:
    return f"lot {lot}" if lot else "no lot"


# ---------------------------------------------------------------- what became of it


def since(followed: Followed, names: Names) -> list[str]:
    """What happened since to the points that an entry put into lots."""
    lines = ["What became of the points since"]
    for entry in followed.later:
        what = ", ".join(_moves(entry, followed.given, names))
        cause = f"{entry.cause.type} {entry.cause.id}"
        lines.append(f"{_IN}{instant_text(entry.recorded_at_us)}  {what} {what_happened(entry)}: {cause}")
        lines.append(f"{_IN}{'':{len('2026-11-21T15:15:00Z')}}  entry {entry.entry_id}")
    if not followed.later:
        lines.append(f"{_IN}Nothing.")
    for lot, currency in followed.given.items():
        left = {pot: amount for (of, pot), amount in followed.left.items() if of == lot and amount}
        said = ", ".join(f"{names.points(amount, currency)} {currency} {pot}" for pot, amount in left.items())
        lines.append(f"{_IN}Left in lot {lot}: {said or 'nothing'}")
    return lines


def _moves(entry: Entry, lots: Mapping[str, str], names: Names) -> Iterator[str]:
    """What an entry moved of these lots; of what only changed its place, how much."""
    net: Counter[str] = Counter()
    came: Counter[str] = Counter()
    for posting in entry.postings:
        if is_members(posting) and posting.lot in lots:
            net[posting.currency] += posting.amount
            came[posting.currency] += max(posting.amount, 0)
    for currency, amount in net.items():
        yield f"{names.signed(amount, currency) if amount else names.points(came[currency], currency)} {currency}"
