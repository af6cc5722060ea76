"""Whether an id is there twice, for any number of ids, in bounded memory.

Each id becomes 24 bytes: 16 of a digest, as many as the ids themselves are derived from, and 8 for where it lies. They
are dealt into buckets by their digest; full chunks go to a scratch file, which has no name and goes with the process.
At the end one bucket at a time is sorted.
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from hashlib import blake2b
from types import TracebackType
from typing import IO, Final, NamedTuple, Self

_DIGEST_BYTES: Final = 16
_ITEM_BYTES: Final = _DIGEST_BYTES + 8
_BUCKETS: Final = 256
_CHUNK_BYTES: Final = 1_000 * _ITEM_BYTES
"""Of each bucket: 6 MB in all."""


class Twice(NamedTuple):
    """An id that lies at two offsets."""

    first: int
    second: int


class Ids:
    """Takes ids with their offsets. A context manager: the scratch file goes at its end."""

    def __init__(self) -> None:
        self._waiting = [bytearray() for _ in range(_BUCKETS)]
        self._chunks: dict[int, list[int]] = defaultdict(list)
        """Bucket -> where its chunks lie in the file."""
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Nothing is opened before it is needed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the scratch file go."""
        if self._file is not None:
            self._file.close()

    @property
    def scratch_bytes(self) -> int:
        """How much lies in the scratch file."""
        return sum(map(len, self._chunks.values())) * _CHUNK_BYTES

    def add(self, record_id: str, offset: int) -> None:
        """Take the id of the record at `offset`."""
        digest = blake2b(record_id.encode(), digest_size=_DIGEST_BYTES).digest()
        waiting = self._waiting[digest[0]]
        waiting += digest
        waiting += offset.to_bytes(8)
        if len(waiting) == _CHUNK_BYTES:
            self._spill(digest[0])

    def twice(self) -> Iterator[Twice]:
        """Each id that is there again, with the offset where it was first."""
        for bucket in range(_BUCKETS):
            raw = self._all_of(bucket)
            items = sorted(raw[at : at + _ITEM_BYTES] for at in range(0, len(raw), _ITEM_BYTES))
            first = b""
            for item in items:
                if item[:_DIGEST_BYTES] != first[:_DIGEST_BYTES]:
                    first = item
                else:
                    yield Twice(_offset(first), _offset(item))

    def _spill(self, bucket: int) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="loyalty-audit-")  # noqa: SIM115 closed by __exit__
        self._chunks[bucket].append(self._file.seek(0, 2))
        self._file.write(self._waiting[bucket])
        self._waiting[bucket].clear()

    def _all_of(self, bucket: int) -> bytes:
        parts = []
        for at in self._chunks[bucket]:
            assert self._file is not None  # noqa: S101 for the type checker: there are chunks
            self._file.seek(at)
            parts.append(self._file.read(_CHUNK_BYTES))
        return b"".join((*parts, self._waiting[bucket]))


def _offset(item: bytes) -> int:
    return int.from_bytes(item[_DIGEST_BYTES:])
