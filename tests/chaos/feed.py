"""The open stream into the inputs: at a steady rate, whatever happens to the broker, until told to stop.

Invariant: what counts as published is acknowledged by the broker; what was not is sent again, so it may be there twice
"""

import threading
import time
from collections.abc import Sequence
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError
from typing_extensions import override

from tests.integration.engine_events import Message

STEP_SECONDS = 0.2
ANSWER_SECONDS = 300.0


class Feed(threading.Thread):
    """Sends messages in order."""

    def __init__(self, bootstrap: str, prefix: str, messages: Sequence[Message], rate: float) -> None:
        super().__init__(name="feed", daemon=True)
        self.published: dict[tuple[str, int], int] = {}
        """Topic word and partition -> the offset behind the last record that was acknowledged."""
        self.sent: list[Message] = []
        """What was acknowledged, in order."""
        self.again = 0
        """How many were sent again."""
        self.failure: BaseException | None = None
        self._servers, self._prefix = bootstrap, prefix
        self._messages, self._rate = messages, rate
        self._over = threading.Event()

    @override
    def run(self) -> None:
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001 - shown by `end`
            self.failure = error

    def end(self) -> None:
        """Send no more, and wait for all answers. Raises what went wrong."""
        self._over.set()
        self.join()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        producer = self._producer()
        unanswered: list[tuple[Message, Any]] = []
        began, handed_over = time.monotonic(), 0
        while not self._over.wait(STEP_SECONDS) and handed_over < len(self._messages):
            until = min(len(self._messages), int((time.monotonic() - began) * self._rate))
            unanswered += [(each, self._send(producer, each)) for each in self._messages[handed_over:until]]
            handed_over = max(handed_over, until)
            done = 0
            while done < len(unanswered) and _is_done(unanswered[done][1]):
                done += 1
            failed = self._answered(unanswered[:done])
            del unanswered[:done]
            if failed:
                producer = self._anew(producer)
                unanswered += [(message, self._send(producer, message)) for message in failed]
        deadline = time.monotonic() + ANSWER_SECONDS
        while unanswered:
            failed = self._answered(unanswered)
            if failed and time.monotonic() > deadline:
                raise TimeoutError(f"{len(failed)} messages were not taken within {ANSWER_SECONDS} s")
            producer = self._anew(producer) if failed else producer
            unanswered = [(message, self._send(producer, message)) for message in failed]
        producer.close()

    def _producer(self) -> Any:
        end = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                return KafkaProducer(bootstrap_servers=self._servers, acks="all", linger_ms=5)
            except KafkaError:
                if time.monotonic() > end:
                    raise
                time.sleep(1)

    def _anew(self, producer: Any) -> Any:
        producer.close(timeout=0)
        return self._producer()

    def _send(self, producer: Any, message: Message) -> Any:
        """A future, or None when it could not be handed over."""
        try:
            return producer.send(
                self._prefix + message.word, key=message.key, value=message.value, partition=message.partition
            )
        except KafkaError:
            return None

    def _answered(self, answers: Sequence[tuple[Message, Any]]) -> list[Message]:
        """Take in what the broker said, waiting for it. Answers what has to be sent again."""
        failed = []
        for message, future in answers:
            try:
                if future is None:
                    raise KafkaError("it was not handed over")
                at = future.get(timeout=60)
            except KafkaError:
                failed.append(message)
                self.again += 1
                continue
            self.sent.append(message)
            key = message.word, at.partition
            self.published[key] = max(at.offset + 1, self.published.get(key, 0))
        return failed


def _is_done(future: Any) -> bool:
    return future is None or future.is_done
