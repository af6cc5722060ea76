"""Runs a golden case and writes down, in words, what came out.

One line for each rule that had a say, each balance and tier that changed, and each event that did nothing; then
one line for each account. Points are written with the decimals of their kind.

Not here: reading a case (notation.py).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

import orjson
from pydantic import TypeAdapter

from loyalty.account import Head
from loyalty.decisions import Decision, Entry, Notice, Outcome, RedemptionChange, RewardOrder, TierChange
from loyalty.due import TYPE
from loyalty.facts import Cause
from loyalty.lots import parsed
from loyalty.program import Program
from schemas.decode import Anonymous, Known, decode
from schemas.jsonschema import OUTPUTS
from tests.golden.notation import Case
from tests.loyalty.books import Books
from workers.batch import messages_of

RETURN_TYPE = "loyalty.return.v1"


class Outcomes(NamedTuple):
    """What came out of a case: as text, and as points by event and by member."""

    text: str
    by_event: dict[tuple[str, str], Decimal]
    by_member: dict[tuple[str, str], Decimal]
    refused: dict[str, str]
    tiers: dict[str, str]


def run(case: Case) -> Outcomes:
    """Decide the events of a case, in the order in which they stand."""
    books = Books(*case.programs)
    units = Units(case.programs)
    rows: list[tuple[str, ...]] = []
    by_event: Counter[tuple[str, str]] = Counter()
    refused: dict[str, str] = {}
    for told in case.events:
        if not told.raw and told.now_us is not None:
            first = len(books.decisions)
            books.pass_time(told.now_us)
            rows += _due_rows(books.decisions[first:], case.programs[-1], units)
            rows.append((told.event_id, "balances", *_balances(books, units)))
            continue
        decoded = decode(told.raw, strict=True)
        if isinstance(decoded, Anonymous):
            rows.append((told.event_id, "anonymous"))
            continue
        assert isinstance(decoded, Known), decoded
        first = len(books.decisions)
        books.take(told.raw, told.now_us)
        due = [each for each in books.decisions[first:] if _is_due(each) and not _waits(told.event_id, each)]
        rows += _due_rows(due, case.programs[-1], units)
        for decision in books.decisions[first:]:
            if decision in due:
                continue
            rows += _rows(told.event_id, decoded.fact.member, decision, units, case.programs[-1])
            if decision.refusal is not None:
                refused[told.event_id] = decision.refusal.code
            for reward in decision.rewards:
                if isinstance(reward, RedemptionChange) and reward.status == "refused":
                    refused[told.event_id] = reward.reason
            for change in decision.balances:
                by_event[_of(change.cause, told.event_id), change.currency] += change.delta
    refused |= {dead.fact.cause.id: dead.refusal.code for decision in books.decisions for dead in decision.dead}
    books.check_books()
    _keep_the_contract(books)
    rows += [row for head in books.heads() for row in _account(head, units)]
    by_member = Counter(
        {(head.member, currency): sum(held) for head in books.heads() for currency, held in head.balances.items()}
    )
    tiers = {head.member: head.tier for head in books.heads()}
    return Outcomes(_aligned(rows), units.of(by_event), units.of(by_member), refused, tiers)


def _keep_the_contract(books: Books) -> None:
    """What came out can be read by those who go by the models."""
    for topic, _, value in (message for decision in books.decisions for message in messages_of(decision)):
        assert _contract(orjson.loads(value)["type"]).validate_json(value) is not None, topic


@cache
def _contract(event_type: str) -> TypeAdapter[Any]:
    return TypeAdapter(OUTPUTS[event_type])


class Units:
    """How many decimals each kind of points has, and which kind each rule gives."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self.decimals = {currency.id: currency.decimals for each in programs for currency in each.currencies}
        self.currency_of = {
            **{rule.id: rule.currency for each in programs for rule in each.purchase_rules},
            **{rule.id: rule.currency for each in programs for rule in each.activity_rules},
            **{rule.id: rule.currency for each in programs for rule in each.referral_rules},
        }

    def number(self, amount: int, currency: str) -> Decimal:
        """An amount in whole points."""
        return Decimal(amount).scaleb(-self.decimals[currency])

    def of(self, points: Counter[tuple[str, str]]) -> dict[tuple[str, str], Decimal]:
        """Amounts by (whatever, currency) in whole points."""
        return {key: self.number(amount, key[1]) for key, amount in points.items()}


