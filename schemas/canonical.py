"""The canonical form of an event, and the two digests that tell a duplicate from a conflict.

Invariants:
  C1 digests are taken of what was validated, never of the bytes: the order of fields, spaces, escapes, unknown fields
     and "2" against "2.0" change nothing
  C2 a field that holds its default ("", 0, false, no lines, no attributes) is left out, so a field added later
     changes no digest of an event without it; a new field of a line or tender goes last and must be cut while empty
  C3 `body` also covers the time, `content` does not
"""

from collections.abc import Mapping
from hashlib import blake2b

from msgspec.json import Encoder

from loyalty.facts import DIGEST_BYTES

_canonical = Encoder(order="deterministic").encode


def content_digests(event_type: str, member: str, time_us: int, data: Mapping[str, object]) -> tuple[bytes, bytes]:
    """Return (body, content) of an event: digests of {type, subject, time, data} and of {type, subject, data}.

    `data` holds plain values, tuples of lines and maps of attributes. None is absent; an empty tuple that means
    something else than absence has to be passed as a list of one.
    """
    form = _canonical([event_type, member, {name: value for name, value in data.items() if value}])
    digest = blake2b(form, digest_size=DIGEST_BYTES)
    content = digest.digest()
    digest.update(b"%d" % time_us)
    return digest.digest(), content
