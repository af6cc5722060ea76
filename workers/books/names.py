"""A program's own words: names of rules, decimals of points and money, its time zone.

The ledger has ids and smallest units only. Without the program they are shown as they are.
"""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from loyalty.catalogue import PAYMENT
from loyalty.program import Program

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


class Names:
    """The words of the versions of one program, the later ones first; of none, when no version is known."""

    def __init__(self, programs: Iterable[Program] = ()) -> None:
        versions = sorted(programs, key=lambda each: each.effective_from_us)
        self.known = bool(versions)
        self.zone: ZoneInfo | None = versions[-1].zone if versions else None
        """Of the latest version."""
        self._money = versions[-1].money if versions else ""
        self._money_decimals = versions[-1].money_decimals if versions else 0
        self._one_money = not any(each.exchange for each in versions)
        self._decimals = {currency.id: currency.decimals for each in versions for currency in each.currencies}
        self._currency_of: dict[str, str] = {}
        self._names: dict[str, str] = {}
        for each in versions:
            giving = (each.purchase_rules, each.activity_rules, each.referral_rules, each.surprises, each.rewards)
            for named in (*giving, each.multipliers):
                self._names |= {item.id: item.name for item in named if item.name}
            for rules in giving:
                self._currency_of |= {rule.id: rule.currency for rule in rules}
            if each.payment is not None:
                self._currency_of[PAYMENT] = each.payment.currency

    def points(self, amount: int | Fraction, currency: str) -> str:
        """An amount of points in whole points, or in the smallest unit when the program is not known."""
        return number(Fraction(amount) / 10 ** self._decimals.get(currency, 0))

    def signed(self, amount: int, currency: str) -> str:
        """The same with its sign."""
        return f"+{self.points(amount, currency)}" if amount > 0 else self.points(amount, currency)

    def money(self, amount_minor: int) -> str:
        """An amount of the program's money."""
        if not self.known:
            return f"{amount_minor:,} minor units"
        return f"{Decimal(amount_minor).scaleb(-self._money_decimals):,f} {self._money}"

    def paid(self, amount_minor: int) -> str:
        """An amount of the money of a purchase, which the ledger does not name: it may be a foreign one."""
        return self.money(amount_minor) if self._one_money else f"{amount_minor:,} minor units"

    def rate(self, rate: Fraction, currency: str) -> str:
        """Points for each unit of money; `rate` is in smallest units for each minor unit."""
        if not self.known:
            return f"{number(rate)} for each minor unit"
        unit = 10**self._money_decimals
        return f"{self.points(rate * unit, currency)} for each {self.money(unit)}"

    def currency_of(self, rule: str) -> str:
        """The currency that a rule gives; "" when it is not known."""
        return self._currency_of.get(rule, "")

    def called(self, rule: str) -> str:
        """A rule or multiplier with its name behind it."""
        name = self._names.get(rule, "")
        return f"{rule} ({name})" if name and name != rule else rule


def number(value: int | Fraction) -> str:
    """An exact number as people write it: "1,234", "11.9"; what has no end is written out: "10/3, about 3.333"."""
    exact = Fraction(value)
    rest = exact.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return f"{exact}, about {float(exact):,.3f}"
    return f"{Decimal(exact.numerator) / exact.denominator:,f}"
