"""What has to be true of the cluster before a worker joins its group. Each fault is one sentence.

Why before: a topic missing at start once gave two owners of one partition, who fenced each other for ever.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from workers.connection import Connection
from workers.fatal import Refusal

_ANSWER_SECONDS_MAX: Final = 30.0
"""A listener that speaks another protocol never answers."""


async def check_cluster(connection: Connection, names: Iterable[str], *, partition_count: int) -> None:
    """Raises Refusal when the cluster cannot be reached, lacks a topic, or a topic has another number of partitions."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS_MAX):
            counts = await _partition_counts(connection)
    except (KafkaError, OSError, TimeoutError) as error:
        raise Refusal(
            f"cannot talk to the brokers at {', '.join(connection.bootstrap_servers)} "
            f"as {connection.security_protocol}: {error or 'no answer'}",
            hint="check LOYALTY_BOOTSTRAP_SERVERS, the network, and the security settings",
        ) from error
    check_topics(names, counts, partition_count=partition_count)


def check_topics(names: Iterable[str], counts: Mapping[str, int], *, partition_count: int) -> None:
    """Raises Refusal unless every name has `partition_count` partitions. `counts` is what the cluster has."""
    wanted = list(names)
    missing = [name for name in wanted if name not in counts]
    if missing:
        raise Refusal(f"the cluster lacks topics: {', '.join(missing)}", hint="create them with: loyalty topics create")
    other = [f"{name} has {counts[name]}" for name in wanted if counts[name] != partition_count]
    if other:
        raise Refusal(
            f"every topic must have {partition_count} partitions, but {', '.join(other)}",
            hint="set LOYALTY_PARTITIONS to what the topics have; if they differ, start under a new LOYALTY_PREFIX",
        )


async def _partition_counts(connection: Connection) -> Mapping[str, int]:
    admin = AIOKafkaAdminClient(**connection.aiokafka())
    try:
        await admin.start()
        described = await admin.describe_topics()
        return {topic["topic"]: len(topic["partitions"]) for topic in described}
    finally:
        await admin.close()
