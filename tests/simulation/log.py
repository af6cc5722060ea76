"""The simulated log: topics, transactions and their coordinator, as Kafka promises them. No time, no network, no task.

What it does is held against a real broker by the contract in tests/contracts.

Invariants:
  K1 offsets of a partition only grow; a transaction's marker takes one in each partition that it wrote to
  K2 the last stable offset is the first of the oldest transaction that has no marker yet in the partition
  K3 a transactional id has one epoch that may write: starting a producer takes the next one, and aborts what is open
  K4 a transaction is decided in one step, and its markers come after that, partition by partition
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import ConcurrentTransactions, InvalidProducerEpoch, OffsetOutOfRangeError, ProducerFenced


@dataclass(slots=True, eq=False)
class Transaction:
    """What one transaction wrote to, and what became of it."""

    transactional_id: str
    number: int
    state: str = "open"
    """open, committed or aborted."""
    partitions: list[TopicPartition] = field(default_factory=list)
    entries: list["Entry"] = field(default_factory=list)
    begun_at: float = 0.0


class New(NamedTuple):
    """A record to append."""

    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(slots=True, eq=False)
class Entry:
    """A record as a consumer hands it over, or a transaction's marker."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    transaction: Transaction | None = None
    marker: bool = False


class PartitionLog:
    """One partition."""

    def __init__(self) -> None:
        self.first = 0
        self.next = 0
        self.entries: list[Entry] = []
        self.gone: list[Entry] = []
        """What retention took; nobody reads it but the audit."""
        self._open: dict[Transaction, int] = {}

    def append(self, tp: TopicPartition, records: Sequence[New], transaction: Transaction | None) -> int:
        """Append records, and answer the offset of the first."""
        offset = self.next
        if transaction is not None:
            self._open.setdefault(transaction, offset)
        for record in records:
            entry = Entry(tp.topic, tp.partition, self.next, *record, transaction)
            self.entries.append(entry)
            self.next += 1
            if transaction is not None:
                transaction.entries.append(entry)
        return offset

    def mark(self, tp: TopicPartition, transaction: Transaction) -> None:
        """Write the marker of a transaction that is decided."""
        self._open.pop(transaction, None)
        self.entries.append(Entry(tp.topic, tp.partition, self.next, 0, None, None, (), transaction, marker=True))
        self.next += 1

    @property
    def stable(self) -> int:
        """The last stable offset."""
        return min(self._open.values(), default=self.next)

    def drop_before(self, offset: int) -> None:
        """What retention does."""
        self.first = max(self.first, min(offset, self.stable))
        at = bisect_left(self.entries, self.first, key=_offset)
        self.gone += self.entries[:at]
        del self.entries[:at]

    @staticmethod
    def aborted(entry: Entry) -> bool:
        """Whether a record belongs to a transaction that was aborted."""
        return entry.transaction is not None and entry.transaction.state == "aborted"

    def read(self, position: int, *, committed: bool, most: int) -> tuple[list[Entry], int]:
        """Up to `most` records from `position` on, and where the next one is looked for."""
        if not self.first <= position <= self.next:
            raise OffsetOutOfRangeError
        limit = self.stable if committed else self.next
        found: list[Entry] = []
        at = bisect_left(self.entries, position, key=_offset)
        while at < len(self.entries) and self.entries[at].offset < limit and len(found) < most:
            entry = self.entries[at]
            at += 1
            position = entry.offset + 1
            if not entry.marker and not (committed and self.aborted(entry)):
                found.append(entry)
        return found, position


_offset = attrgetter("offset")


@dataclass(slots=True)
class _Id:
    """What the coordinator knows of a transactional id."""

    epoch: int = 0
    transaction: Transaction | None = None
    """The one under way."""
    markers_left: int = 0


class SimulatedLog:
    """All partitions and the transaction coordinator.

    `later` runs a function after a while: it writes the markers. `now` is only for the timeouts of transactions.
    """

    def __init__(self, later: Callable[[Callable[[], None]], None], now: Callable[[], float]) -> None:
        self.partitions: dict[TopicPartition, PartitionLog] = {}
        self.decided: Callable[[Transaction], None] = lambda _: None
        """Told of each transaction that has just been committed or aborted."""
        self._later = later
        self._now = now
        self._ids: dict[str, _Id] = {}
        self._number = 0

    def create(self, topic: str, partitions: int) -> None:
        """Make a topic, or give it more partitions."""
        for number in range(partitions):
            self.partitions.setdefault(TopicPartition(topic, number), PartitionLog())

    def append(self, tp: TopicPartition, records: Sequence[New]) -> int:
        """Append outside of any transaction."""
        return self.partitions[tp].append(tp, records, None)

    # ------------------------------------------------------------------ transactions
    def init_producer(self, transactional_id: str) -> int:
        """Fence whoever had the id, and answer the new epoch. Raises ConcurrentTransactions while one is ending."""
        known = self._ids.setdefault(transactional_id, _Id())
        if known.transaction is not None:
            known.epoch += 1
            self._decide(known, "aborted")
        if known.markers_left:
            raise ConcurrentTransactions
        known.epoch += 1
        return known.epoch

    def produce(self, transactional_id: str, epoch: int, tp: TopicPartition, records: Sequence[New]) -> int:
        """Append to the transaction of the id, which begins with its first record."""
        known = self._known(transactional_id, epoch)
        if known.markers_left:
            raise ConcurrentTransactions
        if known.transaction is None:
            self._number += 1
            known.transaction = Transaction(transactional_id, self._number, begun_at=self._now())
        if tp not in known.transaction.partitions:
            known.transaction.partitions.append(tp)
        return self.partitions[tp].append(tp, records, known.transaction)

    def end(self, transactional_id: str, epoch: int, *, commit: bool) -> None:
        """Decide the transaction that is under way. Raises ProducerFenced."""
        known = self._known(transactional_id, epoch)
        if known.transaction is not None:
            self._decide(known, "committed" if commit else "aborted")

    def expire(self, older_than_seconds: float) -> bool:
        """Abort transactions that nobody has ended in time, and fence their producers; whether there were any."""
        found = False
        for known in self._ids.values():
            if known.transaction is not None and self._now() - known.transaction.begun_at > older_than_seconds:
                known.epoch += 1
                self._decide(known, "aborted")
                found = True
        return found

    def _known(self, transactional_id: str, epoch: int) -> _Id:
        known = self._ids[transactional_id]
        if epoch < known.epoch:
            raise ProducerFenced
        if epoch > known.epoch:
            raise InvalidProducerEpoch
        return known

    def _decide(self, known: _Id, state: str) -> None:
        transaction, known.transaction = known.transaction, None
        assert transaction is not None
        transaction.state = state
        known.markers_left = len(transaction.partitions)
        for tp in transaction.partitions:
            self._later(lambda tp=tp: self._mark(known, tp, transaction))  # type: ignore[misc]
        self.decided(transaction)

    def _mark(self, known: _Id, tp: TopicPartition, transaction: Transaction) -> None:
        self.partitions[tp].mark(tp, transaction)
        known.markers_left -= 1

    # ------------------------------------------------------------------ reading
    def committed(self, tp: TopicPartition) -> list[Entry]:
        """What a read_committed reader sees of a partition from its start."""
        log = self.partitions[tp]
        return log.read(log.first, committed=True, most=len(log.entries))[0]

    def everything(self, tp: TopicPartition) -> list[Entry]:
        """As `committed`, with what retention took before."""
        log = self.partitions[tp]
        gone = [entry for entry in log.gone if not entry.marker and not log.aborted(entry)]
        return gone + self.committed(tp)
