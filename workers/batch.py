"""One batch: records in, what to write and send out. Pure; shared by the worker and by offline replay.

What has fallen due by `now` comes first, in order of its instants. Then, for each record, in order: size, decode,
partition, then the records that its decision reads, then the decision against an overlay of what earlier records of
the batch changed. What cannot be decoded or decided becomes a dead letter of the same batch; an unexpected exception
or an entry that does not balance discards that event alone.

Invariants:
  W1 the result depends on (programs, state, records, now) alone
  W2 every record leaves exactly one trace: a decision, a duplicate, an anonymous sale, a dead letter or a forward
  W3 what comes back for the same partition goes to the same partition number; only `inbox` crosses

Not here: transactions and positions (checkpoint.py), Kafka.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import NamedTuple, Protocol, TypeAlias

from loyalty.account import Head
from loyalty.account import Record as StateRecord
from loyalty.decide import decide
from loyalty.decisions import Dead, Decision, Outcome
from loyalty.due import decide_due, look_us, put_off
from loyalty.facts import Fact, Message, is_message
from loyalty.fetching import fetched
from loyalty.plan import Programs
from schemas.decode import Anonymous, Decoded, Known, Undecodable, decode
from schemas.encode import encode_balance, encode_entry, encode_notice, encode_return, encode_reward, encode_tier
from schemas.envelope import TOPIC_OF_TYPE
from schemas.messages import encode_message, readdressed, type_of
from schemas.state import decode_record, encode_record
from workers.counts import UNKNOWN, Counts, count_due
from workers.overlay import Overlay, parts_of
from workers.records import DeadLetter, Out, Record, dead_letter, engine_fault, forwarded, partition_of
from workers.topic_words import ACCOUNTS, INBOX

DUE_MAX = 5_000
"""How many records a batch looks at because they are due, so that a transaction stays short after a long pause.

