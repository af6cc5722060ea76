"""A cluster, as the commands reach it: kafka-python with the connection of the settings.

The worker has its own stack and its own connection; both come from the same settings.
"""

import contextlib
import ssl
from collections.abc import Iterator
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from config.settings import Settings

BOOTSTRAP_TIMEOUT_MS = 5_000


class ClusterError(Exception):
    """The cluster cannot be reached or refused what was asked; the message says what to do."""


def client_options(settings: Settings) -> dict[str, Any]:
    """What every kafka-python client is opened with.

    Raises:
        ClusterError: the TLS files cannot be used.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": list(settings.bootstrap_servers),
        "bootstrap_timeout_ms": BOOTSTRAP_TIMEOUT_MS,
        "client_id": f"{settings.app_id}-commands",
        "security_protocol": settings.security_protocol,
    }
    if "SSL" in settings.security_protocol:
        options["ssl_context"] = _tls(settings)
    if settings.sasl_password is not None:
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = settings.sasl_password.get_secret_value()
    return options


@contextlib.contextmanager
def admin_client(settings: Settings) -> Iterator[KafkaAdminClient]:
    """An admin client, closed on exit.

    Raises:
        ClusterError: no broker answers.
    """
    client = _opened(KafkaAdminClient, settings, {})
    try:
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def producer_client(settings: Settings, **more: Any) -> Iterator[KafkaProducer]:
    """A producer with further options; flushed and closed on exit.

    Raises:
        ClusterError: no broker answers.
    """
    client = _opened(KafkaProducer, settings, more)
    try:
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def consumer_client(settings: Settings, **more: Any) -> Iterator[KafkaConsumer]:
    """A consumer of what is committed, without a group, closed on exit.

    Raises:
        ClusterError: no broker answers.
    """
    options = {"isolation_level": "read_committed", "enable_auto_commit": False, "auto_offset_reset": "earliest"}
    client = _opened(KafkaConsumer, settings, options | more)
    try:
        yield client
    finally:
        client.close()


def identity_of(settings: Settings, topic: str) -> dict[str, str | int]:
    """What tells a topic from every other, also from one of its name that was made anew.

    Raises:
        ClusterError: the cluster does not answer, or does not say.
    """
    with admin_client(settings) as admin:
        try:
            [described] = admin.describe_topics([topic])
            cluster = admin.describe_cluster()["cluster_id"]
        except KafkaError as error:
            raise ClusterError(
                f"the cluster does not say which topic {topic} is: {error}\n"
                "hint: allow this user to describe the topic and the cluster"
            ) from error
    return {
        "cluster": str(cluster),
        "topic": topic,
        "topic_id": str(described.get("topic_id")),
        "partitions": len(described["partitions"]),
    }


def _opened(client: type[Any], settings: Settings, more: dict[str, Any]) -> Any:
    try:
        return client(**client_options(settings), **more)
    except KafkaError as error:
        servers = ", ".join(settings.bootstrap_servers)
        raise ClusterError(
            f"no broker answers at {servers} over {settings.security_protocol} ({error})\n"
            "hint: set LOYALTY_BOOTSTRAP_SERVERS, or start one here with: loyalty kafka start"
        ) from error


def _tls(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca_file)
        if settings.tls_certificate_file is not None:
            context.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file)
    except OSError as error:  # SSLError is one.
        raise ClusterError(f"the TLS files cannot be used: {error}\nhint: check LOYALTY_TLS_*") from error
    return context
