"""The offline run: the worker's engine over files, without Kafka.

Two orders are followed. Without a journal, events go by their time, then topic, then place in the files; a message
follows right after its cause; `now` is the event's own time. With a journal (recorded.py), batches, order and
`now` are those that the workers recorded, so the accounts are the same to the byte.

Files that are in order by time already are merged as they are read, in bounded memory. When one is not, the run
starts over and sorts all events in memory.

Not here: the decisions (loyalty), what is written (replay_files.py), reading journals (recorded.py), the command
(commands/replay.py).
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import NamedTuple, Protocol, TypeAlias

from loyalty.account import Head, Limit, head_key
from loyalty.account import Record as StateRecord
from loyalty.decisions import Decision
from loyalty.due import TYPE as DUE_TYPE
from loyalty.facts import Fact, is_message
from loyalty.making import maker
from schemas.decode import Anonymous, Known, Undecodable, decode
from schemas.encode import encode_return
from schemas.envelope import TOPIC_OF_TYPE
from schemas.messages import encode_message, type_of
from schemas.state import decode_record, encode_record
from workers.batch import Engine, as_received, messages_of, moved
from workers.counts import UNKNOWN, Counts
from workers.ndjson import Source
from workers.overlay import PART_EVENTS, Overlay, parts_of
from workers.records import DeadLetter, engine_fault
from workers.replay_files import Files, Outputs, dead_letter_line
from workers.store.due_index import DueIndex
from workers.topic_words import INPUTS

_TOPIC_RANK = {topic: rank for rank, topic in enumerate(INPUTS)}

Progress: TypeAlias = Callable[[Sequence[Source]], object]
"""Is told which inputs are being read, so that it can ask them how far they are."""


class Line(NamedTuple):
    """One line of an event file and what it decoded to; ordered by time, topic, file and number."""

    time_us: int
    topic_rank: int
    file_rank: int
    number: int
    path: str
    raw: bytes
    decoded: Known | Anonymous | Undecodable


_line = maker(Line)


class OutOfOrder(Exception):
    """A file whose events are not in order by time."""


class Summary(NamedTuple):
    """What a replay did. By currency, `points` sums what was given, less what was taken back; `expired` what ended."""

    events: int
    outcomes: Counter[str]
    dead_letters: Counter[str]
    points: Counter[str]
    members: int
    tiers: Counter[str]
    entries: int
    expired: Counter[str]


@dataclass(slots=True)
class Taken:
    """What became of an event; None: an anonymous sale.

    Without a line it was something due, or a message that it sent: `key` says what.
    """

    line: Line | None
    event_type: str
    time_us: int
    answer: Decision | DeadLetter | None
    key: str = ""


class Replay:
    """Accounts in memory, decided on as plain objects; outputs to files."""

    def __init__(self, engine: Engine, files: Outputs) -> None:
        """Start from empty accounts."""
        self._engine = engine
        self._files = files
        self._reset()

    def _reset(self) -> None:
        self._packed: dict[str, bytes] = {}
        self._overlay = Overlay(self._unpacked)
        self._due = DueIndex(self._due_of)
        self._reminded: dict[str, int] = {}
        """Key -> the instant that the index knows of."""
        self.counts = Counts()
        self._events = 0
        self._entries = 0

    def restart(self) -> None:
        """Forget everything, also what was written."""
        self._reset()
        self._files.restart()

    def begin(self, heads: Iterable[Head]) -> None:
        """Start from these accounts."""
        for head in heads:
            key = head_key(head.member)
            self._overlay.write({key: head})
            self._remind(key, head)
        self._overlay.keep()

    def record(self, key: str) -> StateRecord | None:
        """The record under a state key, or None."""
        return self._overlay.get(key)

    def take(self, lines: Sequence[Line], until_us: int | None = None) -> None:
        """Decide events, each at its own time and followed at once by the messages that it sends.

        What falls due before an event is decided before it; what is due by `until_us`, after them all.
        """
        self._events += len(lines)
        faults: dict[int, DeadLetter] = {}
        while True:
            taken: list[Taken] = []
            reminders: list[tuple[int, str]] = []
            for line in lines:
                self._decide_due(line.time_us, taken, faults, reminders)
                self._decide(line, taken, faults)
            if until_us is not None:
                self._decide_due(until_us, taken, faults, reminders)
            messages: list[Sequence[tuple[str, bytes, bytes]]] = []
            try:
                messages.extend(messages_of(each.answer) if isinstance(each.answer, Decision) else () for each in taken)
                break
            except Exception as fault:  # noqa: BLE001 whatever it is, the event is kept and the run goes on
                faults[len(messages)] = engine_fault(fault)
                self._overlay.undo()
                self._reminded.clear()
                for due_us, key in reminders:
                    self._due.add(key, due_us)
        self._keep()
        self.counts.unknown_fields += sum(
            len(line.decoded.unknown_fields) for line in lines if isinstance(line.decoded, Known)
        )
        for each, of_event in zip(taken, messages, strict=True):
            self.write(each, of_event)

    def _decide_due(
        self, now_us: int, taken: list[Taken], faults: Mapping[int, DeadLetter], reminders: list[tuple[int, str]]
    ) -> None:
        """Decide what is due by `now_us`, in order of the instants, each at its own."""
        while (first := self._due.pop(now_us)) is not None:
            reminders.append(first)
            due_us, key = first
            answer = self._engine.decide_due(key, self._overlay, due_us, faults.get(len(taken)))
            taken.append(Taken(None, DUE_TYPE, due_us, answer, key))
            for each in answer.writes if isinstance(answer, Decision) else (key,):
                self._remind(each, self._overlay.get(each))
            self._pass_on(answer, None, taken, faults)

    def _remind(self, key: str, record: StateRecord | None) -> None:
        due_us = self._engine.look_us(record)
        if due_us is not None and self._reminded.get(key) != due_us:
            self._reminded[key] = due_us
            self._due.add(key, due_us)

    def _due_of(self, key: str) -> int | None:
        return self._engine.look_us(self._overlay.get(key))

    def _unpacked(self, key: str) -> StateRecord | None:
        packed = self._packed.get(key)
        return None if packed is None else decode_record(packed)

    def _keep(self) -> None:
        """Make what was decided final. What belongs to one event is packed: objects take three times the memory."""
        changed = self._overlay.changed()
        self._overlay.keep()
        for key, record in changed.items():
            if record is None:
                self._packed.pop(key, None)
                self._overlay.forget(key)
                self._reminded.pop(key, None)
            elif not isinstance(record, Head | Limit):
                self._packed[key] = encode_record(record)
                self._overlay.forget(key)

    def _decide(self, line: Line, taken: list[Taken], faults: Mapping[int, DeadLetter]) -> None:
        """Add what becomes of an event and its messages; `faults` says at which places not to try again."""
        decoded = line.decoded
        if isinstance(decoded, Known):
            self._decide_fact(decoded.fact, line, taken, faults)
        elif isinstance(decoded, Anonymous):
            taken.append(Taken(line, decoded.cause.type, decoded.time_us, None))
        else:
            taken.append(Taken(line, UNKNOWN, 0, DeadLetter("decode", decoded.code, decoded.message)))

    def _decide_fact(self, fact: Fact, line: Line | None, taken: list[Taken], faults: Mapping[int, DeadLetter]) -> None:
        answer = faults.get(len(taken)) or self._engine.decide_fact(fact, self._overlay, fact.time_us)
        if isinstance(answer, Decision) and answer.moved_to:
            for key, record in answer.writes.items():
                self._remind(key, record)
            self._pass_on(answer, line, taken, faults)
            self._decide_fact(moved(fact, line.raw if line else b"", answer.moved_to), line, taken, faults)
            return
        own = encode_message(fact).decode() if line is None and is_message(fact) else ""
        taken.append(Taken(line, type_of(fact), fact.time_us, answer, own))
        if isinstance(answer, Decision):
            for key, record in answer.writes.items():
                self._remind(key, record)
            self._pass_on(answer, line, taken, faults)

    def _pass_on(
        self, answer: Decision | DeadLetter, line: Line | None, taken: list[Taken], faults: Mapping[int, DeadLetter]
    ) -> None:
        """Decide the messages that an answer sends to other accounts."""
        if isinstance(answer, Decision):
            for message in answer.messages:
                self._decide_fact(as_received(message), line, taken, faults)

    def write(self, taken: Taken, messages: Sequence[tuple[str, bytes, bytes]]) -> None:
        """Write and count what became of an event. Who wants to know it overrides this."""
        line, event_type, answer = taken.line, taken.event_type, taken.answer
        if isinstance(answer, Decision):
            self.counts.add(event_type, answer, taken.time_us)
            self._entries += len(answer.entries)
            for topic, _, value in messages:
                self._files.add(topic, value)
            for fact, refusal in answer.dead:
                why = DeadLetter("decide", refusal.code, refusal.message)
                self._files.add("dead-letters", dead_letter_line("", 0, why, encode_return(fact)))
        elif answer is None:
            self.counts.events[event_type, "anonymous"] += 1
        else:
            self.counts.dead_letters[answer.code] += 1
            self.counts.events[event_type, "dead_letter"] += 1
            path, number, raw = ("", 0, taken.key.encode()) if line is None else (line.path, line.number, line.raw)
            self._files.add("dead-letters", dead_letter_line(path, number, answer, raw))

    def heads(self) -> Iterator[Head]:
        """All accounts."""
        return (record for record in self._overlay.records() if isinstance(record, Head))

    def limits(self) -> Iterator[Limit]:
        """The accounts of all limits."""
        return (record for record in self._overlay.records() if isinstance(record, Limit))

    def finish(self, until_us: int | None = None) -> Summary:
        """Decide what is due by `until_us`, write the accounts and sum up."""
        if until_us is not None:
            self.take((), until_us)
        self._files.write_accounts(self.heads(), self.limits())
        return summed_up(self._events, self._entries, self.counts, list(self.heads()))


def summed_up(events: int, entries: int, counts: Counts, heads: Sequence[Head]) -> Summary:
    """What a run did, in a few numbers."""
    outcomes: Counter[str] = Counter()
    for (event_type, outcome), number in counts.events.items():
        if event_type != DUE_TYPE:
            outcomes[outcome] += number
    points: Counter[str] = Counter()
    for (_, currency), number in counts.points.items():
        points[currency] += number
    for (_, currency), number in counts.taken_back.items():
        points[currency] -= number
    tiers = Counter(head.tier for head in heads if head.tier)
    dead_letters, expired = Counter(counts.dead_letters), Counter(counts.expired)
    return Summary(events, outcomes, dead_letters, points, len(heads), tiers, entries, expired)


def replay(
    engine: Engine,
    sources_of: Callable[[], Sequence[Source]],
    files: Files,
    progress: Progress,
    until_us: int | None = None,
) -> Summary:
    """Replay event files by time, and what falls due between the events and, after the last one, by `until_us`.

    See `drive`.
    """
    run = Replay(engine, files)
    drive(run, sources_of, progress)
    return run.finish(until_us)


class Takes(Protocol):
    """What events are taken by, in parts."""

    def take(self, lines: Sequence[Line], /) -> None:
        """Take a part, in order."""

    def restart(self) -> None:
        """Forget what was taken: the events come again, in another order."""


def drive(run: Takes, sources_of: Callable[[], Sequence[Source]], progress: Progress) -> None:
    """Let `run` take the events of files by time.

    `sources_of` opens the inputs from their beginning, once more if they have to be sorted.
    Raises workers.ndjson.InputError for a file that cannot be read.
    """
    try:
        sources = sources_of()
        progress(sources)
        merged = heapq.merge(*(_in_order(source, rank) for rank, source in enumerate(sources)))
        while part := list(islice(merged, PART_EVENTS)):
            run.take(part)
    except OutOfOrder:
        run.restart()
        sources = sources_of()
        progress(sources)
        unsorted = [line for rank, source in enumerate(sources) for line in _lines(source, rank, check=False)]
        for some in parts_of(sorted(unsorted, key=lambda each: each[:4])):
            run.take(some)


def _in_order(source: Source, rank: int) -> Iterator[Line]:
    """The decoded lines of a file, those of one instant by topic; raises OutOfOrder as `_lines` does."""
    for _, same_time in groupby(_lines(source, rank, check=True), itemgetter(0)):
        yield from sorted(same_time)


def _lines(source: Source, rank: int, *, check: bool) -> Iterator[Line]:
    """The decoded lines of a file. With `check`, raises OutOfOrder at the first that is earlier than the one before."""
    newest_us = 0
    lines = source.lines()
    while part := list(islice(lines, PART_EVENTS)):
        for line, decoded in zip(part, [decode(line.raw) for line in part], strict=True):
            topic_rank = 0
            if isinstance(decoded, Known):
                fact = decoded.fact
                time_us, topic_rank = fact.time_us, _TOPIC_RANK[TOPIC_OF_TYPE[type_of(fact)]]
            elif isinstance(decoded, Anonymous):
                time_us = decoded.time_us
            else:
                time_us = newest_us  # what cannot be read has no time: it keeps its place
            if time_us < newest_us:
                if check:
                    raise OutOfOrder(line.where)
            else:
                newest_us = time_us
            yield _line(time_us, topic_rank, rank, line.number, line.source, line.raw, decoded)
