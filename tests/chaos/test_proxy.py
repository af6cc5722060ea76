"""The proxy passes everything on, until it is told otherwise."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.chaos.proxy import Proxy
from tests.chaos.schedule import Cut
from workers.local_kafka import free_port


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of somebody who sends back what he is sent, to any number of callers."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer(caller: socket.socket) -> None:
            with caller:
                try:
                    while said := caller.recv(1024):
                        caller.sendall(said)
                except OSError:
                    return

        def listen() -> None:
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(caller,), daemon=True).start()

        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(echo: int) -> Iterator[tuple[Proxy, int]]:
    port = free_port()
    with Proxy(port, echo) as made:
        yield made, port


def call(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def said(caller: socket.socket, text: bytes) -> bytes:
    caller.sendall(text)
    return caller.recv(1024)


def test_it_passes_on_what_both_say(proxy: tuple[Proxy, int]) -> None:
    with call(proxy[1]) as one, call(proxy[1]) as two:
        assert said(one, b"hello") == b"hello"
        assert said(two, b"hi") == b"hi"
        assert proxy[0].connections == 2


def test_a_delay_makes_everything_late(proxy: tuple[Proxy, int]) -> None:
    with call(proxy[1]) as caller:
        assert said(caller, b"soon") == b"soon"
        assert proxy[0].begin(Cut.DELAY) == 1
        began = time.monotonic()
        assert said(caller, b"late") == b"late"
        assert time.monotonic() - began >= 0.2
        proxy[0].end()
        assert said(caller, b"soon again") == b"soon again"


def test_what_is_dropped_never_comes_and_the_connection_does_not_survive_it(proxy: tuple[Proxy, int]) -> None:
    with call(proxy[1]) as caller:
        assert said(caller, b"heard") == b"heard"
        proxy[0].begin(Cut.DROP)
        caller.sendall(b"lost")
        caller.settimeout(0.3)
        with pytest.raises(TimeoutError):
            caller.recv(1024)
        proxy[0].end()
        caller.settimeout(5)
        with pytest.raises(ConnectionResetError):
            caller.recv(1024)
    with call(proxy[1]) as caller:
        assert said(caller, b"heard again") == b"heard again"


def test_a_reset_ends_what_is_open_and_what_comes(proxy: tuple[Proxy, int]) -> None:
    with call(proxy[1]) as caller:
        assert said(caller, b"heard") == b"heard"
        proxy[0].begin(Cut.RESET)
        with pytest.raises(ConnectionResetError):
            caller.recv(1024)
        with pytest.raises(ConnectionResetError), call(proxy[1]) as another:
            another.recv(1024)
        proxy[0].end()
    with call(proxy[1]) as caller:
        assert said(caller, b"heard again") == b"heard again"


def test_nobody_behind_it_is_told_by_a_reset() -> None:
    port = free_port()
    with Proxy(port, free_port()), pytest.raises(ConnectionResetError), call(port) as caller:
        caller.recv(1024)