def _rows(event_id: str, member: str, decision: Decision, units: Units, program: Program) -> Iterator[tuple[str, ...]]:
    if decision.refusal is not None:
        yield (event_id, "refused", decision.refusal.code)
    elif decision.outcome is Outcome.DUPLICATE:
        yield (event_id, "duplicate")
    elif _waits(event_id, decision):
        yield (event_id, "waits")
    elif not (decision.entries or decision.tiers or decision.rewards):
        yield (event_id, "nothing")
    for entry in decision.entries:
        of = _of(entry.cause, event_id)
        for row in _entry(entry, units):
            yield (of, *row) if entry.member == member else (of, *row, f"for {entry.member}")
    for change in decision.tiers:
        yield (event_id, "tier", _tier(change, program), *_whose(change.member, member))
    for reward in decision.rewards:
        yield (_of(reward.cause, event_id), *_reward(reward, program))
    for notice in decision.notices:
        yield (event_id, "notice", notice.kind, _notice(notice, program, units), *_whose(notice.member, member))
    yield from _dead_rows(decision)


def _of(cause: Cause, event_id: str) -> str:
    """Whose row it is: that of the event at hand, or of a return that waited for it."""
    return cause.id if cause.type == RETURN_TYPE else event_id


def _waits(event_id: str, decision: Decision) -> bool:
    """Whether the event was put by."""
    heads = [record for record in decision.writes.values() if isinstance(record, Head)]
    return any(one.fact.cause.id == event_id for head in heads for one in head.parked)


def _dead_rows(decision: Decision) -> Iterator[tuple[str, ...]]:
    for dead in decision.dead:
        yield (dead.fact.cause.id, "dead", dead.refusal.code)


def _is_due(decision: Decision) -> bool:
    """Whether time alone has decided it."""
    parts: list[Entry | TierChange | Notice | RedemptionChange | RewardOrder]
    parts = [*decision.entries, *decision.tiers, *decision.notices, *decision.rewards]
    # What only moves the next look or drops a record says nothing.
    return decision.refusal is None and decision.outcome is Outcome.APPLIED and all(p.cause.type == TYPE for p in parts)


def _due_rows(decisions: Sequence[Decision], program: Program, units: Units) -> Iterator[tuple[str, ...]]:
    for decision in decisions:
        yield from _dead_rows(decision)
        parts: list[Entry | TierChange | Notice] = [*decision.entries, *decision.tiers, *decision.notices]
        for part in parts:
            day = f"{datetime.fromtimestamp(part.time_us // 1_000_000, program.zone):%Y-%m-%d}"
            match part:
                case Entry():
                    for row in _entry(part, units):
                        yield (day, *row, f"for {part.member}")
                case TierChange():
                    yield (day, "tier", _tier(part, program), f"for {part.member}")
                case Notice():
                    yield (day, "notice", part.kind, _notice(part, program, units), f"for {part.member}")


def _reward(change: RedemptionChange | RewardOrder, program: Program) -> tuple[str, ...]:
    if isinstance(change, RewardOrder):
        return "order", change.status, f"{change.quantity} {change.reward}, {change.kind}"
    said = [change.reason] if change.reason else []
    if change.status == "accepted" and change.value_minor:
        value = Decimal(change.value_minor).scaleb(-program.money_decimals)
        said.append(f"worth {value} {change.money}")
    return "redemption", change.status, *said


def _tier(change: TierChange, program: Program) -> str:
    moved = f"{change.from_tier or 'none'} -> {change.to_tier}"
    if change.reason in {"confirmed", "review", "return"}:
        moved += f" ({change.reason})"
    if change.valid_until_us is None:
        return moved
    return f"{moved} until {datetime.fromtimestamp(change.valid_until_us // 1_000_000, program.zone):%Y-%m-%d}"


