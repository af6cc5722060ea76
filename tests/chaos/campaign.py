"""One campaign: workers, a stream, a reader downstream and a schedule of faults; then calm, and the auditor.

Invariants:
  F1 whatever happens, no process outlives the campaign
  F2 the auditor looks only when all workers have ended, and everything published is taken; a campaign that waited for
     that in vain has failed, and is audited all the same
  F3 of a campaign that failed, logs and topics stay
"""

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple

from kafka.errors import KafkaError

from tests.chaos import downstream, stream, verdict
from tests.chaos.audit import Left, audited, read_to_the_end
from tests.chaos.broker import CampaignBroker
from tests.chaos.feed import Feed
from tests.chaos.generations import generation
from tests.chaos.launcher import SWITCH, WITHOUT
from tests.chaos.proxy import Proxy
from tests.chaos.report import Report, missed
from tests.chaos.schedule import SESSION_SECONDS, Goals, schedule
from tests.chaos.strikes import Say, Striker
from tests.chaos.supervisor import Slot, Supervisor
from tests.integration.engine_cluster import EngineCluster, LoyaltyWorker
from tests.integration.harness import ROOT
from workers.export import RECORDED, export
from workers.records import ERRORS_HEADER
from workers.topic_words import ACCOUNTS, DEAD_LETTERS, INBOX, INPUTS, JOURNAL, OUTPUTS

PREFIX = "chaos."
BEHIND_PROXY = 0
"""The worker whose connection is cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a campaign consists of."""

    seed: int
    seconds: float
    goals: Goals = field(default_factory=Goals)
    workers: int = 3
    partitions: int = 4
    rate: float = 40.0
    """Events a second."""
    members: int = 1_000
    without: str = ""
    """A safeguard that the workers are to work without; then all of them have a switch."""
    command: str = ""
    patience_seconds: float = 120.0
    """For a worker to come to the point at which it is to be hit: to own partitions, to make a call."""
    calm_seconds_max: float = 600.0
    """For everything published to be taken, once nothing goes wrong any more."""

    @property
    def with_switch(self) -> int:
        """The worker whose calls are made to fail."""
        return self.workers - 1


class LaunchedWorker(LoyaltyWorker):
    """A worker with a switch: launcher.py."""

    COMMAND: ClassVar[tuple[str, ...]] = (sys.executable, "-m", "tests.chaos.launcher")


class Reader(NamedTuple):
    """The reader downstream, as a process."""

    process: subprocess.Popen[bytes]
    log: Path

    def get(self, path: str) -> tuple[int, str]:
        """It serves nothing."""
        return 0, path


