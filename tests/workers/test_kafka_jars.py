"""The jars that the local broker runs are the locked ones, and stay where they are while it runs."""

from pathlib import Path

import pytest

from workers import kafka_jars

pytestmark = pytest.mark.kafka  # They come over the network, once.


def test_the_lock_names_exactly_the_jars_in_use() -> None:
    jars = kafka_jars.kafka_jars()
    assert {jar.name for jar in jars} == set(kafka_jars.read_lock())
    assert kafka_jars.lock_text(jars) == Path(kafka_jars.__file__).with_name("local_kafka.lock").read_text("utf-8")


def test_a_changed_jar_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = kafka_jars.read_lock()
    changed = dict.fromkeys(lock, "0" * 64)
    monkeypatch.setattr(kafka_jars, "read_lock", lambda: changed)
    with pytest.raises(kafka_jars.LocalKafkaError, match=r"not the locked ones: .*kafka-clients-4\.1\.1\.jar"):
        kafka_jars.kafka_jars()


def test_a_broker_that_starts_leaves_the_jars_of_those_that_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    jars = kafka_jars.kafka_jars()
    before = [jar.stat() for jar in jars]
    assert kafka_jars.kafka_jars() == jars
    with monkeypatch.context() as other:
        other.setattr(kafka_jars, "read_lock", lambda: {"a.jar": "0" * 64})
        with pytest.raises(kafka_jars.LocalKafkaError):
            kafka_jars.kafka_jars()
    assert [(jar.stat().st_ino, jar.stat().st_ctime_ns) for jar in jars] == [
        (each.st_ino, each.st_ctime_ns) for each in before
    ]


def test_a_damaged_jar_is_made_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, lock = tmp_path / "a.jar", {"a.jar": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"}
    source.write_bytes(b"a")
    monkeypatch.setattr(kafka_jars, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(kafka_jars, "read_lock", lambda: lock)
    monkeypatch.setattr(kafka_jars, "_resolve", lambda **_: [source])
    (jar,) = kafka_jars.kafka_jars()
    jar.write_bytes(b"b")
    assert kafka_jars.kafka_jars() == (jar,)
    assert jar.read_bytes() == b"a"
