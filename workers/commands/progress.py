"""A progress bar for long files, for people who watch."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.ndjson import Source


@contextlib.contextmanager
def watched(sources: "Sequence[Source]", *, quiet: bool, doing: str = "replaying") -> Iterator[None]:
    """A progress bar on standard error when somebody watches; it looks at the inputs from a thread of its own."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    done = threading.Event()
    total = sum(source.size_bytes or 0 for source in sources)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(doing, total=total or None)

        def watch() -> None:
            while not done.wait(0.2):
                bar.update(task, completed=sum(source.read_bytes for source in sources))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
