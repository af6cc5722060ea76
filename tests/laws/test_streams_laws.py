"""LAW 6: duplicates change nothing, members do not touch each other, and neither do batches.

The worker's batches over encoded state, and the offline replay over files, must agree to the byte.
"""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from loyalty.account import Head
from loyalty.decisions import Outcome
from loyalty.facts import Fact
from loyalty.plan import Programs
from schemas.state import decode_record
from tests.laws.worlds import World, examples, worlds
from tests.loyalty.books import Books
from tests.loyalty.events import fact
from workers.accounts import account_lines
from workers.batch import Engine
from workers.ndjson import Source
from workers.positions import JournalRecord, Run
from workers.recorded import record_line, recording_source, replay_journal
from workers.records import Out, Record, partition_of
from workers.replay import Files, replay
from workers.topic_words import INBOX


@given(worlds(), st.data())
@examples(120)
def test_l6_what_came_before_changes_nothing_when_it_comes_again(world: World, data: st.DataObject) -> None:
    """Only what was applied: what was refused left no trace, and may be taken when it comes again."""
    books = Books(world.program, careful=False)
    applied = [event for event in world.events if books.take(event).outcome is Outcome.APPLIED]
    again = Books(world.program, careful=False)
    taken: list[bytes] = []
    for event in applied:
        again.take(event)
        taken.append(event)
        for _ in range(data.draw(st.integers(0, 2))):
            assert again.take(data.draw(st.sampled_from(taken))).outcome is Outcome.DUPLICATE
    for award in books.awards:
        assert again.take(award).outcome is Outcome.DUPLICATE
    assert again.entries == books.entries
    assert again.balances == books.balances
    assert again.state == books.state


@given(worlds(members=3, referrals=False), st.randoms(use_true_random=False))
@examples(120)
def test_l6_members_do_not_touch_each_other(world: World, randoms: Any) -> None:
    """However the events of members are mixed, each account and its entries are as if it were alone."""
    facts = [fact(event) for event in world.events]
    by_member: dict[str, list[Fact]] = {}
    for each in facts:
        by_member.setdefault(each.member, []).append(each)
    mixed = Books(world.program, careful=False)
    waiting = {member: list(mine) for member, mine in by_member.items()}
    while waiting:
        member = randoms.choice(sorted(waiting))
        mixed.take(waiting[member].pop(0))
        if not waiting[member]:
            del waiting[member]
    for member, mine in by_member.items():
        alone = Books(world.program, careful=False).take_all(mine)
        assert {key: each for key, each in mixed.state.items() if key.split("|")[1] == member} == alone.state
        assert [entry for entry in mixed.entries if entry.member == member] == alone.entries


