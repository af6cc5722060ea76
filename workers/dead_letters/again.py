"""Where a dead letter goes back to, and in which form; or why it does not.

Not here: the sending (sending.py).
"""

from enum import StrEnum
from typing import NamedTuple

from loyalty.facts import is_message
from schemas.decode import Anonymous, Undecodable, decode
from schemas.envelope import TOPIC_OF_TYPE
from workers.dead_letters.letters import NOT_KEPT, Letter
from workers.records import ERRORS_HEADER, FORWARDED_HEADER
from workers.topic_words import INBOX, INPUTS


class Why(StrEnum):
    """Why a letter stays. The value is said of it."""

    CUT_OFF = "only its first bytes are kept: its sender has the whole"
    NO_EVENT = "no event came: what time alone brings is tried again each day"
    NO_TOPIC = "it does not say which topic it came in on"
    STILL_NO_EVENT = "its bytes are still no event: the same bytes would be refused again"


class Stays(NamedTuple):
    """A letter that does not go back."""

    why: Why
    code: str = ""
    """What this release would refuse it with."""


class Back(NamedTuple):
    """A letter as it goes back: `word` is the topic's. `partition` None leaves the choice to the key."""

    word: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    partition: int | None


def again(letter: Letter) -> Back | Stays:
    """What to send for a letter.

    It goes to the topic that it came in on, to the partition of its key; without a key to the one where it came in. An
    event that had been forwarded goes to the topic of its type and not to the inbox, which is the worker's; only what
    accounts tell each other goes there.
    """
    record = letter.record
    if not {"sha256", "key_sha256"}.isdisjoint(letter.headers):
        return Stays(Why.CUT_OFF)
    if letter.topic not in INPUTS:
        return Stays(Why.NO_EVENT if letter.topic and letter.offset == NOT_KEPT else Why.NO_TOPIC)
    decoded = decode(record.value, topic=letter.topic)
    if isinstance(decoded, Undecodable):
        return Stays(Why.STILL_NO_EVENT, decoded.code)
    headers = tuple((name, value) for name, value in record.headers if not name.startswith(ERRORS_HEADER))
    word, key = letter.topic, record.key
    if word == INBOX:
        headers = tuple((name, value) for name, value in headers if name != FORWARDED_HEADER)
        if isinstance(decoded, Anonymous):
            word = TOPIC_OF_TYPE[decoded.cause.type]
        else:
            key = decoded.fact.member.encode()
            word = INBOX if is_message(decoded.fact) else TOPIC_OF_TYPE[decoded.fact.cause.type]
    where = letter.partition if key is None and letter.partition != NOT_KEPT else None
    return Back(word, key, record.value, headers, where)