Part of what a replay of the journal has to repeat: another number is another order.
"""

UNPACKED_MAX = 10_000
"""How many heads are kept decoded: some tens of megabytes."""


@dataclass(slots=True)
class BatchResult:
    """What to produce, which state records changed (None deletes), and the counts."""

    outputs: list[Out]
    writes: dict[bytes, bytes | None]
    counts: Counts
    due: int = 0
    """How many records were looked at because they were due."""


class StateReader(Protocol):
    """Committed state of one partition."""

    def get(self, key: bytes, /) -> bytes | None:
        """The record under the key, or None."""

    def due(self, now_us: int, at_most: int, /) -> Sequence[tuple[int, bytes]]:
        """(instant, key) of the records that have to be looked at by `now_us`, in that order; answered once."""


class Decider(Protocol):
    """What the worker needs of the domain."""

    @property
    def versions(self) -> Mapping[str, tuple[str, int]]:
        """Program version -> (digest, effective_from_us)."""

    def start_after(self, time_us: int, /) -> int | None:
        """From when another version times accounts that the version of `time_us` has timed; None: none does."""

    def decide_batch(self, partition: int, records: Sequence[Record], state: StateReader, now_us: int) -> BatchResult:
        """Decide the records in order, at `now_us`."""


class Engine:
    """The programs in force, ready to decide batches."""

    def __init__(self, programs: Programs, *, partitions: int, record_bytes_max: int = 262_144) -> None:
        """`partitions` is the number that every topic has."""
        self._programs = programs
        self._partitions = partitions
        self._record_bytes_max = record_bytes_max
        self._unpacked: dict[str, tuple[bytes, Head]] = {}
        """Heads as they were last written, with their bytes: a member who is back soon need not be decoded again."""

    @property
    def versions(self) -> Mapping[str, tuple[str, int]]:
        """Program version -> (digest, effective_from_us)."""
        return {
            plan.program.version: (plan.program.digest, plan.program.effective_from_us) for plan in self._programs.plans
        }

    def start_after(self, time_us: int, /) -> int | None:
        """From when another version times accounts that the version of `time_us` has timed; None: none does."""
        return self._programs.start_after(time_us)

    def look_us(self, record: StateRecord | None) -> int | None:
        """When a record has to be looked at next; None: never."""
        return None if record is None else look_us(self._programs, record)

    def decide_batch(self, partition: int, records: Sequence[Record], state: StateReader, now_us: int) -> BatchResult:
        """Decide the records in order, at `now_us`; see the head of this module."""

        def read(key: str) -> StateRecord | None:
            raw = state.get(key.encode())
            if raw is None:
                return None
            known = self._unpacked.get(key)
            # Good only for the very bytes that are stored: after a restore, or elsewhere, they may be others.
            return known[1] if known is not None and known[0] == raw else decode_record(raw)

        overlay = Overlay(read)
        result = BatchResult([], {}, Counts())
        self._take_due(partition, state.due(now_us, DUE_MAX), overlay, now_us, result)
        for part in parts_of(records):
            self._take(partition, part, overlay, now_us, result)
        return result

    def _take_due(
        self, partition: int, due: Sequence[tuple[int, bytes]], overlay: Overlay, now_us: int, result: BatchResult
    ) -> None:
        """Take what is due, in order of the instants; what a record has due after one instant takes its place."""
        result.due = len(due)
        waiting = [(due_us, key.decode()) for due_us, key in due]
        while waiting:
            due_us, key = heappop(waiting)
            answer = self.decide_due(key, overlay, now_us)
            try:
                outputs = self._due_outputs(partition, key, answer, now_us)
                writes = encoded_writes(overlay.changed())
            except MemoryError:
                raise
            except Exception as fault:  # noqa: BLE001 as in decide_fact
                overlay.undo()
                answer = self.decide_due(key, overlay, now_us, engine_fault(fault))
                outputs = self._due_outputs(partition, key, answer, now_us)
                writes = encoded_writes(overlay.changed())
            changed = overlay.changed()
            overlay.keep()
            result.outputs += outputs
            result.writes.update(writes)
            self._remember(changed, writes)
            count_due(result.counts, answer, due_us)
            next_us = self.look_us(changed[key])
            if next_us is not None and next_us <= now_us:
                heappush(waiting, (next_us, key))

    def decide_due(
        self, key: str, overlay: Overlay, now_us: int, fault: DeadLetter | None = None
    ) -> "Decision | DeadLetter":
        """Decide the earliest of what is due in a record of the overlay, and write there what it changes.

        With a `fault`, or when there is one, it is tried again a day later: nobody else's points wait for it.
        """
        record = overlay.get(key)
        if record is None:
            return Decision(Outcome.APPLIED)
        if fault is None:
            try:
                decision = decide_due(self._programs, {key: record}, key, now_us)
            except MemoryError:
                raise
            except Exception as raised:  # noqa: BLE001 as in decide_fact
                fault = engine_fault(raised)
            else:
                overlay.write(decision.writes)
                return decision
        overlay.write({key: put_off(self._programs, record, now_us)})
        return fault

    def _due_outputs(self, partition: int, key: str, answer: "Decision | DeadLetter", now_us: int) -> list[Out]:
        if isinstance(answer, Decision):
            return self._messages(partition, answer)
        # No event came: the key of the account stands for it.
        record = Record(ACCOUNTS, partition, -1, now_us // 1000, key.encode(), key.encode(), ())
        return [dead_letter(record, partition, answer, self._record_bytes_max)]

    def _take(
        self, partition: int, records: Sequence[Record], overlay: Overlay, now_us: int, result: BatchResult
    ) -> None:
        """Take a part of a batch, stage by stage; its outputs, writes and counts go into the result."""
        read = [self._decoded(record) for record in records]
        faults: dict[int, DeadLetter] = {}
        while True:
            answers = [
                faults[at] if at in faults else self._answer(partition, record.topic, each, overlay, now_us)
                for at, (record, each) in enumerate(zip(records, read, strict=True))
            ]
            taken = list(zip(records, answers, strict=True))
            try:
                outputs = [out for record, answer in taken for out in self._outputs(partition, record, answer)]
                changed = overlay.changed()
                writes = encoded_writes(changed)
            except MemoryError:
                raise
            except Exception as fault:
                at = self._first_at_fault(partition, taken)
                if at in faults:
                    raise  # not even its dead letter can be made
                faults[at] = engine_fault(fault)
                overlay.undo()
                continue
            overlay.keep()
            result.outputs += outputs
            result.writes.update(writes)
            self._remember(changed, writes)
            for each, answer in zip(read, answers, strict=True):
                _count(result.counts, each, answer)
            return

    def _remember(self, changed: Mapping[str, StateRecord | None], writes: Mapping[bytes, bytes | None]) -> None:
        """Keep the heads that were written. Records are never changed in place, so they may be handed out again."""
        if len(self._unpacked) > UNPACKED_MAX:
            self._unpacked.clear()
        for (key, record), raw in zip(changed.items(), writes.values(), strict=True):
            if isinstance(record, Head) and raw is not None:
                self._unpacked[key] = raw, record

    def _decoded(self, record: Record) -> Decoded | DeadLetter:
        value = record.value
        if value is not None and len(value) > self._record_bytes_max:
            message = f"the record has {len(value)} bytes, more than {self._record_bytes_max}: send smaller events"
            return DeadLetter("decode", "too_large", message)
        try:
            decoded = decode(value, topic=record.topic)
        except MemoryError:
            raise
        except Exception as fault:  # noqa: BLE001 as in decide_fact
            return engine_fault(fault)
        if isinstance(decoded, Undecodable):
            return DeadLetter("decode", decoded.code, decoded.message)
        return decoded

    def _answer(
        self, partition: int, topic: str, read: Decoded | DeadLetter, overlay: Overlay, now_us: int
    ) -> "Answer":
        """What becomes of one record. What a decision writes is in the overlay."""
        if not isinstance(read, Known):
            return read if isinstance(read, DeadLetter) else None
        fact = read.fact
        if partition_of(fact.member, self._partitions) != partition:
            if topic == INBOX:
                message = "the inbox holds an event of a member of another partition: was the topic repartitioned?"
                return DeadLetter("partition", "wrong_partition", message)
            return Forward(fact.member)
        answer = self.decide_fact(fact, overlay, now_us)
        if isinstance(answer, Decision) and answer.moved_to:
            return Forward(answer.moved_to, fact, answer)
        return answer

    def _outputs(self, partition: int, record: Record, answer: "Answer") -> list[Out]:
        if isinstance(answer, Decision):
            return self._messages(partition, answer)
        if isinstance(answer, DeadLetter):
            return [dead_letter(record, partition, answer, self._record_bytes_max)]
        if answer is None:
            return []
        before: list[Out] = []
        if answer.fact is not None:
            record = replace(record, value=readdressed(answer.fact, record.value or b"", answer.member))
            # Both go to one partition of one topic, so they arrive in this order.
            before = [] if answer.decision is None else self._messages(partition, answer.decision)
        return [*before, forwarded(record, answer.member, self._partitions)]

    def _messages(self, partition: int, decision: Decision) -> list[Out]:
        outputs = [Out(topic, partition, key, value) for topic, key, value in messages_of(decision)]
        if decision.messages:
            outputs += [
                Out(INBOX, partition_of(each.member, self._partitions), each.member.encode(), encode_message(each))
                for each in decision.messages
            ]
        if decision.dead:
            outputs += [self._dead_after_all(partition, dead) for dead in decision.dead]
        return outputs

    def _dead_after_all(self, partition: int, dead: Dead) -> Out:
        """The dead letter of an event that waited: its own bytes are gone, it is written anew."""
        fact, refusal = dead
        key, topic = fact.member.encode(), TOPIC_OF_TYPE[fact.cause.type]
        record = Record(topic, partition, -1, fact.time_us // 1000, key, encode_return(fact), ())
        why = DeadLetter("decide", refusal.code, refusal.message)
        return dead_letter(record, partition, why, self._record_bytes_max)

    def _first_at_fault(self, partition: int, taken: Sequence[tuple[Record, "Answer"]]) -> int:
        """Which is the first of the events whose outputs or writes cannot be encoded."""
        for at, (record, answer) in enumerate(taken):
            try:
                self._outputs(partition, record, answer)
                decision = answer.decision if isinstance(answer, Forward) else answer
                if isinstance(decision, Decision):
                    encoded_writes(decision.writes)
            except Exception:  # noqa: BLE001 as in decide_fact
                return at
        raise LookupError("a part of a batch cannot be encoded, but each of its events can")

    def decide_fact(self, fact: Fact, overlay: Overlay, now_us: int) -> "Decision | DeadLetter":
        """Decide one fact on the records of the overlay, and write there what it changes.

        A fault of the engine is a dead letter too: one event's fault must not stop the others.
        """
        state = fetched(fact, overlay.get)  # not guarded: state that cannot be read must stop the worker
        try:
            decision = decide(self._programs, state, fact, now_us)
        except MemoryError:
            raise  # the machine's fault and not the event's: start again
        except Exception as fault:  # noqa: BLE001 whatever it is, the event is kept and the worker goes on
            return engine_fault(fault)
        if decision.refusal is not None:
            return DeadLetter("decide", decision.refusal.code, decision.refusal.message)
        overlay.write(decision.writes)
        return decision


class Forward(NamedTuple):
    """An event that belongs to another partition, or to another member: then it says so itself (`fact`).

    `decision` is the one to send it on: what it tells others goes first, and it may write.
    """

    member: str
    fact: Fact | None = None
    decision: Decision | None = None


Answer: TypeAlias = Decision | DeadLetter | Forward | None
"""What became of a record; None: an anonymous sale."""


def _count(counts: Counts, read: Decoded | DeadLetter, answer: Answer) -> None:
    event_type = UNKNOWN
    if isinstance(read, Known):
        fact, unknown_fields = read
        counts.unknown_fields += len(unknown_fields)
        event_type = type_of(fact)
        if isinstance(answer, Decision):
            counts.add(event_type, answer, fact.time_us)
            return
    elif isinstance(read, Anonymous):
        counts.unknown_fields += len(read.unknown_fields)
        counts.events[read.cause.type, "anonymous"] += 1
        return
    if isinstance(answer, DeadLetter):
        counts.dead_letters[answer.code] += 1
        counts.events[event_type, "dead_letter"] += 1
    else:
        counts.forwarded += 1
        counts.events[event_type, "forwarded"] += 1


def encoded_writes(writes: Mapping[str, StateRecord | None]) -> dict[bytes, bytes | None]:
    """State keys and records as bytes."""
    return {key.encode(): None if record is None else encode_record(record) for key, record in writes.items()}


def messages_of(decision: Decision) -> list[tuple[str, bytes, bytes]]:
    """What a decision tells others, as (topic word, key, value)."""
    messages = [("ledger", entry.member.encode(), encode_entry(entry)) for entry in decision.entries]
    messages += [("balances", change.member.encode(), encode_balance(change)) for change in decision.balances]
    if decision.tiers:
        messages += [("tiers", change.member.encode(), encode_tier(change)) for change in decision.tiers]
    if decision.notices:
        messages += [("notices", notice.member.encode(), encode_notice(notice)) for notice in decision.notices]
    if decision.rewards:
        messages += [("rewards", change.member.encode(), encode_reward(change)) for change in decision.rewards]
    return messages


def as_received(message: Message) -> Message:
    """The message as the receiver's partition reads it from the inbox: with the digests of its bytes."""
    received = decode(encode_message(message))
    if not (isinstance(received, Known) and is_message(received.fact)):
        raise TypeError(f"a message of ours cannot be read: {received}")
    return received.fact


def moved(fact: Fact, raw: bytes, member: str) -> Fact:
    """The fact as the partition of the member reads it to whom it has gone over; `raw` are the bytes of its event."""
    received = decode(readdressed(fact, raw, member))
    if not isinstance(received, Known):
        raise TypeError(f"an event that was read cannot be read again: {received}")
    return received.fact
