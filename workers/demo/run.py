"""The demo from the first process to the last: a broker, topics, workers, events, and what became of them.

Steps, in order:
  1 START     a local Kafka in a scratch folder; meanwhile the baskets are loaded
  2 CREATE    the engine's topics
  3 JOIN      the workers, until each can write
  4 PUBLISH   baskets and what is derived from them, while outputs are read back
  5 WAIT      until the journal says that everything published is taken, and all of it is read
  6 REPORT    while everything still runs
  7 STOP      workers, then the broker; the scratch folder goes

Invariants:
  D1 nothing is left running and nothing left on disk, also after Ctrl-C, SIGTERM or a fault
  D2 every figure of the report is measured
"""

import itertools
import signal
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config.settings import Settings
from loyalty.program import Program
from schemas.messages import TYPES
from schemas.program_load import load_program
from workers.cluster import admin_client
from workers.completejourney import Journey
from workers.demo.books import Books, Finding
from workers.demo.feed import Feed
from workers.demo.generator import derive
from workers.demo.reader import Reader
from workers.demo.report import Report
from workers.demo.screen import Picture, Screen
from workers.demo.worker import WorkerProcess
from workers.local_kafka import LocalKafka
from workers.topics import create_topics

GROCERY: Final = Path(__file__).parents[2] / "config" / "programs" / "grocery.yaml"
PARTITIONS: Final = 4

_MANY_BASKETS: Final = 50_000
_HEAP_MB: Final = 512
_HEAP_MB_MANY: Final = 1_024
_POLL_MS: Final = 100
_PICTURE_EVERY_SECONDS: Final = 0.5
_RATE_OVER_SECONDS: Final = 5.0
_STALLED_SECONDS: Final = 90.0
_METRICS_SETTLE_SECONDS: Final = 5.0
_EVENTS: Final = "loyalty_events_total"
_LAG: Final = "loyalty_lag_records"
_STAGE_SECONDS: Final = "loyalty_stage_seconds_sum"
# Neither is an event that somebody published: a message travels between accounts, a forwarded event is counted again.
_INTERNAL: Final = frozenset(TYPES.values())
_FORWARDED: Final = "forwarded"


class DemoStalled(Exception):
    """Nothing was taken for so long that something must be wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to run. `baskets` None: all there are."""

    program: Path = GROCERY
    baskets: int | None = None
    workers: int = 1
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What can be looked at while the demo runs."""

    bootstrap: str
    addresses: tuple[str, ...]
    """Of the workers' metrics."""


def run(options: Options, screen: Screen, finish: Callable[[Report, Running], None]) -> Report:
    """Runs the demo; calls `finish` with the report while everything still runs.

    Raises:
        ProgramError: the program cannot be used.
        DataSetError, LocalKafkaError: an extra is missing, or the broker did not start.
        ClusterError, WorkerFailed, DemoStalled: something went wrong on the way; all is cleaned up.
    """
    program = load_program(options.program)
    with ExitStack() as cleanup, _interruptible() as undisturbed:
        scratch = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="loyalty-demo-")))
        loader = cleanup.enter_context(ThreadPoolExecutor(1, "baskets"))
        loading = loader.submit(Journey)
        screen.step("starting a local Kafka (the very first time, its 45 MB are fetched)")
        many = options.baskets is None or options.baskets > _MANY_BASKETS
        broker = LocalKafka(scratch / "kafka", heap_mb=_HEAP_MB_MANY if many else _HEAP_MB)
        cleanup.enter_context(broker)
        settings = _settings(broker.bootstrap, options.program)
        with admin_client(settings) as admin:
            created = create_topics(admin, prefix=settings.prefix, partitions=settings.partitions).created
        screen.step(f"created {len(created)} topics of {settings.partitions} partitions on {broker.bootstrap}")
        workers = _joined(options, settings, scratch, cleanup)
        running = Running(bootstrap=broker.bootstrap, addresses=tuple(worker.address for worker in workers))
        screen.step(f"{options.workers} worker(s) ready; metrics at {', '.join(running.addresses)}")
        # The last to be registered is the first to run: from here on nothing interrupts the cleaning up.
        cleanup.callback(undisturbed)
        report = _watched(options, program, settings, workers, loading, screen, cleanup)
        finish(report, running)
        return report


def _joined(options: Options, settings: Settings, scratch: Path, cleanup: ExitStack) -> list[WorkerProcess]:
    workers = [WorkerProcess(settings, scratch, number) for number in range(1, options.workers + 1)]
    for worker in workers:
        cleanup.callback(worker.stop)
        worker.start()
    for worker in workers:
        worker.wait_until_ready()
    return workers


