"""What points can be spent on, in sentences that the program's author can agree or disagree with.

Not here: how points are earned (program_words.py).
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Final, TypeAlias

from loyalty.catalogue import Payment, Reward
from loyalty.limits import STOCK, limit_id
from loyalty.program import Cap, Program
from schemas.program_circumstances import circumstances, joined, length, listed

Points: TypeAlias = Callable[[Fraction | int, str], str]
Money: TypeAlias = Callable[[int], str]

_KINDS: Final = {
    "money_off": "money off",
    "product": "a product",
    "sample": "a sample",
    "free_shipping": "free shipping",
    "gift_card": "a gift card",
    "experience": "an experience",
    "event": "an event",
    "donation": "a donation",
}
_PERIODS: Final = {"day": "a day", "week": "a week", "month": "a month", "year": "a year", "lifetime": "in all"}


def reward_words(program: Program, points: Points, money: Money) -> list[str]:
    """The sentences; none when points cannot be spent."""
    return [*(_reward(program, reward, points, money) for reward in program.rewards), *_payment(program, points, money)]


def _reward(program: Program, reward: Reward, points: Points, money: Money) -> str:
    label = f"{reward.name} ({reward.id})" if reward.name != reward.id else reward.id
    worth = f" worth {money(reward.face_value_minor)}" if reward.face_value_minor else ""
    said = f"{label}: {_KINDS[reward.kind]}{worth} for {points(reward.price, reward.currency)}"
    for season in reward.seasons:
        times = ", ".join(circumstances(season.times))
        said += f"; {season.name}: {points(season.price, reward.currency)} {times}"
    who = [
        *([f"for members of tier {listed(reward.tiers, 'or')}"] if reward.tiers is not None else []),
        *([f"for members in segment {listed(reward.segments, 'or')}"] if reward.segments is not None else []),
        *circumstances(reward.times),
    ]
    said += "".join(f"; {part}" for part in who)
    terms = program.limits.get(limit_id(STOCK, reward.id))
    if terms is not None:
        said += f"; {terms.capacity} for all members together"
    if reward.limits:
        said += f"; at most {joined(map(_limit, reward.limits))} for each member"
    return f"{said}."


def _limit(cap: Cap) -> str:
    period = f"in any {length(cap.rolling)}" if cap.rolling else _PERIODS[cap.per]
    return f"{cap.max_amount} {period}"


def _payment(program: Program, points: Points, money: Money) -> Iterator[str]:
    payment = program.payment
    if payment is not None:
        yield _paid(program, payment, points, money)
        restored = "with the last of them" if program.returns.restore_spent == "full_only" else "in proportion"
        yield f"When goods come back that points paid for, the points come back {restored}."
    if program.rewards or payment is not None:
        keep, grace = program.redemptions.keep, program.redemptions.grace
        kept = f"within {length(keep)}" if keep is not None else "for ever"
        ended = f"live {length(grace)} longer" if grace is not None else "end at once"
        yield f"A redemption can be cancelled {kept}; points that have ended by then {ended}."


def _paid(program: Program, payment: Payment, points: Points, money: Money) -> str:
    # For one of the money where that is a whole number of points; else as many as are worth a whole amount of it.
    for_one = 10**program.money_decimals / payment.worth
    unit = for_one if for_one.denominator == 1 else Fraction(payment.worth.denominator)
    said = f"{points(unit, payment.currency)} pay {money(int(payment.worth * unit))} of a sale"
    if payment.block > 1:
        said += f", in steps of {points(payment.block, payment.currency)}"
    if payment.minimum:
        said += f", from {points(payment.minimum, payment.currency)} on"
    if payment.share < 1:
        said += f", at most {int(payment.share * 100)}% of it"
    return f"{said}."
