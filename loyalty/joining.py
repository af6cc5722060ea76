"""What an account that ends has, in parts that fit into messages, and how the survivor takes each of them in.

A part has a kind and a content, which is JSON in a text: it is read by this module alone. What holds points is posted
against `program:transferred`, as points on their way are.

Invariants:
  J1 parts are taken in one by one, and each is a union: nothing that the survivor has is lost
  J2 a part is bounded, whatever the account holds

Not here: when accounts merge (merging.py).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from loyalty import lots
from loyalty import tiers as sums
from loyalty.account import ACTIVE, Given, Head, Maturing, Parked, Surprised, added_to
from loyalty.between import Joining
from loyalty.calendar import local_time, membership_year, membership_year_start
from loyalty.carried import LOTS_MAX, leaving, put_in
from loyalty.decisions import Posting
from loyalty.facts import Cause, Return, ReturnLine
from loyalty.ledger import Taken, Work
from loyalty.lots import Lot
from loyalty.memory import RECORD_BYTES, in_order
from loyalty.occasions import ANNIVERSARY
from loyalty.postings import DEBT, RETURNED, TRANSFERRED, available_of, pending_of
from loyalty.returns import recoup
from loyalty.standing import NO_SUMS, raise_tier
from loyalty.tiers import Sums
from loyalty.ties import GivenPart, Paid, ReferralLink

if TYPE_CHECKING:
    from loyalty.plan import Programs
    from loyalty.program import Tiers

RULE = "merge"
_MANY = 100
"""Entries in a part, whatever they are."""
_PARKED_CHARS_MAX = 60_000
"""A return that waits and is larger than this stays, and is given up in its time."""
GIVEN_MAX = 200


def part_text(value: Any) -> str:
    """The content of a part."""
    # Texts are free of control characters, so all of them are escaped.
    return json.dumps(value, separators=(",", ":")).replace("\x7f", "\\u007f")


def _some(values: Any, at_most: int = _MANY) -> Iterator[Any]:
    """A list or map in parts."""
    if isinstance(values, Mapping):
        items = list(values.items())
        for first in range(0, len(items), at_most):
            yield dict(items[first : first + at_most])
        return
    for first in range(0, len(values), at_most):
        yield values[first : first + at_most]


# ------------------------------------------------------------------ what leaves


def contents(work: Work) -> Iterator[tuple[str, str]]:
    """All that an account has, (kind, content) part by part; the last says what it was. Points are posted out."""
    head = work.head
    yield from _points(work)
    for name, held in head.qualifying.items():
        yield "qualifying", part_text([name, *held, head.enrolled_us])
    for some in _some(head.counters):
        yield "counters", part_text(some)
    for some in _some(head.expired):
        yield "expired", part_text(some)
    for memory in _some(head.seen, _MANY * RECORD_BYTES):
        yield "seen", part_text(memory.hex())
    for one in head.given:
        yield "given", part_text(one)
    too_large: list[Parked] = []
    for waiting in head.parked:
        cause, member, time_us, body, content, *rest = waiting.fact
        text = part_text([waiting.until_us, cause, member, time_us, body.hex(), content.hex(), *rest])
        if len(text) > _PARKED_CHARS_MAX:
            too_large.append(waiting)
        else:
            yield "parked", text
    of_reviews = [one for one in head.surprised if one.on == "review"]
    if of_reviews:
        yield "surprised", part_text(of_reviews)
    link = head.referral
    if link is not None:
        rules = [(one.rule, one.version, one.time_us, one.minimum_minor) for one in link.paid]
        told = [link.referral_id, link.referrer, link.code, dict(link.attributes), link.linked_us, rules]
        yield "referral", part_text(told)
    yield (
        "member",
        part_text(
            {
                "ids": [head.member, *head.absorbed],
                "tier": head.tier,
                "birthday": head.birthday,
                "birthday_us": head.birthday_us,
                "kept": dict(head.kept),
                "active": dict(head.active),
            }
        ),
    )
    head.qualifying.clear()
    # `active_until` stays: points that were spent and come back have the end that the others left with.
    head.expired, head.given, head.parked = {}, (), tuple(too_large)
    head.surprised = tuple(one for one in head.surprised if one.on != "review")


def swept(work: Work, before: Head) -> list[tuple[str, str]]:
    """What a decision has left in an account that has ended: parts for the survivor. Points are posted out."""
    head = work.head
    parts = [("back", part_text(one)) for one in work.passed_on]
    parts += _points(work)
    freed = {
        name: used - before.counters[name] for name, used in head.counters.items() if used != before.counters[name]
    }
    freed |= {name: -used for name, used in before.counters.items() if name not in head.counters}
    if freed:
        parts.append(("counters", part_text(freed)))
    head.qualifying.clear()
    return parts


def _points(work: Work) -> Iterator[tuple[str, str]]:
    """Lots, pending points and debts, which leave the account."""
    head = work.head
    available, pending = available_of(head.member), pending_of(head.member)
    for currency, held in list(head.lots.items()):
        gone = leaving(lots.parsed(held), head.active_until.get(currency))
        for some in _some(gone, LOTS_MAX):
            _post_out(work, available, currency, some)
            yield "lots", part_text([currency, lots.joined(some)])
    waiting = [one for one in head.maturing if one.lot.left or one.qualifies]
    for some in _some(waiting):
        for one in some:
            _post_out(work, pending, one.currency, [one.lot])
        yield "pending", part_text(some)
    for currency, owed in head.debts.items():
        work.postings.append(Posting(TRANSFERRED, currency, -owed, RULE, ""))
        work.postings.append(Posting(available, currency, owed, RULE, DEBT))
        work.move(currency, owed)
        yield "debt", part_text([currency, owed])
    head.lots.clear()
    head.debts.clear()
    head.maturing = ()


def _post_out(work: Work, account: str, currency: str, gone: list[Lot]) -> None:
    for lot in gone:
        if lot.left:
            work.postings.append(Posting(TRANSFERRED, currency, lot.left, RULE, ""))
            work.postings.append(Posting(account, currency, -lot.left, RULE, lot.lot_id))
            is_pending = account == pending_of(work.head.member)
            work.move(currency, 0 if is_pending else -lot.left, -lot.left if is_pending else 0)


# ------------------------------------------------------------------ what arrives


class _Arrival(NamedTuple):
    """Where a part arrives, and the step of the entry that says so."""

    programs: "Programs"
    work: Work
    step: dict[str, Any]


def join(programs: "Programs", work: Work, fact: Joining, step: dict[str, Any]) -> None:
    """Take in one part; `step` is the entry's, to say more."""
    _JOINED[fact.kind](_Arrival(programs, work, step), json.loads(fact.part))


