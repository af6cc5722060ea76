"""What batches did, in numbers for metrics and summaries. Never a member.

Not here: how numbers are shown (metrics.py, replay.py).
"""

from collections import defaultdict
from dataclasses import dataclass, field, fields
from typing import TypeAlias, TypeVar

from loyalty.decisions import Decision, Outcome, RedemptionChange
from loyalty.due import TYPE as DUE_TYPE
from loyalty.facts import Answer, Message
from loyalty.limits import kind_of
from loyalty.postings import EARNED, EXPIRED, REDEEMED, RESTORED, RETURNED
from loyalty.reward_news import Status
from workers.records import DeadLetter

REFUSED = str(Status.REFUSED)
UNKNOWN = "unknown"
"""Stands for the type of what could not be read."""

APPLIED = str(Outcome.APPLIED)
"""Equal to the outcome, and found and hashed ten times faster than a member of an enumeration: nearly every event is
counted."""

_Key = TypeVar("_Key")

Tally: TypeAlias = defaultdict[_Key, int]
"""A number for each key, 0 at first. A Counter would take twice as long to add to one, and nearly every event does."""


def _tally() -> Tally[_Key]:
    return defaultdict(int)


@dataclass(slots=True)
class Counts:
    """What a batch did, for metrics. Keys hold types, outcomes, codes and rules; never a member."""

    events: Tally[tuple[str, str]] = field(default_factory=_tally)
    points: Tally[tuple[str, str]] = field(default_factory=_tally)
    """(rule, currency) -> points given or, negative, taken back."""
    taken_back: Tally[tuple[str, str]] = field(default_factory=_tally)
    forfeited: Tally[str] = field(default_factory=_tally)
    expired: Tally[str] = field(default_factory=_tally)
    redeemed: Tally[tuple[str, str]] = field(default_factory=_tally)
    """(reward, currency) -> points spent; what came back is in `restored`."""
    restored: Tally[tuple[str, str]] = field(default_factory=_tally)
    redemptions: Tally[tuple[str, str]] = field(default_factory=_tally)
    """(status, reason of a refusal) -> how often."""
    tier_changes: Tally[str] = field(default_factory=_tally)
    notices: Tally[str] = field(default_factory=_tally)
    limit_claims: Tally[tuple[str, str]] = field(default_factory=_tally)
    """(kind of limit, granted or denied) -> claims that were answered."""
    dead_letters: Tally[str] = field(default_factory=_tally)
    forwarded: int = 0
    unknown_fields: int = 0
    event_time_us_max: int = 0
    """The latest event time that was decided; 0 when none was."""

    def add(self, event_type: str, decision: Decision, time_us: int) -> None:
        """Count a decision: what it gave, took back, forfeited and raised."""
        if decision.outcome != APPLIED:
            self.events[event_type, decision.outcome] += 1
            return
        self.events[event_type, APPLIED] += 1
        if time_us > self.event_time_us_max and event_type != DUE_TYPE:
            self.event_time_us_max = time_us
        for entry in decision.entries:
            for account, currency, amount, rule, _ in entry.postings:
                if account == EARNED:
                    self.points[rule, currency] -= amount
                elif account in _OTHERS:
                    self._moved(account, currency, amount, rule)
            for step in entry.steps:
                if "forfeited" in step:
                    self.forfeited[step["rule"]] += step["forfeited"]
        for answer in _answers(decision) if decision.rewards else ():
            self.redemptions[answer] += 1
        for change in decision.tiers:
            self.tier_changes[change.to_tier] += 1
        for notice in decision.notices:
            self.notices[notice.kind] += 1
        _count_answers(self.limit_claims, decision.messages)
        for dead in decision.dead:
            self.dead_letters[dead.refusal.code] += 1

    def _moved(self, account: str, currency: str, amount: int, rule: str) -> None:
        """Count a posting on one of the program's rarer accounts."""
        if account == RETURNED:
            self.taken_back[rule, currency] += amount
        elif account == EXPIRED:
            self.expired[currency] += amount
        elif account == REDEEMED:
            self.redeemed[rule, currency] += amount
        else:
            self.restored[rule, currency] -= amount

    def merge(self, other: "Counts") -> None:
        """Add what another batch did."""
        for name in _TALLIES:
            sums = getattr(self, name)
            for key, number in getattr(other, name).items():
                sums[key] += number
        self.forwarded += other.forwarded
        self.unknown_fields += other.unknown_fields
        self.event_time_us_max = max(self.event_time_us_max, other.event_time_us_max)


_TALLIES = tuple([each.name for each in fields(Counts) if each.default_factory is _tally])

_OTHERS = frozenset({RETURNED, EXPIRED, REDEEMED, RESTORED})


def _answers(decision: Decision) -> list[tuple[str, str]]:
    """(status, reason) of redemptions. Only the reasons of refusals are ours; others have no bound."""
    changes = [change for change in decision.rewards if isinstance(change, RedemptionChange)]
    return [(change.status, change.reason if change.status == REFUSED else "") for change in changes]


def _count_answers(claims: Tally[tuple[str, str]], messages: tuple[Message, ...]) -> None:
    for message in messages:
        if isinstance(message, Answer):
            claims[kind_of(message.from_member), "granted" if message.granted else "denied"] += 1


def count_due(counts: Counts, answer: Decision | DeadLetter, time_us: int) -> None:
    """Count what became of something due."""
    if isinstance(answer, Decision):
        counts.add(DUE_TYPE, answer, time_us)
    else:
        counts.dead_letters[answer.code] += 1
        counts.events[DUE_TYPE, "dead_letter"] += 1
