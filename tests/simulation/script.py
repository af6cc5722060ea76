"""What happens in a run: events are sent, trouble comes, then the workers finish without it, and all is judged."""

import asyncio
from collections.abc import Iterable
from random import Random

import structlog
from aiokafka import TopicPartition

from tests.simulation.audit import Violation
from tests.simulation.clients import SLOWEST_SECONDS
from tests.simulation.inputs import Sent, events
from tests.simulation.log import New
from tests.simulation.loop import Stuck, VirtualLoop, until
from tests.simulation.plan import Plan
from tests.simulation.report import Report
from tests.simulation.worker import PREFIX, TRANSACTION_SECONDS
from tests.simulation.world import World
from workers.topic_words import INPUTS, REQUIRED

FINISH_SECONDS = 400.0
"""Whoever has not taken everything by then never will."""


class Script:
    """See the head of this module."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def run(self) -> None:
        """All of it. Raises Violation."""
        plan = self._world.plan
        group = asyncio.ensure_future(self._world.group.run())
        for _ in range(plan.workers):
            self._world.birth()
        self._world.strike_at_steps()
        sending = asyncio.ensure_future(self._send())
        trouble = asyncio.ensure_future(self._trouble())
        finished = asyncio.ensure_future(self._finish(sending, trouble))
        await asyncio.wait([finished, self._world.broken], return_when=asyncio.FIRST_COMPLETED)
        if self._world.broken.done():
            self._world.broken.result()
        finished.result()
        group.cancel()

    async def _finish(self, sending: "asyncio.Future[None]", trouble: "asyncio.Future[None]") -> None:
        await asyncio.gather(sending, trouble)
        self._heal()
        await until(self._all_taken, look_every_seconds=1.0)
        self._world.note("script", "all is taken")
        self._world.unwanted = True
        stopping = {worker.run(worker.stop()): worker for worker in self._world.workers.values()}
        await until(
            lambda: all(task.done() or not worker.alive for task, worker in stopping.items()), look_every_seconds=0.5
        )
        await asyncio.sleep(SLOWEST_SECONDS)  # Markers that were under way before the trouble ended have arrived.
        self._judge()

    def _heal(self) -> None:
        self._world.note("script", "no more faults")
        self._world.healing = True
        self._world.faults.down_until = 0.0
        self._world.faults.send = self._world.faults.commit_refused = self._world.faults.commit_unheard = (
            self._world.faults.slow
        ) = 0.0
        self._world.group.crooked = 0.0
        self._world.mischief.late = self._world.mischief.lost = self._world.mischief.twice = 0.0
        for name in sorted(self._world.frozen):
            self._world.thaw(self._world.workers[name])
        self._world.group.rebalance()  # A poll that was lost is missed by the next one alone, or by whoever seeks.
        self._world.supervise()

    def _all_taken(self) -> bool:
        for number in range(self._world.group.partitions):
            stored = self._world.audit.stored.get(number)
            for word in INPUTS:
                tp = TopicPartition(f"{PREFIX}{word}", number)
                log = self._world.log.partitions[tp]
                seen = self._world.log.committed(tp)
                if log.stable < log.next or (seen and (stored is None or stored.next[word] <= seen[-1].offset)):
                    return False
        return bool(self._world.workers)

    def _judge(self) -> None:
        self._world.audit.check_replay(self._world.log, self._world.programs, self._world.group.partitions)
        if not self._world.audit.retained:
            for name in self._world.certain:
                if self._world.audit.causes[name] != 1:
                    raise Violation(f"{name} is booked {self._world.audit.causes[name]} times")
        named = {f"{word}-{partition}:{first}-{after}" for word, partition, first, after in self._world.audit.missing}
        if not named <= self._world.accepted:
            raise Violation(f"nobody has accepted to go on without {sorted(named - self._world.accepted)}")

    async def _send(self) -> None:
        plan = self._world.plan
        pause = plan.seconds / max(1, plan.events)
        made = events(self._world.random, plan.events, plan.partitions, self._world.now_us)
        for number, sent in enumerate(made):
            await asyncio.sleep(self._world.random.random() * 2 * pause)
            self._append(sent, number)

    def _append(self, sent: Sent, number: int) -> None:
        tp = TopicPartition(f"{PREFIX}{sent.word}", sent.partition)
        record = New(self._world.now_us() // 1000, sent.key, sent.value)
        if self._world.random.random() < self._world.plan.in_transactions:
            sender = f"sender-{number}"
            epoch = self._world.log.init_producer(sender)
            if self._world.random.random() < 0.5:
                self._world.log.produce(sender, epoch, tp, [record])
                self._world.log.end(sender, epoch, commit=False)
                epoch, sender = self._world.log.init_producer(f"{sender}b"), f"{sender}b"
            self._world.log.produce(sender, epoch, tp, [record])
            self._world.network.after(
                self._world.random.random(), lambda: self._world.log.end(sender, epoch, commit=True)
            )
        else:
            self._world.log.append(tp, [record])
        if sent.certain:
            self._world.certain.append(sent.certain)

    async def _trouble(self) -> None:
        """What goes wrong all the time, and what goes wrong at moments."""
        plan = self._world.plan
        self._world.faults.send, self._world.faults.slow = plan.send, plan.slow
        self._world.faults.commit_refused, self._world.faults.commit_unheard = plan.commit_refused, plan.commit_unheard
        self._world.mischief.late, self._world.mischief.lost, self._world.mischief.twice = (
            plan.late,
            plan.lost,
            plan.twice,
        )
        end = self._world.loop.time() + plan.seconds
        while self._world.loop.time() < end:
            await asyncio.sleep(self._world.random.expovariate(1.0))
            if self._world.random.random() < plan.rebalances:
                self._world.note("script", "asks for a rebalance")
                self._world.group.rebalance()
            if self._world.random.random() < plan.outages:
                seconds = self._world.random.expovariate(0.5)
                self._world.note("script", f"nobody reaches the log for {seconds:.1f} s")
                self._world.faults.down_until = max(self._world.faults.down_until, self._world.loop.time() + seconds)
            self._expire()
        if plan.retention:
            await self._retain()
        if plan.growth:
            await self._grow()
        self._expire()

    async def _stop_all(self) -> None:
        """As an operator who scales to nothing, with or without time to end well."""
        self._world.unwanted = True
        for worker in list(self._world.workers.values()):
            self._world.kill(worker)
        await until(lambda: not self._world.group.members, look_every_seconds=0.5)

    def _start_all(self) -> None:
        self._world.unwanted = False
        for _ in range(self._world.plan.workers):
            self._world.supervise()

    async def _retain(self) -> None:
        """Inputs expire under stopped workers: they refuse, until an operator has accepted each range by its name."""
        await self._stop_all()
        for word in INPUTS:
            tp = TopicPartition(f"{PREFIX}{word}", self._world.random.randrange(self._world.group.partitions))
            log = self._world.log.partitions[tp]
            if self._world.random.random() < 0.5 and log.next:
                log.drop_before(self._world.random.randint(0, log.next))
                self._world.note("script", f"{word}-{tp.partition} starts at {log.first}, and ends at {log.next}")
        self._world.audit.retained = True
        self._start_all()

    async def _grow(self) -> None:
        """Topics get one partition more, and members with it: workers refuse until they are as they were."""
        await self._stop_all()
        # A commit that was asked for may arrive when who asked is dead.
        down_seconds = max(0.0, self._world.faults.down_until - self._world.loop.time())
        await asyncio.sleep(down_seconds + SLOWEST_SECONDS)
        if not self._world.audit.stored:
            self._start_all()
            return
        self._world.note("script", "one partition more")
        self._world.grown = True
        self._world.group.partitions += 1
        for word in REQUIRED:
            self._world.log.create(f"{PREFIX}{word}", self._world.group.partitions)
        sent_by_it = events(self._world.random, 9, self._world.group.partitions, self._world.now_us, "late")
        for number, sent in enumerate(sent_by_it):  # Senders see the new number, too.
            self._append(sent._replace(certain=""), 1_000 + number)
        commits = self._world.audit.commits
        self._world.unwanted = False
        for _ in range(self._world.group.partitions):  # So that one has nothing but the new partition.
            self._world.birth()
        await asyncio.sleep(self._world.random.uniform(2, 12))
        await self._stop_all()
        if self._world.audit.commits != commits:
            raise Violation("batches were written although the topics have another number of partitions")
        self._world.note("script", "as many partitions as before")
        self._world.group.partitions -= 1
        self._start_all()

    def _expire(self) -> None:
        if self._world.log.expire(TRANSACTION_SECONDS):
            self._world.expired = True


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
            loop.run(Script(world).run(), seconds=FINISH_SECONDS)
        except (Violation, Stuck) as failure:
            report.failure = f"{type(failure).__name__}: {failure}"
        finally:
            report.steps, report.commits = loop.steps, world.audit.commits
            loop.bury()
    if loop.faults and not report.failure:
        report.failure = f"the simulation itself failed: {loop.faults[0]!r}"
    return report


def first_failure(seeds: Iterable[int]) -> Report | None:
    """The report of the first seed that fails; None when every promise held."""
    return next((report for report in map(simulate, seeds) if report.failure), None)
