"""Lines of NDJSON from files, gzip files and standard input, one at a time and of bounded length.

Invariants:
  N1 a line takes at most 16 MiB of memory, whatever the file holds
  N2 every line carries where it came from, for a message that an editor can jump to
"""

import gzip
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from schemas.envelope import EVENT_BYTES_MAX

STANDARD_INPUT: Final = "-"

# Well above what an event may have, so that a refusal names the true size; the rest of a longer line is passed over.
_LINE_BYTES_MAX: Final = 64 * EVENT_BYTES_MAX


class InputError(Exception):
    """A file cannot be read as what its name says."""


@dataclass(slots=True)
class Line:
    """One line without its end; one of more than 16 MiB is cut off. `number` counts from 1."""

    source: str
    number: int
    raw: bytes

    @property
    def where(self) -> str:
        """`file:line`."""
        return f"{self.source}:{self.number}"


@contextmanager
def copied_input(names: Sequence[str]) -> Iterator[Path | None]:
    """A copy of standard input if it is among `names`, else None: it comes only once, and is read twice."""
    if STANDARD_INPUT not in names:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="loyalty-") as folder:
        copy = Path(folder) / "stdin.ndjson"
        with copy.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield copy


class Source:
    """One input that is read from the beginning to the end.

    Args:
        name: a path, with `.gz` at its end when compressed; `-` for standard input.
        copy: where a copy of standard input lies, which can be read again.
        line_bytes_max: what is longer is cut off.
    """

    def __init__(self, name: str, copy: Path | None = None, *, line_bytes_max: int = _LINE_BYTES_MAX) -> None:
        self._line_bytes_max = line_bytes_max
        self.name = "<stdin>" if name == STANDARD_INPUT else name
        self._path = copy if name == STANDARD_INPUT else Path(name)
        self._file: BinaryIO | None = None

    @property
    def size_bytes(self) -> int | None:
        """How much there is to read, compressed as it is; None when nobody can say."""
        if self._path is None or not self._path.is_file():
            return None
        return self._path.stat().st_size

    @property
    def read_bytes(self) -> int:
        """How much has been read of it, compressed as it is."""
        if self._file is None:
            return 0
        return (self.size_bytes or 0) if self._file.closed else self._file.tell()

    def lines(self) -> Iterator[Line]:
        """Its lines that are not blank.

        Raises:
            InputError: the file is not there, or not gzip although its name says so.
        """
        try:
            if self._path is None:
                yield from self._split(sys.stdin.buffer)
                return
            with self._path.open("rb") as self._file:
                if self._path.suffix == ".gz":
                    with gzip.open(self._file) as text:
                        yield from self._split(cast("BinaryIO", text))
                else:
                    yield from self._split(self._file)
        except OSError as error:
            raise InputError(f"{self.name}: {error.strerror or error}") from error
        except (EOFError, zlib.error) as error:
            raise InputError(f"{self.name}: the gzip data is damaged or cut off ({error})") from error

    def _split(self, file: BinaryIO) -> Iterator[Line]:
        number, most = 0, self._line_bytes_max
        while raw := file.readline(most):
            number += 1
            complete = raw.endswith(b"\n") or len(raw) < most
            while not complete:
                rest = file.readline(most)
                complete = rest.endswith(b"\n") or not rest
            line = raw.rstrip(b"\r\n")
            if line.strip():
                yield Line(self.name, number, line)
