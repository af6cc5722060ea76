"""Publishes the demo's events in a thread of its own, through the same publisher as `loyalty publish`."""

import threading
import time
from collections import Counter
from collections.abc import Iterable

from config.settings import Settings
from workers.demo.generator import Sent
from workers.ndjson import Line
from workers.publish import Publisher, Valid

SOURCE = "demo"


class Feed:
    """A thread that publishes a stream of events; `finished` says when every one of them is confirmed.

    Unlike `loyalty publish` it does not validate: the stream holds a few events that are meant to be refused.
    """

    def __init__(self, settings: Settings, events: Iterable[Sent]) -> None:
        self._settings = settings
        self._events = events
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._error: BaseException | None = None
        self.sent: Counter[str] = Counter()
        """Events handed to the client so far, by what they are meant as. Confirmed once `finished`."""
        self.finished = False
        self.seconds = 0.0
        """How long it took, once finished."""

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends early, and waits until the thread has."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def check(self) -> None:
        """Raises what went wrong in the thread, if anything did."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        started = time.monotonic()
        try:
            with Publisher(self._settings) as publisher:
                for number, each in enumerate(self._events, 1):
                    if self._stopped.is_set():
                        return
                    publisher.send(Valid(Line(SOURCE, number, each.raw), each.word, each.member, ()))
                    self.sent[each.kind] += 1
            self.seconds = time.monotonic() - started
            self.finished = True
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread, by `check`
            self._error = error
