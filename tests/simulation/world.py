"""One run under one seed: what is sent, what goes wrong when, and whether every promise held.

`simulate` draws a plan, lets it happen, lets the workers finish without further faults, and audits what is left. A
worker may end only for a reason that the plan gave it: an end that nothing excuses is a failure, too.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import InvalidProducerEpoch, OffsetOutOfRangeError, ProducerFenced

from tests.simulation.audit import Auditor, Violation
from tests.simulation.clients import Faults, Injected, Network, SimulatedClients
from tests.simulation.group import SESSION_SECONDS, Group
from tests.simulation.inputs import PLAIN, START_US, TIMED, US_A_SECOND, Sent, events
from tests.simulation.log import New, SimulatedLog, Transaction
from tests.simulation.loop import Stuck, VirtualLoop
from tests.simulation.plan import Plan
from tests.simulation.worker import PREFIX, TRANSACTION_SECONDS, Mischief, Setting, SimulatedWorker
from workers.checkpoint import Stage
from workers.fatal import BrokenChain, Refusal
from workers.topic_words import INPUTS, REQUIRED

FINISH_SECONDS = 400.0


class Line(NamedTuple):
    """What somebody did."""

    step: int
    seconds: float
    who: str
    what: str


@dataclass(slots=True)
class Report:
    """What came of a run. `failure` is "" when every promise held."""

    seed: int
    failure: str = ""
    trace: list[Line] = field(default_factory=list)
    steps: int = 0
    commits: int = 0
    ends: list[str] = field(default_factory=list)

    def text(self, lines_max: int = 60) -> str:
        """The failure, how to see it again, and what led to it."""
        shown = self.trace[-lines_max:]
        lines = [f"{line.step:7} {line.seconds:8.3f}s  {line.who:10} {line.what}" for line in shown]
        again = f'make simulate ARGS="--seed {self.seed}"'
        return "\n".join([f"seed {self.seed}: {self.failure or 'every promise held'}", f"again: {again}", *lines])


class World:
    """Everything of one run. It is the workers' observer."""

    def __init__(self, seed: int, plan: Plan, loop: VirtualLoop, random: Random) -> None:
        self.plan = plan
        self.report = Report(seed)
        self.audit = Auditor()
        self.loop = loop
        self.random = random
        self.faults = Faults()
        self.network: Network
        self.log = SimulatedLog(lambda do: self.network.after(self.network.latency(), do), loop.time)
        self.log.decided = self._decided
        self.network = Network(self.log, random, self.faults)
        self.mischief = Mischief()
        self.group = Group(random, self.note, lambda worker: self._rejoin(worker))
        self.group.crooked = plan.crooked
        self.group.partitions = plan.partitions
        self.programs = TIMED if plan.timed else PLAIN
        self.setting = Setting(
            programs=self.programs,
            clients=SimulatedClients(self.network),
            observer=self,
            random=random,
            mischief=self.mischief,
            committed={},
        )
        self.workers: dict[str, SimulatedWorker] = {}
        self.frozen: set[str] = set()
        self.evicted: set[str] = set()
        self.thawed = 0
        self.certain: list[str] = []
        self.accepted: set[str] = set()
        self.expired = self.grown = False
        self.healing = False
        self._born = 0
        self._skews = [random.uniform(-0.03, 0.03) for _ in range(8)]
        self._broken: asyncio.Future[None] = loop.create_future()
        for word in REQUIRED:
            self.log.create(f"{PREFIX}{word}", plan.partitions)

    # ------------------------------------------------------------------ observing
    def note(self, who: str, what: str) -> None:
        """A line of the trace."""
        self.report.trace.append(Line(self.loop.steps, self.loop.time(), who, what))

    def fail(self, why: str) -> None:
        """A promise is broken: the run ends with the first one."""
        if not self._broken.done():
            self.note("audit", why)
            self._broken.set_exception(Violation(why))

    def ended(self, worker: SimulatedWorker, what: str, error: BaseException) -> None:
        """A worker has ended its process: it is judged, and started again after a while."""
        said = f"ends: {what}: {type(error).__name__}: {error}"
        self.note(worker.name, said)
        self.report.ends.append(type(error).__name__)
        if not self._excused(worker, error):
            self.fail(f"{worker.name} {said}; nothing in this run excuses it")
        if isinstance(error, Refusal) and "ACCEPT_MISSING_RANGE=" in error.hint:
            self.accepted |= set(error.hint.partition("RANGE=")[2].split(","))
        self.bury(worker)

    def acknowledged(self, worker: SimulatedWorker, word: str, partition: int, position: int) -> None:
        """What is acknowledged must be in the committed positions."""
        stored = self.audit.stored.get(partition)
        if stored is None or stored.next[word] < position:
            self.fail(f"{worker.name} acknowledged {word}-{partition} up to {position} before it was committed")

    def stage(self, worker: SimulatedWorker, stage: Stage, partition: int) -> None:
        """What a worker holds in memory must be committed."""
        self.note(worker.name, f"partition {partition}: {stage.name.lower()}")
        for each in worker.ownership.partitions():
            stored = self.audit.stored.get(each.number)
            held = 0 if each.positions is None else each.positions.sequence
            if held > (0 if stored is None else stored.sequence):
                self.fail(f"{worker.name} holds batch {held} of partition {each.number}, which is not committed")

    def _decided(self, transaction: Transaction) -> None:
        self.note("log", f"{transaction.transactional_id}: transaction {transaction.number} {transaction.state}")
        if not transaction.transactional_id.startswith(PREFIX):
            return  # Of somebody who sends events.
        try:
            self.audit.decided(transaction)
        except Violation as broken:
            self.fail(str(broken))

    def _excused(self, worker: SimulatedWorker, error: BaseException) -> bool:
        match error:
            case Injected():
                return True
            case ProducerFenced() | InvalidProducerEpoch():
                # Who is late to take over may do it when somebody else has taken over since.
                return self.expired or bool(self.thawed or self.plan.slow or self.plan.crooked)
            case BrokenChain():
                return worker.name in self.mischief.done
            case OffsetOutOfRangeError():
                return self.audit.retained
            case Refusal():
                return self.audit.retained or self.grown or bool(self.plan.crooked)
            case _:
                return False

    # ------------------------------------------------------------------ workers
    def birth(self) -> None:
        """Start a worker, which joins after a moment."""
        self._born += 1
        name = f"worker-{self._born}"
        skew = self._skews[self._born % len(self._skews)]
        worker = SimulatedWorker(
            name,
            self.setting,
            partitions=self.group.partitions,
            clock=lambda: self.now_us(skew),
            accept=sorted(self.accepted),
        )
        self.workers[name] = worker
        self.note(name, "starts")
        worker.start()
        self.network.after(self.random.random(), lambda: self.group.join(worker) if worker.alive else None)

    def now_us(self, skew_seconds: float = 0.0) -> int:
        """The clock of a worker."""
        return START_US + int((self.loop.time() + skew_seconds) * US_A_SECOND)

    def bury(self, worker: SimulatedWorker) -> None:
        """The process is gone: the group hears of it late, a supervisor starts another one."""
        worker.alive = False
        self.workers.pop(worker.name, None)
        self.frozen.discard(worker.name)
        self.loop.kill(worker.name)
        self.network.after(self.random.random() * SESSION_SECONDS, lambda: self.group.leave(worker.name))
        if not self.plan_stopped:
            self.network.after(0.2 + self.random.random() * 3, self._supervise)

    plan_stopped = False
    """While the operator wants no worker."""

    def _supervise(self) -> None:
        if len(self.workers) < self.plan.workers and not self.plan_stopped:
            self.birth()

    def kill(self, worker: SimulatedWorker) -> None:
        """As kill -9."""
        self.note(worker.name, "killed")
        self.bury(worker)

    def freeze(self, worker: SimulatedWorker) -> None:
        """As SIGSTOP: past its session, mostly."""
        self.note(worker.name, "frozen")
        self.frozen.add(worker.name)
        self.loop.freeze(worker.name)
        seconds = self.random.uniform(0.5, 3 * SESSION_SECONDS)
        self.network.after(seconds, lambda: self.thaw(worker))
        self.network.after(SESSION_SECONDS, lambda: self._evict(worker))

    def _evict(self, worker: SimulatedWorker) -> None:
        if worker.name in self.frozen and worker.name in self.group.members:
            self.note("group", f"{worker.name} is out")
            self.evicted.add(worker.name)
            self.group.leave(worker.name)

    def thaw(self, worker: SimulatedWorker) -> None:
        """As SIGCONT. Who is no member any more learns it after a while, and joins again."""
        if worker.name not in self.frozen:
            return
        self.note(worker.name, "thawed")
        self.thawed += 1
        self.frozen.discard(worker.name)
        self.loop.thaw(worker.name)
        if worker.name in self.evicted:
            self._rejoin(worker)

    def _rejoin(self, worker: SimulatedWorker) -> None:
        self.evicted.add(worker.name)
        self.network.after(self.random.random() * 3, lambda: self._back(worker))

    def _back(self, worker: SimulatedWorker) -> None:
        async def again() -> None:
            await worker.revoked()
            self.group.join(worker)

        if worker.alive and worker.name not in self.frozen and worker.name not in self.group.members:
            self.note(worker.name, "learns that it is no member, and joins again")
            worker.run(again())

    def before_step(self, owner: str) -> None:
        """Now and then, strike the process whose turn it is."""
        self._countdown -= 1
        if self._countdown > 0:
            return
        self._countdown = self._next_strike()
        worker = self.workers.get(owner)
        if worker is None or self.healing or worker.name in self.frozen:
            self._countdown = 1
        elif self.random.random() < self.plan.freeze_share:
            self.freeze(worker)
        else:
            self.kill(worker)

    def _next_strike(self) -> int:
        return 1 + int(self.random.expovariate(1 / self.plan.steps_between_strikes))

    # ------------------------------------------------------------------ the script
    async def run(self) -> None:
        """All of it. Raises Violation."""
        plan = self.plan
        asyncio.ensure_future(self.group.run())
        for _ in range(plan.workers):
            self.birth()
        if plan.steps_between_strikes:
            self._countdown = self._next_strike()
            self.loop.before_step = self.before_step
        sending = asyncio.ensure_future(self._send())
        trouble = asyncio.ensure_future(self._trouble())
        finished = asyncio.ensure_future(self._finish(sending, trouble))
        await asyncio.wait([finished, self._broken], return_when=asyncio.FIRST_COMPLETED)
        if self._broken.done():
            self._broken.result()
        finished.result()

    async def _finish(self, sending: "asyncio.Future[None]", trouble: "asyncio.Future[None]") -> None:
        await asyncio.gather(sending, trouble)
        self._heal()
        while not self._all_taken():
            await asyncio.sleep(1.0)
        self.note("script", "all is taken")
        self.plan_stopped = True
        stopping = {worker.run(worker.stop()): worker for worker in self.workers.values()}
        while not all(task.done() or not worker.alive for task, worker in stopping.items()):
            await asyncio.sleep(0.5)
        await asyncio.sleep(1.0)
        self._judge()

    def _heal(self) -> None:
        self.note("script", "no more faults")
        self.healing = True
        self.faults.down_until = 0.0
        self.faults.send = self.faults.commit_refused = self.faults.commit_unheard = self.faults.slow = 0.0
        self.group.crooked = 0.0
        self.mischief.late = self.mischief.lost = self.mischief.twice = 0.0
        for name in sorted(self.frozen):
            self.thaw(self.workers[name])
        self.group.rebalance()  # A poll that was lost is missed by the next one alone, or by whoever seeks.
        self._supervise()

    def _all_taken(self) -> bool:
        for number in range(self.group.partitions):
            stored = self.audit.stored.get(number)
            for word in INPUTS:
                tp = TopicPartition(f"{PREFIX}{word}", number)
                log = self.log.partitions[tp]
                seen = self.log.committed(tp)
                if log.stable < log.next or (seen and (stored is None or stored.next[word] <= seen[-1].offset)):
                    return False
        return bool(self.workers)

    def _judge(self) -> None:
        self.audit.check_replay(self.log, self.programs, self.group.partitions)
        if not self.audit.retained:
            for name in self.certain:
                if self.audit.causes[name] != 1:
                    raise Violation(f"{name} is booked {self.audit.causes[name]} times")
        named = {f"{word}-{partition}:{first}-{after}" for word, partition, first, after in self.audit.missing}
        if not named <= self.accepted:
            raise Violation(f"nobody has accepted to go on without {sorted(named - self.accepted)}")

    async def _send(self) -> None:
        plan = self.plan
        pause = plan.seconds / max(1, plan.events)
        made = events(self.random, plan.events, plan.partitions, self.now_us)
        for number, sent in enumerate(made):
            await asyncio.sleep(self.random.random() * 2 * pause)
            self._append(sent, number)

    def _append(self, sent: Sent, number: int) -> None:
        tp = TopicPartition(f"{PREFIX}{sent.word}", sent.partition)
        record = New(self.now_us() // 1000, sent.key, sent.value)
        if self.random.random() < self.plan.in_transactions:
            sender = f"sender-{number}"
            epoch = self.log.init_producer(sender)
            if self.random.random() < 0.5:
                self.log.produce(sender, epoch, tp, [record])
                self.log.end(sender, epoch, commit=False)
                epoch, sender = self.log.init_producer(f"{sender}b"), f"{sender}b"
            self.log.produce(sender, epoch, tp, [record])
            self.network.after(self.random.random(), lambda: self.log.end(sender, epoch, commit=True))
        else:
            self.log.append(tp, [record])
        if sent.certain:
            self.certain.append(sent.certain)

    async def _trouble(self) -> None:
        """What goes wrong all the time, and what goes wrong at moments."""
        plan = self.plan
        self.faults.send, self.faults.slow = plan.send, plan.slow
        self.faults.commit_refused, self.faults.commit_unheard = plan.commit_refused, plan.commit_unheard
        self.mischief.late, self.mischief.lost, self.mischief.twice = plan.late, plan.lost, plan.twice
        end = self.loop.time() + plan.seconds
        while self.loop.time() < end:
            await asyncio.sleep(self.random.expovariate(1.0))
            if self.random.random() < plan.rebalances:
                self.note("script", "asks for a rebalance")
                self.group.rebalance()
            if self.random.random() < plan.outages:
                seconds = self.random.expovariate(0.5)
                self.note("script", f"nobody reaches the log for {seconds:.1f} s")
                self.faults.down_until = self.loop.time() + seconds
            self._expire()
        if plan.retention:
            await self._retain()
        if plan.growth:
            await self._grow()
        self._expire()

    async def _stop_all(self) -> None:
        """As an operator who scales to nothing, with or without time to end well."""
        self.plan_stopped = True
        for worker in list(self.workers.values()):
            self.kill(worker)
        while self.group.members:
            await asyncio.sleep(0.5)

    def _start_all(self) -> None:
        self.plan_stopped = False
        for _ in range(self.plan.workers):
            self._supervise()

    async def _retain(self) -> None:
        """Inputs expire under stopped workers: they refuse, until an operator has accepted each range by its name."""
        await self._stop_all()
        for word in INPUTS:
            tp = TopicPartition(f"{PREFIX}{word}", self.random.randrange(self.group.partitions))
            log = self.log.partitions[tp]
            if self.random.random() < 0.5 and log.next:
                log.drop_before(self.random.randint(0, log.next))
                self.note("script", f"{word}-{tp.partition} starts at {log.first}, and ends at {log.next}")
        self.audit.retained = True
        self._start_all()

    async def _grow(self) -> None:
        """Topics get one partition more, and members with it: workers refuse until they are as they were."""
        await self._stop_all()
        if not self.audit.stored:
            self._start_all()
            return
        self.note("script", "one partition more")
        self.grown = True
        self.group.partitions += 1
        for word in REQUIRED:
            self.log.create(f"{PREFIX}{word}", self.group.partitions)
        commits = self.audit.commits
        self._start_all()
        await asyncio.sleep(self.random.uniform(2, 12))
        await self._stop_all()
        if self.audit.commits != commits:
            raise Violation("batches were written although the topics have another number of partitions")
        self.note("script", "as many partitions as before")
        self.group.partitions -= 1
        self._start_all()

    def _expire(self) -> None:
        if self.log.expire(TRANSACTION_SECONDS):
            self.expired = True


def simulate(seed: int) -> Report:
    """One run. It raises nothing: what is wrong stands in the report."""
    random = Random(seed)
    plan = Plan.drawn(random)
    loop = VirtualLoop(random)
    world = World(seed, plan, loop, random)
    report = world.report
    world.note("plan", str(plan))
    with structlog.testing.capture_logs():
        try:
            loop.run(world.run(), seconds=FINISH_SECONDS)
        except (Violation, Stuck) as failure:
            report.failure = f"{type(failure).__name__}: {failure}"
        finally:
            report.steps, report.commits = loop.steps, world.audit.commits
            loop.bury()
    if loop.faults and not report.failure:
        report.failure = f"the simulation itself failed: {loop.faults[0]!r}"
    return report


def failures(seeds: Sequence[int]) -> list[Report]:
    """The reports of the seeds that failed."""
    return [report for report in map(simulate, seeds) if report.failure]
