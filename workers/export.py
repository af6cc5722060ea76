"""Topics into files: recordings that `loyalty replay --journal` follows, and accounts as replay writes them.

Reads what is committed, up to the ends at the moment when it begins.

Not here: the form of a recording (recorded.py).
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from config.settings import Settings
from config.topics import topic_name
from loyalty.account import Head, Limit
from loyalty.account import Record as StateRecord
from schemas.state import decode_record
from workers.accounts import account_lines, limit_lines
from workers.cluster import ClusterError, consumer_client
from workers.recorded import record_line
from workers.records import Record, partition_of
from workers.store.port import ACCOUNT_KEY, LIMIT_KEY
from workers.topic_words import ACCOUNTS, INPUTS, JOURNAL

LIMITS: Final = "limits"
"""Stands for the accounts of limits in the topic `accounts`."""

RECORDED: Final = (JOURNAL, *INPUTS)
"""What a replay by journal needs. The journal comes first: what it names is in the inputs by then."""

FETCH_BYTES_MAX: Final = 8 * 1024 * 1024
_POLL_MS: Final = 500
_STALLED_POLLS_MAX: Final = 60

Progress = Callable[[int, int], object]
"""Hears (records passed, records in all) now and then."""


def export(settings: Settings, words: Sequence[str], directory: Path, progress: Progress) -> dict[str, int]:
    """Write one file for each topic word into `directory`; answers the number of lines in each.

    `accounts` comes out as accounts, sorted by member, and `limits`, which are in that topic too, sorted by id; every
    other topic as a recording.
    A folder that is made is for its owner alone: it holds what members did.
    Raises ClusterError when a topic is missing or its records stop coming.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    for word in words:
        records = committed(settings, ACCOUNTS if word == LIMITS else word, progress)
        with (directory / f"{word}.ndjson").open("wb") as file:
            lines = _lines(word, records)
            counts[word] = 0
            for line in lines:
                file.write(line)
                counts[word] += 1
    return counts


def _lines(word: str, records: Iterator[Record]) -> Iterator[bytes]:
    match word:
        case "accounts":
            return account_lines(heads(records))
        case "limits":
            return limit_lines(limits(records))
        case _:
            return map(record_line, records)


def heads(records: Iterator[Record]) -> Iterator[Head]:
    """The accounts that these records of the changelog leave behind."""
    return (found for found in _left_behind(records, ACCOUNT_KEY) if isinstance(found, Head))


def limits(records: Iterator[Record]) -> Iterator[Limit]:
    """The accounts of limits that these records of the changelog leave behind."""
    return (found for found in _left_behind(records, LIMIT_KEY) if isinstance(found, Limit))


def _left_behind(records: Iterator[Record], kind: bytes) -> Iterator[StateRecord]:
    """The latest records of the keys that begin so."""
    latest: dict[bytes, bytes | None] = {}
    for record in records:
        if record.key is not None and record.key.startswith(kind):
            latest[record.key] = record.value
    return (decode_record(value) for value in latest.values() if value is not None)


def committed(settings: Settings, word: str, progress: Progress, member: str = "") -> Iterator[Record]:
    """The committed records of a topic, partition by partition, in order; of one member's partition if one is named.

    Raises ClusterError when no broker answers, the topic is missing, or its records stop coming.
    """
    with consumer_client(settings, max_partition_fetch_bytes=FETCH_BYTES_MAX) as consumer:
        name = topic_name(settings.prefix, word)
        numbers = consumer.partitions_for_topic(name)
        if not numbers:
            raise ClusterError(f"there is no topic {name}\nhint: check LOYALTY_PREFIX, or loyalty topics create")
        chosen = [partition_of(member, len(numbers))] if member else sorted(numbers)
        partitions = [TopicPartition(name, number) for number in chosen]
        starts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        total = sum(ends.values()) - sum(starts.values())
        passed = 0
        for partition in partitions:
            consumer.assign([partition])
            consumer.seek(partition, starts[partition])
            for record in up_to(consumer, partition, ends[partition]):
                passed += 1
                progress(passed, total)
                yield _record(word, record)


def up_to(consumer: KafkaConsumer, partition: TopicPartition, end: int) -> Iterator[Any]:
    """The records of the one assigned partition before offset `end`; the position also passes transaction markers.

    Waits for transactions that are open before `end`. Raises ClusterError when one does not end.
    """
    stalled = 0
    while consumer.position(partition) < end:
        before = consumer.position(partition)
        for records in consumer.poll(timeout_ms=_POLL_MS).values():
            yield from (record for record in records if record.offset < end)
        stalled = stalled + 1 if consumer.position(partition) == before else 0
        if stalled > _STALLED_POLLS_MAX:
            raise ClusterError(
                f"{partition.topic}-{partition.partition} gives nothing behind offset {before}, its end is {end}\n"
                "hint: a transaction may be open; stop the worker, or try again in a minute"
            )


def _record(word: str, record: Any) -> Record:
    headers = tuple((name, value or b"") for name, value in record.headers or ())
    return Record(word, record.partition, record.offset, record.timestamp, record.key, record.value, headers)
