"""Dead letters as the engine writes them, with places on their topic."""

from collections.abc import Iterable

from workers.dead_letters.letters import Letter, letter_in
from workers.records import DeadLetter, Out, Record, dead_letter
from workers.topic_words import DEAD_LETTERS

LIMIT_BYTES = 262_144


def refused(record: Record, code: str = "currency_not_accepted", stage: str = "decide") -> Out:
    """The dead letter that the engine writes of a record."""
    return dead_letter(record, 0, DeadLetter(stage, code, f"{code}: mend it"), LIMIT_BYTES)


def came(
    value: bytes | None,
    *,
    topic: str = "purchases",
    partition: int = 2,
    offset: int = 7,
    key: bytes | None = b"m1",
    headers: tuple[tuple[str, bytes], ...] = (),
) -> Record:
    """A record as it came in."""
    return Record(topic, partition, offset, 1_000, key, value, headers)


def placed(outs: Iterable[Out], *, timestamp_ms: int = 5_000) -> list[Record]:
    """What was written to the topic, as it is read: a second apart."""
    return [
        Record(DEAD_LETTERS, out.partition, offset, timestamp_ms + 1_000 * offset, out.key, out.value, out.headers)
        for offset, out in enumerate(outs)
    ]


def letter(record: Record, code: str = "currency_not_accepted", stage: str = "decide") -> Letter:
    """The letter of a record, read back."""
    [read] = placed([refused(record, code, stage)])
    found = letter_in(read)
    assert found is not None
    return found
