"""A small engine run, with its records at hand so that a test can damage them, and the audit of what is left."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from loyalty.account import Head, head_key
from schemas.envelope import TOPIC_OF_TYPE
from schemas.program_load import parse_program
from schemas.state import decode_record
from tests.laws.cluster import HOUR_US, Cluster
from tests.laws.worlds import World
from tests.loyalty.events import adjustment, back, fact, purchase, referral, review, share
from workers.audit.findings import Place
from workers.audit.folder import output_words
from workers.audit.held import Held, held_of
from workers.audit.part import Account, Record
from workers.audit.run import Audit, audit
from workers.records import partition_of

SHOP = """\
program: shop
version: "1"
effective_from: 2000-01-01
zone: America/New_York
money: USD
points:
  points: {name: Points, pending: P2D, expiry: {after: P10D, notice: P2D}}
  stars: {name: Stars}
earn:
  - {id: base, on: purchase, give: {points: 1, per: "1.00"}}
  - {id: star, on: purchase, give: {points: 1, in: stars}}
  - {id: review, on: review, give: {points: 5, in: stars}}
  - {id: friends, on: referral, give: {referrer: 20, referee: 10}, when: {stage: qualified}}
tiers: {basis: points, counts: points, window: lifetime, levels: [{id: basic, from: 0}, {id: top, from: 20}]}
returns: {keep: P400D, negative: allow}
adjustments: {negative: allow}
stream: {max_late: none}
"""
EVENTS = [
    purchase("a", 1000, time="2026-01-31T12:00:00Z"),
    purchase("b", 2500, time="2026-02-01T04:00:00Z"),
    purchase("c", 700, member="m2", time="2026-02-01T12:00:00Z"),
    back("r", "a", [("1", "1", 1000)], time="2026-02-04T12:00:00Z"),
    referral("f", "m1", member="m2", time="2026-02-05T12:00:00Z", stage="qualified"),
    review("v", member="m3", time="2026-02-05T13:00:00Z"),
    adjustment("x", -7, member="m2", time="2026-02-06T12:00:00Z"),
    adjustment("y", 9, member="m3", time="2026-02-06T13:00:00Z"),
    share("s", member="m4", time="2026-02-06T14:00:00Z"),
    purchase("d", 4000, member="m2", time="2026-02-25T12:00:00Z"),
]


@dataclass
class Recorded:
    """One partition, as lists."""

    number: int = 0
    partitions: int = 1
    words: tuple[str, ...] = output_words()
    open_causes_max: int | None = None
    held: list[tuple[str, Held]] = field(default_factory=list)
    """(key, account)."""
    outputs: dict[str, list[tuple[str, bytes | None]]] = field(default_factory=lambda: defaultdict(list))
    """Word -> (key, value), in order."""
    first: dict[str, int] = field(default_factory=dict)
    """Word -> the first offset that is kept; 0 if it is not here."""
    settled_at: dict[str, int] = field(default_factory=dict)
    """Word -> the offset before which accounts know all; all if it is not here."""

    def accounts(self) -> Iterator[Account]:
        for offset, (key, held) in enumerate(self.held):
            yield Account(offset, key, held)

    def records(self, word: str) -> Iterator[Record]:
        for offset, (key, value) in enumerate(self.outputs[word]):
            if offset >= self.begins(word):
                yield Record(offset, key, value)

    def begins(self, word: str) -> int:
        return self.first.get(word, 0)

    def settled(self, word: str) -> int | None:
        return self.settled_at.get(word)

    def place(self, word: str, offset: int | None = None) -> Place:
        return Place(word, self.number, offset)

    def is_at_home(self, member: str) -> bool:
        return partition_of(member, self.partitions) == self.number

    # ------------------------------------------------------------------ damage
    def events(self, word: str) -> list[dict[str, Any]]:
        return [orjson.loads(value or b"") for _, value in self.outputs[word]]

    def at(self, word: str, member: str, number: int) -> int:
        """The offset of a member's record with that number."""
        found = [
            offset
            for offset, event in enumerate(self.events(word))
            if event["subject"] == member
            and event["data"].get("member_sequence", event["data"].get("sequence")) == number
        ]
        assert len(found) == 1, (word, member, number)
        return found[0]

    def edit(self, word: str, offset: int, change: Callable[[dict[str, Any]], object]) -> None:
        """Change a record in its place."""
        key, value = self.outputs[word][offset]
        event = orjson.loads(value or b"")
        change(event)
        self.outputs[word][offset] = key, orjson.dumps(event)

    def edit_account(self, member: str, **fields: Any) -> None:
        """Put other figures into an account."""
        self.held = [(key, held._replace(**fields) if held.member == member else held) for key, held in self.held]


def run(events: Sequence[bytes] = EVENTS, partitions: int = 1, batch: int = 3, *, idle: int = 4) -> Cluster:
    """The events through the engine, a batch after every few of them, and `idle` batches as time goes by."""
    cluster = Cluster(World(parse_program(SHOP), list(events)), partitions)
    now_us = 0
    for number, event in enumerate(events, 1):
        told = fact(event)
        now_us, member = told.time_us, told.member
        cluster.produce(TOPIC_OF_TYPE[told.cause.type], partition_of(member, partitions), member.encode(), event)
        if not number % batch:
            for partition in range(partitions):
                cluster.batch(partition, 10, now_us)
    for _ in range(idle):
        for partition in range(partitions):
            cluster.batch(partition, 10, now_us)
        now_us += 40 * HOUR_US
    assert not idle or not any(cluster.waiting)
    return cluster


def recorded(cluster: Cluster) -> list[Recorded]:
    """What a run has left in each partition."""
    parts = [Recorded(number, cluster.partitions) for number in range(cluster.partitions)]
    for out in cluster.outputs:
        if out.topic in parts[0].words:
            parts[out.partition].outputs[out.topic].append(((out.key or b"").decode(), out.value))
    for part, state in zip(parts, cluster.state, strict=True):
        for raw in state.accounts_held():
            head = decode_record(raw)
            assert isinstance(head, Head)
            part.held.append((head_key(head.member), held_of(head)))
    return parts


def audited(*parts: Recorded) -> Audit:
    return audit(parts)


def found_in(*parts: Recorded) -> list[tuple[str, str, str]]:
    """What an audit finds: (check, place, member)."""
    return [(str(each.check), str(each.place), each.member) for each in audited(*parts).findings.differences]