def _lots(into: _Arrival, value: Any) -> None:
    currency, held = value
    into.step["points"] = put_in(into.work, currency, lots.parsed(held), RULE)


def _pending(into: _Arrival, value: Any) -> None:
    head = into.work.head
    account = pending_of(head.member)
    for currency, lot, *rest in value:
        one = Maturing(currency, Lot(*lot), *rest)
        if one.lot.left:
            into.work.postings.append(Posting(TRANSFERRED, currency, -one.lot.left, RULE, ""))
            into.work.postings.append(Posting(account, currency, one.lot.left, RULE, one.lot.lot_id))
            into.work.move(currency, 0, one.lot.left)
        head.maturing = (*head.maturing, one)
        into.work.is_due(one.matures_us)


def _debt(into: _Arrival, value: Any) -> None:
    """A debt is paid by what may be spent; the rest stays a debt."""
    currency, owed = value
    into.step["debt"] = owed
    into.work.postings.append(Posting(TRANSFERRED, currency, owed, RULE, ""))
    remaining, parts = lots.taken(into.work.head.lots.get(currency, ""), owed)
    into.work.head.lots[currency] = remaining
    if not remaining:
        del into.work.head.lots[currency]
    paid = sum(part for _, part in parts)
    into.work.move(currency, -paid)
    found = [Taken(available_of(into.work.head.member), lot_id, part) for lot_id, part in parts]
    if owed > paid:
        into.work.owe(currency, owed - paid)
        found.append(Taken(available_of(into.work.head.member), DEBT, owed - paid))
    into.work.postings += [Posting(part.account, currency, -part.points, RULE, part.lot) for part in found]


def _qualifying(into: _Arrival, value: Any) -> None:
    name, total, newest, periods, enrolled_us = value
    held = into.work.head.qualifying.get(name, NO_SUMS)
    tiers = _tiers_of(into.programs, name)
    if tiers is not None and tiers.window == "membership_year":
        for text in periods.split(";")[:-1]:
            number, amount = map(int, text.split(":"))
            held = sums.added(held, _year(into.work, number, enrolled_us), amount, tiers)
    else:
        held = Sums(held.total + total, max(held.newest, newest), held.periods + periods)
    into.work.head.qualifying[name] = held


def _year(work: Work, number: int, enrolled_us: int) -> int:
    """The member's own year in which a membership year of the other account began."""
    zone = work.plan.program.zone
    begins = membership_year_start(number, local_time(enrolled_us, zone).ordinal)
    return membership_year(begins, local_time(work.head.enrolled_us, zone).ordinal)


def _tiers_of(programs: "Programs", name: str) -> "Tiers | None":
    """Tiers whose sums have this name; the latest."""
    known = (plan.program.tiers for plan in reversed(programs.plans))
    return next((tiers for tiers in known if tiers is not None and sums.qualifying_key(tiers) == name), None)


def _counters(into: _Arrival, value: Any) -> None:
    counters = into.work.head.counters
    for name, used in value.items():
        counters[name] = counters.get(name, 0) + used
        if counters[name] <= 0:
            del counters[name]


def _expired(into: _Arrival, value: Any) -> None:
    into.work.head.expired = {
        **into.work.head.expired,
        **{lot: (points, earned_us) for lot, (points, earned_us) in value.items()},
    }


def _seen(into: _Arrival, value: Any) -> None:
    into.work.head.seen = in_order(into.work.head.seen, bytes.fromhex(value))


