"""An event loop under a seed: virtual time, and of all that could run next the seed chooses.

Every callback belongs to an owner: a worker's process, or nobody (the broker, the network, the tests' own script).
Within one owner callbacks run in the order in which they became ready, as in asyncio's own loop; between owners the
seed decides. A process that is killed runs nothing any more, not even a `finally`; one that is frozen runs nothing
until it is thawed. So a death lies between any two steps that a process can take.

Invariants:
  V1 the same seed gives the same run: no clock, no thread, no order of a set decides anything
  V2 time passes only when nobody has anything to do
"""

import asyncio
import contextvars
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, TypeVar, cast

_T = TypeVar("_T")

OWNER: contextvars.ContextVar[str] = contextvars.ContextVar("owner", default="")
"""Name of the process that a callback belongs to; "" for nobody."""


async def until(condition: Callable[[], bool], *, look_every_seconds: float) -> None:
    """Wait until it holds."""
    while True:
        if condition():
            return
        await asyncio.sleep(look_every_seconds)


class Stuck(Exception):
    """Nothing is left that could run, or time is up."""


class VirtualLoop:
    """What asyncio's tasks, futures and timers ask of a loop, and no more; see the head of this module."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._now = 0.0
        self._serial = 0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._ready: dict[str, deque[asyncio.Handle]] = {}
        self._active: list[str] = []
        """Owners that have something to run, and may."""
        self._frozen: set[str] = set()
        self._dead: set[str] = set()
        self._tasks: list[asyncio.Task[Any]] = []
        self.steps = 0
        self.faults: list[BaseException] = []
        """What callbacks have raised that belong to nobody."""
        self.before_step: Callable[[str], None] | None = None
        """Called with the owner whose turn it is; it may kill or freeze it."""

    # ------------------------------------------------------------------ processes
    def kill(self, owner: str) -> None:
        """Let it never run again. What it would have run is kept, so that nothing is finalized in between."""
        self._dead.add(owner)
        self._rest(owner)

    def freeze(self, owner: str) -> None:
        """Let it not run until thawed."""
        self._frozen.add(owner)
        self._rest(owner)

    def thaw(self, owner: str) -> None:
        """Let it run again, with all that has become ready meanwhile."""
        self._frozen.discard(owner)
        if self._ready.get(owner) and owner not in self._dead and owner not in self._active:
            self._active.append(owner)

    def _rest(self, owner: str) -> None:
        if owner in self._active:
            self._active.remove(owner)

    # ------------------------------------------------------------------ running
    def run(self, main: Coroutine[Any, Any, _T], *, seconds: float) -> _T:
        """Run until `main` is done. Raises Stuck after so much virtual time, or when nothing can happen any more."""
        before = events._get_running_loop()
        events._set_running_loop(cast("Any", self))
        try:
            task: asyncio.Task[_T] = self.create_task(main)
            while not task.done():
                self._step(seconds)
            return task.result()
        finally:
            events._set_running_loop(before)

    def bury(self) -> None:
        """End every task that is left, so that nothing speaks up when it is collected."""
        before = events._get_running_loop()
        events._set_running_loop(cast("Any", self))
        self.before_step = None
        self._dead.clear()
        self._frozen.clear()
        try:
            for _ in range(50):
                left = [task for task in self._tasks if not task.done()]
                if not left:
                    break
                for task in left:
                    task.cancel()
                self._active = [owner for owner, queue in self._ready.items() if queue]
                while self._active:
                    self._run_one(self._active[0])
            for task in self._tasks:
                if task.done() and not task.cancelled():
                    task.exception()
            self._timers.clear()
        finally:
            events._set_running_loop(before)

    def _step(self, seconds: float) -> None:
        while not self._active:
            if not self._timers:
                raise Stuck("nothing is left to run")
            self._now = max(self._now, self._timers[0][0])
            if self._now > seconds:
                raise Stuck(f"{seconds:.0f} s have passed")
            while self._timers and self._timers[0][0] <= self._now:
                handle = heapq.heappop(self._timers)[2]
                _set_scheduled(handle, scheduled=False)
                if not handle._cancelled:
                    self._enqueue(handle)
        active = self._active
        owner = active[0] if len(active) == 1 else active[int(self._random.random() * len(active))]
        self.steps += 1
        if self.before_step is not None:
            self.before_step(owner)
            if owner not in active:
                return
        self._run_one(owner)

    def _run_one(self, owner: str) -> None:
        queue = self._ready[owner]
        handle = queue.popleft()
        if not queue:
            self._active.remove(owner)
        if not handle._cancelled:
            handle._run()

    def _enqueue(self, handle: asyncio.Handle) -> None:
        owner = handle._context.get(OWNER, "")  # type: ignore[attr-defined]
        queue = self._ready.get(owner)
        if queue is None:
            queue = self._ready[owner] = deque()
        if not queue and owner not in self._dead and owner not in self._frozen and owner not in self._active:
            self._active.append(owner)
        queue.append(handle)

    # ------------------------------------------------------------------ what asyncio asks of a loop
    def time(self) -> float:
        return self._now

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, cast("Any", self), context)
        self._enqueue(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, cast("Any", self), context)
        _set_scheduled(handle, scheduled=True)
        self._serial += 1
        heapq.heappush(self._timers, (when, self._serial, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over when its time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=cast("Any", self))

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None, **_: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=cast("Any", self), name=name, context=context)
        self._tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What a process does with its exceptions is judged by how it ends; those of the simulation are kept."""
        if "handle" in context and not OWNER.get():
            self.faults.append(context["exception"])


def _set_scheduled(handle: asyncio.TimerHandle, *, scheduled: bool) -> None:
    cast("Any", handle)._scheduled = scheduled
