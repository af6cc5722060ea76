"""The events that a case of a spec file stands for: the same bytes as a point of sale would send.

Invariants:
  E1 the same case gives the same bytes
  E2 what is not said is filled in as spec.py describes; nothing depends on another case
  E3 steps go forward in time, so a replay would take them in the same order

Not here: what becomes of the events (workers/spec_run.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

import orjson

from loyalty.earning import POINTS_TENDER
from loyalty.program import Program
from schemas import spec
from schemas.currencies import MINOR_DIGITS
from schemas.encode import instant_text
from schemas.program_source import Source, TreePath
from schemas.program_values import did_you_mean
from schemas.spec_clock import Clock
from schemas.spec_values import REST

SOURCE: Final = "/spec"
ALL: Final = "all"


class Told(NamedTuple):
    """One step as an event. `path` is where it stands; `counted` is false for what happened before the case."""

    path: TreePath
    verb: str
    time_us: int
    zone: str
    raw: bytes
    counted: bool


@dataclass(slots=True)
class _Bought:
    """A line of an earlier purchase, and what is left of it."""

    category: str
    sku: str
    quantity: Fraction
    amount_minor: int
    quantity_left: Fraction
    minor_left: int
    digits: int


@dataclass(slots=True)
class Teller:
    """Tells the steps of one case in order; problems go to the source."""

    program: Program
    source: Source
    clock: Clock
    told: list[Told] = field(default_factory=list)
    baskets: dict[tuple[str, str], list[_Bought]] = field(default_factory=dict)
    """(member, transaction) -> its lines; the latest last."""
    redemptions: dict[str, str] = field(default_factory=dict)
    """Member -> the latest redemption."""

    def tell(self, steps: Iterable[spec.Step], path: TreePath, *, counted: bool) -> None:
        """Tell steps that stand at `path`."""
        for number, step in enumerate(steps):
            self._step(step, self._item(path, number), counted=counted)

    def _item(self, path: TreePath, number: int) -> TreePath:
        """Where an item of a list stands: a single one may be written without a list."""
        return (*path, number) if (*path, number) in self.source.values else path

    def _step(self, step: spec.Step, path: TreePath, *, counted: bool) -> None:
        zone = step.zone if isinstance(step, spec.PurchaseStep) and step.zone else self.program.zone.key
        time_us = self.clock.take(step.at, zone, self.source, (*path, "at"))
        verb = spec.verb_of(step) or ""
        event_id = f"{len(self.told) + 1}"
        if isinstance(step, spec.TimeStep):
            if step.at is None:
                self.source.report(
                    path, "until when time passes is not said", "add at: 2026-05-01, or at: 30 days later"
                )
            self.told.append(Told(path, verb, time_us, zone, b"", counted))
            return
        event_type, data = self._told(step, path, step.id or f"{verb}-{event_id}")
        event = {
            "specversion": "1.0",
            "id": event_id,
            "source": SOURCE,
            "type": event_type,
            "time": instant_text(time_us),
            "subject": step.who,
            "data": data,
        }
        self.told.append(Told(path, verb, time_us, zone, orjson.dumps(event), counted))

    def _told(self, step: spec.Step, path: TreePath, own_id: str) -> tuple[str, dict[str, Any]]:
        match step:
            case spec.PurchaseStep():
                return "loyalty.purchase.v1", self._purchase(step, path, own_id)
            case spec.ReturnStep():
                return "loyalty.return.v1", self._return(step, path, own_id)
            case spec.ReviewStep():
                return "loyalty.review.v1", {
                    "review_id": own_id,
                    "sku": step.review,
                    "rating": step.rating,
                    "text_length": step.length,
                    "has_photo": step.photo,
                    "verified_purchase": step.verified,
                    "status": step.status,
                    "attributes": step.attributes,
                }
            case spec.ShareStep():
                return "loyalty.share.v1", {
                    "share_id": own_id,
                    "network": step.share,
                    "content_id": step.content or own_id,
                    "kind": step.kind,
                    "attributes": step.attributes,
                }
            case spec.ReferralStep():
                data: dict[str, Any] = {
                    # Both stages of a referral are one referral.
                    "referral_id": step.id or f"{step.who} by {step.referral}",
                    "referrer_id": step.referral,
                    "code": step.code,
                    "stage": step.stage,
                    "attributes": step.attributes,
                }
                return "loyalty.referral.v1", data | _given(transaction_id=step.purchase)
            case spec.EngagementStep():
                return "loyalty.engagement.v1", {
                    "activity": step.engagement,
                    "activity_id": own_id,
                    "properties": step.properties,
                }
            case spec.MemberStep():
                segments = None if step.segments is None else list(step.segments)
                data = {"status": step.member, "attributes": step.attributes}
                return "loyalty.member.v1", data | _given(birthday=step.birthday, segments=segments)
            case spec.EventStep():
                return step.event, step.data
            case spec.RedeemStep() | spec.PayStep():
                self.redemptions[step.who] = own_id
                asked = self._payment(step, path, own_id) if isinstance(step, spec.PayStep) else _reward(step)
                return "loyalty.redemption.requested.v1", {"redemption_id": own_id, **asked}
            case spec.ReportStep():
                return f"loyalty.redemption.{step.report}.v1", self._report(step, path)
            case _:
                raise TypeError(f"a step without a translation: {type(step).__name__}")

    def _purchase(self, step: spec.PurchaseStep, path: TreePath, own_id: str) -> dict[str, Any]:
        currency = step.currency or self.program.money
        digits = MINOR_DIGITS[currency]
        here = (*path, "purchase")
        lines: list[dict[str, Any]] = []
        basket: list[_Bought] = []
        for number, line in enumerate(step.purchase):
            minor = self._line_minor(line, digits, self._item(here, number))
            sku = line.sku or line.category or "item"
            said = {"line_id": str(number + 1), "sku": sku, "quantity": line.quantity, "amount_minor": minor}
            lines.append(said | _given(category=line.category, brand=line.brand))
            quantity = Fraction(line.quantity)
            basket.append(_Bought(line.category or "", sku, quantity, minor, quantity, minor, digits))
        self.baskets.pop((step.who, own_id), None)
        self.baskets[step.who, own_id] = basket
        extras = {
            name: self._minor(Fraction(getattr(step, name)), digits, (*path, name))
            for name in ("tax", "shipping", "tip")
            if getattr(step, name) != "0"
        }
        due = sum(line["amount_minor"] for line in lines) + sum(extras.values())
        return {
            "transaction_id": own_id,
            "store_id": step.store,
            "channel": step.channel,
            "currency": currency,
            "lines": lines,
            **({"tenders": self._tenders(step, due, digits, path)} if step.tender else {}),
            **{f"{name}_minor": minor for name, minor in extras.items()},
            **_given(store_zone=step.zone),
            "attributes": step.attributes,
        }

    def _line_minor(self, line: spec.Line, digits: int, path: TreePath) -> int:
        if (line.price is None) == (line.amount is None):
            self.source.report(path, "one of price and amount was expected", "price is that of one, amount that of all")
            return 0
        if line.amount is not None:
            return self._minor(Fraction(line.amount), digits, path)
        amount = Fraction(line.price or "0") * Fraction(line.quantity)
        return self._minor(amount, digits, path, "write {category: ..., quantity: ..., amount: ...}")

    def _minor(self, amount: Fraction, digits: int, path: TreePath, hint: str = "") -> int:
        minor = amount * 10**digits
        if minor.denominator != 1:
            self.source.report(
                path, f"an amount of money has at most {digits} digits after the point", hint or 'for example "9.95"'
            )
        return int(minor)

    def _tenders(self, step: spec.PurchaseStep, due: int, digits: int, path: TreePath) -> list[dict[str, Any]]:
        here = (*path, "tender")
        tenders = step.tender or {}
        paid = {
            name: self._minor(Fraction(amount), digits, (*here, name))
            for name, amount in tenders.items()
            if amount != REST
        }
        left = due - sum(paid.values())
        if left < 0 or (left and len(paid) == len(tenders)):
            shown, wanted = (Decimal(minor).scaleb(-digits) for minor in (sum(paid.values()), due))
            hint = f"write {REST} for the one that pays what is left"
            self.source.report(here, f"the tenders add up to {shown}, but {wanted} is to be paid", hint)
        labels = {POINTS_TENDER: self.redemptions.get(step.who)}
        return [
            {"type": name, "amount_minor": paid.get(name, left), **_given(label=labels.get(name))} for name in tenders
        ]

    def _payment(self, step: spec.PayStep, path: TreePath, own_id: str) -> dict[str, Any]:
        digits, payment = MINOR_DIGITS[self.program.money], self.program.payment
        decimals = {kind.id: kind.decimals for kind in self.program.currencies}
        unit = 10 ** (decimals[payment.currency] if payment is not None else 0)
        asked = {
            "basket_minor": self._minor(Fraction(step.pay), digits, (*path, "pay")),
            "currency": self.program.money,
            **_given(
                amount_minor=None
                if step.amount is None
                else self._minor(Fraction(step.amount), digits, (*path, "amount")),
                points=None if step.points is None else int(Fraction(step.points) * unit),
            ),
        }
        return {"transaction_id": step.sale or f"{own_id}-sale", "payment": asked}

    def _report(self, step: spec.ReportStep, path: TreePath) -> dict[str, Any]:
        of = step.of or self.redemptions.get(step.who)
        if of is None:
            self.source.report((*path, "report"), f"{step.who} has redeemed nothing before", "add a step redeem first")
        reason = {"reason": "reported"} if step.report == "failed" else {}
        return {"redemption_id": of or "none", **reason}

    def _return(self, step: spec.ReturnStep, path: TreePath, own_id: str) -> dict[str, Any]:
        bought = [transaction for who, transaction in self.baskets if who == step.who]
        of = step.of or (bought[-1] if bought else "")
        basket = self.baskets.get((step.who, of))
        if basket is None:
            if step.of is None:
                self.source.report((*path, "return"), f"{step.who} has bought nothing before", "add a purchase first")
            else:
                hint = did_you_mean(of, bought) or "give the purchase this id"
                self.source.report((*path, "of"), f"{step.who} has no purchase {of} before this step", hint)
            basket = []
        here = (*path, "return")
        if len(step.goods) == 1 and step.goods[0].line == ALL and step.goods[0].quantity is None:
            back = [(number, line.quantity_left, line.minor_left) for number, line in enumerate(basket)]
            back = [each for each in back if each[1] or each[2]]
            if basket and not back:
                self.source.report(here, "nothing is left of the purchase", "all of it came back before")
        else:
            found = (self._goods(goods, basket, self._item(here, at)) for at, goods in enumerate(step.goods))
            back = [each for each in found if each is not None]
        lines = []
        for number, quantity, minor in back:
            line = basket[number]
            line.quantity_left = max(line.quantity_left - quantity, Fraction(0))
            line.minor_left = max(line.minor_left - minor, 0)
            lines.append({"line_id": str(number + 1), "quantity": _decimal(quantity), "amount_minor": minor})
        return {"return_id": own_id, "transaction_id": of, "lines": lines}

    def _goods(self, goods: spec.BackLine, basket: list[_Bought], path: TreePath) -> tuple[int, Fraction, int] | None:
        """The line of the basket, how much of it comes back, and for how much money."""
        number = _index(goods.line, basket)
        if number is None:
            if basket:
                known = list(dict.fromkeys(line.category or line.sku for line in basket))
                self.source.report(
                    path, f"there is no line {goods.line} in the purchase", did_you_mean(goods.line, known)
                )
            return None
        line = basket[number]
        quantity = line.quantity_left if goods.quantity is None else Fraction(goods.quantity)
        if goods.amount is not None:
            return number, quantity, self._minor(Fraction(goods.amount), line.digits, path)
        if quantity == line.quantity_left:
            return number, quantity, line.minor_left
        share = quantity * line.amount_minor / line.quantity if line.quantity else Fraction(0)
        hint = "say it: {line: " + goods.line + ', quantity: 1, amount: "1.00"}'
        if share.denominator != 1:
            self.source.report(path, "the share of what was paid is no whole amount of money", hint)
        return number, quantity, int(share)


def _index(name: str, basket: list[_Bought]) -> int | None:
    """The place of a line by its number, or the first of its category or sku of which something is left."""
    named = [number for number, line in enumerate(basket) if name in (line.category, line.sku)]
    if named:
        return next((number for number in named if basket[number].quantity_left), named[0])
    return int(name) - 1 if name.isdecimal() and 1 <= int(name) <= len(basket) else None


def _reward(step: spec.RedeemStep) -> dict[str, Any]:
    return {"reward_id": step.redeem, "quantity": step.quantity, **_given(transaction_id=step.sale)}


def _given(**fields: Any) -> dict[str, Any]:
    """The fields that are there."""
    return {name: value for name, value in fields.items() if value is not None}


def _decimal(quantity: Fraction) -> str:
    """A quantity as on the wire; it comes from a decimal, so it ends."""
    return f"{Decimal(quantity.numerator) / quantity.denominator:f}"
