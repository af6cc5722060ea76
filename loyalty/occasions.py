"""Occasions: what time alone gives a member, on a birthday, an anniversary of enrollment, or after a silence.

Each kind has one moment at which all its rules are asked together, and the account remembers the latest moment that
was decided: the calendar year of the birthday, the number of the anniversary, or the activity before the silence.

Invariants:
  O1 a birthday gives once for each calendar year of the day itself, whatever the lead and however often it is changed
  O2 an anniversary gives once for each year of membership, a rule on silence once for each silence
  O3 nothing is given for a day before the member joined, told it, or the version began, but for what `late` allows
  O4 who has left gets nothing

Not here: when an account is looked at (due.py), what rules give (activities.py).
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import count
from typing import Any, NamedTuple

from loyalty import caps
from loyalty.account import ACTIVE, NOT_ENROLLED_US, Head
from loyalty.activities import NOTICES, event_circumstances, give
from loyalty.calendar import day_start_us, end_of_us, local_time, shifted_date
from loyalty.circumstances import Predicate
from loyalty.gifts import give_reward
from loyalty.ledger import Work
from loyalty.making import maker
from loyalty.plan import Plan, Programs
from loyalty.program import ActivityRule, Duration, Occasion

BIRTHDAY = "birthday"
ANNIVERSARY = "anniversary"
INACTIVITY = "inactivity"

_MONTH_DAY = len("MM-DD")
_FEBRUARY_29 = (2, 29)
_YEAR = Duration(months=12)
_DAY = Duration(days=1)


class Moment(NamedTuple):
    """When the rules of an occasion are asked.

    `key` and `number` say which occasion it is, as the account remembers it. `day` is the local day that it is about:
    the birthday, the anniversary, the last day of the silence.
    """

    at_us: int
    on: str
    key: str
    number: int
    day: int


_moment = maker(Moment)


class Kept(NamedTuple):
    """An occasion as conditions read it. `years` are those of membership, on an anniversary; else 0."""

    day: str
    years: int


def moments(head: Head, plan: Plan) -> Iterator[Moment]:
    """The next moment of each occasion that is still to be decided; `plan` is the version that times the account."""
    if not plan.has_occasions or head.status != ACTIVE or head.enrolled_us == NOT_ENROLLED_US:
        return
    if head.birthday and BIRTHDAY in plan.activities:
        yield _birthday(head, plan)
    if ANNIVERSARY in plan.activities:
        yield _anniversary(head, plan)
    yield from silences(head, plan)


def keep(programs: Programs, work: Work, timing: Plan) -> None:
    """Decide the occasions whose moment has come; `timing` is the version that times the account."""
    for moment in list(moments(work.head, timing)):
        if moment.at_us > work.time_us:
            continue
        work.head.kept = {**work.head.kept, moment.key: moment.number}
        years = moment.number if moment.on == ANNIVERSARY else 0
        kept = Kept(date.fromordinal(moment.day).isoformat(), years)
        rules = [(rule, holds) for rule, holds in work.plan.activities[moment.on] if _asks(moment, rule)]
        give(work, kept, moment.on, [one for one in rules if not one[0].reward], reason=moment.key, day=moment.day)
        _give_rewards(programs, work, kept, moment, [one for one in rules if one[0].reward])


def _give_rewards(
    programs: Programs, work: Work, kept: Kept, moment: Moment, rules: Sequence[tuple[ActivityRule, Predicate | None]]
) -> None:
    """Order the rewards that rules give, one of each, as far as their limits leave it."""
    local = local_time(work.time_us, work.plan.program.zone)
    circumstances = event_circumstances(work, kept, local)
    for rule, holds in rules:
        if holds is not None and not holds(circumstances):
            continue
        step: dict[str, Any] = {"rule": rule.id, "reward": rule.reward, "day": kept.day}
        if caps.granted(work.head.counters, rule.id, rule.caps, 1, local, kept):
            step["redemption_id"] = give_reward(programs, work, work.plan.rewards[rule.reward], rule.id)
            if rule.notice:
                work.notify(NOTICES.get(moment.on, moment.on), step)
        work.book(moment.on, f"{moment.key}:{rule.id}", [step])


def watch(work: Work, timing: Plan) -> None:
    """Have the account looked at when its next occasions come."""
    for moment in moments(work.head, timing):
        if moment.on != INACTIVITY:
            work.is_due(moment.at_us)
    _begin_silences(work, timing)


def note_activity(work: Work, kind: str, time_us: int, timing: Plan) -> None:
    """Remember when the member was active. A late event is no news; a silence that ends may begin anew."""
    head = work.head
    if time_us <= head.active.get(kind, -1):
        return
    head.active = {**head.active, kind: time_us}
    if timing.silence_us is None:
        return
    least_us = time_us + timing.silence_us
    # Nearly always the account is looked at before any silence from now on can be over.
    if head.due_us is None or head.due_us > least_us or work.now_us >= least_us:
        _begin_silences(work, timing)


def _begin_silences(work: Work, timing: Plan) -> None:
    """Have the account looked at when a silence is over.

    What came later than the silence is long begins none: with old events nobody knows yet what else has happened.
    """
    head = work.head
    for moment in list(silences(head, timing)):
        if moment.at_us > work.now_us:
            work.is_due(moment.at_us)
        else:
            head.kept = {**head.kept, moment.key: moment.number}


def _asks(moment: Moment, rule: ActivityRule) -> bool:
    """Whether a moment is about a rule of its kind."""
    if moment.on == ANNIVERSARY:
        return rule.occasion is not None and moment.number >= rule.occasion.from_year
    return moment.on != INACTIVITY or moment.key == _silence_key(rule)


def _terms(plan: Plan, on: str) -> Occasion:
    """When the occasion is kept: all its rules agree on that."""
    return plan.activities[on][0][0].occasion or Occasion()


def _reached_us(head: Head, plan: Plan) -> int:
    """From when the member can be reached by the version."""
    return max(head.enrolled_us, plan.program.effective_from_us)


def _birthday(head: Head, plan: Plan) -> Moment:
    terms, zone = _terms(plan, BIRTHDAY), plan.program.zone
    month, day = map(int, head.birthday[-_MONTH_DAY:].split("-"))
    since_us = max(_reached_us(head, plan), head.birthday_us)
    first = max(local_time(since_us, zone).year - 1, head.kept.get(BIRTHDAY, 0) + 1)
    return _next_day(BIRTHDAY, terms, plan, since_us, first, lambda year: _birthday_in(year, month, day, terms.leap))


def _birthday_in(year: int, month: int, day: int, leap: str) -> date:
    if (month, day) != _FEBRUARY_29 or shifted_date(date(year, 2, 28), _DAY).month == 2:  # noqa: PLR2004 a leap year
        return date(year, month, day)
    return date(year, 3, 1) if leap == "mar_1" else date(year, 2, 28)


def _anniversary(head: Head, plan: Plan) -> Moment:
    zone = plan.program.zone
    joined = date.fromordinal(local_time(head.enrolled_us, zone).ordinal)
    since_us = _reached_us(head, plan)
    passed = local_time(since_us, zone).year - 1 - joined.year
    first = max(passed, head.kept.get(ANNIVERSARY, 0) + 1, _first_year(plan))
    return _next_day(
        ANNIVERSARY,
        _terms(plan, ANNIVERSARY),
        plan,
        since_us,
        first,
        lambda years: shifted_date(joined, Duration(months=years * _YEAR.months)),
    )


def _first_year(plan: Plan) -> int:
    return min(rule.occasion.from_year for rule, _ in plan.activities[ANNIVERSARY] if rule.occasion is not None)


def _next_day(on: str, terms: Occasion, plan: Plan, since_us: int, first: int, day_of: Callable[[int], date]) -> Moment:
    """The moment of the first day from number `first` on that is not over at `since_us`."""
    zone = plan.program.zone
    for number in count(first):
        day = day_of(number)
        if end_of_us(day.toordinal(), terms.late, "day", zone) > since_us:
            given_us = day_start_us(shifted_date(day, terms.lead, -1).toordinal(), zone)
            return Moment(max(given_us, since_us), on, on, number, day.toordinal())
    raise AssertionError  # count never ends


def silences(head: Head, plan: Plan) -> Iterator[Moment]:
    """The end of the silence that each rule waits for: so many whole local days after the day of an activity."""
    zone, since_us = plan.program.zone, _reached_us(head, plan)
    for rule, _ in plan.activities.get(INACTIVITY, ()):
        terms, key = rule.occasion or Occasion(), _silence_key(rule)
        active_us = max((head.active[kind] for kind in terms.activities if kind in head.active), default=-1)
        # Who never did anything is silent since they joined.
        active_us = max(active_us, head.enrolled_us)
        if active_us <= head.kept.get(key, -1):
            continue
        over_us = end_of_us(local_time(active_us, zone).ordinal, terms.after, "day", zone)
        day = local_time(over_us, zone).ordinal - 1
        if over_us >= since_us or end_of_us(day, terms.late, "day", zone) > since_us:
            yield _moment(max(over_us, since_us), INACTIVITY, key, active_us, day)


def _silence_key(rule: ActivityRule) -> str:
    return f"{INACTIVITY}:{rule.id}"
