"""Validates events and sends them to their topics: every event in, or a reason why not.

Invariants:
  P1 what is sent is the bytes that came in, unchanged, once accepted by the same validator that the worker uses
  P2 the key is the member, so that the partition is murmur2 of the member; a sale without a member has no key
  P3 the record's timestamp is now: the event's own time is inside it
  P4 nothing counts as published before every broker that must has confirmed it
"""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from kafka.errors import KafkaError

from config.settings import Settings
from config.topics import topic_name
from loyalty.facts import is_message
from schemas.decode import Known, decode
from schemas.envelope import TOPIC_OF_TYPE
from schemas.refusals import Undecodable
from workers.cluster import ClusterError, admin_client, producer_client
from workers.ndjson import Line, Source

NOT_PUBLIC: Final = "not_public"
"""Code for events that only the worker itself may send."""

# The client has no bound of its own on what waits to be sent.
_UNCONFIRMED_MAX: Final = 20_000
_CONFIRM_TIMEOUT_SECONDS: Final = 150


class Valid(NamedTuple):
    """An event that may be sent. `word` is its topic's; `member` None is an anonymous sale."""

    line: Line
    word: str
    member: str | None
    unknown_fields: tuple[str, ...]


class Invalid(NamedTuple):
    """A line that is no event, and why."""

    line: Line
    code: str
    message: str


def validate(line: Line, *, topic: str | None = None, strict: bool = False) -> Valid | Invalid:
    """Judges one line as the worker would.

    Args:
        line: what came in.
        topic: the word of the topic that it has to belong to; None: the one of its type.
        strict: refuse fields that the contract does not know.
    """
    decoded = decode(line.raw, topic=topic, strict=strict)
    if isinstance(decoded, Undecodable):
        return Invalid(line, decoded.code, decoded.message)
    if not isinstance(decoded, Known):
        return Valid(line, TOPIC_OF_TYPE[decoded.cause.type], None, decoded.unknown_fields)
    fact = decoded.fact
    if is_message(fact):
        return Invalid(line, NOT_PUBLIC, "this is what only the worker itself sends; leave it out")
    return Valid(line, TOPIC_OF_TYPE[fact.cause.type], fact.member, decoded.unknown_fields)


@dataclass(slots=True)
class Tally:
    """What became of the lines so far."""

    read: int = 0
    valid_by_word: Counter[str] = field(default_factory=Counter)
    invalid_by_code: Counter[str] = field(default_factory=Counter)
    unknown_fields: Counter[str] = field(default_factory=Counter)
    anonymous: int = 0

    @property
    def valid(self) -> int:
        """How many lines are events."""
        return self.valid_by_word.total()

    @property
    def invalid(self) -> int:
        """How many lines are not."""
        return self.invalid_by_code.total()

    def count(self, judged: Valid | Invalid) -> None:
        """Adds one line."""
        self.read += 1
        if isinstance(judged, Invalid):
            self.invalid_by_code[judged.code] += 1
            return
        self.valid_by_word[judged.word] += 1
        self.unknown_fields.update(judged.unknown_fields)
        self.anonymous += judged.member is None


def judged_lines(
    sources: list[Source], tally: Tally, *, topic: str | None = None, strict: bool = False
) -> Iterator[Valid | Invalid]:
    """Every line of every source, judged and counted."""
    for source in sources:
        for line in source.lines():
            judged = validate(line, topic=topic, strict=strict)
            tally.count(judged)
            yield judged


class Publisher:
    """Sends events and waits until all are confirmed. A context manager: what is left is confirmed on exit.

    Raises:
        ClusterError: no broker answers, a topic is missing, or an event was not confirmed; the message says which.
    """

    def __init__(self, settings: Settings, *, prefix: str | None = None) -> None:
        self._prefix = settings.prefix if prefix is None else prefix
        with admin_client(settings) as admin:
            self._topics = frozenset(admin.list_topics())
        self._client = producer_client(
            settings,
            linger_ms=20,
            batch_size=262_144,
            max_request_size=2_097_152,
            # The client computes checksums in Python, over what is left after compression: more than twice as fast.
            compression_type="gzip",
            allow_auto_create_topics=False,
        )
        self._producer: Any = None
        self._confirmed = 0
        self._unconfirmed: deque[tuple[str, Any]] = deque()

    def __enter__(self) -> Self:
        """Connects."""
        self._producer = self._client.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Confirms what is left, unless something has failed already, and closes."""
        try:
            if error is None:
                self.confirm()
        finally:
            self._client.__exit__(kind, error, trace)

    def send(self, event: Valid) -> None:
        """Sends one event; waits when too many are unconfirmed."""
        name = topic_name(self._prefix, event.word)
        if name not in self._topics:
            raise ClusterError(f"there is no topic {name}\nhint: loyalty topics create")
        key = None if event.member is None else event.member.encode()
        try:
            future = self._producer.send(name, key=key, value=event.line.raw)
        except KafkaError as error:
            raise ClusterError(f"{event.line.where}: not sent: {error}") from error
        self._unconfirmed.append((event.line.where, future))
        while len(self._unconfirmed) > _UNCONFIRMED_MAX:
            self._confirm_oldest()

    def confirm(self) -> int:
        """Waits until every event sent so far is confirmed; returns how many that are."""
        self._producer.flush()
        while self._unconfirmed:
            self._confirm_oldest()
        return self._confirmed

    def _confirm_oldest(self) -> None:
        where, future = self._unconfirmed.popleft()
        try:
            future.get(timeout=_CONFIRM_TIMEOUT_SECONDS)
        except KafkaError as error:
            raise ClusterError(
                f"{where}: the cluster did not confirm this event ({error}); events before it are confirmed\n"
                "hint: publish the same file again when the cluster is well: what it already has is recognised"
            ) from error
        self._confirmed += 1
