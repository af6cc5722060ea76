"""Worker processes of the demo: started as an operator would, watched, and gone at the end.

Invariants:
  W1 a worker gets its settings from here alone: LOYALTY_* variables of the caller do not reach it
  W2 whatever happens, `stop` leaves no process
"""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from config.settings import PREFIX, Settings
from workers.local_kafka import free_port

_HOST: Final = "127.0.0.1"
_LOG_LINES_SHOWN: Final = 15
_OK: Final = 200
_TIMEOUT_SECONDS: Final = 5
# With -P no folder of the caller's can stand in the way of ours.
_COMMAND: Final = (sys.executable, "-P", "-c", "from workers.cli import main; main()", "worker")


class WorkerFailed(Exception):
    """A worker ended or did not get ready; the message ends with the last lines of its log."""


class WorkerProcess:
    """One `loyalty worker`.

    Args:
        settings: of the demo; the worker gets the same cluster, topics and programs.
        directory: for its log and its own files.
        number: from 1.
    """

    def __init__(self, settings: Settings, directory: Path, number: int) -> None:
        self.log = directory / f"worker-{number}.log"
        self._port = free_port()
        self._settings = settings
        self._data = directory / f"worker-{number}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where its metrics are."""
        return f"http://{_HOST}:{self._port}/metrics"

    def start(self) -> None:
        """Starts it; see `wait_until_ready`."""
        own = {
            "BOOTSTRAP_SERVERS": ",".join(self._settings.bootstrap_servers),
            "PREFIX": self._settings.prefix,
            "PARTITIONS": str(self._settings.partitions),
            "PROGRAMS": ",".join(str(path) for path in self._settings.programs),
            "DATA_DIRECTORY": str(self._data),
            "METRICS_PORT": str(self._port),
            "LOG_JSON": "true",
        }
        inherited = {name: value for name, value in _environment().items() if not name.startswith(PREFIX)}
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C reaches us, and we stop the workers before the broker.
            self._process = subprocess.Popen(
                _COMMAND,
                env=inherited | {PREFIX + name: value for name, value in own.items()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until_ready(self, timeout_seconds: float = 60) -> None:
        """Returns when it owns partitions and can write.

        Raises:
            WorkerFailed: it ended, or took too long.
        """
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            self.check()
            with contextlib.suppress(OSError, http.client.HTTPException):
                if _get(self._port, "/readyz")[0] == _OK:
                    return
            time.sleep(0.1)
        raise WorkerFailed(f"a worker was not ready after {timeout_seconds:.0f} s; its log ends:\n{self._tail()}")

    def check(self) -> None:
        """Raises WorkerFailed unless it runs."""
        code = None if self._process is None else self._process.poll()
        if code is not None:
            raise WorkerFailed(f"a worker ended with exit code {code}; its log ends:\n{self._tail()}")

    def metrics(self, name: str) -> list[tuple[dict[str, str], float]]:
        """The samples of one metric, as (labels, value); none when it does not answer in time."""
        try:
            status, text = _get(self._port, "/metrics")
        except (OSError, http.client.HTTPException):
            return []
        if status != _OK:
            return []
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        return [(sample.labels, sample.value) for sample in samples if sample.name == name]

    def stop(self, timeout_seconds: float = 30) -> None:
        """Ends it cleanly, or with force when that takes too long. Does nothing when it does not run."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(f"  {line[:500]}" for line in lines[-_LOG_LINES_SHOWN:])


def _environment() -> dict[str, str]:
    return dict(os.environ)  # noqa: TID251 - to hand it on to a process, not to read settings from it


def _get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(_HOST, port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
