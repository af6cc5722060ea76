"""What has to be true of the cluster before a worker joins its group. Each fault is one sentence.

Why before: a topic missing at start once gave two owners of one partition, who fenced each other for ever. And a
changelog that deletes by age would lose accounts, in silence, at the next restore.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from config.topics import Topic
from workers.connection import Connection
from workers.fatal import Refusal
from workers.topics import config_differences

_ANSWER_SECONDS_MAX: Final = 30.0
"""A listener that speaks another protocol never answers."""

_ERROR_CODE, _NAME, _ENTRIES = 0, 3, 4
"""Places in an answer about the configuration of a topic."""

_CLEANUP: Final = "cleanup.policy"
_DELETIONS_KEPT: Final = "delete.retention.ms"
_DAY_MS: Final = 86_400_000

_log = structlog.stdlib.get_logger(__name__)


async def check_cluster(
    connection: Connection, wanted: Mapping[str, Topic], *, partition_count: int
) -> Mapping[str, Mapping[str, str]]:
    """Raises Refusal when the cluster cannot be reached, or when its topics are not what the worker needs.

    `wanted` is what each topic should be, by full name. Answers the configuration of those that the cluster shows us.
    See check_topics and check_configs.
    """
    try:
        async with asyncio.timeout(_ANSWER_SECONDS_MAX):
            counts, configs = await _described(connection, wanted)
    except (KafkaError, OSError, TimeoutError) as error:
        raise Refusal(
            f"cannot talk to the brokers at {', '.join(connection.bootstrap_servers)} "
            f"as {connection.security_protocol}: {error or 'no answer'}",
            hint="check LOYALTY_BOOTSTRAP_SERVERS, the network, and the security settings",
        ) from error
    check_topics(wanted, counts, partition_count=partition_count)
    check_configs(wanted, configs)
    return configs


def held_max_us(wanted: Topic, found: Mapping[str, str]) -> int:
    """How old held state may be: half of the time for which the changelog keeps deletions, to be far from its edge.

    `found` is its configuration on the cluster, which may keep them for less than it should, or not be shown to us.
    """
    if wanted.delete_retention_days is None:
        raise ValueError("the changelog has to say how long it keeps deletions")
    wanted_ms = wanted.delete_retention_days * _DAY_MS
    return min(wanted_ms, int(found.get(_DELETIONS_KEPT, wanted_ms))) * 1_000 // 2


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


def check_configs(wanted: Mapping[str, Topic], configs: Mapping[str, Mapping[str, str]]) -> None:
    """Raises Refusal unless what has to be kept by key is. What else differs is logged: it may be meant.

    `configs` is what the cluster has, by full name; a topic that it does not show us is passed over.
    """
    for name, topic in wanted.items():
        found = configs.get(name, {}).get(_CLEANUP)
        if topic.cleanup == "compact" and found not in {None, topic.cleanup}:
            raise Refusal(
                f"{name} has {_CLEANUP}={found}: it would delete the state of members who were not seen for a while",
                hint=f"set {_CLEANUP}={topic.cleanup} on it; loyalty topics check shows what else differs",
            )
    differing = [
        f"{each.topic}: {each.what}={each.found}, wanted {each.wanted}"
        for name, topic in wanted.items()
        if name in configs
        for each in config_differences(name, topic, configs[name])
    ]
    if differing:
        _log.warning("topics differ", differences=differing, hint="loyalty topics check")
    hidden = sorted(wanted.keys() - configs.keys())
    if hidden:
        _log.warning("topics not checked", topics=hidden, hint="allow this user to describe their configuration")


async def _described(
    connection: Connection, wanted: Iterable[str]
) -> tuple[Mapping[str, int], Mapping[str, Mapping[str, str]]]:
    """Number of partitions of every topic of the cluster, and the configuration of those wanted, by name."""
    admin = AIOKafkaAdminClient(**connection.aiokafka())
    try:
        await admin.start()
        described = await admin.describe_topics()
        counts = {topic["topic"]: len(topic["partitions"]) for topic in described}
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in wanted if name in counts]
        answers = await admin.describe_configs(asked) if asked else []
    finally:
        await admin.close()
    configs = {
        resource[_NAME]: {str(entry[0]): str(entry[1]) for entry in resource[_ENTRIES]}
        for answer in answers
        for resource in answer.resources
        if resource[_ERROR_CODE] == 0
    }
    return counts, configs
