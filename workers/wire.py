"""The wiring: the one place that reads the settings, knows every concrete class and calls for a Faust app.

Everything below it takes plain values. Importing this module starts nothing, nor does `wire`: `Worker.run` does.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import time_ns  # noqa: TID251 - this is the clock that the shell passes in
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry

from config.topics import load_topics, topic_name
from workers.app import FaustTerms, build_app, run_process
from workers.batch import Decider
from workers.checkpoint import Clock, Probe, Protocol
from workers.clients import KafkaClients
from workers.compiled import engine
from workers.connection import Connection
from workers.fatal import EndProcess, Refusal, end_process
from workers.health import Health, HealthServer
from workers.lanes import Lanes
from workers.metrics import Metrics
from workers.ownership import Ownership, Terms
from workers.preflight import check_cluster, held_max_us
from workers.store.memory import MemoryStore
from workers.store.port import StoreFactory
from workers.topic_words import ACCOUNTS, INPUTS, REQUIRED

if TYPE_CHECKING:
    from config.settings import Settings
    from workers.store.directory import StateDirectory

_log = structlog.stdlib.get_logger(__name__)


def system_clock() -> int:
    """Microseconds since 1970, from this machine's clock: where time enters, to be recorded with each batch."""
    return time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Worker:
    """A wired worker. `run` checks the cluster, serves metrics, joins the group and works until a signal comes."""

    check: Callable[[], None]
    server: HealthServer
    process: Callable[[], int]

    def run(self) -> int:
        """Returns the exit code. Raises Refusal before the group is joined when something has to be changed first."""
        _log.info("starting", engine=engine())
        self.check()
        self.server.start()
        _log.info("serving metrics", port=self.server.port)
        return self.process()


def wire(
    settings: "Settings",
    *,
    decider: Decider,
    clock: Clock = system_clock,
    registry: CollectorRegistry | None = None,
    store: StoreFactory | None = None,
    end: EndProcess = end_process,
    probe: Probe | None = None,
) -> Worker:
    """Put a worker together. Raises Refusal when files that the settings name cannot be used.

    `decider` decides batches; `store` makes the state store of a partition; `end` ends the process when a write
    fails; `probe` is called after each stage of each batch.
    """
    connection = connection_of(settings)
    connection.ssl_context()  # Files that cannot be read are seen now.
    group = f"{settings.prefix}{settings.app_id}"
    topics = {word: topic_name(settings.prefix, word) for word in INPUTS}
    metrics = Metrics(CollectorRegistry() if registry is None else registry)
    lanes = Lanes(
        records_max=settings.batch_records_max,
        idle_seconds=settings.idle_batch_seconds,
        interval_seconds=settings.batch_interval_ms / 1000,
        end_process=end,
    )
    disk = _state_directory(settings, decider) if settings.store == "disk" else None
    ownership = Ownership(
        Terms(
            prefix=settings.prefix,
            app=settings.app_id,
            topics=topics,
            partition_count=settings.partitions,
            transaction_timeout_seconds=settings.transaction_timeout_seconds,
            accept_missing_range=frozenset(settings.accept_missing_range),
            accept_program_change=settings.accept_program_change,
            held_max_us=held_max_us(load_topics()[ACCOUNTS], {}),
        ),
        KafkaClients(connection),
        lanes,
        Protocol(
            decider=decider,
            clock=clock,
            metrics=metrics,
            dead_letter_stop_share=settings.dead_letter_stop_share,
            probe=probe,
        ),
        store=store or disk or (lambda partition: MemoryStore(partition, decider.start_after)),
        metrics=metrics,
        clock=clock,
        end_process=end,
    )
    health = Health()
    health.not_ready = ownership.not_ready
    metrics.watch(
        accounts=lambda: sum(partition.store.accounts for partition in ownership.partitions()),
        partitions=lambda: sum(partition.producer is not None for partition in ownership.partitions()),
        ready=lambda: float(ownership.not_ready() is None),
        batch_age_seconds=lanes.batch_age_seconds,
        lag_records=lanes.lag_records,
        state_records=lambda: sum(len(partition.store) for partition in ownership.partitions()),
        store_disk_bytes=lambda: sum(partition.store.disk_bytes for partition in ownership.partitions()),
    )

    def check() -> None:
        try:
            settings.data_directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Refusal(
                f"cannot keep files in {settings.data_directory}: {error.strerror or error}",
                hint="set LOYALTY_DATA_DIRECTORY to a directory that this user may write to",
            ) from error
        wanted = {topic_name(settings.prefix, word): load_topics()[word] for word in REQUIRED}
        configs = asyncio.run(check_cluster(connection, wanted, partition_count=settings.partitions))
        changelog = topic_name(settings.prefix, ACCOUNTS)
        ownership.held_max_us = held_max_us(wanted[changelog], configs.get(changelog, {}))
        if disk is not None:
            disk.take(_changelog_of(settings, changelog))

    def process() -> int:
        terms = FaustTerms(
            group=group,
            topics=topics,
            data_directory=settings.data_directory,
            poll_records_max=settings.batch_records_max,
            session_timeout_seconds=settings.session_timeout_seconds,
        )
        return run_process(build_app(terms, connection, lanes, ownership), ownership, health, end)

    return Worker(
        check=check,
        server=HealthServer(settings.metrics_host, settings.metrics_port, registry=metrics.registry, health=health),
        process=process,
    )


def _state_directory(settings: "Settings", decider: Decider) -> "StateDirectory":
    """The stores on disk, which nothing has touched yet."""
    from workers.store.directory import StateDirectory, timing_of  # noqa: PLC0415 - most workers do without

    starts_us = {version: start_us for version, (_, start_us) in decider.versions.items()}
    return StateDirectory(
        settings.store_directory or settings.data_directory / "state",
        start_after=decider.start_after,
        timing=timing_of(starts_us, decider.start_after),
    )


def _changelog_of(settings: "Settings", changelog: str) -> Mapping[str, str | int]:
    """What tells the changelog from others. Raises Refusal when the cluster does not say."""
    from workers.cluster import ClusterError, identity_of  # noqa: PLC0415 - most workers do without

    try:
        return identity_of(settings, changelog)
    except ClusterError as error:
        sentence, _, hint = str(error).partition("\nhint: ")
        raise Refusal(sentence, hint=hint) from error


def connection_of(settings: "Settings") -> Connection:
    """How the settings say to reach the cluster."""
    password = settings.sasl_password
    return Connection(
        bootstrap_servers=settings.bootstrap_servers,
        security_protocol=settings.security_protocol,
        sasl_mechanism=settings.sasl_mechanism,
        username=settings.sasl_username,
        password=None if password is None else password.get_secret_value(),
        ca_file=settings.tls_ca_file,
        certificate_file=settings.tls_certificate_file,
        key_file=settings.tls_key_file,
    )
