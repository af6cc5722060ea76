"""Batches are read whatever their header names are, and otherwise exactly as aiokafka reads them."""

import aiokafka.consumer.fetcher
import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from workers.tolerant_records import TolerantRecords, read_any_header_name

Headers = list[tuple[str, bytes]]
NONE, GZIP, LZ4, ZSTD = 0, 1, 3, 4


def batch(headers: Headers, compression: int) -> bytes:
    """Three records in one batch, all with these headers."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=compression,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=0,
        batch_size=1 << 20,
    )
    for offset in range(3):
        assert builder.append(offset, 1_000 + offset, b"key", b"value %d" % offset, headers) is not None
    return bytes(builder.build())


def read(records: MemoryRecords | TolerantRecords) -> list[tuple[int, int, bytes, bytes, Headers]]:
    found = []
    while records.has_next():
        following = records.next_batch()
        assert following is not None
        assert following.validate_crc()
        found += [(each.offset, each.timestamp, each.key, each.value, list(each.headers)) for each in following]
    return found


@pytest.mark.parametrize("compression", [NONE, GZIP, LZ4, ZSTD])
def test_batches_are_read_as_aiokafka_reads_them(compression: int) -> None:
    raw = batch([("note", b"\xff")], compression) + batch([], compression)
    assert read(TolerantRecords(raw)) == read(MemoryRecords(raw))


def with_broken_name() -> bytes:
    """A batch whose header name is no UTF-8, with the checksum that belongs to it."""
    raw = bytearray(batch([("n\u00f6te", b"value")], NONE).replace("n\u00f6te".encode(), b"n\xff\xfete"))
    raw[17:21] = calc_crc32c(bytes(raw[21:])).to_bytes(4, "big")
    return bytes(raw)


def test_a_name_that_is_no_text_costs_its_name_only() -> None:
    raw = with_broken_name()
    with pytest.raises(UnicodeDecodeError):
        read(MemoryRecords(raw))
    assert read(TolerantRecords(raw)) == [
        (offset, 1_000 + offset, b"key", b"value %d" % offset, [("n\ufffd\ufffdte", b"value")]) for offset in range(3)
    ]


def test_a_transaction_marker_is_read_by_aiokafka_itself() -> None:
    """The fetcher takes the marker's one record by `next`."""
    marker = bytearray(batch([], NONE))
    marker[21:23] = (0x30).to_bytes(2, "big")  # transactional, control
    marker[17:21] = calc_crc32c(bytes(marker[21:])).to_bytes(4, "big")
    following = TolerantRecords(bytes(marker)).next_batch()
    assert following.is_control_batch
    assert next(following).value == b"value 0"


def test_the_fetcher_reads_through_it() -> None:
    read_any_header_name()
    assert aiokafka.consumer.fetcher.MemoryRecords is TolerantRecords
