"""How many times longer `loyalty replay` takes than reading the same file with json.loads. At most ten is the aim.

Each is a process of its own, start included, and its CPU time is what counts: on a busy machine the clock on the wall
says little. The two take turns, so that a slow minute meets both; the median of each is compared.
"""

import argparse
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.baskets import BASKETS_ALL, ROOT, SCRATCH, baskets_file, program_file

PROGRAM_NAMES = ("one-per-unit", "grocery")
_READ_JSON = "import json, sys\nfor line in open(sys.argv[1], 'rb'): json.loads(line)"


def cpu_seconds(command: Sequence[str]) -> float:
    """CPU time of a command, of user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def replay_command(program: str, events: Path) -> Sequence[str]:
    """`loyalty replay` as a user runs it."""
    cli = (sys.executable, "-c", "from workers.cli import main; main()", "replay", "--json")
    out = SCRATCH / f"replay-{program}"
    return (*cli, "--program", str(program_file(program)), "--events", str(events), "--out", str(out))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay_vs_json", description=__doc__)
    parser.add_argument("--baskets", type=int, default=BASKETS_ALL)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    events = baskets_file(options.baskets)
    seconds: dict[str, list[float]] = {name: [] for name in ("json.loads", *PROGRAM_NAMES)}
    for _ in range(options.rounds):
        seconds["json.loads"].append(cpu_seconds((sys.executable, "-c", _READ_JSON, str(events))))
        for program in PROGRAM_NAMES:
            seconds[program].append(cpu_seconds(replay_command(program, events)))
    plain = median(seconds["json.loads"])
    print(f"{options.baskets:,} baskets, median CPU time of {options.rounds} runs each")
    print(f"{'':24}{'seconds':>9}{'us/event':>10}{'x json':>8}")
    for name, each in seconds.items():
        taken = median(each)
        print(f"{name:24}{taken:9.2f}{taken / options.baskets * 1e6:10.1f}{taken / plain:8.2f}")


if __name__ == "__main__":
    main()
