"""The directory in which a worker keeps its stores on disk: whose it is, and what the state in it is of.

Invariants:
  V1 one process at a time: the lock goes with the process, however that ends
  V2 what was written for another cluster, topic, number of partitions or format of state is never used
"""

import fcntl
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import orjson

from schemas.state import FORMAT as STATE_FORMAT
from schemas.state import StartAfter
from workers.fatal import Refusal
from workers.positions import FORMAT as POSITIONS_FORMAT
from workers.store.disk import DiskStore

LAYOUT: Final = 1
"""Of the files. Another one throws away what is there."""

_PID_BYTES: Final = 20
_BEFORE_ALL_US: Final = -(1 << 62)
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class StateDirectory:
    """Makes the stores of a worker, by partition number. Nothing is touched before `take`."""

    def __init__(self, path: Path, *, start_after: StartAfter, timing: bytes) -> None:
        """`start_after` says from when another version of the program times accounts, and `timing` names it."""
        self._path = path
        self._start_after = start_after
        self._timing = timing
        self._boot = boot_of_this_machine()
        self._of: Mapping[str, str | int] = {}
        self._lock: int | None = None

    def take(self, of: Mapping[str, str | int]) -> None:
        """Make the directory ours until the process ends; `of` says of what the state is.

        Raises:
            Refusal: another process has it, or it cannot be used.
        """
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)  # What members did is for the owner's eyes.
            lock = os.open(self._path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Refusal(
                f"cannot keep state in {self._path}: {error.strerror or error}",
                hint="set LOYALTY_STORE_DIRECTORY to a directory that this user may write to",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(lock, _PID_BYTES).decode("ascii", "replace").strip()
            os.close(lock)
            raise Refusal(
                f"the state in {self._path} is in use by another process{f' ({holder})' if holder else ''}",
                hint="give each worker a LOYALTY_STORE_DIRECTORY, or a LOYALTY_DATA_DIRECTORY, of its own",
            ) from error
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        self._lock, self._of = lock, of

    def release(self) -> None:
        """Let another process have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __call__(self, partition: int) -> DiskStore:
        """Open or make the store of a partition. Raises Refusal."""
        if self._lock is None:
            raise RuntimeError("the directory has to be taken first")
        identity = {
            **self._of,
            "partition": partition,
            "layout": LAYOUT,
            "state": STATE_FORMAT,
            "positions": POSITIONS_FORMAT,
        }
        return DiskStore(
            self._path / f"partition-{partition}",
            identity=orjson.dumps(identity, option=orjson.OPT_SORT_KEYS).decode(),
            boot=self._boot,
            start_after=self._start_after,
            timing=self._timing,
        )


def boot_of_this_machine() -> str:
    """Another one after each start of the kernel; where that cannot be told, another one at each call."""
    with suppress(OSError):
        return _BOOT_ID.read_text("ascii").strip()
    return os.urandom(16).hex()


def timing_of(starts_us: Mapping[str, int], start_after: StartAfter) -> bytes:
    """What `start_after` says, as bytes: equal when it says the same of everything.

    `starts_us` says from when each version of the program counts. From when on another one times accounts is among
    these instants, so it is known by what it says of them.
    """
    said = {start_after(instant) for instant in (_BEFORE_ALL_US, *starts_us.values())}
    return repr(sorted(instant for instant in said if instant is not None)).encode()
