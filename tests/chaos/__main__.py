"""`make chaos`: the fault campaign on a real broker, with a live line for each fault and a report at its end.

make chaos                                               about half an hour: the long campaign
make chaos ARGS="--seed 7 --minutes 5 --share 0.15"      another seed, shorter, with as much less of each fault
make chaos ARGS="--kills 200 --zombies 0"                other goals
make chaos ARGS="--without 'starting a producer fences the one before'"    it has to fail
"""

import argparse
import shlex
import sys
from dataclasses import fields, replace
from pathlib import Path

from tests.chaos.campaign import Campaign, Plan
from tests.chaos.schedule import Goals
from tests.integration.harness import ROOT
from tests.simulation.safeguards import SAFEGUARDS

DIRECTORY = ROOT / ".local" / "chaos"


def say(text: str) -> None:
    """Print it now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Returns the exit code: 1 when anything is wrong."""
    parser = argparse.ArgumentParser(prog="make chaos", description="Break workers and broker, and audit the books.")
    parser.add_argument("--seed", type=int, default=1, help="of schedule and stream (default 1)")
    parser.add_argument("--minutes", type=float, default=30.0, help="length of the schedule (default 30)")
    parser.add_argument("--share", type=float, default=1.0, help="of all goals that are not given (default 1)")
    parser.add_argument("--workers", type=int, default=3, help="workers at a time (default 3)")
    parser.add_argument("--rate", type=float, default=40.0, help="events a second (default 40)")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds a fault waits for its victim (120)")
    parser.add_argument("--calm", type=float, default=600.0, help="most seconds to take the rest afterwards (600)")
    parser.add_argument("--without", default="", choices=["", *(each.name for each in SAFEGUARDS)], metavar="SAFEGUARD")
    parser.add_argument("--out", type=Path, help="directory of the report (default .local/chaos/seed-N)")
    for goal in fields(Goals):
        parser.add_argument(f"--{goal.name.replace('_', '-')}", type=int, help=f"goal (default {goal.default})")
    wanted = parser.parse_args()
    goals = Goals(**{goal.name: round(getattr(Goals(), goal.name) * wanted.share) for goal in fields(Goals)})
    given = {goal.name: getattr(wanted, goal.name) for goal in fields(Goals)}
    plan = Plan(
        seed=wanted.seed,
        seconds=wanted.minutes * 60,
        goals=replace(goals, **{name: value for name, value in given.items() if value is not None}),
        workers=wanted.workers,
        rate=wanted.rate,
        without=wanted.without,
        patience_seconds=wanted.patience,
        calm_seconds_max=wanted.calm,
        command=f"make chaos ARGS={shlex.quote(shlex.join(sys.argv[1:]))}" if sys.argv[1:] else "make chaos",
    )
    directory = wanted.out or DIRECTORY / f"seed-{plan.seed}"
    report = Campaign(plan, directory.absolute(), say).run()
    say(f"\n{report.text()}")
    say(f"Written to {directory}")
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(main())