class Campaign:
    """Runs once, in a directory of its own."""

    def __init__(self, plan: Plan, directory: Path, say: Say) -> None:
        self.plan, self.directory, self._say = plan, directory, say
        shutil.rmtree(directory, ignore_errors=True)
        (directory / "logs").mkdir(parents=True)
        self.report = Report(plan.seed, plan.command, goals=plan.goals, without=plan.without)
        self._broker = CampaignBroker(directory / "kafka")
        self._cluster = EngineCluster(
            self._broker.bootstrap, PREFIX, directory, stream.showcase(directory), partitions=plan.partitions
        )
        self._workers = [
            Slot(f"worker {number}", lambda life, number=number: self._start_worker(number, life))  # type: ignore[misc]
            for number in range(plan.workers)
        ]
        self._reader = Slot("reader", self._start_reader)
        switched = range(plan.workers) if plan.without else (plan.with_switch,)
        self._switches = {f"worker {number}": directory / f"switch-{number}" for number in switched}
        self._supervisor = Supervisor([*self._workers, self._reader])
        self._database = directory / "downstream.sqlite"

    def run(self) -> Report:
        """The whole campaign. What goes wrong stands in the report, which is also written to the directory."""
        began = time.monotonic()
        try:
            with self._running():
                left = self._rage()
                self._say(f"{time.monotonic() - began:7.1f} s  the auditor looks")
                self.report.checks = audited(left)
                self._sum_up()
                self.report.findings += missed(self.plan.goals, self.report.faults)
                if self.report.failed:
                    self._keep()
        except BaseException as error:
            self.report.findings.append(f"the campaign itself ended: {error!r}")
            raise
        finally:
            self.report.seconds = time.monotonic() - began
            self.report.write(self.directory)
            if not self.report.failed:
                self._clear()
        return self.report

    # ------------------------------------------------------------------ the processes
    @contextmanager
    def _running(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.callback(self._broker.kafka.stop)
            self._broker.start()
            self._cluster.create_topics()
            # Small segments: the changelog is compacted under the workers' feet.
            self._cluster.configure(
                ACCOUNTS, {"segment.bytes": "4194304", "segment.ms": "60000", "min.cleanable.dirty.ratio": "0.2"}
            )
            self._proxy = stack.enter_context(Proxy(self._broker.ports.proxy, self._broker.ports.proxied))
            stack.callback(self._end_processes)
            self._supervisor.start()
            yield

    def _end_processes(self) -> None:
        self._supervisor.end()
        for slot in (*self._workers, self._reader):
            slot.stop(0)

    def _start_worker(self, number: int, life: int) -> LoyaltyWorker:
        name = f"worker {number}"
        proxied = number == BEHIND_PROXY
        settings = self._cluster.environment(
            BOOTSTRAP_SERVERS=self._broker.bootstrap_proxied if proxied else self._broker.bootstrap,
            BATCH_RECORDS_MAX="20",
            IDLE_BATCH_SECONDS="2",
            SESSION_TIMEOUT_SECONDS=str(int(SESSION_SECONDS)),
        )
        log = self.directory / "logs" / f"worker-{number}-{life}.log"
        if name in self._switches:
            return LaunchedWorker({**settings, SWITCH: str(self._switches[name]), WITHOUT: self.plan.without}, log)
        return LoyaltyWorker(settings, log)

    def _start_reader(self, life: int) -> Reader:
        log = self.directory / "logs" / f"reader-{life}.log"
        told = (self._broker.bootstrap, f"{PREFIX}ledger", str(self.plan.partitions), str(self._database))
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.downstream", *told],
                cwd=ROOT,
                env=os.environ,
                stdout=out,
                stderr=out,
            )
        return Reader(process, log)

    # ------------------------------------------------------------------ what happens
    def _rage(self) -> Left:
        plan = self.plan
        strikes = schedule(plan.seed, plan.seconds, plan.goals, workers=plan.workers, with_switch=plan.with_switch)
        (self.directory / "schedule.txt").write_text("".join(f"{strike}\n" for strike in strikes))
        # As many as may be needed: a machine under load takes longer, and the stream must not run dry before the end.
        made = stream.messages(
            int(plan.rate * plan.seconds * 2), members=plan.members, partitions=plan.partitions, seed=plan.seed
        )
        feed = Feed(self._broker.bootstrap, PREFIX, made, plan.rate)
        feed.start()
        slots = {slot.name: slot for slot in (*self._workers, self._reader)}
        striker = Striker(
            slots, self._broker, self._proxy, self._switches, self._say, patience_seconds=plan.patience_seconds
        )
        striker.run(strikes)
        self._say(f"{striker.seconds:7.1f} s  no more faults; what was published is taken to its end")
        feed.end()
        self._cluster.published.update(feed.published)
        left = Left(cluster=self._cluster, sent=feed.sent, database=self._database)
        self._calm(striker, left)
        self.report.faults = striker.tally
        self.report.findings += striker.faults
        self.report.stream = Counter({"sent": len(feed.sent), "sent again by a sender without an answer": feed.again})
        return left

    def _calm(self, striker: Striker, left: Left) -> None:
        follower, published = self._cluster.follower, self._cluster.published

        def look() -> bool:
            follower.look()
            return follower.all_taken(published)

        try:
            self._wait("everything published to be taken", look)
            self._wait("the reader downstream to read it", lambda: read_to_the_end(left))
        except TimeoutError as error:
            self.report.findings.append(str(error))  # The auditor looks all the same.
        striker.tally["rebalances"] = self._generation()
        for slot in self._workers:
            if not slot.stop():
                self.report.findings.append(f"{slot.name} did not end in time")
        if any(life.code == downstream.OTHER_BYTES for life in self._reader.lives):
            self.report.findings.append("the reader downstream saw an entry twice, with other bytes")
        lives = [life for slot in self._workers for life in slot.lives]
        self.report.ends = verdict.ends(lives)
        self.report.findings += verdict.findings(lives)
        striker.tally["starts of workers"] = len(lives)

    def _generation(self) -> int:
        return generation(self._broker.bootstrap, f"{PREFIX}{self._cluster.settings.app_id}")

    def _wait(self, what: str, done: Callable[[], bool]) -> None:
        end = time.monotonic() + self.plan.calm_seconds_max
        while True:
            try:
                if done():
                    return
            except KafkaError as error:
                self._say(f"           waiting for {what}: {error!r}")
            if time.monotonic() > end:
                raise TimeoutError(f"waited {self.plan.calm_seconds_max:.0f} s in vain for {what}")
            time.sleep(0.3)

    # ------------------------------------------------------------------ what stays
    def _sum_up(self) -> None:
        """Figures of the stream: what went in, what came out."""
        found, taken = Counter(self.report.stream), self._cluster.taken()
        found["records taken of inputs"] = sum(taken[word] for word in INPUTS if word != INBOX)
        found["records taken of the inbox"] = taken[INBOX]
        for word in (word for word in OUTPUTS if word not in {ACCOUNTS, DEAD_LETTERS}):
            found["batches" if word == JOURNAL else word] = len(self._cluster.read(word))
        for letter in self._cluster.read(DEAD_LETTERS):
            found[f"dead letters: {dict(letter.headers)[f'{ERRORS_HEADER}code'].decode()}"] += 1
        read = downstream.times(self._database)
        found["entries read downstream"] = read.get("read", 0)
        found["of these again, after a kill"] = read.get("again", 0)
        self.report.stream = found

    def _keep(self) -> None:
        """The topics, as recordings beside the logs."""
        dump = self.directory / "topics"
        export(self._cluster.settings, [*RECORDED, *(word for word in OUTPUTS if word != JOURNAL)], dump, _silent)
        self.report.evidence = str(self.directory)

    def _clear(self) -> None:
        """Of a campaign in which everything held, the reports and the schedule stay."""
        for path in self.directory.iterdir():
            if path.name not in {"report.md", "report.json", "schedule.txt"}:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _silent(*_: object) -> None:
    """Nobody watches."""
