"""Where a microsecond goes: decoding, deciding and encoding baskets, in one process, without files or Kafka.

Baskets go through each stage in parts, as in the worker and in replay, so that the caches are as warm as there. Of
several passes over all baskets the fastest counts, for each stage by itself: the rest is the machine's.
"""

import argparse
import gc
import json
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.baskets import baskets_file, programs_named
from loyalty.decide import decide
from loyalty.fetching import fetched
from loyalty.plan import Programs
from schemas.decode import Known, decode
from schemas.state import decode_record, encode_record
from workers.batch import messages_of
from workers.overlay import parts_of

if TYPE_CHECKING:
    from loyalty.account import Record

PROGRAM_NAMES = ("one-per-unit", "grocery", "coffee-club")
STAGES = ("json.loads", "decode", "decide", "encode messages", "encode state", "decode state")


def one_pass(programs: Programs, lines: Sequence[bytes]) -> Counter[str]:
    """CPU nanoseconds of each stage over all lines, from empty accounts."""
    spent: Counter[str] = Counter()
    state: dict[str, Record] = {}
    last = time.process_time_ns()

    def lap(stage: str) -> None:
        nonlocal last
        now = time.process_time_ns()
        spent[stage] += now - last
        last = now

    for part in parts_of(lines):
        for line in part:
            json.loads(line)
        lap("json.loads")
        decoded = [decode(line) for line in part]
        lap("decode")
        facts = [each.fact for each in decoded if isinstance(each, Known)]
        decisions = []
        for fact in facts:
            found = fetched(fact, state.get)
            decision = decide(programs, found, fact, fact.time_us)
            state.update(decision.writes)
            decisions.append(decision)
        lap("decide")
        for decision in decisions:
            messages_of(decision)
        lap("encode messages")
        encoded = [encode_record(record) for decision in decisions for record in decision.writes.values()]
        lap("encode state")
        for raw in encoded:
            decode_record(raw)
        lap("decode state")
    return spent


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decide_only", description=__doc__)
    parser.add_argument("--baskets", type=int, default=20_000)
    parser.add_argument("--passes", type=int, default=5)
    options = parser.parse_args(arguments)
    lines = baskets_file(options.baskets).read_bytes().splitlines()
    gc.disable()
    found: dict[str, dict[str, float]] = {}
    for name in PROGRAM_NAMES:
        passes = [one_pass(programs_named(name), lines) for _ in range(options.passes)]
        found[name] = {stage: min(each[stage] for each in passes) / len(lines) / 1_000 for stage in STAGES}
    print(f"{len(lines):,} baskets, the fastest of {options.passes} passes, us/basket")
    print(f"{'':24}" + "".join(f"{name:>14}" for name in PROGRAM_NAMES))
    for stage in STAGES:
        print(f"{stage:24}" + "".join(f"{found[name][stage]:14.1f}" for name in PROGRAM_NAMES))


if __name__ == "__main__":
    main()
