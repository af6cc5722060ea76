"""Carries out a schedule: each target has a thread of its own, so that faults meet each other.

A strike waits for what it is for: a zombie has to have owned partitions, a call can fail only where calls are made.
"""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.chaos.broker import CampaignBroker
from tests.chaos.launcher import FREEZE
from tests.chaos.proxy import Proxy
from tests.chaos.schedule import Cut, Fault, Moment, Strike
from tests.chaos.supervisor import STOP_SECONDS_MAX, Life, Slot

TAKING_OVER_SECONDS_MAX: Final = 40.0
"""For another worker to take over what a frozen one held. Without that it is no zombie."""
WAKING_SECONDS_MAX: Final = 20.0
"""For a zombie to notice. A worker that has joined again by then was idle, and is none."""

Say = Callable[[str], None]


class Missed(Exception):
    """A strike did not find what it was for."""


class Striker:
    """Does what the schedule says, and counts what came of it."""

    def __init__(
        self,
        slots: Mapping[str, Slot],
        broker: CampaignBroker,
        proxy: Proxy,
        switches: Mapping[str, Path],
        say: Say,
        *,
        patience_seconds: float,
    ) -> None:
        """`slots` by the targets' names; `switches` for those whose process has one (launcher.py).

        `patience_seconds` is for a worker to come to the point at which it is to be hit, while others do their worst.
        """
        self._patience_seconds = patience_seconds
        self.tally: Counter[str] = Counter()
        self.faults: list[str] = []
        """What went wrong in a way that is a finding by itself."""
        self.over = threading.Event()
        self._slots, self._broker, self._proxy, self._switches, self._say = slots, broker, proxy, switches, say
        self._began = time.monotonic()
        self._counting = threading.Lock()
        self._do: Mapping[Fault, Callable[[Strike], str]] = {
            Fault.KILL: self._kill,
            Fault.FREEZE: self._freeze,
            Fault.STOP: self._stop,
            Fault.REFUSE: self._refuse,
            Fault.CUT: self._cut,
            Fault.BROKER_KILL: self._broker_kill,
            Fault.BROKER_FREEZE: self._broker_freeze,
            Fault.READER_KILL: self._reader_kill,
        }

    @property
    def seconds(self) -> float:
        """Since the campaign began."""
        return time.monotonic() - self._began

    def run(self, strikes: Sequence[Strike]) -> None:
        """All of them, each at its time or when the one before on its target is over."""
        lanes = [
            threading.Thread(
                target=self._lane, args=([each for each in strikes if each.target == target],), daemon=True
            )
            for target in sorted({each.target for each in strikes})
        ]
        for lane in lanes:
            lane.start()
        try:
            for lane in lanes:
                lane.join()
        finally:
            self.over.set()

    def _lane(self, strikes: Sequence[Strike]) -> None:
        for strike in strikes:
            if self.over.wait(max(0.0, strike.at_seconds - self.seconds)):
                return
            began = self.seconds
            try:
                said = self._do[strike.fault](strike)
            except Missed as missed:
                self._count(f"{strike.fault} missed")
                said = f"missed: {missed}"
            except Exception as error:  # noqa: BLE001 - a lane that ends in silence would be a campaign without faults
                self.faults.append(f"{strike.fault} of {strike.target}: {error!r}")
                said = f"failed: {error!r}"
            self._say(f"{began:7.1f} s  {strike.fault:13} {strike.target:9} {said}")

    def _count(self, what: str, more: int = 1) -> None:
        with self._counting:
            self.tally[what] += more

    # ------------------------------------------------------------------ workers
    def _kill(self, strike: Strike) -> str:
        slot = self._slots[strike.target]
        if strike.how == Moment.OWNER:
            self._wait_owner(slot)
        else:
            self._wait_age(slot, strike.seconds)
        life = self._hit(slot, signal.SIGKILL)
        self._count("kills")
        self._count(f"kills: {strike.how}")
        return f"{life.name}, {strike.how}, after {time.monotonic() - life.began:.1f} s"

    def _freeze(self, strike: Strike) -> str:
        slot = self._slots[strike.target]
        self._wait_owner(slot)
        if strike.target in self._switches:
            self._throw(slot, FREEZE, lambda: slot.state() == "T")
        else:
            self._hit(slot, signal.SIGSTOP)
        life, was_ready, others = slot.life, slot.times_ready(), self._taken_over(slot)
        if life is None:
            raise Missed("it ended meanwhile")
        began = time.monotonic()
        time.sleep(strike.seconds)
        while self._taken_over(slot) == others and time.monotonic() < began + TAKING_OVER_SECONDS_MAX:
            time.sleep(0.1)
        frozen = f"{time.monotonic() - began:.1f} s"
        life.frozen += 1
        if self._hit(slot, signal.SIGCONT) is not life:
            raise Missed("it ended meanwhile")
        self._count("frozen beyond the session and woken")
        end = time.monotonic() + WAKING_SECONDS_MAX
        while life.code is None and slot.times_ready() == was_ready and time.monotonic() < end:
            time.sleep(0.1)
        error = life.last.get("error", "")
        if life.code is None:
            self._count("of these joined again")
            return f"{life.name}, {frozen}: goes on"
        self._count("zombies")
        self._count(f"zombies ended with {life.code}")
        return f"{life.name}, {frozen}: ended with {life.code} {error}"

    def _taken_over(self, slot: Slot) -> int:
        """How often other workers have taken partitions over."""
        return sum(other.takings_over for other in self._slots.values() if other is not slot)

    def _stop(self, strike: Strike) -> str:
        slot = self._slots[strike.target]
        life = self._hit(slot, signal.SIGTERM)
        slot.wanted = False
        try:
            if not slot.stop(STOP_SECONDS_MAX):
                self.faults.append(f"{life.name} did not end within {STOP_SECONDS_MAX} s of SIGTERM")
            self._count("stops and starts")
            time.sleep(strike.seconds)
            return f"{life.name}: ended with {life.code}, away for {strike.seconds:.1f} s"
        finally:
            slot.wanted = True

    def _refuse(self, strike: Strike) -> str:
        self._throw(self._slots[strike.target], strike.how, lambda: not self._switches[strike.target].exists())
        self._count("failed calls")
        self._count(f"failed calls: {strike.how}")
        return strike.how

    def _hit(self, slot: Slot, number: signal.Signals) -> Life:
        end = time.monotonic() + self._patience_seconds
        while time.monotonic() < end:
            life = slot.signal(number)
            if life is not None:
                return life
            slot.look()
            time.sleep(0.05)
        raise Missed("nothing runs")

    def _throw(self, slot: Slot, what: str, done: Callable[[], bool]) -> None:
        """Let its process do something to itself, or the next process of its slot."""
        switch = self._switches[slot.name]
        half = switch.with_suffix(".half")
        half.write_text(what)
        half.replace(switch)  # As a whole: half a word is no word.
        try:
            self._wait(f"it to come to: {what}", done)
        finally:
            switch.unlink(missing_ok=True)

    def _wait_owner(self, slot: Slot) -> None:
        self._wait("it to own partitions", slot.owns)

    def _wait_age(self, slot: Slot, seconds: float) -> None:
        def is_old() -> bool:
            life = slot.life
            return life is not None and not life.killed and time.monotonic() - life.began >= seconds

        self._wait("it to run", is_old)

    def _wait(self, what: str, done: Callable[[], bool]) -> None:
        end = time.monotonic() + self._patience_seconds
        while not done():
            if time.monotonic() > end or self.over.is_set():
                raise Missed(f"waited in vain for {what}")
            time.sleep(0.05)

    # ------------------------------------------------------------------ everything else
    def _cut(self, strike: Strike) -> str:
        self._wait("connections", lambda: self._proxy.connections > 0)
        found = self._proxy.begin(Cut(strike.how))
        time.sleep(strike.seconds)
        self._proxy.end()
        self._count("cuts")
        self._count(f"cuts: {strike.how}")
        return f"{strike.how} for {strike.seconds:.1f} s, {found} connections"

    def _broker_kill(self, strike: Strike) -> str:
        began = time.monotonic()
        self._broker.die(strike.seconds)
        self._count("broker deaths")
        return f"answers again after {time.monotonic() - began:.1f} s"

    def _broker_freeze(self, strike: Strike) -> str:
        self._broker.freeze(strike.seconds)
        self._count("broker freezes")
        return f"for {strike.seconds:.1f} s"

    def _reader_kill(self, strike: Strike) -> str:
        life = self._hit(self._slots[strike.target], signal.SIGKILL)
        self._count("reader kills")
        return life.name