def _watched(
    options: Options,
    program: Program,
    settings: Settings,
    workers: list[WorkerProcess],
    loading: "Future[Journey]",
    screen: Screen,
    cleanup: ExitStack,
) -> Report:
    journey = loading.result()
    baskets_all = min(options.baskets or journey.baskets, journey.baskets)
    purchases = (basket.raw for basket in itertools.islice(journey.events(), baskets_all))
    feed = Feed(settings, derive(purchases, options.seed))
    books = Books()
    reader = Reader(settings, books)
    cleanup.callback(reader.close)
    cleanup.callback(feed.stop)
    watch = _Watch(workers, feed, reader, books, screen, baskets_all)
    with screen:
        feed.start()
        watch.until_everything_is_taken()
    outcomes = watch.outcomes(feed.sent.total())
    return Report(
        program=program.id,
        published=dict(feed.sent),
        outcomes=outcomes,
        books=books,
        tiers=[tier.id for tier in program.tiers.levels] if program.tiers else [],
        batches=reader.batches,
        publish_seconds=feed.seconds,
        take_seconds=(reader.last_now_us - reader.first_now_us) / 1e6,
        decide_seconds=watch.decide_seconds(),
        taken=reader.published(),
        findings=[_all_taken(feed.sent.total(), reader.published(), outcomes), *books.findings()],
        addresses=tuple(worker.address for worker in workers),
    )


def _all_taken(sent: int, in_topics: int, outcomes: dict[tuple[str, str], int]) -> Finding:
    decided = sum(
        count for (kind, outcome), count in outcomes.items() if kind not in _INTERNAL and outcome != _FORWARDED
    )
    return Finding("each event published was taken exactly once", sent, abs(in_topics - sent) + abs(decided - sent))


class _Watch:
    """Looks at the cluster and the workers until all is done."""

    def __init__(
        self, workers: list[WorkerProcess], feed: Feed, reader: Reader, books: Books, screen: Screen, baskets_all: int
    ) -> None:
        self._workers = workers
        self._feed = feed
        self._reader = reader
        self._books = books
        self._screen = screen
        self._baskets_all = baskets_all
        self._started = time.monotonic()
        self._pictured = 0.0
        self._moved = self._started
        self._taken = 0
        self._history: deque[tuple[float, int]] = deque()

    def until_everything_is_taken(self) -> None:
        """Returns when every event published is taken and every record about it read."""
        while not self._done(read := self._reader.read(_POLL_MS)):
            self._feed.check()
            for worker in self._workers:
                worker.check()
            if time.monotonic() - self._pictured >= _PICTURE_EVERY_SECONDS:
                self._picture()
            self._check_that_it_moves(read)

    def outcomes(self, expected: int) -> dict[tuple[str, str], int]:
        """(event type, outcome) -> events, summed over the workers; they count a moment after they commit."""
        deadline = time.monotonic() + _METRICS_SETTLE_SECONDS
        while True:
            found: Counter[tuple[str, str]] = Counter()
            for worker in self._workers:
                for labels, value in worker.metrics(_EVENTS):
                    found[labels["type"], labels["outcome"]] += int(value)
            if not _all_taken(expected, expected, found).wrong or time.monotonic() > deadline:
                return dict(found)
            time.sleep(0.2)

    def decide_seconds(self) -> float:
        """How long the workers have been deciding, all else left out."""
        return self._sum(_STAGE_SECONDS, stage="decide")

    def _sum(self, name: str, **labels: str) -> float:
        samples = itertools.chain.from_iterable(worker.metrics(name) for worker in self._workers)
        return sum(value for found, value in samples if labels.items() <= found.items())

    def _done(self, read: int) -> bool:
        if read or not self._feed.finished or not self._reader.everything_is_taken():
            return False
        return self._reader.has_read_all()

    def _check_that_it_moves(self, read: int) -> None:
        now = time.monotonic()
        if read or self._reader.taken != self._taken:
            self._taken, self._moved = self._reader.taken, now
        elif now - self._moved > _STALLED_SECONDS:
            raise DemoStalled(f"nothing has moved for {_STALLED_SECONDS:.0f} s, after {self._taken:,} events")

    def _picture(self) -> None:
        self._pictured = now = time.monotonic()
        self._history.append((now, self._reader.taken))
        while now - self._history[0][0] > _RATE_OVER_SECONDS:
            self._history.popleft()
        (before, taken_before), (_, taken) = self._history[0], self._history[-1]
        books = self._books
        self._screen.show(
            Picture(
                step="waiting until all is taken" if self._feed.finished else "publishing",
                seconds=now - self._started,
                published=self._feed.sent.total(),
                baskets=self._feed.sent["purchase"],
                baskets_all=self._baskets_all,
                taken=taken,
                rate=(taken - taken_before) / (now - before) if now > before else 0.0,
                lag_records=int(self._sum(_LAG)),
                points=dict(books.points()),
                members=books.members,
                tiers=dict(Counter(books.tier_of.values()).most_common()),
                dead_letters=dict(books.dead_letters),
                latest=tuple(books.latest),
                addresses=tuple(worker.address for worker in self._workers),
            )
        )


@contextmanager
def _interruptible() -> Iterator[Callable[[], None]]:
    """SIGTERM ends the demo like Ctrl-C. Yields a function after which neither does anything, until this ends."""

    def interrupt(*_: object) -> None:
        ignore()
        raise KeyboardInterrupt

    def ignore() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield ignore
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _settings(bootstrap: str, program: Path) -> Settings:
    # A prefix that no variable has: what the caller has set for a cluster of theirs stays out of it.
    return Settings(
        _env_prefix="NO_VARIABLE_OF_",
        bootstrap_servers=(bootstrap,),
        partitions=PARTITIONS,
        programs=(program.resolve(),),
    )
