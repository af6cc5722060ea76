"""/metrics, /healthz and /readyz on one port of their own, served by a thread.

healthy = the worker's event loop turns; a supervisor restarts what is not. ready = restored, assigned, and the
producers can write; a rollout waits for it.
"""

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from time import monotonic
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import orjson
from prometheus_client import CollectorRegistry, make_wsgi_app
from typing_extensions import override

from workers.fatal import Refusal

_BEAT_SECONDS_MAX: Final = 15.0
"""Longer than the longest batch that is still healthy."""


class Health:
    """What the two answers are made of. `not_ready` says why there is no work done, or None."""

    def __init__(self) -> None:
        self.not_ready: Callable[[], str | None] = lambda: "starting"
        self._beaten = monotonic()

    def beat(self) -> None:
        """The event loop turns."""
        self._beaten = monotonic()

    def unhealthy(self) -> str | None:
        """Why the worker should be restarted; None when it is well."""
        silent = monotonic() - self._beaten
        return f"the event loop has not turned for {silent:.0f} s" if silent > _BEAT_SECONDS_MAX else None


class _Server(ThreadingMixIn, WSGIServer):
    """A slow scrape does not hold up a health check."""

    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    """One line for each scrape is no news."""

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class HealthServer:
    """Serves from `start` until the process ends. Port 0 takes a free one; `port` says which."""

    def __init__(self, host: str, port: int, *, registry: CollectorRegistry, health: Health) -> None:
        self._host = host
        self.port = port
        self._health = health
        self._metrics = make_wsgi_app(registry)

    def start(self) -> None:
        """Listen. Raises Refusal when the address cannot be had."""
        try:
            server = make_server(self._host, self.port, self._answer, _Server, _QuietHandler)
        except OSError as error:
            raise Refusal(
                f"cannot serve metrics on {self._host}:{self.port}: {error.strerror or error}",
                hint="set LOYALTY_METRICS_HOST and LOYALTY_METRICS_PORT to an address of this machine that is free",
            ) from error
        self.port = server.server_port
        threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        match environ.get("PATH_INFO"):
            case "/metrics":
                answer: Iterable[bytes] = self._metrics(environ, start_response)
                return answer
            case "/healthz":
                return _status(start_response, self._health.unhealthy())
            case "/readyz":
                return _status(start_response, self._health.unhealthy() or self._health.not_ready())
            case _:
                start_response("404 Not Found", [("Content-Type", "text/plain")])
                return [b"/metrics, /healthz, /readyz\n"]


def _status(start_response: Any, problem: str | None) -> Iterable[bytes]:
    start_response("503 Service Unavailable" if problem else "200 OK", [("Content-Type", "application/json")])
    return [orjson.dumps({"ok": problem is None, "problem": problem}) + b"\n"]
