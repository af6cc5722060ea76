"""The group: who is a member, and who owns which partition number. The broker's and the client's part of it, played.

A rebalance asks every member to give up, waits for each until it has, is dead, or its session is over, and then gives
every partition number, the same of all inputs, to one of them. A member that was frozen meanwhile is none any more: it
learns so when it wakes, some time after it has gone on working.
"""

import asyncio
from collections.abc import Callable
from random import Random

from tests.simulation.worker import SimulatedWorker
from workers.topic_words import INPUTS

SESSION_SECONDS = 6.0


class Group:
    """Members and generations. `note` adds a line to the trace; `out` is told of a member that did not answer."""

    def __init__(
        self, random: Random, note: Callable[[str, str], None], out: Callable[[SimulatedWorker], None]
    ) -> None:
        self.members: dict[str, SimulatedWorker] = {}
        self.generation = 0
        self.partitions = 0
        self.crooked = 0.0
        """How often an assignment gives different partitions of different inputs."""
        self._random = random
        self._note = note
        self._out = out
        self._wanted = asyncio.Event()
        self._settled = False
        """Whether there have been members since the group was last empty."""

    def join(self, worker: SimulatedWorker) -> None:
        """Let a worker in."""
        self.members[worker.name] = worker
        self._wanted.set()

    def leave(self, name: str) -> None:
        """Let go of a member: it left, or its session is over."""
        if self.members.pop(name, None) is not None:
            self._wanted.set()
        self._settled &= bool(self.members)

    def rebalance(self) -> None:
        """Ask for one."""
        self._wanted.set()

    async def run(self) -> None:
        """Rebalance whenever it is wanted."""
        while True:
            await self._wanted.wait()
            # A group that was empty waits for more members, as the broker does.
            await asyncio.sleep(self._random.random() * (0.2 if self._settled else 2.0))
            self._wanted.clear()
            await self._rebalance()

    async def _rebalance(self) -> None:
        self.generation += 1
        asked = dict(self.members)
        giving_up = {worker.run(worker.revoked()): name for name, worker in asked.items()}
        deadline = asyncio.get_running_loop().time() + SESSION_SECONDS
        left = set(giving_up)
        while left and asyncio.get_running_loop().time() < deadline:
            left = {task for task in left if not task.done() and giving_up[task] in self.members}
            await asyncio.sleep(0.05)
        for task in sorted(left, key=lambda task: giving_up[task]):
            if not task.done() and giving_up[task] in self.members:
                self._note("group", f"{giving_up[task]} did not answer and is out")
                self.leave(giving_up[task])
                self._out(asked[giving_up[task]])
        names = [name for name in sorted(self.members) if name in asked]
        if not names:
            return
        self._settled = True
        shift = self._random.randrange(len(names))
        crooked = len(names) > 1 and self._random.random() < self.crooked
        shares: dict[str, dict[str, list[int]]] = {name: {word: [] for word in INPUTS} for name in names}
        for number in range(self.partitions):
            for at, word in enumerate(INPUTS):
                turned = at % 2 if crooked else 0
                shares[names[(number + shift + turned) % len(names)]][word].append(number)
        said = {name: share[INPUTS[0]] for name, share in shares.items()}
        self._note("group", f"generation {self.generation}: {said}{' (crooked)' if crooked else ''}")
        for name, share in shares.items():
            self.members[name].assigned(self.generation, share)
