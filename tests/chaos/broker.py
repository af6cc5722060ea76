"""The broker of a campaign: a local one of its own with a second listener, which leads through the proxy."""

import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

from workers.local_kafka import LocalKafka, free_port

START_SECONDS = 240.0
"""Of a broker that was killed: it recovers its logs first, on a machine that has other things to do."""


class Ports(NamedTuple):
    """Where the broker of a campaign is to be found."""

    plain: int
    proxied: int
    """Of the listener that advertises the proxy."""
    proxy: int
    controller: int


class CampaignBroker:
    """A broker that is killed and frozen. `bootstrap` is for everybody, `bootstrap_proxied` for one worker."""

    def __init__(self, directory: Path) -> None:
        self.ports = Ports(*(free_port() for _ in range(4)))
        plain, proxied, proxy, controller = self.ports
        host = "127.0.0.1"
        listeners = f"PLAINTEXT://{host}:{plain},PROXIED://{host}:{proxied},CONTROLLER://{host}:{controller}"
        self.kafka = LocalKafka(
            directory,
            port=plain,
            properties={
                "listeners": listeners,
                "advertised.listeners": f"PLAINTEXT://{host}:{plain},PROXIED://{host}:{proxy}",
                "controller.quorum.bootstrap.servers": f"{host}:{controller}",
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
                "log.cleaner.backoff.ms": "2000",  # Changelogs are compacted while it goes on.
            },
        )
        self.bootstrap = f"{host}:{plain}"
        self.bootstrap_proxied = f"{host}:{proxy}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.kafka.start(START_SECONDS)

    def die(self, seconds: float) -> None:
        """Killed with -9, away for a while, started again."""
        self.kafka.kill()
        time.sleep(seconds)
        self.start()

    def freeze(self, seconds: float) -> None:
        """It stands still, connections open, and goes on."""
        pid = self.kafka.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)
