"""How an entry came about, in a line for each of its steps.

Not here: what the steps hold (loyalty/explanation.py).
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from loyalty.decisions import Entry
from loyalty.facts import MICRO
from loyalty.program import Program
from schemas.currencies import MINOR_DIGITS
from schemas.program_words import number
from workers.books.kinds import moved
from workers.books.names import Names
from workers.books.redemptions import redemption_title, redemption_words


def points_words(amount: int, currency: str, program: Program) -> str:
    """Points as people count them: +42 Beans."""
    kind = next((each for each in program.currencies if each.id == currency), None)
    if kind is None:
        return f"{amount:+,} {currency}"
    sign = "-" if amount < 0 else "+"
    return f"{sign}{number(Fraction(abs(amount), 10**kind.decimals))} {kind.name}"


def entry_words(entry: Entry, program: Program, money: str = "") -> Iterator[str]:
    """What the entry moved, then each step. `program` is the entry's version, `money` the purchase's if another."""
    amounts = moved(entry).items()
    total = ", ".join(points_words(amount, currency, program) for currency, amount in amounts) or "no points"
    yield f"{entry.reason}: {total}"
    for step in entry.steps:
        yield "  " + _step(step, program, money or program.money)


def _step(step: Mapping[str, Any], program: Program, money: str) -> str:
    if "reward" in step:
        given = f"{step['reward']} as a gift" if "redemption_id" in step else f"no {step['reward']}, over the limit"
        return f"{step['rule']}: {given}, for {step['day']}"
    if "redemption_id" in step:
        names = Names([program])
        words = redemption_words(step, names.currency_of(step["rule"]), names)
        return f"{redemption_title(step['rule'], step['redemption_id'], names)}: {words}"
    if "transaction_id" in step:
        back = f": {_lines_back(step, money)}" if "returned" in step else ""
        return f"back of {step['transaction_id']}{back}"
    if "returned" in step:
        return f"back without a purchase: {_lines_back(step, money)}"
    if "held_before" in step:
        rest = f", {step['not_recouped']} not recouped" if "not_recouped" in step else ""
        return f"{step['rule']}: held {step['held_before']}, holds {step['held_after']}{rest}"
    if "rule" not in step:
        return f"all rules: {_plain(step['exact'])} {step['currency']}, {_rounded(step)}"
    how = "".join(f", {part}" for part in _how(step, program, money))
    given = step.get("granted", step.get("points", 0))
    cut = f", {step['forfeited']} over the limit" if "forfeited" in step else ""
    cut += f", {step['not_recouped']} not recouped" if "not_recouped" in step else ""
    rounding = f", {_rounded(step)}" if "rounding" in step and step.get("exact") != str(step.get("points")) else ""
    return f"{step['rule']}: {given}{how}{rounding}{cut}"


def _lines_back(step: Mapping[str, Any], money: str) -> str:
    return ", ".join(
        f"line {line}: {number(Fraction(back[0], MICRO))} for {_money(back[1], money)}"
        for line, back in step["returned"].items()
    )


def _how(step: Mapping[str, Any], program: Program, money: str) -> Iterator[str]:
    """What was counted, at which rate, and what multiplied it."""
    kind = step.get("kind")
    if kind == "per_item":
        yield f"{number(Fraction(step['quantity_micro'], MICRO))} items at {_rate(step, program, 1)}"
    elif kind == "per_amount":
        yield f"{_money(step['amount_minor'], money)} at {_rate(step, program, 10**program.money_decimals)} for each 1"
    if "counts" in step:
        yield f"one minor unit counts as {step['counts']}"
    for name, factor in step.get("multipliers", {}).items():
        yield f"{name} x{_plain(factor)}"
    if "multipliers" in step or Fraction(str(step.get("exact", 0))).denominator != 1:
        yield f"exactly {_plain(step['exact'])}"
    if "times" in step:
        yield f"{step['times']} times {step['earned']}"
    if "draw" in step:
        yield f"drawn: {step['draw']}, {number(Fraction(step['share']) * 100)} of 100"
    if "day" in step:
        yield f"for {step['day']}"
    if "side" in step:
        yield f"for the {step['side']}"


def _rate(step: Mapping[str, Any], program: Program, units: int) -> str:
    rule = next((each for each in program.purchase_rules if each.id == step["rule"]), None)
    kind = next((each for each in program.currencies if rule is not None and each.id == rule.currency), None)
    return number(Fraction(step["rate"]) * units / 10 ** (kind.decimals if kind is not None else 0))


def _rounded(step: Mapping[str, Any]) -> str:
    return f"rounded ({step['rounding']}) to {step['points']}"


def _plain(text: str) -> str:
    return number(Fraction(text))


def _money(amount_minor: int, money: str) -> str:
    digits = MINOR_DIGITS.get(money, 2)
    return f"{Decimal(amount_minor).scaleb(-digits):,.{digits}f} {money}"
