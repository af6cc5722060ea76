"""A cluster that asks for a password: the worker, its producers and its restores log in, or say that they cannot."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness import Cluster
from workers.local_kafka import LocalKafka, free_port

pytestmark = pytest.mark.kafka

PASSWORD, WRONG = "correct horse", "wrong horse"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Bootstrap servers of one broker: without a password, for the test, and with one, for the worker."""
    plain, guarded, controller = free_port(), free_port(), free_port()
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    properties = {
        "listeners": ",".join(
            (
                f"PLAINTEXT://127.0.0.1:{plain}",
                f"SASL_PLAINTEXT://127.0.0.1:{guarded}",
                f"CONTROLLER://127.0.0.1:{controller}",
            )
        ),
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{plain},SASL_PLAINTEXT://127.0.0.1:{guarded}",
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
        "listener.security.protocol.map": ("CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT"),
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": f'{module} required user_worker="{PASSWORD}";',
    }
    with LocalKafka(tmp_path_factory.mktemp("guarded"), port=plain, properties=properties):
        yield f"127.0.0.1:{plain}", f"127.0.0.1:{guarded}"


def test_the_worker_logs_in_or_says_that_it_cannot(guarded: tuple[str, str], prefix: str, tmp_path: Path) -> None:
    plain, password_wanted = guarded
    login = {
        "BOOTSTRAP_SERVERS": password_wanted,
        "SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "ALLOW_PLAINTEXT_CREDENTIALS": "true",
        "SASL_MECHANISM": "PLAIN",
        "SASL_USERNAME": "worker",
    }
    with Cluster(plain, prefix, tmp_path) as cluster:
        cluster.create_topics()
        cluster.publish(50)

        wrong = cluster.start(login, SASL_PASSWORD=WRONG)
        assert wrong.ended() == 1
        refused = wrong.logged("refused")
        assert refused is not None
        assert "as SASL_PLAINTEXT: " in refused["reason"]
        assert WRONG not in wrong.log.read_text()

        right = cluster.start(login, SASL_PASSWORD=PASSWORD, LOG_LEVEL="debug")
        cluster.wait_decided()
        assert right.stop() == 0
        log = right.log.read_text()
        assert '"logger":"aiokafka' in log.replace('": "', '":"'), "the clients log at debug as well"
        assert PASSWORD not in log
        cluster.check_exactly_once()
