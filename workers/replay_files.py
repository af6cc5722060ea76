"""What an offline run writes: a folder with a file of NDJSON for each stream, and the accounts at its end.

Not here: what is decided (replay.py).
"""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, Self

import orjson

from loyalty.account import Head, Limit
from workers.accounts import account_lines, limit_lines
from workers.records import DeadLetter

STREAMS = ("ledger", "balances", "tiers", "rewards", "notices", "dead-letters")
_FLUSH_LINES = 2_000


class Outputs(Protocol):
    """Where a replay's outputs go; `Files` for one."""

    def add(self, name: str, line: bytes) -> None:
        """Add a line to a stream."""

    def restart(self) -> None:
        """Forget every line."""

    def write_accounts(self, heads: Iterable[Head], limits: Iterable[Limit]) -> None:
        """Take the accounts as they are at the end."""


class Files:
    """The output folder: one NDJSON file for each stream, lines buffered."""

    def __init__(self, directory: Path) -> None:
        """Open (and empty) the files of all streams in `directory`, which is made if missing."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # What members did is for its owner alone.
        self.directory = directory
        self._stack = ExitStack()
        self._files = {name: self._stack.enter_context((directory / f"{name}.ndjson").open("wb")) for name in STREAMS}
        self._lines: dict[str, list[bytes]] = {name: [] for name in STREAMS}

    def __enter__(self) -> Self:
        """Use as a context manager: closing writes what is buffered."""
        return self

    def __exit__(self, *_: object) -> None:
        """Write what is buffered and close."""
        with self._stack:
            for name in STREAMS:
                self._flush(name)

    def has(self, name: str) -> bool:
        """Whether there is a stream of that name."""
        return name in self._files

    def add(self, name: str, line: bytes) -> None:
        """Add a line to a stream."""
        lines = self._lines[name]
        lines.append(line)
        if len(lines) >= _FLUSH_LINES:
            self._flush(name)

    def restart(self) -> None:
        """Empty every stream."""
        for name, file in self._files.items():
            self._lines[name].clear()
            file.seek(0)
            file.truncate()

    def write_accounts(self, heads: Iterable[Head], limits: Iterable[Limit]) -> None:
        """Write accounts.ndjson, and limits.ndjson."""
        for name, lines in (("accounts", account_lines(heads)), ("limits", limit_lines(limits))):
            with (self.directory / f"{name}.ndjson").open("wb") as file:
                file.writelines(lines)

    def _flush(self, name: str) -> None:
        lines = self._lines[name]
        if lines:
            lines.append(b"")
            self._files[name].write(b"\n".join(lines))
            lines.clear()


def dead_letter_line(path: str, number: int, dead: DeadLetter, raw: bytes) -> bytes:
    """A refused event as a line of dead-letters.ndjson."""
    fields = {"file": path, "line": number, "stage": dead.stage, "code": str(dead.code), "message": dead.message}
    return orjson.dumps({**fields, "value": raw.decode(errors="replace")})