def _given(into: _Arrival, value: Any) -> None:
    key, time_us, version, parts, values = value
    one = Given(key, time_us, version, tuple(GivenPart(*part) for part in parts), values)
    into.work.head.given = (*into.work.head.given, one)[-GIVEN_MAX:]


def _parked(into: _Arrival, value: Any) -> None:
    until_us, cause, _member, time_us, body, content, return_id, transaction_id, lines, attributes = value
    fact = Return(
        Cause(*cause),
        into.work.head.member,
        time_us,
        bytes.fromhex(body),
        bytes.fromhex(content),
        return_id,
        transaction_id,
        tuple(ReturnLine(*line) for line in lines),
        attributes,
    )
    into.work.head.parked = (*into.work.head.parked, Parked(fact, until_us))
    into.work.is_due(until_us)


def _surprised(into: _Arrival, value: Any) -> None:
    into.work.head.surprised = (*into.work.head.surprised, *(Surprised(*one) for one in value))


def _referral(into: _Arrival, value: Any) -> None:
    """Who was referred is not referred again; what paid has paid, and goes back where it was paid."""
    referral_id, referrer, code, attributes, linked_us, rules = value
    paid = tuple(Paid(rule, version, at, "", minimum, None, "") for rule, version, at, minimum in rules)
    own = into.work.head.referral
    if own is not None:  # What has paid for the one does not pay for the other: they are one.
        known = {one.rule for one in own.paid}
        more = (one for one in paid if one.rule not in known)
        into.work.head.referral = replace(own, paid=(*own.paid, *more))
        return
    into.work.head.referral = ReferralLink(referral_id, referrer, code, attributes, linked_us, paid)


def _member(into: _Arrival, value: Any) -> None:
    head = into.work.head
    head.absorbed = (*head.absorbed, *value["ids"])
    if not head.birthday:
        head.birthday, head.birthday_us = value["birthday"], value["birthday_us"]
    # Anniversaries are counted from the day on which this account was opened, which stays.
    theirs = {key: number for key, number in value["kept"].items() if key != ANNIVERSARY}
    head.kept = _latest(head.kept, theirs)
    head.active = _latest(head.active, value["active"])
    if head.status == ACTIVE:
        raise_tier(
            into.work, local_time(into.work.time_us, into.work.plan.program.zone), "merged", at_least=value["tier"]
        )


def _latest(mine: Mapping[str, int], theirs: Mapping[str, int]) -> dict[str, int]:
    return {name: max(mine.get(name, at), theirs.get(name, at)) for name, at in {**mine, **theirs}.items()}


def _back(into: _Arrival, value: Any) -> None:
    """What a return at the ended account takes back, or gives because a point moved between rules."""
    if value["what"] == "qualify":
        _qualify(into, value)
        return
    if value["what"] == "unpaid":
        _unpaid(into.work.head, value["rule"])
        return
    currency, rule, points, lot_id = (value[name] for name in ("currency", "rule", "points", "lot"))
    plan = into.programs.of(value["version"], "what a merged account had")
    into.step.update({"rule": rule, "points": points})
    if value["what"] == "give":
        into.work.credit(currency, [(rule, points)], lot_id, TRANSFERRED, earned=(value["earned_us"], plan))
        return
    said = recoup(into.work, plan, currency, rule, points, lot_id, TRANSFERRED)
    into.step.update(said)
    rest = sum(said.values())
    if rest:  # booked as taken back where the return came in
        into.work.postings.append(Posting(TRANSFERRED, currency, rest, rule, ""))
        into.work.postings.append(Posting(RETURNED, currency, -rest, rule, ""))


def _unpaid(head: Head, rule: str) -> None:
    """Let a rule of a referral pay again: what it had paid by the ended account was taken back."""
    link = head.referral
    if link is not None:
        paid = (one for one in link.paid if (one.rule, one.transaction_id, one.award_id) != (rule, "", ""))
        head.referral = replace(link, paid=tuple(paid))


def _qualify(into: _Arrival, value: Any) -> None:
    """Lower the sum of the period of a purchase by what its return took from it."""
    head, name, amount = into.work.head, value["sums"], value["points"]
    tiers = _tiers_of(into.programs, name)
    if tiers is None:
        return
    changed = added_to(head.maturing, value["lot"], qualifies=amount) if tiers.basis == "points" else None
    if changed is not None:
        head.maturing = changed
        return
    number = value["number"]
    if tiers.window == "membership_year":
        number = _year(into.work, number, value["enrolled_us"])
    head.qualifying[name] = sums.added(head.qualifying.get(name, NO_SUMS), number, amount, tiers)


_JOINED: Mapping[str, Callable[[_Arrival, Any], None]] = {
    "lots": _lots,
    "pending": _pending,
    "debt": _debt,
    "qualifying": _qualifying,
    "counters": _counters,
    "expired": _expired,
    "seen": _seen,
    "given": _given,
    "parked": _parked,
    "surprised": _surprised,
    "referral": _referral,
    "member": _member,
    "back": _back,
}
