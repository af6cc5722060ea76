"""The world of one run: the log, the group, the processes, and what is seen of them.

A worker may end only for a reason that the plan gave it: an end that nothing excuses is a broken promise, too.

Not here: what happens when (script.py).
"""

from random import Random
from typing import TYPE_CHECKING

from aiokafka.errors import InvalidProducerEpoch, OffsetOutOfRangeError, ProducerFenced

from tests.simulation.audit import Auditor, Violation
from tests.simulation.clients import Faults, Injected, Network, SimulatedClients
from tests.simulation.disk import Disk
from tests.simulation.group import SESSION_SECONDS, Group
from tests.simulation.inputs import PLAIN, START_US, TIMED
from tests.simulation.log import SimulatedLog, Transaction
from tests.simulation.loop import VirtualLoop
from tests.simulation.plan import Plan
from tests.simulation.report import Line, Report
from tests.simulation.worker import PREFIX, Mischief, Setting, SimulatedWorker
from workers.checkpoint import Stage
from workers.fatal import BrokenChain, Refusal
from workers.topic_words import REQUIRED

if TYPE_CHECKING:
    import asyncio

TIMED_US = 3 * 3_600_000_000
MINUTE_US = 60_000_000
"""How much of the members' lives a second of a run is: hours when points shall mature and end within it, else so
little that the clocks of two workers may be seconds apart."""


class World:
    """Processes die, freeze and come back here. It is the workers' observer."""

    def __init__(self, seed: int, plan: Plan, loop: VirtualLoop, random: Random) -> None:
        self.plan = plan
        self.report = Report(seed)
        self.audit = Auditor()
        self.loop = loop
        self.random = random
        self.faults = Faults()
        self.log = SimulatedLog(lambda do: self.network.after(self.network.latency(), do), loop.time)
        self.log.decided = self._decided
        self.network = Network(self.log, random, self.faults)
        self.mischief = Mischief()
        self.group = Group(random, self.note, self._rejoin)
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
        self.unwanted = False
        """While the operator wants no worker."""
        self.certain: list[str] = []
        self.accepted: set[str] = set()
        self.expired = self.grown = False
        self.healing = False
        self._born = 0
        self._disks: list[Disk] = []
        self._batches: dict[tuple[str, int], int] = {}
        """By worker and partition, the line of the trace that tells of its latest batch."""
        self._skews = [random.randint(-100_000_000, 100_000_000) for _ in range(8)]
        self.broken: asyncio.Future[None] = loop.create_future()
        """Done when a promise is broken: it raises the Violation."""
        self._countdown = 0
        for word in REQUIRED:
            self.log.create(f"{PREFIX}{word}", plan.partitions)

    # ------------------------------------------------------------------ observing
    def note(self, who: str, what: str) -> None:
        """A line of the trace."""
        self.report.trace.append(Line(self.loop.steps, self.loop.time(), who, what))

    def fail(self, why: str) -> None:
        """A promise is broken: the run ends with the first one."""
        if not self.broken.done():
            self.note("audit", why)
            self.broken.set_exception(Violation(why))

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
        """What a worker holds in memory must be committed, and whoever works must own the same of all inputs."""
        batch = worker.name, partition
        if stage is Stage.SEAL or batch not in self._batches:
            self._batches[batch] = len(self.report.trace)
            self.note(worker.name, f"partition {partition}:")
        line = self.report.trace[self._batches[batch]]
        self.report.trace[self._batches[batch]] = line._replace(what=f"{line.what} {stage.name.lower()}")
        if worker.crooked and stage is Stage.COMMIT:
            self.fail(f"{worker.name} works with other partitions of one input than of another")
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
                # The fence that a taking over asked for may come to the log when that was cut short long ago.
                return self.expired or self.group.generation > 1
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
            disk=self._free_disk() if self.plan.on_disk else None,
        )
        self.workers[name] = worker
        self.note(name, "starts")
        worker.start()
        self.network.after(self.random.random(), lambda: self.group.join(worker) if worker.alive else None)

    def _free_disk(self) -> Disk:
        """Of a machine on which no worker runs."""
        free = [disk for disk in self._disks if all(worker.disk is not disk for worker in self.workers.values())]
        if not free:
            free.append(Disk())
            self._disks += free
        return free[0]

    def now_us(self, skew_us: int = 0) -> int:
        """What a clock says that goes wrong by so much."""
        return START_US + int(self.loop.time() * (TIMED_US if self.plan.timed else MINUTE_US)) + skew_us

    def bury(self, worker: SimulatedWorker) -> None:
        """The process is gone: the group hears of it late, a supervisor starts another one."""
        worker.alive = False
        self.workers.pop(worker.name, None)
        self.frozen.discard(worker.name)
        self.loop.kill(worker.name)
        self.network.after(self.random.random() * SESSION_SECONDS, lambda: self.group.leave(worker.name))
        if not self.unwanted:
            self.network.after(0.2 + self.random.random() * 3, self.supervise)

    def supervise(self) -> None:
        """Start a worker when there are fewer than there should be."""
        if len(self.workers) < self.plan.workers and not self.unwanted:
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
            self._joining = worker.run(again())

    def strike_at_steps(self) -> None:
        """From now on strike processes between their steps, as the plan says."""
        if self.plan.steps_between_strikes:
            self._countdown = self._next_strike()
            self.loop.before_step = self._before_step

    def _before_step(self, owner: str) -> None:
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
