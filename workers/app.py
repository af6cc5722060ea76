"""The Faust app and its process: settings of the framework, its hooks, and a clean end.

Faust gives the app, its agents, the worker's life cycle, group membership and co-partitioned assignment. Batches,
state and delivery are ours (lanes, checkpoint, ownership).

Invariants:
  F1 no web server of Faust's: it would listen on all interfaces
  F2 stdout stays stdout: Faust would turn it into log warnings
  F3 on SIGTERM the batch in flight is finished, and the exit code is 0; the group is left, unless Faust hangs in it:
     then its session timeout does it
  F4 a worker subscribes once, when all its agents have said what they read: a topic that came later would be read 45 s
     later, after one more rebalance
  F5 a worker without partitions stays in the group, however long it has nothing to read: it is there to take over
  F6 an assignment is taken over only while it stands: when a revocation has overtaken it, another is to come
"""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import faust
import structlog
from faust.tables import TableManager
from faust.types import TP
from typing_extensions import override

from workers.agents import declare_agents
from workers.connection import Connection
from workers.fatal import EXIT_STOPPED, EndProcess
from workers.health import Health
from workers.lanes import Acknowledge, Lanes, Poll
from workers.ownership import Ownership
from workers.transport import PollConsumer, PollTransport

_log = structlog.stdlib.get_logger(__name__)

_STOP_SECONDS_MAX: Final = 25.0
"""For a clean end. Below what supervisors wait by default (30 s) before they kill."""

_LEAVE_SECONDS_MAX: Final = 8.0
"""For the clients' and Faust's own end when no batch is under way: they may hang when a rebalance begins just then."""

_BEAT_SECONDS: Final = 1.0

_AGENTS_SECONDS: Final = 0.01
"""Between two looks at whether all agents have started."""

_LAST_TASKS_SECONDS_MAX: Final = 1.0
"""For tasks that were cancelled at the very end."""

_IDLE_SECONDS_MAX: Final = 10 * 366 * 86_400.0
"""After so long without a fetch aiokafka takes itself for stuck, leaves the group and never joins again. Who has no
partitions never fetches (F5), and whether the loop turns is for /healthz to say. Faust's own is 1,000 s."""

