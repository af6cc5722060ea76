"""The worker's engine without Kafka: topics as lists, batches of any size, a journal that can be replayed."""

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import strategies as st

from loyalty.account import Head, Limit
from loyalty.decisions import Outcome
from loyalty.facts import Fact
from loyalty.plan import Programs
from schemas.envelope import TOPIC_OF_TYPE
from schemas.state import decode_record
from tests.laws.worlds import World, pick
from tests.loyalty.books import Books
from tests.loyalty.events import fact
from workers.accounts import account_lines, limit_lines
from workers.batch import Engine
from workers.positions import JournalRecord, Run
from workers.recorded import record_line, recording_source, replay_journal
from workers.records import Out, Record, partition_of
from workers.replay_files import Files
from workers.store.memory import MemoryStore
from workers.topic_words import INBOX

HOUR_US = 3_600_000_000


class Cluster:
    """The worker's engine over encoded state: topics as lists, one batch at a time, a journal of what it took."""

    def __init__(self, world: World, partitions: int) -> None:
        self.partitions = partitions
        self.engine = Engine(Programs([world.program]), partitions=partitions)
        self.state = [MemoryStore(number, self.engine.start_after) for number in range(partitions)]
        self.written: list[set[bytes]] = [set() for _ in range(partitions)]
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

    def send(self, event: bytes) -> int:
        """Produce an event to the partition of its member, which is answered."""
        told = fact(event)
        partition = partition_of(told.member, self.partitions)
        self.produce(_topic(told), partition, told.member.encode(), event)
        return partition

    def batch(self, partition: int, size: int, now_us: int) -> None:
        records, self.waiting[partition] = self.waiting[partition][:size], self.waiting[partition][size:]
        result = self.engine.decide_batch(partition, records, self.state[partition], now_us)
        self.state[partition].apply(result.writes)
        self.written[partition] |= set(result.writes)
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

    def held(self) -> list[dict[bytes, bytes | None]]:
        """The records of each partition."""
        return [
            {key: state.get(key) for key in sorted(written)}
            for state, written in zip(self.state, self.written, strict=True)
        ]

    def accounts(self) -> bytes:
        heads = [decode_record(raw) for state in self.state for raw in state.accounts_held()]
        return b"".join(account_lines(head for head in heads if isinstance(head, Head)))

    def limits(self) -> bytes:
        held = [decode_record(raw) for state in self.state for raw in state.accounts_held()]
        return b"".join(limit_lines(limit for limit in held if isinstance(limit, Limit)))

    def stream(self, topic: str) -> list[bytes]:
        return sorted(out.value or b"" for out in self.outputs if out.topic == topic)


def worked(world: World, data: st.DataObject) -> Cluster:
    """Take the events in order, each in its partition, in batches of any size."""
    cluster = Cluster(world, data.draw(st.integers(1, 3)))
    now_us = max(fact(event).time_us for event in world.events)
    for event in world.events:
        partition = cluster.send(event)
        if data.draw(st.booleans()):
            cluster.batch(partition, data.draw(st.integers(1, 4)), now_us)
    while any(cluster.waiting):
        for partition in range(cluster.partitions):
            now_us += 1_000_000
            cluster.batch(partition, data.draw(st.integers(1, 4)), now_us)
    return cluster


def worked_as_time_passes(world: World, data: st.DataObject) -> Cluster:
    """As `worked`, with a clock that moves by minutes and days, and batches without events."""
    cluster = Cluster(world, data.draw(st.integers(1, 2)))
    now_us = min(fact(event).time_us for event in world.events)
    for event in world.events:
        now_us = max(now_us, fact(event).time_us) + pick(data.draw, [0, 60_000_000, 40 * HOUR_US])
        cluster.send(event)
        for partition in range(cluster.partitions):
            cluster.batch(partition, data.draw(st.integers(0, 4)), now_us)
    _take_all(cluster, now_us)
    for _ in range(3):
        now_us += pick(data.draw, [HOUR_US, 24 * HOUR_US, 9_000 * HOUR_US])
        for partition in range(cluster.partitions):
            cluster.batch(partition, 0, now_us)
    _take_all(cluster, now_us)  # What fell due may have sent messages.
    return cluster


def _take_all(cluster: Cluster, now_us: int) -> None:
    while any(cluster.waiting):
        for partition in range(cluster.partitions):
            cluster.batch(partition, 4, now_us)


def assert_replayed(cluster: Cluster, world: World) -> None:
    """A replay of the cluster's journal gives the same bytes."""
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
        for topic in ("ledger", "balances", "tiers", "rewards", "notices"):
            assert sorted(Path(folder, "out", f"{topic}.ndjson").read_bytes().splitlines()) == cluster.stream(topic)
        assert Path(folder, "out", "accounts.ndjson").read_bytes() == cluster.accounts()
        assert Path(folder, "out", "limits.ndjson").read_bytes() == cluster.limits()


def _topic(told: Fact) -> str:
    return TOPIC_OF_TYPE[told.cause.type]


def assert_same_twice(world: World) -> None:
    """All of a stream again, after it, changes nothing. What was refused may be taken when it comes again: left out."""
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
    assert twice.held() == once.held()
    for topic in ("ledger", "balances", "tiers", "rewards"):
        assert twice.stream(topic) == once.stream(topic)
        assert len(set(once.stream(topic))) == len(once.stream(topic))
