"""Makes the engine's topics on a cluster, and says where a cluster differs from config/topics.yaml.

Invariants:
  C1 a topic that exists is never changed: what differs is reported, and a person decides
  C2 what a cluster keeps longer or accepts larger than asked is no difference; less is
  C3 creating twice does what creating once does
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import TopicAlreadyExistsError, for_code

from config.topics import Topic, load_topics, topic_name
from workers.cluster import ClusterError

BROKER_DEFAULT_REPLICAS: Final = -1
"""As many copies as the cluster makes by itself."""

# More of these is harmless, and -1 is no limit.
_AT_LEAST: Final = frozenset({"max.message.bytes", "retention.ms", "retention.bytes", "delete.retention.ms"})
# Tuning: an operator's other choice breaks nothing.
_NOT_COMPARED: Final = frozenset({"segment.ms"})


class Difference(NamedTuple):
    """One way in which a topic is not what it should be."""

    topic: str
    what: str
    wanted: str
    found: str


class Outcome(NamedTuple):
    """What `create_topics` did: names of topics it made and of those that were there."""

    created: tuple[str, ...]
    existing: tuple[str, ...]


def create_topics(
    admin: KafkaAdminClient,
    *,
    prefix: str,
    partitions: int,
    replicas: int = BROKER_DEFAULT_REPLICAS,
    dry_run: bool = False,
) -> Outcome:
    """Makes every topic that is missing and waits until it can be used.

    Args:
        admin: where.
        prefix: what their names begin with.
        partitions: how many each gets.
        replicas: how many copies of each record the cluster keeps; -1: its own default.
        dry_run: the cluster judges the request and makes nothing.

    Raises:
        ClusterError: the cluster refused one of them.
    """
    wanted = {topic_name(prefix, word): topic for word, topic in load_topics().items()}
    there = set(admin.list_topics())
    missing = {
        name: {
            "num_partitions": partitions,
            "replication_factor": replicas,
            "configs": topic.broker_config(),
        }
        for name, topic in wanted.items()
        if name not in there
    }
    if missing:
        answer = admin.create_topics(missing, validate_only=dry_run, raise_errors=False)
        refused = "\n".join(_refusals(answer["topics"]))
        if refused:
            raise ClusterError(f"the cluster refused to create topics:\n{refused}")
        if not dry_run:
            admin.wait_for_topics(list(missing), timeout_ms=30_000)
    return Outcome(tuple(missing), tuple(name for name in wanted if name in there))


def differences(admin: KafkaAdminClient, *, prefix: str, partitions: int) -> list[Difference]:
    """Where the cluster's topics differ from what the engine needs, in the order of topics.yaml."""
    wanted = {topic_name(prefix, word): topic for word, topic in load_topics().items()}
    there = set(admin.list_topics())
    present = [name for name in wanted if name in there]
    counts = {each["name"]: len(each["partitions"]) for each in admin.describe_topics(present)} if present else {}
    configs = _configs(admin, present)
    found: list[Difference] = []
    for name, topic in wanted.items():
        if name not in there:
            found.append(Difference(name, "topic", "there", "missing"))
            continue
        if counts[name] != partitions:
            found.append(Difference(name, "partitions", str(partitions), str(counts[name])))
        found += config_differences(name, topic, configs[name])
    return found


def config_differences(name: str, topic: Topic, found: Mapping[str, str]) -> Iterator[Difference]:
    """Where one topic's configuration is not what it should be; `found` is what the cluster has."""
    for key, wanted in topic.broker_config().items():
        value = found.get(key, "")
        if key not in _NOT_COMPARED and not _serves(key, wanted, value):
            yield Difference(name, key, wanted, value)


def _serves(key: str, wanted: str, found: str) -> bool:
    if key not in _AT_LEAST:
        return wanted == found
    if found == "-1":
        return True
    return wanted != "-1" and int(found or 0) >= int(wanted)


def _configs(admin: KafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    answer: dict[str, dict[str, Any]] = admin.describe_configs(resources, config_filter="all")["topic"]
    return {name: {key: str(each["value"]) for key, each in config.items()} for name, config in answer.items()}


def _refusals(answers: list[dict[str, Any]]) -> Iterator[str]:
    for each in answers:
        error = for_code(each["error_code"])
        # Somebody else may have made it between our look and our request (C3).
        if each["error_code"] != 0 and error is not TopicAlreadyExistsError:
            yield f"  {each['name']}: {each.get('error_message') or error.__name__}"
