"""The canonical form of an event, and the two digests that tell a duplicate from a conflict.

Invariants:
  C1 digests are taken of what a fact tells, never of the bytes: the order of fields, spaces, escapes, unknown fields,
     "2" against "2.0", and a default against its absence change nothing
  C2 what is told is written as MessagePack, in the order of the fact's fields, and the names of a map in their order;
     a field added to a fact, a line or a tender later has to go last, and be cut off while it holds its default
  C3 `body` also covers the time, `content` does not: events of one content have the same body only at the same time

One digest of twice the length gives both: the first half is `content`, and the time is mixed into the second.
"""

from hashlib import blake2b

from msgspec.msgpack import Encoder

from loyalty.facts import DIGEST_BYTES

_canonical = Encoder(order="deterministic").encode


def content_digests(event_type: str, member: str, time_us: int, told: tuple[object, ...]) -> tuple[bytes, bytes]:
    """Return (body, content) of an event: digests of {type, subject, time, data} and of {type, subject, data}.

    `told` holds what the fact of this type says of the data: numbers, texts, None, maps, and tuples of these.
    """
    digest = blake2b(_canonical((event_type, member, told)), digest_size=2 * DIGEST_BYTES).digest()
    timed = int.from_bytes(digest[DIGEST_BYTES:], "big") ^ time_us
    return timed.to_bytes(DIGEST_BYTES, "big"), digest[:DIGEST_BYTES]
