"""`make simulate`: any number of seeds, or one again with all that happened in it.

make simulate ARGS="--seeds 100000"         from seed 0 on, until one fails
make simulate ARGS="--seeds 500 --first 7"  from another one on
make simulate ARGS="--seed 60"              one, with its whole trace
"""

import argparse
import sys
import time

from tests.simulation.script import first_failure, simulate

_BLOCK = 500


def say(text: str) -> None:
    """Print it now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Returns the exit code: 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="make simulate", description="Simulate workers under seeds.")
    parser.add_argument("--seeds", type=int, default=1_000, help="how many (default 1000)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default 0)")
    parser.add_argument("--seed", type=int, help="one alone, with its whole trace")
    wanted = parser.parse_args()
    if wanted.seed is not None:
        report = simulate(wanted.seed)
        say(report.text(lines_max=len(report.trace)))
        return bool(report.failure)
    began = time.process_time()
    end = wanted.first + wanted.seeds
    for first in range(wanted.first, end, _BLOCK):
        seeds = range(first, min(first + _BLOCK, end))
        failed = first_failure(seeds)
        if failed is not None:
            say(failed.text())
            return 1
        seconds = time.process_time() - began
        say(f"{seeds.stop - wanted.first} seeds, {seconds:.0f} s of processor time, every promise held")
    return 0


if __name__ == "__main__":
    sys.exit(main())
