"""What time costs: batches with nothing due, the end of a day on which a share of all points ends, a new version.

Accounts of five lots each, in the worker's own store, decided by its engine without Kafka. Nothing due is measured
against a store whose points never end, in turns. The end of a day is the first batch behind it. A version that adds
birthdays has every account looked at when it starts, in as many batches as that takes.
"""

import argparse
import gc
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median

from loyalty.account import Head
from loyalty.calendar import DAY_US
from loyalty.lots import Lot, added
from loyalty.plan import Programs
from loyalty.program import Program
from schemas.program_load import parse_program
from schemas.state import encode_record
from workers.batch import Engine
from workers.store.memory import MemoryStore

PROGRAM = """
program: bench
version: "1"
effective_from: 2000-01-01
zone: UTC
money: USD
points: {points: {name: Points, expiry: {after: P12M, notice: P30D}}}
earn:
- {id: base, on: purchase, give: {points: 1, per: "1.00"}}
"""
BIRTHDAYS = "- {id: birthday, on: birthday, give: {points: 100}}\n"
TODAY_US = 1_800_000_000_000_000 // DAY_US * DAY_US
START_US = 946_684_800_000_000
"""When the program starts."""
LOTS = 5


def head(number: int, *, share_percent: int, ends: bool) -> Head:
    """An account whose first lot ends today for `share_percent` of the members, the others long after."""
    lots = ""
    for lot in range(LOTS):
        days = 0 if number % 100 < share_percent and lot == 0 else 200 + number % 100 + lot
        ends_us = TODAY_US + days * DAY_US if ends else None
        lots = added(lots, Lot(f"{number:012x}{lot:04x}", TODAY_US - 300 * DAY_US, ends_us, 40))
    made = Head(f"member-{number}", TODAY_US - 400 * DAY_US, balances={"points": (40 * LOTS, 0)}, lots={"points": lots})
    made.noticed = {"points": TODAY_US}
    first_days = 0 if number % 100 < share_percent else 170 + number % 100
    made.timed_us = START_US
    made.birthday = f"{number % 12 + 1:02d}-{number % 28 + 1:02d}"
    made.due_us = TODAY_US + first_days * DAY_US if ends else None
    return made


def filled(members: int, engine: Engine, *, share_percent: int, ends: bool) -> tuple[MemoryStore, float]:
    """A store with that many accounts, and the CPU seconds that taking them in needed."""
    records = {
        f"m|member-{number}".encode(): encode_record(head(number, share_percent=share_percent, ends=ends))
        for number in range(members)
    }
    store = MemoryStore(0, engine.start_after)
    before = time.process_time()
    store.apply(records)
    return store, time.process_time() - before


def empty_batch_us(engine: Engine, store: MemoryStore, now_us: int) -> float:
    """CPU microseconds of one batch without records."""
    before = time.process_time_ns()
    engine.decide_batch(0, [], store, now_us)
    return (time.process_time_ns() - before) / 1_000


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.due_batches", description=__doc__)
    parser.add_argument("--members", type=int, default=200_000)
    parser.add_argument("--share-percent", type=int, default=1)
    options = parser.parse_args(arguments)
    gc.disable()
    first = parse_program(PROGRAM)
    engine = Engine(Programs([first]), partitions=1)
    timed, timed_seconds = filled(options.members, engine, share_percent=options.share_percent, ends=True)
    endless, endless_seconds = filled(options.members, engine, share_percent=options.share_percent, ends=False)
    costs: dict[str, list[float]] = {"points end": [], "points never end": []}
    for turn in range(200):
        now_us = TODAY_US - DAY_US + turn * 1_000_000
        costs["points end"].append(empty_batch_us(engine, timed, now_us))
        costs["points never end"].append(empty_batch_us(engine, endless, now_us))
    print(f"{options.members:,} members with {LOTS} lots each")
    print(f"taking the accounts into the store: {timed_seconds:.2f} s, without ends {endless_seconds:.2f} s")
    for name, found in costs.items():
        print(f"a batch with nothing due, {name}: median {median(found):.1f} us, highest {max(found):.1f} us")
    before = time.process_time()
    result = engine.decide_batch(0, [], timed, TODAY_US)
    seconds = time.process_time() - before
    print(f"the end of the day, {sum(result.counts.expired.values()) // 40:,} lots end: {seconds:.2f} s")
    del timed, endless
    version(first, options.members)


def version(first: Program, members: int) -> None:
    """Measure the start of a version that adds birthdays, and print."""
    start = datetime.fromtimestamp((TODAY_US - DAY_US) // 1_000_000, UTC).date()
    text = PROGRAM.replace('version: "1"', 'version: "2"').replace("2000-01-01", str(start)) + BIRTHDAYS
    engine = Engine(Programs([first, parse_program(text)]), partitions=1)
    store, seconds = filled(members, engine, share_percent=0, ends=True)
    print(f"taking the accounts into the store, with a version to come: {seconds:.2f} s")
    before = time.process_time()
    batches = 0
    while (result := engine.decide_batch(0, [], store, TODAY_US - DAY_US)).due:
        store.apply(result.writes)
        batches += 1
    seconds = time.process_time() - before
    print(f"the start of a version with birthdays, each account is looked at: {seconds:.2f} s, {batches} batches")


if __name__ == "__main__":
    main()
