"""Starts ended workers again, as compose would, and remembers how each life ended and what was done to it."""

import contextlib
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson
from typing_extensions import override

RESTART_SECONDS, RESTART_SECONDS_MAX = 0.3, 4.0
"""Twice as long each time, as long as it does not become ready."""

STOP_SECONDS_MAX = 40.0
"""Longer than any worker may take to end."""

_READY = re.compile(rb'"event": "ready"')
_TAKEN_OVER = re.compile(rb'"partitions": \[\d[^\n]*"event": "ready"')


class Running(Protocol):
    """A process under supervision."""

    @property
    def process(self) -> subprocess.Popen[bytes]: ...

    @property
    def log(self) -> Path: ...

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of what it serves."""
        ...


@dataclass(slots=True)
class Life:
    """One process, from its start to its end."""

    slot: str
    number: int
    began: float
    log: Path
    killed: bool = False
    told_to_stop: bool = False
    frozen: int = 0
    """How often it stood still beyond its session."""
    ended: float = 0.0
    code: int | None = None
    last: dict[str, Any] = field(default_factory=dict)
    """What it said when it ended: its record `stopped` or `refused`."""
    ready: int = 0
    """How often it has joined the group, with partitions or without."""
    taken_over: int = 0
    """How often it took partitions over."""

    @property
    def name(self) -> str:
        """For reports."""
        return f"{self.slot}, life {self.number}"


class Slot:
    """A place for one process: while it is wanted, there is one."""

    def __init__(self, name: str, start: Callable[[int], Running]) -> None:
        self.name = name
        self.lives: list[Life] = []
        self.wanted = True
        self.lock = threading.RLock()
        self._start = start
        self._running: Running | None = None
        self._next_start = 0.0
        self._pause = RESTART_SECONDS

    @property
    def life(self) -> Life | None:
        """The process that runs now, or has ended just now."""
        return self.lives[-1] if self._running is not None else None

    def look(self) -> None:
        """Notice an end, and start what is wanted."""
        with self.lock:
            running = self._running
            if running is not None:
                if running.process.poll() is None:
                    return
                self._over(running)
            if self.wanted and time.monotonic() >= self._next_start:
                began = time.monotonic()
                self._running = self._start(len(self.lives))
                self.lives.append(Life(self.name, len(self.lives), began, self._running.log))

    def times_ready(self) -> int:
        """How often the process has joined the group."""
        running = self._running
        return 0 if running is None else len(_READY.findall(running.log.read_bytes()))

    @property
    def takings_over(self) -> int:
        """How often any of its processes has taken partitions over."""
        with self.lock:
            over = self.lives if self._running is None else self.lives[:-1]
            running = b"" if self._running is None else self._running.log.read_bytes()
            return sum(life.taken_over for life in over) + len(_TAKEN_OVER.findall(running))

    def owns(self) -> bool:
        """Whether the process says that it owns partitions."""
        running = self._running
        if running is None or running.process.poll() is not None or self.state() == "T":
            return False
        try:
            _, metrics = running.get("/metrics")
        except OSError:  # It ends just now.
            return False
        return any(
            line.startswith("loyalty_partitions ") and float(line.split()[1]) > 0 for line in metrics.splitlines()
        )

    def signal(self, number: signal.Signals) -> Life | None:
        """Send a signal; answers to whom. None when nothing runs."""
        with self.lock:
            running, life = self._running, self.life
            if running is None or life is None or running.process.poll() is not None or life.killed:
                return None
            if number is signal.SIGKILL:
                life.killed = True
            elif number is signal.SIGTERM:
                life.told_to_stop = True
            running.process.send_signal(number)
            return life

    def state(self) -> str:
        """The state of the process as the kernel has it: T is frozen; "" when there is none."""
        running = self._running
        if running is None:
            return ""
        with contextlib.suppress(OSError):
            return Path(f"/proc/{running.process.pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()[0]
        return ""

    def stop(self, seconds: float = STOP_SECONDS_MAX) -> bool:
        """End it for good, with SIGTERM. Answers whether it ended in time; if not, it is killed."""
        self.wanted = False
        self.signal(signal.SIGTERM)
        if self._ends_within(seconds):
            return True
        self.signal(signal.SIGKILL)
        self._ends_within(STOP_SECONDS_MAX)
        return False

    def _ends_within(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while True:
            self.look()
            if self._running is None:
                return True
            if time.monotonic() > end:
                return False
            time.sleep(0.05)

    def _over(self, running: Running) -> None:
        life = self.lives[-1]
        life.ended, life.code = time.monotonic(), running.process.returncode
        log = running.log.read_bytes()
        life.ready, life.taken_over = len(_READY.findall(log)), len(_TAKEN_OVER.findall(log))
        for line in log.splitlines():
            with contextlib.suppress(orjson.JSONDecodeError):
                record = orjson.loads(line)
                if isinstance(record, dict) and record.get("event") in {"stopped", "refused"}:
                    life.last = record
        self._pause = RESTART_SECONDS if life.ready else min(2 * self._pause, RESTART_SECONDS_MAX)
        self._next_start = time.monotonic() + self._pause
        self._running = None


class Supervisor(threading.Thread):
    """Looks after slots until told to stop."""

    def __init__(self, slots: list[Slot]) -> None:
        super().__init__(name="supervisor", daemon=True)
        self.slots = slots
        self._over = threading.Event()

    @override
    def run(self) -> None:
        while not self._over.wait(0.1):
            for slot in self.slots:
                slot.look()

    def end(self) -> None:
        """Look no more; what runs goes on."""
        self._over.set()
        if self.is_alive():
            self.join()
