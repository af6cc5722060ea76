"""Side by side: this worker and what one would use instead, on one broker, with the same baskets and outputs.

The contenders take turns, so that a slow minute meets them all. Measured is from the first event taken to the last: for
our worker until a reader sees its last transaction, for all others until they have taken the last event, by their own
word; what they still have to send or to commit then is not counted. Figures are medians; the ratios travel best.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.baskets import baskets
from benchmarks.contenders import CONTENDERS, WORKER, Contender
from benchmarks.peers.bare_loop import make_ready
from benchmarks.peers.environments import Missing
from benchmarks.peers.job import Job
from benchmarks.results import Rates, SideBySide
from benchmarks.runs import PARTITIONS, Measured, broker, expected_books, run_once


def measure(
    bootstrap: str, directory: Path, program: str, count: int, rounds: int, names: Sequence[str] | None = None
) -> SideBySide:
    """All contenders that know the program and can run here, in turns."""
    events, expected = baskets(count), expected_books(program, count)
    make_ready(directory, program, count)
    found: dict[str, list[Measured]] = {}
    absent: dict[str, str] = {}
    playing = [each for each in CONTENDERS if _plays(each, program, names)]
    for number in range(rounds):
        for contender in playing:
            if contender.name in absent:
                continue
            prefix = f"side-{program}-{number}-{playing.index(contender)}."
            job = Job(bootstrap, prefix, PARTITIONS, program, count, directory / prefix)
            try:
                measured = run_once(contender, job, events, expected)
            except Missing as missing:
                absent[contender.name] = str(missing)
                print(f"  {contender.name} is left out: {missing}", flush=True)
                continue
            found.setdefault(contender.name, []).append(measured)
            print(f"  round {number + 1} of {rounds}, {contender.name}: {_shown(measured)}, books right", flush=True)
    contenders = {name: rates_of(runs) for name, runs in found.items()}
    return SideBySide(program=program, baskets=count, rounds=rounds, contenders=contenders, absent=absent)


def rates_of(runs: Sequence[Measured]) -> Rates:
    """Every run, and their medians."""
    return Rates(
        events_per_second=median(run.events_per_second for run in runs),
        cpu_seconds_per_million=median(run.cpu_seconds_per_million for run in runs),
        peak_mb=median(run.peak_mb for run in runs),
        runs=[round(run.events_per_second, 1) for run in runs],
    )


def table(result: SideBySide) -> str:
    """The medians, and how many times each the worker is."""
    ours = result.contenders[WORKER].events_per_second if WORKER in result.contenders else None
    lines = [f"{'':36}{'events/s':>10}{'CPU s/million':>15}{'memory, MB':>12}{'worker is':>11}"]
    for name, rates in result.contenders.items():
        ratio = "" if ours is None else f"{ours / rates.events_per_second:.2f}x"
        lines.append(
            f"{name:36}{rates.events_per_second:10,.0f}{rates.cpu_seconds_per_million:15,.0f}"
            f"{rates.peak_mb:12,.0f}{ratio:>11}"
        )
    return "\n".join(lines)


def _plays(contender: Contender, program: str, names: Sequence[str] | None) -> bool:
    return (contender.programs is None or program in contender.programs) and (
        names is None or any(name.lower() in contender.name.lower() for name in names)
    )


def _shown(measured: Measured) -> str:
    return (
        f"{measured.events_per_second:,.0f} events/s, {measured.cpu_seconds_per_million:,.0f} CPU s a million, "
        f"{measured.peak_mb:,.0f} MB"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.side_by_side", description=__doc__)
    parser.add_argument("--baskets", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--program", default="one-per-unit", help="a shipped program")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="contenders whose name has this in it")
    options = parser.parse_args(arguments)
    with broker("side-by-side") as (bootstrap, folder):
        result = measure(bootstrap, folder, options.program, options.baskets, options.rounds, options.only)
    print(f"{options.program}, {options.baskets:,} baskets, medians of {options.rounds}")
    print(table(result))


if __name__ == "__main__":
    main()
