"""The generation of a group, read out of what its coordinator keeps."""

import struct

from tests.chaos.generations import _generations


def text(word: str) -> bytes:
    return struct.pack(">h", len(word)) + word.encode()


def metadata(group: str, number: int) -> tuple[bytes, bytes]:
    key = struct.pack(">h", 2) + text(group)
    value = struct.pack(">h", 3) + text("consumer") + struct.pack(">i", number) + text("faust")
    return key, value


def test_only_records_of_the_group_count() -> None:
    commit = struct.pack(">h", 1) + text("ours") + text("topic") + struct.pack(">i", 0)
    deleted = (metadata("ours", 0)[0], None)
    records = [metadata("ours", 4), (commit, b"\0\1"), metadata("others", 9), deleted, metadata("ours", 5)]
    assert list(_generations(records, "ours")) == [4, 5]
