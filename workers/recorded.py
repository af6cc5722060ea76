"""Recordings: what topics held, as files, and the replay that follows the workers' journal through them.

A recording is NDJSON, one line for each record of a topic: {"topic", "partition", "offset", "timestamp_ms", "key",
"headers", "value"}; texts that are not UTF-8 stand as {"base64": ...}. `loyalty topics export` writes them.

With the journal's recording, batches, their order and their `now` are those that the workers took, so accounts,
ledger, balances and tiers come out the same to the byte, also for events that crossed partitions through the inbox.

Not here: the order without a journal (replay.py).
"""

from base64 import b64decode, b64encode
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from loyalty.account import Head
from schemas.state import decode_record
from workers.batch import Counts, Engine, Out, Record
from workers.ndjson import Source
from workers.positions import JournalRecord
from workers.replay import Files, Summary, summed_up
from workers.topic_words import DEAD_LETTERS, JOURNAL

LINE_BYTES_MAX = 16 * 1024 * 1024
"""Longest line of a recording: more than a record of 4 MiB takes as base64 within JSON."""


class BadRecording(Exception):
    """A recording that cannot be replayed. The message says where and what to do."""


def record_line(record: Record) -> bytes:
    """A record as a line of a recording."""
    fields = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        "key": _text(record.key),
        "headers": [[name, _text(value)] for name, value in record.headers],
        "value": _text(record.value),
    }
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


def _text(raw: bytes | None) -> str | dict[str, str] | None:
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(raw).decode()}


def _raw(text: str | dict[str, str] | None) -> bytes | None:
    if isinstance(text, dict):
        return b64decode(text["base64"])
    return None if text is None else text.encode()


def recording_source(name: str) -> Source:
    """A recording as an input; its lines may be longer than an event, since they hold what was too large for one."""
    return Source(name, line_bytes_max=LINE_BYTES_MAX)


def read_recording(source: Source) -> Iterator[Record]:
    """The records of a recording. Raises BadRecording with file and line, InputError when it cannot be read."""
    for line in source.lines():
        try:
            fields = orjson.loads(line.raw)
            headers = tuple((name, _raw(value) or b"") for name, value in fields["headers"])
            yield Record(
                fields["topic"],
                fields["partition"],
                fields["offset"],
                fields["timestamp_ms"],
                _raw(fields["key"]),
                _raw(fields["value"]),
                headers,
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BadRecording(
                f"{line.where}: no line of a recording ({error}): write it with `loyalty topics export`"
            ) from None


def replay_journal(
    engine_of: Callable[[int], Engine],
    journal: Source,
    recordings: Sequence[Source],
    files: Files,
) -> Summary:
    """Decide what the workers took, as the journal says. `engine_of` builds the engine for a number of partitions.

    Raises BadRecording when the journal has a gap, names other programs than the engine's, or a recording lacks
    what the journal took.
    """
    batches = _batches(journal)
    waiting: dict[tuple[str, int], deque[Record]] = defaultdict(deque)
    for source in recordings:
        for record in read_recording(source):
            waiting[record.topic, record.partition].append(record)
    partitions = {record.partitions for of_partition in batches.values() for record in of_partition}
    if len(partitions) != 1:
        raise BadRecording(f"the journal holds batches of {sorted(partitions)} partitions, one number is needed")
    engine = engine_of(partitions.pop())
    run = _Run(engine, files)
    for partition in sorted(batches):
        run.partition(partition, batches[partition], waiting)
    return run.finish()


def _batches(journal: Source) -> Mapping[int, Sequence[JournalRecord]]:
    """Partition -> its journal, in order; BadRecording when a batch is missing."""
    found: dict[int, list[JournalRecord]] = defaultdict(list)
    for record in read_recording(journal):
        if record.topic == JOURNAL and record.value is not None:
            found[record.partition].append(JournalRecord.decode(record.value))
    if not found:
        raise BadRecording(f"{journal.name} holds no record of the journal")
    for partition, batches in found.items():
        batches.sort(key=lambda batch: batch.sequence)
        for expected, batch in enumerate(batches, 1):
            if batch.sequence != expected:
                raise BadRecording(f"the journal of partition {partition} lacks batch {expected}")
    return found


class _Run:
    """Accounts of all partitions, as the workers' changelog would hold them."""

    def __init__(self, engine: Engine, files: Files) -> None:
        self._engine = engine
        self._files = files
        self._counts = Counts()
        self._events = 0
        self._entries = 0
        self._heads: list[Head] = []

    def partition(
        self, partition: int, batches: Iterable[JournalRecord], waiting: Mapping[tuple[str, int], deque[Record]]
    ) -> None:
        """Decide the batches of one partition, from its first."""
        state: dict[bytes, bytes] = {}
        ours = {version: digest for version, (digest, _) in self._engine.versions.items()}
        for batch in batches:
            if batch.programs != ours:
                raise BadRecording(
                    f"batch {batch.sequence} of partition {partition} was decided under program versions "
                    f"{sorted(batch.programs)}, not the same as those given: {sorted(ours)}"
                )
            lacking = [run.topic for run in batch.runs if (run.topic, partition) not in waiting]
            if lacking:
                raise BadRecording(
                    f"the recordings hold nothing of {lacking[0]}-{partition}: export that topic as well"
                )
            records = [record for run in batch.runs for record in _taken(waiting, partition, *run)]
            result = self._engine.decide_batch(partition, records, state, batch.now_us)
            for key, value in result.writes.items():
                if value is None:
                    state.pop(key, None)
                else:
                    state[key] = value
            self._events += len(records)
            for out in result.outputs:
                self._write(out)
            self._counts.merge(result.counts)
        decoded = (decode_record(value) for key, value in state.items() if key.startswith(b"m|"))
        self._heads += [head for head in decoded if isinstance(head, Head)]

    def _write(self, out: Out) -> None:
        if out.topic == DEAD_LETTERS:
            self._files.add(out.topic, _dead_letter(out))
        elif out.value is not None and self._files.has(out.topic):
            self._entries += out.topic == "ledger"
            self._files.add(out.topic, out.value)

    def finish(self) -> Summary:
        self._files.write_accounts(self._heads)
        return summed_up(self._events, self._entries, self._counts, self._heads)


def _taken(
    waiting: Mapping[tuple[str, int], deque[Record]], partition: int, topic: str, first: int, following: int
) -> Iterator[Record]:
    """The recorded records of one run: first <= offset < following."""
    records = waiting.get((topic, partition), deque())
    while records and records[0].offset < first:
        records.popleft()
    while records and records[0].offset < following:
        yield records.popleft()


def _dead_letter(out: Out) -> bytes:
    headers: dict[str, Any] = {
        name.removeprefix("__loyalty.errors."): value.decode(errors="replace") for name, value in out.headers
    }
    return orjson.dumps({**headers, "value": (out.value or b"").decode(errors="replace")})
