"""Reading record batches whose header names are not UTF-8, as the Java client does; and without a copy of each record.

aiokafka raises on such a name, at every attempt: one hostile record would stop the worker for ever. Here a batch is
read by aiokafka's own fast reader; only when that fails on a name it is read again by its slower one, with what is no
UTF-8 replaced. Keys, values and header values are untouched.

What comes out are the reader's own records: offset, timestamp, key, value and headers. aiokafka makes another object
of each, with topic, partition and sizes, which takes as long as reading it.

Everything that depends on the inside of aiokafka 0.14 about parsing records is in this module.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import aiokafka.consumer.fetcher
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from typing_extensions import override

_MAGIC_WITH_HEADERS: Final = 2


def read_in_our_way() -> None:
    """Make aiokafka's consumers read through `TolerantRecords` and `PlainRecords`. Safe to repeat."""
    # The fetcher looks the classes up in its module, at each response.
    aiokafka.consumer.fetcher.MemoryRecords = TolerantRecords
    aiokafka.consumer.fetcher.PartitionRecords = PlainRecords


class _Replacing(bytearray):
    """Bytes whose slices decode with replacement characters."""

    @override
    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return _Replacing(found) if isinstance(key, slice) else found

    @override
    def decode(self, *_: Any) -> str:
        """Never raises."""
        return bytes(self).decode("utf-8", "replace")


class _ReplacingBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # Final for type checkers only.
    """aiokafka's own pure-Python reader, over bytes that decode whatever they are."""

    _buffer: bytearray

    @override
    def _maybe_uncompress(self) -> None:
        if not self._decompressed:
            super()._maybe_uncompress()
            self._buffer = _Replacing(self._buffer)


class _TolerantBatch:
    """One batch. Its records are read at once, since a reader that fails cannot go on."""

    def __init__(self, batch: Any, raw: bytes | memoryview) -> None:
        self._batch = batch
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        records: Iterable[Any]
        try:
            records = list(self._batch)
        except UnicodeDecodeError:
            records = list(_ReplacingBatch(self._raw))
        return iter(records)


class TolerantRecords(_MemoryRecordsPy):  # type: ignore[misc]  # Final for type checkers only.
    """The batches of one response."""

    @override
    def next_batch(self, *args: Any) -> Any:
        """The next batch; transaction markers and those of formats without headers as they are."""
        raw = self._next_slice
        batch = super().next_batch(*args)
        if raw is None or batch is None or raw[self.MAGIC_OFFSET] < _MAGIC_WITH_HEADERS or batch.is_control_batch:
            return batch  # A transaction marker is the broker's own, and the fetcher reads it by `next`.
        return _TolerantBatch(batch, raw)


class PlainRecords(PartitionRecords):  # type: ignore[misc]  # It has no types.
    """The records of one response and partition, without those of aborted transactions, as their batches hold them."""

    @override
    def __iter__(self) -> Iterator[Any]:
        # What `__next__` would ask, one call for each record less.
        records: Iterator[Any] = self._records_iterator
        return records

    @override
    def _consumer_record(self, tp: Any, record: Any) -> Any:
        return record