def _notice(notice: Notice, program: Program, units: Units) -> str:
    said = notice.details
    if "merge_id" in said:
        return f"{said['into']}" if "into" in said else f"from {said['from_member']}"
    if "household_id" in said:
        return " ".join(str(said[name]) for name in ("household_id", "holder", "reason") if name in said)
    if "transfer_id" in said:
        whom = f"to {said['to_member']}" if "to_member" in said else f"from {said['from_member']}"
        return f"{said['points']} {said['currency']} {whom}" + (f": {said['reason']}" if "reason" in said else "")
    ends = datetime.fromtimestamp(said["ends_us"] // 1_000_000, program.zone) if "ends_us" in said else None
    if "points" in said:
        points = f"{units.number(said['points'], said['currency']):f} {said['currency']}"
        day = f" for {said['day']}" if "day" in said else ""
        return f"{points}{day} end at {ends:%Y-%m-%d %H:%M}" if ends is not None else points + day
    if "reward" in said:
        return f"{said['reward']} for {said['day']}"
    if notice.kind == "tier_near":
        return f"{said['missing']} short of {said['next']}"
    return f"{said['missing']} short of keeping {said['tier']} after {ends:%Y-%m-%d}"


def _balances(books: Books, units: Units) -> Iterator[str]:
    for head in books.heads():
        for currency, (available, pending) in sorted(head.balances.items()):
            waiting = f" and {units.number(pending, currency):f} pending" if pending else ""
            yield f"{head.member} {units.number(available, currency):f} {currency}{waiting}"


def _whose(member: str, of_event: str) -> tuple[str, ...]:
    return () if member == of_event else (f"for {member}",)


def _entry(entry: Entry, units: Units) -> Iterator[tuple[str, ...]]:
    given: Counter[tuple[str, str]] = Counter()
    for posting in entry.postings:
        if posting.account.startswith("member:"):
            given[posting.rule, posting.currency] += posting.amount
    for step in entry.steps:
        if "rule" not in step:
            continue
        rule = step["rule"]
        if "lot" in step:
            yield (entry.kind, rule, f"{units.number(step['points'], step['currency']):f} {step['currency']}")
            continue
        mine = [(currency, amount) for (name, currency), amount in given.items() if name == rule]
        words = [f"{units.number(amount, currency):+f} {currency}" for currency, amount in mine] or ["0"]
        words = [step["reward"] if "redemption_id" in step else "0"] if "reward" in step else words
        words += [f"x{factor} {name}" for name, factor in step.get("multipliers", {}).items()]
        for name in ("forfeited", "not_recouped"):
            if name in step:
                words.append(f"{name} {units.number(step[name], units.currency_of[rule]):f}")
        yield (entry.kind, rule, "  ".join(words))


def _account(head: Head, units: Units) -> Iterator[tuple[str, ...]]:
    words = [head.tier or "no tier", head.status]
    for currency, (available, pending) in sorted(head.balances.items()):
        words.append(f"{units.number(available, currency):f} {currency}")
        if pending:
            words.append(f"{units.number(pending, currency):f} pending")
        lots = "+".join(f"{units.number(lot.left, currency):f}" for lot in parsed(head.lots.get(currency, "")))
        words.append(f"lots {lots or 'none'}")
    for name, sums in head.qualifying.items():
        words.append(f"qualifying {name} {sums.total}")
    yield (head.member, "has", "  ".join(words))


def _aligned(rows: list[tuple[str, ...]]) -> str:
    widths = [max((len(row[column]) for row in rows if len(row) > column + 1), default=0) for column in range(4)]
    lines = []
    for row in rows:
        cells = [cell.ljust(widths[column]) if column < len(row) - 1 else cell for column, cell in enumerate(row)]
        lines.append("  ".join(cells))
    return "".join(f"{line}\n" for line in lines)
