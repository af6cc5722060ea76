"""The topics of a live system, partition by partition, while workers write to them.

A transaction writes ledger, balances, tiers, notices and accounts of one partition number together, but its marker
reaches each topic at a moment of its own, and each topic is read at another. What is compared is what all have:

 1. `settled`: how far each output is committed. All of that was written, into the accounts as well, before now.
 2. The accounts, up to the end that they have after 1, open transactions awaited: they know of all that is settled.
 3. The outputs, up to the ends that they have after 2, open transactions awaited: they hold all that accounts know of.

So each account says by its sequences up to which record of each topic it has come. Up to there the topics must hold
everything, and nothing else; behind it lies what came after 2, and nothing that was settled.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from config.settings import Settings
from config.topics import topic_name
from loyalty.account import Head
from schemas.state import UnknownFormat, decode_record
from workers.audit.findings import Place
from workers.audit.folder import output_words
from workers.audit.held import Held, held_of
from workers.audit.part import BALANCES, LEDGER, Account, Part, Record
from workers.cluster import ClusterError, consumer_client
from workers.export import FETCH_BYTES_MAX, Progress, up_to
from workers.records import partition_of
from workers.store.port import ACCOUNT_KEY
from workers.topic_words import ACCOUNTS

_UNPACKED_EVERY: Final = 5_000
"""Accounts that change often come often: so many are held back for a newer one before they are read."""
_OPEN_CAUSES_MAX: Final = 200_000
"""Ledger and balances are apart by a batch, which has far fewer."""


def topic_parts(settings: Settings, progress: Progress) -> Iterator[Part]:
    """One part for each partition number. Raises ClusterError when topics are missing or give nothing more."""
    with ExitStack() as stack:
        clients = {
            word: stack.enter_context(consumer_client(settings, max_partition_fetch_bytes=FETCH_BYTES_MAX))
            for word in (ACCOUNTS, *output_words())
        }
        looker = stack.enter_context(consumer_client(settings, isolation_level="read_uncommitted"))
        there = looker.topics()
        words = tuple(word for word in output_words() if topic_name(settings.prefix, word) in there)
        for word in (LEDGER, BALANCES, ACCOUNTS):
            if topic_name(settings.prefix, word) not in there:
                name = topic_name(settings.prefix, word)
                raise ClusterError(f"there is no topic {name}\nhint: check LOYALTY_PREFIX, or loyalty topics create")
        names = [topic_name(settings.prefix, word) for word in (ACCOUNTS, *words)]
        counts = {name: len(looker.partitions_for_topic(name) or ()) for name in names}
        if len(set(counts.values())) != 1:
            raise ClusterError(f"the topics have different numbers of partitions: {counts}")
        every = [TopicPartition(name, number) for name in names for number in range(counts[name])]
        total = sum(looker.end_offsets(every).values()) - sum(looker.beginning_offsets(every).values())
        passed = _Passed(progress, total)
        for number in range(counts[names[0]]):
            yield TopicsPart(settings.prefix, words, number, counts[names[0]], clients, looker, passed)


class _Passed:
    """How far the reading has come, over all parts."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._passed = progress, total, 0

    def one(self) -> None:
        self._passed += 1
        if not self._passed % 1_000:
            self._progress(self._passed, self._total)


class TopicsPart:
    """One partition number of all topics."""

    def __init__(
        self,
        prefix: str,
        words: tuple[str, ...],
        number: int,
        partitions: int,
        clients: dict[str, KafkaConsumer],
        looker: KafkaConsumer,
        passed: _Passed,
    ) -> None:
        """`looker` sees ends of what is written, `clients` what is committed."""
        self.words = words
        self.open_causes_max: int | None = _OPEN_CAUSES_MAX
        self._prefix, self._number, self._partitions = prefix, number, partitions
        self._clients, self._looker, self._passed = clients, looker, passed
        outputs = {word: self._partition(word) for word in words}
        begins = looker.beginning_offsets(list(outputs.values()))
        self._begins: dict[str, int] = {word: begins[partition] for word, partition in outputs.items()}
        settled = clients[LEDGER].end_offsets(list(outputs.values()))
        self._settled: dict[str, int] = {word: settled[partition] for word, partition in outputs.items()}
        self._ends: dict[TopicPartition, int] = {}

    def accounts(self) -> Iterator[Account]:
        """The latest state of each account. Raises ClusterError for state of another release."""
        latest: dict[bytes, tuple[int, bytes | None]] = {}
        unpacked: dict[bytes, tuple[int, Held]] = {}
        end = self._looker.end_offsets([self._partition(ACCOUNTS)])
        for record in self._read(ACCOUNTS, end[self._partition(ACCOUNTS)]):
            key = record.key or b""
            if key.startswith(ACCOUNT_KEY):
                latest[key] = record.offset, record.value
                if len(latest) >= _UNPACKED_EVERY:
                    _unpack(latest, unpacked)
        _unpack(latest, unpacked)
        for key, (offset, held) in unpacked.items():
            yield Account(offset, key.decode(errors="replace"), held)

    def records(self, word: str) -> Iterator[Record]:
        """The committed records of an output, up to what accounts may know of."""
        if not self._ends:
            self._ends = self._looker.end_offsets([self._partition(each) for each in self.words])
        for record in self._read(word, self._ends[self._partition(word)]):
            key = "" if record.key is None else record.key.decode(errors="replace")
            yield Record(record.offset, key, record.value)

    def begins(self, word: str) -> int:
        """The first offset that is kept."""
        return self._begins[word]

    def settled(self, word: str) -> int:
        """See the head of this module."""
        return self._settled[word]

    def place(self, word: str, offset: int | None = None) -> Place:
        """A topic's partition, and an offset there."""
        return Place(topic_name(self._prefix, word), self._number, offset)

    def is_at_home(self, member: str) -> bool:
        """Whether Kafka's partitioner puts the member here."""
        return partition_of(member, self._partitions) == self._number

    def _partition(self, word: str) -> TopicPartition:
        return TopicPartition(topic_name(self._prefix, word), self._number)

    def _read(self, word: str, end: int) -> Iterator[Any]:
        partition, consumer = self._partition(word), self._clients[word]
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        for record in up_to(consumer, partition, end):
            self._passed.one()
            yield record


def _unpack(latest: dict[bytes, tuple[int, bytes | None]], unpacked: dict[bytes, tuple[int, Held]]) -> None:
    """Read the accounts that were held back; one that was deleted is gone."""
    for key, (offset, value) in latest.items():
        if value is None:
            unpacked.pop(key, None)
            continue
        try:
            head = decode_record(value)
        except UnknownFormat as error:
            raise ClusterError(f"{error}\nhint: audit with the release that runs, or a newer one") from error
        if isinstance(head, Head):
            unpacked[key] = offset, held_of(head)
    latest.clear()
