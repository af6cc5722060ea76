"""The local broker is a real one: it keeps what it took over stop, kill and start, and says why it does not start."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from workers.kafka_jars import LocalKafkaError
from workers.local_kafka import LocalKafka, cluster_id

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    with LocalKafka(tmp_path_factory.mktemp("own")) as broker:
        yield broker


def send(broker: LocalKafka, topic: str, value: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap)
    try:
        producer.send(topic, value=value).get(timeout=30)
    finally:
        producer.close()


def values(broker: LocalKafka, topic: str, count: int) -> list[bytes]:
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", group_id=None)
    try:
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek_to_beginning()
        found: list[bytes] = []
        deadline = time.monotonic() + 30
        while len(found) < count and time.monotonic() < deadline:
            found += [record.value for records in consumer.poll(500).values() for record in records]
        return found
    finally:
        consumer.close()


def create(broker: LocalKafka, topic: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    try:
        admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}})
    finally:
        admin.close()


def test_it_keeps_records_and_port_over_kill_and_stop(broker: LocalKafka) -> None:
    port = broker.bootstrap
    create(broker, "kept")
    send(broker, "kept", b"1")

    broker.kill()
    assert broker.pid is None
    broker.start()
    send(broker, "kept", b"2")

    broker.stop()
    assert broker.pid is None
    broker.start()
    send(broker, "kept", b"3")

    assert broker.bootstrap == port
    assert values(broker, "kept", 3) == [b"1", b"2", b"3"]


def test_another_object_finds_and_ends_it(tmp_path: Path) -> None:
    with LocalKafka(tmp_path) as starter:
        assert LocalKafka(tmp_path).pid == starter.pid
        LocalKafka(tmp_path).stop()
        assert starter.pid is None


def test_one_directory_holds_one_broker(broker: LocalKafka) -> None:
    with pytest.raises(LocalKafkaError, match="already runs in"):
        LocalKafka(broker.directory).start()
    assert broker.pid is not None


def test_a_strangers_process_is_never_taken_for_the_broker(tmp_path: Path) -> None:
    (tmp_path / "kafka.pid").write_text("1\n")
    assert LocalKafka(tmp_path).pid is None


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalKafkaError, match=rf"port {port} on 127\.0\.0\.1 is taken"):
            LocalKafka(tmp_path, port=port).start()


def test_a_broker_that_ends_at_once_shows_its_log(tmp_path: Path) -> None:
    broker = LocalKafka(tmp_path, properties={"listeners": "nonsense"})
    with pytest.raises(LocalKafkaError, match=r"(?s)(formatted|ended while it started).*nonsense"):
        broker.start()
    assert broker.pid is None


def test_a_cluster_id_is_never_taken_for_an_option() -> None:
    ids = [cluster_id(Path(f"/d{number}")) for number in range(2_000)]
    assert {len(each) for each in ids} == {22}
    assert [each for each in ids if each.startswith("-")] == []
