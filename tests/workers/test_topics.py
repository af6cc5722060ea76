"""Topics on a real cluster: made once, never changed, and every difference named."""

import json
import time
from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from typer.testing import CliRunner

from config.topics import load_topics
from workers.cli import build_app
from workers.cluster import ClusterError
from workers.topics import Difference, create_topics, differences

ALL = len(load_topics())


@pytest.fixture
def admin(kafka: str) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=kafka)
    yield client
    client.close()


@pytest.fixture
def settings_environment(kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LOYALTY_BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("LOYALTY_PREFIX", prefix)
    monkeypatch.setenv("LOYALTY_PARTITIONS", "2")
    return prefix


def alter(admin: KafkaAdminClient, name: str, key: str, value: str) -> None:
    """Sets it and waits until the broker says so itself: it answers before it knows."""
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {key: value})])
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)], config_filter="all")
        if found["topic"][name][key]["value"] == value:
            return
        time.sleep(0.05)
    pytest.fail(f"{key} of {name} did not become {value}")


def test_creating_makes_what_checking_wants(admin: KafkaAdminClient, prefix: str) -> None:
    assert len(differences(admin, prefix=prefix, partitions=3)) == ALL

    first = create_topics(admin, prefix=prefix, partitions=3)
    again = create_topics(admin, prefix=prefix, partitions=3)

    assert differences(admin, prefix=prefix, partitions=3) == []
    assert (len(first.created), len(first.existing)) == (ALL, 0)
    assert (len(again.created), len(again.existing)) == (0, ALL)


def test_a_dry_run_makes_nothing(admin: KafkaAdminClient, prefix: str) -> None:
    outcome = create_topics(admin, prefix=prefix, partitions=2, dry_run=True)
    assert len(outcome.created) == ALL
    assert [name for name in admin.list_topics() if name.startswith(prefix)] == []


@pytest.mark.parametrize(
    ("word", "key", "value", "wanted"),
    [
        ("accounts", "cleanup.policy", "delete", "compact"),
        ("accounts", "delete.retention.ms", "1000", "604800000"),
        ("ledger", "retention.ms", "86400000", "-1"),
        ("ledger", "retention.bytes", "1000000000", "-1"),
        ("balances", "max.message.bytes", "1048588", "4194304"),
        ("purchases", "cleanup.policy", "compact", "delete"),
    ],
)
def test_less_than_wanted_is_named_and_not_repaired(
    admin: KafkaAdminClient, prefix: str, word: str, key: str, value: str, wanted: str
) -> None:
    create_topics(admin, prefix=prefix, partitions=1)
    alter(admin, prefix + word, key, value)

    create_topics(admin, prefix=prefix, partitions=1)

    assert differences(admin, prefix=prefix, partitions=1) == [Difference(prefix + word, key, wanted, value)]


@pytest.mark.parametrize(
    ("word", "key", "value"),
    [
        ("purchases", "retention.ms", "-1"),
        ("balances", "max.message.bytes", "8388608"),
        ("accounts", "segment.ms", "1"),
    ],
)
def test_more_than_wanted_is_no_difference(
    admin: KafkaAdminClient, prefix: str, word: str, key: str, value: str
) -> None:
    create_topics(admin, prefix=prefix, partitions=1)
    alter(admin, prefix + word, key, value)
    assert differences(admin, prefix=prefix, partitions=1) == []


def test_what_the_cluster_refuses_is_a_sentence(admin: KafkaAdminClient, prefix: str) -> None:
    with pytest.raises(ClusterError, match=f"{prefix}purchases: .*[Rr]eplication"):
        create_topics(admin, prefix=prefix, partitions=1, replicas=3)


def test_the_commands_and_their_exit_codes(settings_environment: str) -> None:
    run = CliRunner().invoke
    app = build_app()

    missing = run(app, ["topics", "check", "--json"])
    planned = run(app, ["topics", "create", "--dry-run", "--json"])
    created = run(app, ["topics", "create", "--json"])
    checked = run(app, ["topics", "check"])
    other = run(app, ["topics", "check", "--partitions", "5", "--json"])

    assert [each.exit_code for each in (missing, planned, created, checked, other)] == [1, 0, 0, 0, 1]
    assert {each["found"] for each in json.loads(missing.stdout)["differences"]} == {"missing"}
    assert len(json.loads(planned.stdout)["created"]) == ALL
    assert len(json.loads(created.stdout)["created"]) == ALL
    assert "as the engine needs them" in checked.stdout
    assert json.loads(other.stdout)["differences"][0] == {
        "topic": f"{settings_environment}purchases",
        "what": "partitions",
        "wanted": "5",
        "found": "2",
    }
