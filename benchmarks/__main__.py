"""`python -m benchmarks`: all measurements, one after the other, and a table of them at the end; some 20 minutes.

The figures of the parts that compare go into a file; with `--keep` into the repository, together with the charts and
the tables of docs/performance.md. `--quick` runs everything in small, to see that it runs: what it prints means
nothing.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from benchmarks import (
    audit_memory,
    charts,
    decide_only,
    due_batches,
    growth,
    latency,
    record_sizes,
    replay_vs_json,
    side_by_side,
    worker_alone,
)
from benchmarks.contenders import FAUST, QUIX_ONCE, WORKER
from benchmarks.results import KEPT, UNKEPT, Results, now_text, save, this_machine
from benchmarks.runs import broker

T = TypeVar("T")


class Sizes(NamedTuple):
    """How much is measured."""

    baskets: int
    rounds: int
    wait_seconds: float
    members: Sequence[int]
    events: int
    passes: int


FULL: Final = Sizes(40_000, 3, 10, growth.MEMBERS, 10_000, 3)
QUICK: Final = Sizes(3_000, 1, 3, growth.MEMBERS[:1], 1_000, 1)

FRAMEWORKS: Final = (WORKER, FAUST, QUIX_ONCE)
"""Who takes part when the program is not the plainest."""

ALONE: Final = (decide_only, due_batches, record_sizes, replay_vs_json, audit_memory)
"""Those that print their own figures and need no broker."""


def compared(sizes: Sizes, beside: str, path: Path) -> Results:
    """What is measured against something else, or against itself. What is there is saved after each part."""
    results = Results(taken=now_text(), beside=beside, machine=this_machine())

    def keep(**found: object) -> Results:
        nonlocal results
        results = results.model_copy(update=found)
        save(results, path)
        return results

    with broker("bench") as (bootstrap, folder):
        side = partial(side_by_side.measure, bootstrap, folder)
        plain = _part("side by side", partial(side, "one-per-unit", sizes.baskets, sizes.rounds))
        keep(side_by_side=(plain,))
        rich = _part(
            "side by side, a program with five purchase rules and tiers",
            partial(side, "grocery", sizes.baskets // 2, sizes.rounds, FRAMEWORKS),
        )
        keep(side_by_side=(plain, rich))
        highest = {name: rates.events_per_second for name, rates in plain.contenders.items()}
        keep(latency=_part("latency", partial(latency.measure, bootstrap, folder, highest, sizes.wait_seconds)))
        alone = (bootstrap, folder, sizes.baskets, sizes.rounds)
        keep(safety=_part("price of safety", partial(worker_alone.measure_safety, *alone)))
        keep(workers=_part("one and two workers", partial(worker_alone.measure_workers, *alone)))
    grown = partial(growth.measure, sizes.members, growth.RULES, growth.LINES, sizes.events, sizes.passes)
    return keep(growth=_part("growth", grown))


def summary(results: Results) -> str:
    """One table of everything that was compared."""
    parts = [side_by_side.table(each) for each in results.side_by_side]
    if results.latency is not None:
        parts.append(latency.table(results.latency))
    parts += [side_by_side.table(each) for each in (results.safety, results.workers) if each is not None]
    if results.growth is not None:
        parts.append(growth.table(results.growth))
    return "\n\n".join(parts)


def _part(name: str, measure: Callable[[], T]) -> T:
    print(f"\n== {name}", flush=True)
    started = time.monotonic()
    found = measure()
    print(f"   ({time.monotonic() - started:.0f} s)", flush=True)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run them all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="everything in small")
    parser.add_argument("--baskets", type=int, help=f"for those that use a broker; default: {FULL.baskets:,}")
    parser.add_argument("--rounds", type=int, help=f"in turns; default: {FULL.rounds}")
    parser.add_argument("--compared-only", action="store_true", help="only what is measured against something else")
    parser.add_argument("--keep", action="store_true", help="write results, charts and docs/performance.md")
    parser.add_argument("--beside", default="", help="a sentence for the document: what else the machine did")
    options = parser.parse_args(arguments)
    sizes = QUICK if options.quick else FULL
    sizes = sizes._replace(baskets=options.baskets or sizes.baskets, rounds=options.rounds or sizes.rounds)
    path = KEPT if options.keep else UNKEPT
    results = compared(sizes, options.beside, path)
    if not (options.quick or options.compared_only):
        for benchmark in ALONE:
            _part(benchmark.__name__.removeprefix("benchmarks."), partial(benchmark.main, []))
    print(f"\n{summary(results)}\n\nThese figures lie in {path.name}.")
    if options.keep:
        charts.main([])


if __name__ == "__main__":
    main()
