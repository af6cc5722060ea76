"""What batches did, in numbers for metrics and summaries. Never a member.

Not here: how numbers are shown (metrics.py, replay.py).
"""

from collections import Counter
from dataclasses import dataclass, field

from loyalty.decisions import Decision, Outcome
from loyalty.due import TYPE as DUE_TYPE
from loyalty.facts import Answer, Message
from loyalty.limits import kind_of
from loyalty.postings import EARNED, EXPIRED, RETURNED
from workers.records import DeadLetter

UNKNOWN = "unknown"
"""Stands for the type of what could not be read."""

APPLIED = str(Outcome.APPLIED)
"""Equal to the outcome, and hashed ten times faster than a member of an enumeration: nearly every event is counted."""


@dataclass(slots=True)
class Counts:
    """What a batch did, for metrics. Keys hold types, outcomes, codes and rules; never a member."""

    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    points: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(rule, currency) -> points given or, negative, taken back."""
    taken_back: Counter[tuple[str, str]] = field(default_factory=Counter)
    forfeited: Counter[str] = field(default_factory=Counter)
    expired: Counter[str] = field(default_factory=Counter)
    tier_changes: Counter[str] = field(default_factory=Counter)
    notices: Counter[str] = field(default_factory=Counter)
    limit_claims: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(kind of limit, granted or denied) -> claims that were answered."""
    dead_letters: Counter[str] = field(default_factory=Counter)
    forwarded: int = 0
    unknown_fields: int = 0
    event_time_us_max: int = 0
    """The latest event time that was decided; 0 when none was."""

    def add(self, event_type: str, decision: Decision, time_us: int) -> None:
        """Count a decision: what it gave, took back, forfeited and raised."""
        outcome = decision.outcome
        if outcome is not Outcome.APPLIED:
            self.events[event_type, outcome] += 1
            return
        self.events[event_type, APPLIED] += 1
        if event_type != DUE_TYPE:
            self.event_time_us_max = max(self.event_time_us_max, time_us)
        for entry in decision.entries:
            for account, currency, amount, rule, _ in entry.postings:
                if account == EARNED:
                    self.points[rule, currency] -= amount
                elif account == RETURNED:
                    self.taken_back[rule, currency] += amount
                elif account == EXPIRED:
                    self.expired[currency] += amount
            for step in entry.steps:
                if "forfeited" in step:
                    self.forfeited[step["rule"]] += step["forfeited"]
        for change in decision.tiers:
            self.tier_changes[change.to_tier] += 1
        for notice in decision.notices:
            self.notices[notice.kind] += 1
        _count_answers(self.limit_claims, decision.messages)
        for dead in decision.dead:
            self.dead_letters[dead.refusal.code] += 1

    def merge(self, other: "Counts") -> None:
        """Add what another batch did."""
        self.events.update(other.events)
        self.points.update(other.points)
        self.taken_back.update(other.taken_back)
        self.forfeited.update(other.forfeited)
        self.expired.update(other.expired)
        self.tier_changes.update(other.tier_changes)
        self.notices.update(other.notices)
        self.limit_claims.update(other.limit_claims)
        self.dead_letters.update(other.dead_letters)
        self.forwarded += other.forwarded
        self.unknown_fields += other.unknown_fields
        self.event_time_us_max = max(self.event_time_us_max, other.event_time_us_max)


def _count_answers(claims: Counter[tuple[str, str]], messages: tuple[Message, ...]) -> None:
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
