"""`loyalty kafka`: a local, real Apache Kafka for trying things out."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from workers.commands.failures import EXIT_CODES, FAILED, explained

DEFAULT_DIRECTORY = Path(".local/kafka")

Directory = Annotated[Path, typer.Option("--dir", help="Where the broker keeps its configuration, data and log.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(no_args_is_help=True, help="A local, real Apache Kafka (extra `local`); not for production.")
    group.command("start", epilog=EXIT_CODES)(start)
    group.command("stop", epilog=EXIT_CODES)(stop)
    app.add_typer(group, name="kafka")


def start(
    directory: Directory = DEFAULT_DIRECTORY,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0: the one this directory had, or a free one.")
    ] = 9092,
    heap_mb: Annotated[int, typer.Option(min=256, max=16_384, help="Java heap; 1024 for load tests.")] = 512,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay, and stop the broker on Ctrl-C or SIGTERM.")
    ] = False,
) -> None:
    """Start a broker and print its address. The first start fetches Kafka (45 MB) into the user's cache."""
    with explained():
        from workers.local_kafka import LocalKafka

        broker = LocalKafka(directory, port=port, heap_mb=heap_mb)
        stopped = threading.Event()
        if foreground:
            # Before the start, so that a signal during it is not lost.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: stopped.set())
        broker.start()
        typer.echo(broker.bootstrap)
        if not foreground:
            typer.echo(f"Kafka runs as process {broker.pid} in {directory}; stop it with:", err=True)
            typer.echo(f"  loyalty kafka stop --dir {directory}", err=True)
            return
        try:
            while not stopped.wait(timeout=1):
                if broker.pid is None:
                    typer.echo(f"the broker has ended by itself; see {directory}/kafka.log", err=True)
                    raise typer.Exit(FAILED)
        finally:
            broker.stop()


def stop(directory: Directory = DEFAULT_DIRECTORY) -> None:
    """Stop the broker of a directory. Its data stays. Exit code 1 when none runs there."""
    with explained():
        from workers.local_kafka import LocalKafka

        broker = LocalKafka(directory)
        pid = broker.pid
        if pid is None:
            typer.echo(f"no broker runs in {directory}", err=True)
            raise typer.Exit(FAILED)
        broker.stop()
        typer.echo(f"stopped process {pid}", err=True)
