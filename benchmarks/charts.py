"""The charts and the tables of docs/performance.md, made from the figures of the last full run (results.py).

`python -m benchmarks.charts` draws them again; `--check` says whether they are what the figures say. The tables stand
in the document between two marks; what is around them is written by hand.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from math import ceil, log10
from pathlib import Path
from typing import Final

from benchmarks import svg
from benchmarks.baskets import ROOT
from benchmarks.contenders import WORKER
from benchmarks.results import KEPT, Growth, Latency, Rates, Results, SideBySide, Wait, load

DOCUMENT: Final = ROOT / "docs" / "performance.md"
CHARTS: Final = ROOT / "docs" / "charts"
BEGIN: Final = "<!-- figures of the last full run: made by python -m benchmarks.charts -->"
END: Final = "<!-- end of the figures -->"
GOAL_MS: Final = 250
"""For the 99th percentile at half load."""


def files(results: Results) -> dict[Path, str]:
    """Everything that is made from the figures: path -> content. Raises ValueError when the document has no marks."""
    made = {DOCUMENT: _between_marks(DOCUMENT.read_text("utf-8"), tables(results))}
    for result in results.side_by_side[:1]:
        made[CHARTS / "side-by-side.svg"] = side_by_side_chart(result)
    if results.latency is not None:
        made[CHARTS / "latency.svg"] = latency_chart(results.latency)
    if results.growth is not None:
        made[CHARTS / "growth.svg"] = growth_chart(results.growth)
    return made


def side_by_side_chart(result: SideBySide) -> str:
    """Throughput, and CPU for a million events."""
    title = "One machine, one broker, the same baskets"
    about = (
        f"{result.baskets:,} baskets under {result.program}, one process each, medians of {result.rounds} runs in turns"
    )
    rates = result.contenders
    throughput = [
        svg.Bar(name, each.events_per_second, f"{each.events_per_second:,.0f}", name == WORKER)
        for name, each in rates.items()
    ]
    cpu = [
        svg.Bar(name, each.cpu_seconds_per_million, f"{each.cpu_seconds_per_million:,.0f}", name == WORKER)
        for name, each in rates.items()
    ]
    parts = svg.heading(title, about)
    parts += svg.bars(20, 88, 600, throughput, "events a second (more is better)", names=245)
    parts += svg.bars(640, 88, 330, cpu, "CPU seconds for a million events (less is better)", names=0)
    return svg.picture(980, 88 + 14 + len(rates) * 30 + 14, title, parts)


def latency_chart(result: Latency) -> str:
    """Percentiles by contender, at each load."""
    title = "From the scheduled send to the committed ledger entry"
    about = (
        "milliseconds, logarithmic; ring: 50 %, stroke: 95 %, dot: 99 % of all; dashed: our goal for 99 % at half load"
    )
    parts = svg.heading(title, about)
    waits = [wait for loads in result.contenders.values() for wait in loads.values()]
    highest = 10.0 ** ceil(log10(max(GOAL_MS, *(wait.p99_ms for wait in waits))))
    top = 88.0
    for percent in ("10", "50"):
        rows = [_range(name, loads[percent]) for name, loads in result.contenders.items()]
        words = f"at {percent} % of each one's highest rate"
        parts += svg.ranges(265, top, 430, rows, words, axis=(1, highest), goal=GOAL_MS)
        top += 34 + len(rows) * 30 + 40
    return svg.picture(980, top - 20, title, parts)


def growth_chart(result: Growth) -> str:
    """Microseconds for an event, by members, rules and lines."""
    title = "What an event costs as things grow"
    parts = svg.heading(title, "CPU microseconds to decode, decide, encode and store one basket; no Kafka")
    size = (210.0, 200.0)
    parts += svg.lines(64, 110, size, [_line(result.members)], ("us", "members in the store"), shown=_short)
    parts += svg.lines(384, 110, size, [_line(result.rules)], ("us", "rules in the program"), shown=_short)
    totals = {lines: sum(stages.values()) for lines, stages in result.lines.items()}
    stages = [svg.Line("all", sorted(totals.items()))] + [
        svg.Line(name, sorted((lines, each[name]) for lines, each in result.lines.items()))
        for name in ("decide", "decode")
    ]
    parts += svg.lines(704, 110, size, stages, ("us", "lines in a basket"), shown=_short)
    return svg.picture(980, 370, title, parts)


def tables(results: Results) -> str:
    """What stands between the marks."""
    machine = results.machine
    head = (
        f"Measured {results.taken} UTC on {machine.cores} shared cores ({machine.processor}, {machine.memory_gb} GB), "
        f"Python {machine.python}, Apache Kafka {machine.kafka}, Faust {machine.faust}; the engine {machine.engine}. "
        f"{results.beside}"
    ).rstrip()
    parts = [
        head,
        *(_side_by_side(each) for each in results.side_by_side),
        *([_latency(results.latency)] if results.latency is not None else []),
        *([_alone(results)] if results.safety is not None and results.workers is not None else []),
        *([_growth(results.growth)] if results.growth is not None else []),
    ]
    return "\n\n".join(parts)


def _side_by_side(result: SideBySide) -> str:
    ours = result.contenders[WORKER]
    rows = []
    for name, each in result.contenders.items():
        times = f"{ours.events_per_second / each.events_per_second:.2f} times as fast"
        cpu = f"{ours.cpu_seconds_per_million / each.cpu_seconds_per_million:.2f} of it"
        rows.append((name, *_figures(each), *(("", "") if name == WORKER else (times, cpu))))
    title = f"{result.baskets:,} baskets under `{result.program}`, medians of {result.rounds} runs in turns"
    absent = [f"\n\n{name} did not run: {why}" for name, why in result.absent.items()]
    return _table(title, (*_FIGURES, "the worker is", "and its CPU"), rows) + "".join(absent)


def _latency(result: Latency) -> str:
    rows = []
    for name, loads in result.contenders.items():
        for percent, wait in loads.items():
            figures = (wait.events_per_second, wait.p50_ms, wait.p95_ms, wait.p99_ms)
            rows.append((name, f"{percent} %", *(f"{each:,.0f}" for each in figures)))
    title = f"Latency in milliseconds, {result.seconds:.0f} s at each load"
    return _table(title, ("load", "events/s", "p50", "p95", "p99"), rows)


def _alone(results: Results) -> str:
    rows = []
    for result in (results.safety, results.workers):
        for name, each in ({} if result is None else result.contenders).items():
            rows.append(("with transactions" if name == WORKER else name, *_figures(each)))
    return _table("The worker alone", _FIGURES, rows)


def _growth(result: Growth) -> str:
    by = (
        ("members", {size: f"{each:.0f}" for size, each in result.members.items()}),
        ("bytes of memory for each member", {size: f"{each:,.0f}" for size, each in result.bytes_per_member.items()}),
        ("rules", {size: f"{each:.0f}" for size, each in result.rules.items()}),
        ("lines", {size: f"{sum(each.values()):.0f}" for size, each in result.lines.items()}),
    )
    rows = [(name, ", ".join(f"{_short(size)}: {shown}" for size, shown in sizes.items())) for name, sizes in by]
    return _table("CPU microseconds for an event (decode, decide, encode, store), by", ("",), rows)


_FIGURES: Final = ("events/s", "CPU s/million", "memory, MB")


def _figures(rates: Rates) -> tuple[str, ...]:
    """Under `_FIGURES`."""
    return tuple(f"{each:,.0f}" for each in (rates.events_per_second, rates.cpu_seconds_per_million, rates.peak_mb))


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """As markdown; `columns` are those behind the names."""
    heads = ("", *columns)
    lines = [f"{title}:", "", _row(heads), "|" + "---|" * len(heads), *map(_row, rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)


def _range(name: str, wait: Wait) -> svg.Range:
    shown = f"{wait.p50_ms:,.0f} / {wait.p95_ms:,.0f} / {wait.p99_ms:,.0f} ms at {wait.events_per_second:,.0f}/s"
    return svg.Range(name, (wait.p50_ms, wait.p95_ms, wait.p99_ms), shown, name == WORKER)


def _line(figures: Mapping[int, float]) -> svg.Line:
    return svg.Line("", sorted(figures.items()))


def _short(size: float) -> str:
    if size >= 1_000_000:
        return f"{size / 1_000_000:.0f}M"
    return f"{size / 1_000:.0f}k" if size >= 1_000 else f"{size:.0f}"


def _between_marks(document: str, made: str) -> str:
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{DOCUMENT.name} has no marks to write between")
    return f"{before}{begin}\n\n{made}\n\n{end}{after}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.charts", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when a file is not fresh")
    options = parser.parse_args(arguments)
    made = files(load(KEPT))
    stale = [path for path, content in made.items() if not path.exists() or path.read_text("utf-8") != content]
    if options.check:
        sys.exit(f"not fresh: {', '.join(path.name for path in stale)}" if stale else 0)
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[path], "utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
