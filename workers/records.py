"""Records in and out, and what goes with a record that is refused or sent on: its own bytes, and why.

Nothing that comes in may make what goes out too large to be written, or the same batch would fail for ever: values,
keys and headers are bounded here.

Not here: which records are refused (batch.py, loyalty/decisions.py, schemas/refusals.py).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from loyalty.decisions import engine_failed
from workers.topic_words import DEAD_LETTERS, INBOX

FORWARDED_HEADER = "__loyalty.forwarded"
ERRORS_HEADER = "__loyalty.errors."
OVERSIZE_KEPT_BYTES = 65_536
"""How much of a record over the size limit goes with its dead letter."""

HEADERS_BYTES_MAX = 65_536
"""How much of a sender's headers goes with a dead letter or a forwarded event."""

_HEADER_BYTES = 16

MESSAGE_BYTES_MAX = 4_096


# Neither is ever changed. A worker makes one and four of them for each event: a NamedTuple takes three times as long to
# make, a frozen dataclass ten times.
@dataclass(slots=True)
class Record:
    """One consumed record. `topic` is the topic's word without the prefix."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(slots=True)
class Out:
    """One record to produce. `topic` is the topic's word without the prefix."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@lru_cache(maxsize=1 << 17)
def partition_of(member: str, partitions: int) -> int:
    """The partition number that Kafka's default partitioner gives this key (murmur2, as in the Java client)."""
    # Imported with the first member: a replay without Kafka would wait for the whole client before it begins.
    from kafka.partitioner.default import murmur2  # noqa: PLC0415

    return int(murmur2(member.encode()) & 0x7FFFFFFF) % partitions


class DeadLetter(NamedTuple):
    """Why a record was refused: the stage that refused it, a code, and a sentence that says what to fix."""

    stage: str
    code: str
    message: str


def engine_fault(fault: Exception) -> DeadLetter:
    """The dead letter of an event on which the engine failed."""
    code, message = engine_failed(fault)
    return DeadLetter("decide", code, message)


def _kept(headers: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """The sender's headers, as many as fit, and how many do not: nothing that comes in may make a write too large."""
    kept: list[tuple[str, bytes]] = []
    room = HEADERS_BYTES_MAX
    for name, value in headers:
        room -= _HEADER_BYTES + len(name.encode()) + len(value or b"")  # millions of empty ones are large, too
        if room < 0:
            omitted = len(headers) - len(kept)
            return [*kept, (f"{ERRORS_HEADER}headers_omitted", str(omitted).encode())]
        kept.append((name, value or b""))
    return kept


def forwarded(record: Record, member: str, partitions: int) -> Out:
    """The record again, for the partition that its member belongs to; its origin goes with it."""
    origin = f"{record.topic}/{record.partition}/{record.offset}".encode()
    headers = [*_kept(record.headers), (FORWARDED_HEADER, origin)]
    return Out(INBOX, partition_of(member, partitions), member.encode(), record.value, tuple(headers))


def dead_letter(record: Record, partition: int, dead: DeadLetter, record_bytes_max: int) -> Out:
    """The record's own bytes, key and headers, and why it was refused.

    Of a value over the size limit, and of a key over 64 KiB, the first bytes are kept, with the sha256 and length of
    the whole.
    """
    value, key = record.value, record.key
    headers = [
        *_kept(record.headers),
        (f"{ERRORS_HEADER}topic", record.topic.encode()),
        (f"{ERRORS_HEADER}partition", str(record.partition).encode()),
        (f"{ERRORS_HEADER}offset", str(record.offset).encode()),
        (f"{ERRORS_HEADER}timestamp", str(record.timestamp_ms).encode()),
        (f"{ERRORS_HEADER}stage", dead.stage.encode()),
        (f"{ERRORS_HEADER}code", str(dead.code).encode()),
        (f"{ERRORS_HEADER}message", dead.message.encode(errors="replace")[:MESSAGE_BYTES_MAX]),
    ]
    if value is not None and len(value) > record_bytes_max:
        headers.append((f"{ERRORS_HEADER}sha256", hashlib.sha256(value).hexdigest().encode()))
        headers.append((f"{ERRORS_HEADER}bytes", str(len(value)).encode()))
        value = value[:OVERSIZE_KEPT_BYTES]
    if key is not None and len(key) > OVERSIZE_KEPT_BYTES:
        headers.append((f"{ERRORS_HEADER}key_sha256", hashlib.sha256(key).hexdigest().encode()))
        headers.append((f"{ERRORS_HEADER}key_bytes", str(len(key)).encode()))
        key = key[:OVERSIZE_KEPT_BYTES]
    return Out(DEAD_LETTERS, partition, key, value, tuple(headers))
