"""How often a consumer group has rebalanced: the generation that the broker's own topic holds for it.

The coordinator writes a record for each generation into `__consumer_offsets`; clients are not told the number.
"""

import struct
from collections.abc import Iterable

from kafka import KafkaConsumer, TopicPartition

TOPIC = "__consumer_offsets"
GROUP_KEY_VERSION = 2


def generation(bootstrap: str, group: str) -> int:
    """The highest generation of the group; 0 when the broker knows of none."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        tps = [TopicPartition(TOPIC, number) for number in sorted(consumer.partitions_for_topic(TOPIC) or ())]
        consumer.assign(tps)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(tps)
        found = 0
        while any(consumer.position(tp) < end for tp, end in ends.items()):
            for records in consumer.poll(timeout_ms=200).values():
                found = max(found, *_generations(((each.key, each.value) for each in records), group), 0)
        return found
    finally:
        consumer.close()


def _generations(records: Iterable[tuple[bytes, bytes | None]], group: str) -> Iterable[int]:
    """Of records of group metadata. Key: version, group. Value: version, protocol type, generation, ..."""
    for key, value in records:
        version, length = struct.unpack_from(">hh", key)
        if value is None or version != GROUP_KEY_VERSION or key[4 : 4 + length].decode() != group:
            continue
        _, length = struct.unpack_from(">hh", value)
        [number] = struct.unpack_from(">i", value, 4 + length)
        yield number
