"""One event decided by itself: what a framework that takes events one at a time calls for each.

The same decoding, deciding and encoding as in our worker, so that what differs between contenders is the delivery.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from loyalty.decide import decide
from loyalty.fetching import reads
from loyalty.plan import Programs
from schemas.decode import Known, decode
from schemas.state import decode_record, encode_record
from workers.batch import messages_of

if TYPE_CHECKING:
    from loyalty.account import Record


def decided_event(
    programs: Programs, raw: bytes, get: Callable[[bytes], bytes | None], now_us: int
) -> tuple[list[tuple[bytes, bytes]], list[tuple[str, bytes, bytes]]]:
    """State records to write as (key, record), and what to send as (topic word, key, value)."""
    decoded = decode(raw, topic="purchases")
    if not isinstance(decoded, Known):
        raise TypeError(f"the baskets hold an event that cannot be read: {decoded}")
    state: dict[str, Record] = {}
    for key in reads(decoded.fact):
        found = get(key.encode())
        if found is not None:
            state[key] = decode_record(found)
    decision = decide(programs, state, decoded.fact, now_us)
    if decision.refusal is not None:
        raise ValueError(f"the baskets hold an event that is refused: {decision.refusal}")
    writes = [(key.encode(), encode_record(record)) for key, record in decision.writes.items() if record is not None]
    return writes, messages_of(decision)
