"""Records are read whatever their header names are, and otherwise exactly as aiokafka reads them."""

from typing import Any

import aiokafka.consumer.fetcher
import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from workers.tolerant_records import PlainRecords, TolerantRecords, read_in_our_way

PartitionRecords: Any = PlainRecords.__base__
"""aiokafka's own, also after its module was told of ours."""

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


def control(kind: int, base_offset: int) -> bytes:
    """A transaction marker: 0 aborts, 1 commits."""
    builder = _builder(transactional=True)
    assert builder.append(0, 1_000, kind.to_bytes(4, "big"), b"\0" * 6, []) is not None
    return _at(base_offset, bytearray(builder.build()), attributes=0x30)


def three(base_offset: int, producer_id: int = -1, compression: int = NONE) -> bytes:
    """Three records in one batch, in a transaction of that producer."""
    builder = _builder(transactional=producer_id >= 0, producer_id=producer_id, compression=compression)
    for number in range(3):
        assert builder.append(number, 1_000 + number, b"key", b"value %d" % number, [("h", b"1")]) is not None
    return _at(base_offset, bytearray(builder.build()))


def _builder(*, transactional: bool, producer_id: int = 7, compression: int = NONE) -> DefaultRecordBatchBuilder:
    return DefaultRecordBatchBuilder(
        magic=2,
        compression_type=compression,
        is_transactional=transactional,
        producer_id=producer_id,
        producer_epoch=0,
        base_sequence=0,
        batch_size=1 << 20,
    )


def _at(base_offset: int, raw: bytearray, attributes: int | None = None) -> bytes:
    """The batch with the offset that the broker gives it, and with its checksum."""
    raw[0:8] = base_offset.to_bytes(8, "big")
    if attributes is not None:
        raw[21:23] = attributes.to_bytes(2, "big")
    raw[17:21] = calc_crc32c(bytes(raw[21:])).to_bytes(4, "big")
    return bytes(raw)


@pytest.mark.parametrize(
    ("batches", "aborted", "fetched_at", "offsets", "end"),
    [
        ([three(0), three(3, compression=GZIP)], [], 0, [0, 1, 2, 3, 4, 5], 6),
        ([three(0, compression=ZSTD)], [], 2, [2], 3),
        ([three(0), three(9)], [], 0, [0, 1, 2, 9, 10, 11], 12),
        ([three(0, 7), control(1, 3), three(4)], [], 0, [0, 1, 2, 4, 5, 6], 7),
        ([three(0, 7), control(0, 3), three(4, 7), control(1, 7)], [(7, 0)], 0, [4, 5, 6], 8),
    ],
    ids=["two batches", "from the middle of a batch", "a gap", "a marker", "an aborted transaction"],
)
def test_records_of_a_response_are_those_that_aiokafka_hands_out(
    batches: list[bytes], aborted: list[tuple[int, int]], fetched_at: int, offsets: list[int], end: int
) -> None:
    def handed_out(by: type[PartitionRecords], memory: type[MemoryRecords]) -> tuple[list[Any], int]:
        tp = TopicPartition("purchases", 0)
        records = by(tp, memory(b"".join(batches)), aborted, fetched_at, None, None, True, READ_COMMITTED)
        found = [
            (each.offset, each.timestamp, each.key, each.value, tuple(each.headers), records.next_fetch_offset)
            for each in records
        ]
        return found, records.next_fetch_offset

    ours = handed_out(PlainRecords, TolerantRecords)
    assert ours == handed_out(PartitionRecords, MemoryRecords)
    assert ([each[0] for each in ours[0]], ours[1]) == (offsets, end)


def test_a_part_of_a_response_may_be_taken_and_then_the_rest() -> None:
    records = PlainRecords(
        TopicPartition("purchases", 0), TolerantRecords(three(0) + three(3)), [], 0, None, None, True, READ_COMMITTED
    )
    seen = []
    for record in records:
        seen.append(record.offset)
        if record.offset == 1:
            break
    assert (seen, records.next_fetch_offset) == ([0, 1], 2)
    assert next(records).offset == 2
    assert [record.offset for record in records] == [3, 4, 5]


def test_a_batch_that_was_damaged_on_its_way_is_not_read() -> None:
    raw = bytearray(three(0))
    raw[-1] ^= 1
    records = PlainRecords(
        TopicPartition("purchases", 0), TolerantRecords(bytes(raw)), [], 0, None, None, True, READ_COMMITTED
    )
    with pytest.raises(CorruptRecordException):
        list(records)


def test_the_fetcher_reads_through_it() -> None:
    read_in_our_way()
    assert aiokafka.consumer.fetcher.MemoryRecords is TolerantRecords
    assert aiokafka.consumer.fetcher.PartitionRecords is PlainRecords
