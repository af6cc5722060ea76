"""A TCP proxy of our own between one worker and the broker: it delays, drops and resets on command.

It runs in a thread with a loop of its own. The broker tells clients of this listener the proxy's port, so all that
such a client sends goes through here.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Any, Self

from tests.chaos.schedule import Cut

_CHUNK_BYTES = 64 * 1024
_DELAY_SECONDS = 0.2
_RESET_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends a reset, and what is not sent is thrown away."""


class Proxy:
    """Listens on `port` and passes everything on to `upstream_port`, both of this machine. A context manager."""

    def __init__(self, port: int, upstream_port: int) -> None:
        self._port, self._upstream_port = port, upstream_port
        self._cut: Cut | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._maimed: set[asyncio.StreamWriter] = set()
        """Connections that lost bytes: what comes after would make no sense."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._accept, "127.0.0.1", self._port))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open) // 2

    def begin(self, how: Cut) -> int:
        """Do that to all connections from now on. Answers how many are open."""
        found: int = self._call(self._begin(how))
        return found

    def end(self) -> None:
        """Pass everything on again."""
        self._call(self._end())

    def _call(self, what: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(30)

    async def _begin(self, how: Cut) -> int:
        found = self.connections
        self._cut = how
        if how is Cut.RESET:
            self._reset(self._open)
        return found

    async def _end(self) -> None:
        self._cut = None
        self._reset(self._maimed)

    async def _close(self) -> None:
        self._server.close()
        self._reset(self._open)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _reset(self, writers: set[asyncio.StreamWriter]) -> None:
        for writer in list(writers):
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_ONCE)
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._cut is Cut.RESET:
            self._reset({writer})
            return
        try:
            upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        except OSError:
            self._reset({writer})  # As the broker's own port would refuse it.
            return
        pair = {writer, upstream}
        self._open |= pair
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, upstream, pair))
                both.create_task(self._pump(upstream_reader, writer, pair))
        except* OSError:
            pass
        finally:
            self._open -= pair
            self._maimed -= pair
            self._reset(pair)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: set[Any]) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            if self._cut is Cut.DELAY:
                await asyncio.sleep(_DELAY_SECONDS)
            if self._cut is Cut.DROP:
                self._maimed |= pair
            if writer not in self._maimed:
                writer.write(chunk)
                await writer.drain()
        raise ConnectionResetError("one side has closed")
