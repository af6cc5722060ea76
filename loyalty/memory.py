"""What a member's account remembers of the events it took, so that none is paid twice.

Each memory is a fixed 20 bytes: 8 of the key's digest, 8 of the event's, 4 of the minute it was taken (UTC).
Keys are (source, id) of an event, and the business key of everything but purchases, whose own record is
their memory. Packed bytes cost a thirtieth of a dictionary and are searched at the speed of memory.

Not here: how long to remember (decide.py), what a conflict leads to (decide.py).
"""

from hashlib import blake2b
from struct import Struct

from loyalty.decisions import hash_of
from loyalty.facts import DIGEST_BYTES, Cause

MINUTE_US = 60_000_000
_RECORD = Struct(">8s8sI")
RECORD_BYTES = _RECORD.size


def event_digest(cause: Cause) -> bytes:
    """The key of an event: a digest of its source and id."""
    return hash_of(cause).digest()[:DIGEST_BYTES]


def key_digest(kind: str, *parts: str) -> bytes:
    """The digest of any other key: `kind` keeps the business keys of each type apart."""
    text = "\x00".join((kind, *parts))  # ids hold no control characters
    return blake2b(text.encode(), digest_size=DIGEST_BYTES).digest()


def recall(seen: bytes, key: bytes) -> bytes | None:
    """The digest remembered under `key`, or None."""
    # The first bytes of all keys are looked through first: a tenth of the time that a search for the whole key takes.
    firsts = seen[::RECORD_BYTES]
    record = firsts.find(key[0])
    while record >= 0:
        at = record * RECORD_BYTES
        if seen.startswith(key, at):
            return seen[at + DIGEST_BYTES : at + 2 * DIGEST_BYTES]
        record = firsts.find(key[0], record + 1)
    return None


def remember(seen: bytes, key: bytes, digest: bytes, now_us: int) -> bytes:
    """The memory with one more event, taken at `now_us`."""
    return seen + _RECORD.pack(key, digest, now_us // MINUTE_US)


def without(seen: bytes, *keys: bytes) -> bytes:
    """The memory without what is remembered under these keys."""
    records = (seen[at : at + RECORD_BYTES] for at in range(0, len(seen), RECORD_BYTES))
    return b"".join(record for record in records if record[:DIGEST_BYTES] not in keys)


def forget(seen: bytes, before_us: int) -> bytes:
    """The memory without what was taken before that instant. Events are remembered in the order they were taken."""
    before_minute = before_us // MINUTE_US
    keep = 0
    while keep < len(seen) and _RECORD.unpack_from(seen, keep)[2] < before_minute:
        keep += RECORD_BYTES
    return seen[keep:] if keep else seen


def in_order(seen: bytes, others: bytes) -> bytes:
    """Two memories as one, in the order in which the events were taken."""
    both: bytes = seen + others
    records: list[bytes] = [both[at : at + RECORD_BYTES] for at in range(0, len(both), RECORD_BYTES)]
    ordered: list[bytes] = sorted(records, key=_minute_of)
    return b"".join(ordered)


def _minute_of(record: bytes) -> bytes:
    return record[-4:]
