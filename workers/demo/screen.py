"""What the demo shows while it runs: a live picture on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

_LINE_EVERY_SECONDS: Final = 3.0
_PICTURES_A_SECOND: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One moment of the demo. Every figure is read from the cluster or from the worker's metrics."""

    step: str
    seconds: float
    published: int
    baskets: int
    baskets_all: int
    taken: int
    rate: float
    """Events taken a second, over the last seconds."""
    lag_records: int
    points: dict[str, int]
    members: int
    tiers: dict[str, int]
    dead_letters: dict[str, int]
    latest: tuple[str, ...]
    addresses: tuple[str, ...] = field(default=())


class Screen:
    """Shows steps and pictures on standard error. A context manager: the live picture goes when it ends.

    Args:
        console: where to.
        quiet: show nothing at all.
    """

    def __init__(self, console: Console, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._quiet = quiet
        self._clock = clock
        self._live = (
            Live(console=console, refresh_per_second=_PICTURES_A_SECOND, transient=True)
            if console.is_terminal and not quiet
            else None
        )
        self._last_line = float("-inf")

    def __enter__(self) -> Self:
        """Begins."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends."""
        if self._live is not None:
            self._live.stop()

    def step(self, text: str) -> None:
        """Something begins that takes a while."""
        if not self._quiet:
            self._console.print(Text(text))

    def show(self, picture: Picture) -> None:
        """Shows a moment, if it is time to."""
        if self._quiet:
            return
        if self._live is not None:
            self._live.update(drawn(picture))
        elif self._clock() - self._last_line >= _LINE_EVERY_SECONDS:
            self._last_line = self._clock()
            self._console.print(Text(written(picture)), soft_wrap=True)


def drawn(picture: Picture) -> Group:
    """A moment as a picture of about twenty lines."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right")
    table.add_column()
    table.add_row("published", f"{picture.published:,} events, {picture.baskets:,} of {picture.baskets_all:,} baskets")
    table.add_row("taken", f"{picture.taken:,} events, {picture.rate:,.0f} a second, {picture.lag_records:,} waiting")
    table.add_row("points", _listed(picture.points) or "none yet")
    table.add_row("members", f"{picture.members:,}" + (f": {_listed(picture.tiers)}" if picture.tiers else ""))
    table.add_row("dead letters", _listed(picture.dead_letters) or "none")
    for address in picture.addresses:
        table.add_row("metrics", Text(address))
    head = Text(f"{picture.step}  ({picture.seconds:.0f} s; Ctrl-C ends it and cleans up)", style="bold")
    latest = [Text(f"  {line}", no_wrap=True, overflow="ellipsis") for line in picture.latest]
    return Group(head, table, Text("\nlatest in the ledger", style="dim"), *latest)


def written(picture: Picture) -> str:
    """A moment as one line."""
    return (
        f"{picture.seconds:5.0f} s  published {picture.published:,}  taken {picture.taken:,} "
        f"({picture.rate:,.0f}/s, {picture.lag_records:,} waiting)  points {_listed(picture.points) or 'none'}  "
        f"members {picture.members:,}  dead letters {sum(picture.dead_letters.values()):,}"
    )


def _listed(amounts: dict[str, int]) -> str:
    return ", ".join(f"{amount:,} {name}" for name, amount in amounts.items())