class Cluster:
    """The worker's engine over encoded state: topics as lists, one batch at a time, a journal of what it took."""

    def __init__(self, world: World, partitions: int) -> None:
        self.partitions = partitions
        self.engine = Engine(Programs([world.program]), partitions=partitions)
        self.state: list[dict[bytes, bytes]] = [{} for _ in range(partitions)]
        self.waiting: list[list[Record]] = [[] for _ in range(partitions)]
        self.log: list[Record] = []
        self.offsets: Counter[tuple[str, int]] = Counter()
        self.journal: list[list[JournalRecord]] = [[] for _ in range(partitions)]
        self.outputs: list[Out] = []

    def produce(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> None:
        record = Record(topic, partition, self.offsets[topic, partition], 0, key, value)
        self.offsets[topic, partition] += 1
        self.log.append(record)
        self.waiting[partition].append(record)

    def batch(self, partition: int, size: int, now_us: int) -> None:
        records, self.waiting[partition] = self.waiting[partition][:size], self.waiting[partition][size:]
        result = self.engine.decide_batch(partition, records, self.state[partition], now_us)
        for key, value in result.writes.items():
            assert value is not None
            self.state[partition][key] = value
        self.outputs += result.outputs
        for out in result.outputs:
            if out.topic == INBOX:
                self.produce(INBOX, out.partition, out.key, out.value)
        runs = [Run(record.topic, record.offset, record.offset + 1, 1) for record in records]
        versions = {version: digest for version, (digest, _) in self.engine.versions.items()}
        sequence = len(self.journal[partition]) + 1
        self.journal[partition].append(
            JournalRecord(sequence=sequence, now_us=now_us, runs=runs, programs=versions, partitions=self.partitions)
        )

    def accounts(self) -> bytes:
        heads = [decode_record(raw) for state in self.state for key, raw in state.items() if key.startswith(b"m|")]
        return b"".join(account_lines(head for head in heads if isinstance(head, Head)))

    def stream(self, topic: str) -> list[bytes]:
        return sorted(out.value or b"" for out in self.outputs if out.topic == topic)


def _worked(world: World, data: st.DataObject, topic: str = "") -> Cluster:
    """Take the events in order: each to its partition (or to a wrong one), in batches of any size."""
    cluster = Cluster(world, data.draw(st.integers(1, 3)))
    now_us = max(fact(event).time_us for event in world.events)
    for event in world.events:
        told = fact(event)
        partition = partition_of(told.member, cluster.partitions)
        cluster.produce(topic or _topic(told), partition, told.member.encode(), event)
        if data.draw(st.booleans()):
            cluster.batch(partition, data.draw(st.integers(1, 4)), now_us)
    while any(cluster.waiting):
        for partition in range(cluster.partitions):
            now_us += 1_000_000
            cluster.batch(partition, data.draw(st.integers(1, 4)), now_us)
    return cluster


def _topic(told: Fact) -> str:
    name = type(told).__name__.lower()
    return {"memberupdate": "members", "return": "purchases"}.get(name, f"{name}s")


def _without_clock(values: list[bytes]) -> list[str]:
    """What was said, but for the time at which it was recorded: the only thing that `now` decides here."""
    said = []
    for value in values:
        event = orjson.loads(value)
        del event["data"]["recorded_at"]
        said.append(orjson.dumps(event).decode())
    return sorted(said)


@given(worlds(members=3, late=False, referrals=False), st.data())
@examples(60)
def test_l6_batches_of_any_size_and_replay_agree_to_the_byte(world: World, data: st.DataObject) -> None:
    if not world.events:
        return
    cluster = _worked(world, data)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "events.ndjson")
        file.write_bytes(b"\n".join(world.events))
        with Files(Path(folder, "out")) as files:
            replay(Engine(Programs([world.program]), partitions=1), lambda: [Source(str(file))], files, lambda _: None)
        for topic in ("ledger", "balances", "tiers"):
            written = Path(folder, "out", f"{topic}.ndjson").read_bytes().splitlines()
            assert _without_clock(cluster.stream(topic)) == _without_clock(written)
        assert Path(folder, "out", "accounts.ndjson").read_bytes() == cluster.accounts()


@given(worlds(members=3, referrals=True), st.data())
@examples(60)
def test_l6_a_replay_of_the_journal_gives_the_same_bytes(world: World, data: st.DataObject) -> None:
    if not world.events:
        return
    cluster = _worked(world, data)
    with tempfile.TemporaryDirectory() as folder:
        journal, log = Path(folder, "journal.ndjson"), Path(folder, "log.ndjson")
        journal.write_bytes(
            b"".join(
                record_line(Record("journal", partition, offset, 0, None, batch.encode()))
                for partition, batches in enumerate(cluster.journal)
                for offset, batch in enumerate(batches)
            )
        )
        log.write_bytes(b"".join(map(record_line, cluster.log)))
        with Files(Path(folder, "out")) as files:
            replay_journal(
                lambda partitions, _: Engine(Programs([world.program]), partitions=partitions),
                recording_source(str(journal)),
                [recording_source(str(log))],
                files,
            )
        for topic in ("ledger", "balances", "tiers"):
            assert sorted(Path(folder, "out", f"{topic}.ndjson").read_bytes().splitlines()) == cluster.stream(topic)
        assert Path(folder, "out", "accounts.ndjson").read_bytes() == cluster.accounts()


@given(worlds(members=2))
@examples(40)
def test_l6_the_same_input_twice_changes_nothing(world: World) -> None:
    """All of a stream again, after it. What was refused may be taken when it comes again, so it is left out."""
    first = Books(world.program, careful=False)
    applied = [event for event in world.events if first.take(event).outcome is Outcome.APPLIED]
    now_us = max(fact(event).time_us for event in world.events)
    once, twice = Cluster(world, 1), Cluster(world, 1)
    for cluster, events in ((once, applied), (twice, [*applied, *applied])):
        for event in events:
            cluster.produce(INBOX, 0, None, event)
        while cluster.waiting[0]:
            cluster.batch(0, 1, now_us)
    assert twice.accounts() == once.accounts()
    assert twice.state == once.state
    for topic in ("ledger", "balances", "tiers"):
        assert twice.stream(topic) == once.stream(topic)
        assert len(set(once.stream(topic))) == len(once.stream(topic))