_METADATA_SECONDS_MAX: Final = 5
"""How old a client's idea of the topics may be. A leader of the group that could not learn of them, because the broker
was away just then, gives no partitions to anybody; with a new idea it does it again. aiokafka waits 5 minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaustTerms:
    """What the framework needs to know, as plain values."""

    group: str
    topics: Mapping[str, str]
    """Input word -> full name, in their order."""
    data_directory: Path
    poll_records_max: int
    session_timeout_seconds: float


class LaneIntake:
    """The lanes as the transport sees them: by full topic name."""

    def __init__(self, lanes: Lanes, topics: Mapping[str, str]) -> None:
        self._lanes = lanes
        self._words = {name: word for word, name in topics.items()}

    def wants(self, tp: TP) -> bool:
        """Whether the lane of the partition has room for the topic."""
        word = self._words.get(tp.topic)
        return word is not None and self._lanes.wants(word, tp.partition)

    def position(self, tp: TP) -> int | None:
        """Where the lane goes on."""
        word = self._words.get(tp.topic)
        return None if word is None else self._lanes.position(word, tp.partition)

    async def room(self, timeout_seconds: float) -> None:
        """Wait until a lane has room."""
        await self._lanes.room(timeout_seconds)

    @property
    def seek(self) -> int:
        """Number of the seek whose polls count."""
        return self._lanes.seek

    @seek.setter
    def seek(self, number: int) -> None:
        self._lanes.seek = number

    def failed(self, what: str, error: BaseException) -> Any:
        """End the process."""
        self._lanes.failed(what, error)


class NoTables(TableManager):
    """Faust's is where it waits before it subscribes: a second, for the agents' sake. This one waits for the agents."""

    mundane_level = "debug"  # That it starts and stops is of its inside.

    @override
    async def on_start(self) -> None:
        while not self.should_stop and len(self._read()) < len(self.app.agents):
            await self.sleep(_AGENTS_SECONDS)
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()

    def _read(self) -> set[str]:
        return {name for channel in self.app.topics for name in channel.topics}


def build_app(terms: FaustTerms, connection: Connection, lanes: Lanes, ownership: Ownership) -> faust.App:
    """The Faust app with agents and hooks. Nothing starts before a worker runs it."""
    # Every setting that matters is passed: Faust would else look for it in the environment.
    app = faust.App(
        terms.group,
        broker=connection.faust_urls(),
        broker_credentials=connection.faust_credentials(),
        datadir=terms.data_directory,
        store="memory://",
        TableManager=NoTables,
        processing_guarantee="at_least_once",
        key_serializer="raw",
        value_serializer="raw",
        autodiscover=False,
        origin=None,
        web_enabled=False,
        worker_redirect_stdouts=False,
        # Co-partitioned assignment; with 0 Faust falls back to round robin.
        table_standby_replicas=1,
        topic_allow_declare=False,
        topic_disable_leader=True,
        # What waits is bounded by the lanes. Full buffers of Faust's own would pause partitions behind our back.
        stream_buffer_maxsize=4096,
        stream_wait_empty=False,
        broker_max_poll_records=terms.poll_records_max,
        broker_session_timeout=terms.session_timeout_seconds,
        # Faust wants it longer than a session.
        broker_request_timeout=max(90.0, terms.session_timeout_seconds + 10.0),
        broker_max_poll_interval=_IDLE_SECONDS_MAX,
        broker_heartbeat_interval=min(3.0, terms.session_timeout_seconds / 3),
        broker_commit_interval=1.0,
        broker_check_crcs=True,
        consumer_metadata_max_age_ms=_METADATA_SECONDS_MAX * 1_000,
        consumer_auto_offset_reset="none",
    )
    app.transport = PollTransport(app.conf.broker, app, intake=LaneIntake(lanes, terms.topics))

    def feed(word: str, partition: int, poll: Poll, acknowledge: Acknowledge) -> None:
        lanes.offer(word, partition, poll, acknowledge)

    declare_agents(app, terms.topics, feed)

    async def revoked(_app: Any, *_: Any, **_named: Any) -> None:
        await ownership.revoked()

    async def rebalanced(_app: Any, *_: Any, **_named: Any) -> None:
        # Awaited before Faust seeks and resumes, while heartbeats go on. `on_partitions_assigned` would block those.
        consumer = cast("PollConsumer", app.consumer)
        if not consumer.is_rebalancing():  # F6
            await ownership.assigned(consumer.assignment())

    # The interface wants a handler's parameters named as Faust calls them; ours take whatever comes.
    app.on_partitions_revoked.connect(cast("Any", revoked))
    app.on_rebalance_complete.connect(cast("Any", rebalanced))
    return app


class Process(faust.Worker):
    """Runs the app until a signal comes or a part of it crashes."""

    def __init__(
        self, app: faust.App, ownership: Ownership, health: Health, end_process: EndProcess, **kwargs: Any
    ) -> None:
        super().__init__(
            app,
            quiet=True,
            override_logging=False,
            redirect_stdouts=False,
            **kwargs,
        )
        self.spinner = None
        self._ownership = ownership
        self._health = health
        self._end_process = end_process

    @override
    async def on_start(self) -> None:
        await super().on_start()
        self._beating = self.add_future(self._beat())

    @override
    async def on_stop(self) -> None:
        # Before the app's services stop: the batch in flight needs them no more, and nothing comes after it.
        _log.info("stopping")
        watchdog = threading.Timer(_STOP_SECONDS_MAX, self._stuck)
        watchdog.daemon = True
        watchdog.start()
        leaving = threading.Timer(_LEAVE_SECONDS_MAX, self._leave)
        leaving.daemon = True
        leaving.start()
        await self._ownership.stop()
        await super().on_stop()

    @override
    async def _sentinel_task(self) -> None:
        # Before it closes the loop, the framework gives what it cancelled a second. Mostly nothing is left.
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:
            await asyncio.wait(left, timeout=_LAST_TASKS_SECONDS_MAX)

    async def _beat(self) -> None:
        while not self.should_stop:
            self._health.beat()
            await asyncio.sleep(_BEAT_SECONDS)

    def _leave(self) -> None:
        if self._ownership.is_at_work():
            return  # Its batch gets the rest of the time.
        _log.warning("stopped", exit_code=0, left_the_group=False)
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    def _stuck(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.print_stack(file=sys.stderr)  # Where it hangs is all that can be learned from it.
        self._end_process("stopping", TimeoutError(f"the worker did not stop within {_STOP_SECONDS_MAX} s"))


def run_process(app: faust.App, ownership: Ownership, health: Health, end_process: EndProcess) -> int:
    """Run until SIGTERM or SIGINT, and return the exit code: 0, or 70 after a crash of the framework."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    process = Process(app, ownership, health, end_process, loop=loop)
    try:
        process.execute_from_commandline()
    except SystemExit as end:
        if end.code:
            _log.critical("stopped", what="the framework", exit_code=EXIT_STOPPED)
            return EXIT_STOPPED
    finally:
        sys.stdout.flush()
    _log.info("stopped", exit_code=0)
    return 0
