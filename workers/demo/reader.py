"""Follows the topics while the worker writes them, and knows when everything that was published has been taken.

Invariants:
  R1 only what is committed is read
  R2 "everything taken" is read from the journal: for each input, the place to which committed batches have come

Not here: what the records say (books.py).
"""

from collections.abc import Iterable
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from config.settings import Settings
from config.topics import topic_name
from workers.cluster import client_options
from workers.demo.books import WORDS, Books
from workers.positions import JournalRecord
from workers.topic_words import INPUTS, JOURNAL

_RECORDS_AT_ONCE: Final = 2_000
_FETCH_BYTES_MAX: Final = 4_194_304
_PROBE_MS: Final = 200


class Reader:
    """Follows the outputs and the journal, from the beginning. Close it when done.

    The journal has a consumer of its own: it is small, and must not wait behind the outputs.
    """

    def __init__(self, settings: Settings, books: Books) -> None:
        self._settings = settings
        self._books = books
        self._words = {topic_name(settings.prefix, word): word for word in (*WORDS, *INPUTS)}
        self._outputs = self._partitions(WORDS)
        self._consumer = _from_the_beginning(settings, self._outputs)
        self._journal = _from_the_beginning(settings, self._partitions([JOURNAL]))
        self._positions: dict[TopicPartition, int] = {}
        self.batches = 0
        """Batches that the worker has committed."""
        self.taken = 0
        """Records that it has taken, the inbox included."""
        self.first_now_us = 0
        self.last_now_us = 0
        """`now` of the first and the last batch that took something."""

    def close(self) -> None:
        """Lets the connections go."""
        self._consumer.close()
        self._journal.close()

    def read(self, timeout_ms: int) -> int:
        """Takes in what has come; answers how many records."""
        for partition, records in self._journal.poll(timeout_ms=0, max_records=_RECORDS_AT_ONCE).items():
            for record in records:
                self._batch(partition.partition, JournalRecord.decode(record.value))
        count = 0
        for partition, records in self._consumer.poll(timeout_ms=timeout_ms, max_records=_RECORDS_AT_ONCE).items():
            count += len(records)
            for record in records:
                self._books.take(self._words[partition.topic], record.value, record.headers)
        return count

    def has_read_all(self) -> bool:
        """Whether nothing is left to read at this moment."""
        ends = self._consumer.end_offsets(self._outputs)
        return all(self._consumer.position(partition) >= ends[partition] for partition in self._outputs)

    def published(self) -> int:
        """How many places the inputs have, the inbox left out."""
        inputs = self._partitions(word for word in INPUTS if word != "inbox")
        return sum(self._consumer.end_offsets(inputs).values())

    def everything_is_taken(self) -> bool:
        """Whether committed batches have come to the end of every input."""
        inputs = self._partitions(INPUTS)
        ends = self._consumer.end_offsets(inputs)
        behind = [each for each in inputs if self._positions.get(each, 0) < ends[each]]
        return not behind or self._only_markers(behind, ends)

    def _only_markers(self, behind: list[TopicPartition], ends: dict[TopicPartition, int]) -> bool:
        # The end of a transaction takes a place in the inbox and is no record: only reading tells them apart.
        if any(self._words[each.topic] != "inbox" for each in behind):
            return False
        probe = _consumer(self._settings)
        try:
            probe.assign(behind)
            for each in behind:
                probe.seek(each, self._positions.get(each, 0))
            while any(probe.position(each) < ends[each] for each in behind):
                if probe.poll(timeout_ms=_PROBE_MS):
                    return False
            return True
        finally:
            probe.close()

    def _batch(self, number: int, record: JournalRecord) -> None:
        self.batches += 1
        for run in record.runs:
            partition = TopicPartition(topic_name(self._settings.prefix, run.topic), number)
            self._positions[partition] = max(run.next, self._positions.get(partition, 0))
            self.taken += run.records
        if record.runs:
            self.first_now_us = min(self.first_now_us or record.now_us, record.now_us)
            self.last_now_us = max(self.last_now_us, record.now_us)

    def _partitions(self, words: Iterable[str]) -> list[TopicPartition]:
        return [
            TopicPartition(topic_name(self._settings.prefix, word), number)
            for word in words
            for number in range(self._settings.partitions)
        ]


def _from_the_beginning(settings: Settings, partitions: list[TopicPartition]) -> Any:
    consumer = _consumer(settings)
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    return consumer


def _consumer(settings: Settings) -> Any:
    return KafkaConsumer(
        **client_options(settings),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_FETCH_BYTES_MAX,
    )
