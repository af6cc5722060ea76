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
from typing import Any, TypeAlias

import orjson

from loyalty.account import Head, Limit
from schemas.state import decode_record
from workers.batch import Engine
from workers.counts import Counts
from workers.ndjson import Source
from workers.positions import JournalRecord, Run
from workers.records import Out, Record
from workers.replay import Summary, summed_up
from workers.replay_files import Files
from workers.store.memory import MemoryStore
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


EngineOf: TypeAlias = Callable[[int, frozenset[str]], Engine]
"""The engine for a number of partitions and the program versions of these names; KeyError when one is not there."""


def replay_journal(engine_of: EngineOf, journal: Source, recordings: Sequence[Source], files: Files) -> Summary:
    """Decide what the workers took, as the journal says, each batch under the program versions that it names.

    Raises BadRecording when the journal has a gap, names program versions that are not at hand or have changed, or
    when a recording lacks a record that the journal took.
    """
    batches = _batches(journal)
    waiting: dict[tuple[str, int], deque[Record]] = defaultdict(deque)
    for source in recordings:
        for record in read_recording(source):
            waiting[record.topic, record.partition].append(record)
    run = _Run(engine_of, files)
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

    def __init__(self, engine_of: EngineOf, files: Files) -> None:
        self._engine_of = engine_of
        self._engines: dict[tuple[int, frozenset[str]], Engine] = {}
        self._files = files
        self._counts = Counts()
        self._events = 0
        self._entries = 0
        self._heads: list[Head] = []
        self._limits: list[Limit] = []

    def partition(
        self, partition: int, batches: Iterable[JournalRecord], waiting: Mapping[tuple[str, int], deque[Record]]
    ) -> None:
        """Decide the batches of one partition, from its first."""
        state, before = MemoryStore(partition), None
        for batch in batches:
            records = [record for run in batch.runs for record in _taken(waiting, partition, run)]
            engine = self._engine(partition, batch)
            if engine is not before:  # the worker was started anew, with other versions
                state, before = state.anew(engine.start_after), engine
            result = engine.decide_batch(partition, records, state, batch.now_us)
            state.apply(result.writes)
            self._events += len(records)
            for out in result.outputs:
                self._write(out)
            self._counts.merge(result.counts)
        decoded = map(decode_record, state.accounts_held())
        for record in decoded:
            if isinstance(record, Head):
                self._heads.append(record)
            elif isinstance(record, Limit):
                self._limits.append(record)

    def _engine(self, partition: int, batch: JournalRecord) -> Engine:
        """The engine that the batch was decided by: exactly its versions, since they also say how long to remember."""
        key = (batch.partitions, frozenset(batch.programs))
        if key not in self._engines:
            try:
                self._engines[key] = self._engine_of(*key)
            except KeyError as missing:
                raise BadRecording(
                    f"batch {batch.sequence} of partition {partition} was decided under program version {missing}, "
                    "which is not among those given: add its file with --program"
                ) from None
        engine = self._engines[key]
        changed = [name for name, (digest, _) in engine.versions.items() if batch.programs[name] != digest]
        if changed:
            raise BadRecording(
                f"batch {batch.sequence} of partition {partition} was decided under another text of program version "
                f"{changed[0]!r}: give the file as it was then"
            )
        return engine

    def _write(self, out: Out) -> None:
        if out.topic == DEAD_LETTERS:
            self._files.add(out.topic, _dead_letter(out))
        elif out.value is not None and self._files.has(out.topic):
            self._entries += out.topic == "ledger"
            self._files.add(out.topic, out.value)

    def finish(self) -> Summary:
        self._files.write_accounts(self._heads, self._limits)
        return summed_up(self._events, self._entries, self._counts, self._heads)


def _taken(waiting: Mapping[tuple[str, int], deque[Record]], partition: int, run: Run) -> list[Record]:
    """The recorded records of one run. Raises BadRecording unless they are as many as the journal says."""
    records = waiting.get((run.topic, partition), deque())
    while records and records[0].offset < run.first:
        records.popleft()
    found = []
    while records and records[0].offset < run.next:
        found.append(records.popleft())
    if len(found) != run.records:
        raise BadRecording(
            f"the recordings hold {len(found)} of the {run.records} records that the journal took from "
            f"{run.topic}-{partition}, offsets {run.first} to {run.next - 1}: export the topic whole"
        )
    return found


def _dead_letter(out: Out) -> bytes:
    headers: dict[str, Any] = {
        name.removeprefix("__loyalty.errors."): value.decode(errors="replace") for name, value in out.headers
    }
    return orjson.dumps({**headers, "value": (out.value or b"").decode(errors="replace")})
