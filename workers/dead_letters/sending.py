"""Dead letters back to their topics, in transactions: what is sent and the mark that says so, or neither.

A worker reads what is committed, so it sees an event exactly when its letter counts as replayed. Two who replay at once
fence each other, as workers do. And should an event be sent twice after all, the engine knows it by its id.

Invariants:
  S1 letters of a partition go back in the order in which they were refused
  S2 marks are read only after everybody who replayed before has been fenced
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any, Final

from kafka.errors import KafkaError

from config.settings import Settings
from config.topics import topic_name
from workers.cluster import ClusterError, producer_client
from workers.dead_letters.again import Back, Stays, Why, again
from workers.dead_letters.letters import Letter, Read, Wanted, letters, mark, marks_in
from workers.topic_words import DEAD_LETTERS

TOGETHER_MAX: Final = 500
"""How many letters go back in one transaction."""
_CONFIRM_TIMEOUT_SECONDS: Final = 60
_TRANSACTION_TIMEOUT_MS: Final = 30_000
_RECORD_BYTES_MAX: Final = 2_097_152


@dataclass(slots=True)
class Replayed:
    """What became of the letters that were meant."""

    sent: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(code, topic word) -> how many went back; in a dry run: would have."""
    stay: Counter[tuple[str, Why]] = field(default_factory=Counter)
    """(code, why not) -> how many."""
    before: int = 0
    """How many had been replayed before."""


def replay(settings: Settings, read: Read, wanted: Wanted, *, dry_run: bool) -> Replayed:
    """Send the letters that are meant and were not replayed yet back to their topics; in a dry run, only say which.

    Raises ClusterError when something could not be sent: then all transactions before it stand, and none after.
    """
    done = Replayed()
    if dry_run:
        for _ in _chunks(read, wanted, done):
            pass
        return done
    options = {
        "transactional_id": f"{settings.prefix}{DEAD_LETTERS}",
        "transaction_timeout_ms": _TRANSACTION_TIMEOUT_MS,
        "max_request_size": _RECORD_BYTES_MAX,
        "linger_ms": 20,
        "allow_auto_create_topics": False,
    }
    with producer_client(settings, **options) as producer:
        try:
            producer.init_transactions()
            for chunk in _chunks(read, wanted, done):
                _send(producer, settings.prefix, chunk)
        except KafkaError as error:
            raise ClusterError(
                f"not all letters were sent back ({type(error).__name__}: {error}); what was, is marked\n"
                "hint: say the same again when the cluster is well, and nobody else is replaying"
            ) from error
    return done


def _chunks(read: Read, wanted: Wanted, done: Replayed) -> Iterator[Sequence[tuple[Letter, Back]]]:
    """What goes back, by transactions: letters of one partition each. Everything is counted when it is handed out."""
    marks = marks_in(read())
    for partition, of_one in groupby(letters(read(), wanted), lambda letter: letter.record.partition):
        going = _going(of_one, marks.get(partition, set()), done)
        while chunk := list(islice(going, TOGETHER_MAX)):
            yield chunk
            done.sent.update((letter.code, back.word) for letter, back in chunk)


def _going(of_one: Iterator[Letter], replayed: set[int], done: Replayed) -> Iterator[tuple[Letter, Back]]:
    for letter in of_one:
        if letter.record.offset in replayed:
            done.before += 1
            continue
        back = again(letter)
        if isinstance(back, Stays):
            done.stay[letter.code, back.why] += 1
        else:
            yield letter, back


def _send(producer: Any, prefix: str, chunk: Sequence[tuple[Letter, Back]]) -> None:
    """One transaction. Raises KafkaError; then nothing of it was sent."""
    producer.begin_transaction()
    try:
        futures = [
            producer.send(
                topic_name(prefix, back.word),
                key=back.key,
                value=back.value,
                headers=list(back.headers),
                partition=back.partition,
            )
            for _, back in chunk
        ]
        marked = mark(chunk[0][0].record.partition, [letter.record.offset for letter, _ in chunk])
        futures.append(
            producer.send(
                topic_name(prefix, marked.topic),
                value=marked.value,
                headers=list(marked.headers),
                partition=marked.partition,
            )
        )
        producer.flush()
        for future in futures:
            future.get(timeout=_CONFIRM_TIMEOUT_SECONDS)
    except KafkaError:
        _abort(producer)
        raise
    producer.commit_transaction()


def _abort(producer: Any) -> None:
    """End what was begun; who was fenced cannot, and need not."""
    try:
        producer.abort_transaction()
    except KafkaError:
        return
