"""What an event costs as things grow: members in the store, rules in the program, lines in a basket.

The worker's engine and store, in one process without Kafka: batches are decoded, decided, encoded and stored. CPU
time, the fastest of several passes. Members are made from one account, and real baskets are dealt out to them at
random, so that no account is warm; each number of members is a process of its own. Rules give a bonus for some
products each, the most bought first. Baskets of a size are cut from the lines of real ones.
"""

import argparse
import gc
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, cycle, islice
from typing import Any

import orjson
import psutil

from benchmarks.baskets import ROOT, baskets, programs_named
from benchmarks.decide_only import one_pass
from benchmarks.results import Growth
from loyalty.plan import Programs
from schemas.program_load import parse_program
from workers.batch import Engine
from workers.records import Record
from workers.store.memory import MemoryStore

MEMBERS = (10_000, 100_000, 1_000_000)
RULES = (5, 20, 50, 100, 200)
LINES = (1, 3, 10, 30, 100)
STAGES = ("decode", "decide", "encode messages", "encode state")
_PROGRAM = "one-per-unit"
_BATCH = 2_000
_NOW_US = 1_800_000_000_000_000
_SKUS_OF_A_RULE = 10
_BOUGHT = 10
"""How often each member has bought before."""


def measure(members: Sequence[int], rules: Sequence[int], lines: Sequence[int], events: int, passes: int) -> Growth:
    """All three, by size."""
    by_members, bytes_each = dict[int, float](), dict[int, float]()
    for size in members:
        by_members[size], bytes_each[size] = _members_apart(size, events, passes)
        print(f"  {size:,} members: {by_members[size]:.1f} us, {bytes_each[size]:,.0f} bytes each", flush=True)
    by_rules = dict[int, float]()
    for size in rules:
        by_rules[size] = _rules(size, events, passes)
        print(f"  {size} rules: {by_rules[size]:.1f} us", flush=True)
    by_lines = dict[int, Mapping[str, float]]()
    for size in lines:
        by_lines[size] = _lines(size, events, passes)
        print(f"  {size} lines: {sum(by_lines[size].values()):.1f} us", flush=True)
    return Growth(members=by_members, bytes_per_member=bytes_each, rules=by_rules, lines=by_lines)


def _members_apart(size: int, events: int, passes: int) -> tuple[float, float]:
    """Microseconds for each event, and bytes for each member, measured in a process of its own."""
    command = (sys.executable, "-m", "benchmarks.growth", "--one-size", str(size))
    sizes = ("--events", str(events), "--passes", str(passes))
    done = subprocess.run((*command, *sizes), check=True, cwd=ROOT, capture_output=True, text=True)
    microseconds, each = done.stdout.split()
    return float(microseconds), float(each)


def members(size: int, events: int, passes: int) -> tuple[float, float]:
    """The same in this process."""
    engine = Engine(programs_named(_PROGRAM), partitions=1)
    store = MemoryStore(0, engine.start_after)
    bought = [_record(number, raw) for number, raw in enumerate(_dealt(_BOUGHT, 1))]
    template = engine.decide_batch(0, bought, store, _NOW_US).writes[b"m|member-0000000"]
    if template is None:
        raise TypeError("an account is missing")
    gc.collect()
    before = psutil.Process().memory_info().rss
    for start in range(0, size, 10_000):
        names = [b"member-%07d" % number for number in range(start, min(start + 10_000, size))]
        store.apply({b"m|" + name: template.replace(b"member-0000000", name) for name in names})
    each = (psutil.Process().memory_info().rss - before) / size
    gc.disable()
    return min(_pass(engine, store, list(_dealt(events, size, seed))) for seed in range(passes)), each


def _pass(engine: Engine, store: MemoryStore, raws: Sequence[tuple[bytes, bytes]]) -> float:
    """Microseconds for each event."""
    records = [_record(number, raw) for number, raw in enumerate(raws)]
    before = time.process_time()
    for start in range(0, len(records), _BATCH):
        store.apply(engine.decide_batch(0, records[start : start + _BATCH], store, _NOW_US).writes)
    return (time.process_time() - before) / len(raws) * 1_000_000


def _dealt(events: int, size: int, seed: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """Real baskets as those of members drawn at random: (member, event). Each seed makes events of its own."""
    chance = random.Random(seed)
    for basket in baskets(events):
        member = b"member-%07d" % (chance.randrange(size) if size > 1 else 0)
        event = orjson.loads(basket.raw)
        own_id = f"{basket.id}-{seed}-{size}"
        event |= {"subject": member.decode(), "id": own_id}
        event["data"]["transaction_id"] = own_id
        yield member, orjson.dumps(event)


def _record(number: int, raw: tuple[bytes, bytes]) -> Record:
    return Record("purchases", 0, number, 0, raw[0], raw[1])


def _rules(size: int, events: int, passes: int) -> float:
    """Microseconds for each event under so many rules, as they come, of all members."""
    program = Programs([parse_program(_program_text(size))])
    raws = [(basket.member.encode(), basket.raw) for basket in baskets(events)]

    def once() -> float:
        engine = Engine(program, partitions=1)
        return _pass(engine, MemoryStore(0, engine.start_after), raws)

    return _fastest(once, passes)


def _program_text(rules: int) -> str:
    """One point for each dollar, and a bonus for each of some products in all other rules."""
    bought = Counter(line["sku"] for basket in baskets(20_000) for line in orjson.loads(basket.raw)["data"]["lines"])
    skus = iter(sku for sku, _ in bought.most_common())
    head = 'program: bench\nversion: "1"\neffective_from: 2000-01-01\nzone: UTC\nmoney: USD\n'
    text = head + "points: {points: {name: Points}}\nstream: {max_late: none}\nearn:\n"
    text += '- {id: base, on: purchase, give: {points: 1, per: "1.00"}}\n'
    for number in range(1, rules):
        some = ", ".join(f'"{sku}"' for sku in islice(skus, _SKUS_OF_A_RULE))
        text += (
            f"- {{id: bonus-{number}, on: purchase, give: {{points: 5, per_item: true}}, lines: {{skus: [{some}]}}}}\n"
        )
    return text


def _lines(size: int, events: int, passes: int) -> dict[str, float]:
    """Microseconds of each stage for a basket of so many lines. No more than fit into 100,000 lines."""
    events = min(events, 100_000 // size)
    lines = cycle(line for basket in baskets(events) for line in orjson.loads(basket.raw)["data"]["lines"])
    raws = [_basket_of(number, list(islice(lines, size))) for number in range(events)]
    programs = programs_named(_PROGRAM)
    spent = [one_pass(programs, raws) for _ in range(passes)]
    return {stage: min(each[stage] for each in spent) / len(raws) / 1_000 for stage in STAGES}


def _basket_of(number: int, lines: Sequence[Mapping[str, Any]]) -> bytes:
    """A basket of one of 500 members, with these lines."""
    numbered = [{**line, "line_id": str(at)} for at, line in zip(count(1), lines, strict=False)]
    sale = f"made-{number}"
    data = {"transaction_id": sale, "store_id": "1", "channel": "store", "currency": "USD", "lines": numbered}
    envelope = {"specversion": "1.0", "id": sale, "source": "/bench", "type": "loyalty.purchase.v1"}
    about = {"time": "2017-06-01T12:00:00Z", "subject": f"member-{number % 500}", "data": data}
    return orjson.dumps({**envelope, **about})


def _fastest(once: Callable[[], float], passes: int) -> float:
    gc.collect()
    gc.disable()
    try:
        return min(once() for _ in range(passes))
    finally:
        gc.enable()


def table(result: Growth) -> str:
    """Microseconds for each event, by size."""
    by_members = ", ".join(f"{size:,}: {each:.0f}" for size, each in result.members.items())
    by_rules = ", ".join(f"{size}: {each:.0f}" for size, each in result.rules.items())
    by_lines = ", ".join(f"{size}: {sum(stages.values()):.0f}" for size, stages in result.lines.items())
    return f"us/event by members  {by_members}\nus/event by rules    {by_rules}\nus/event by lines    {by_lines}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--members", type=int, nargs="*", default=MEMBERS)
    parser.add_argument("--rules", type=int, nargs="*", default=RULES)
    parser.add_argument("--lines", type=int, nargs="*", default=LINES)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--one-size", type=int, metavar="MEMBERS", help="this number of members, in this process")
    options = parser.parse_args(arguments)
    if options.one_size:
        print("{:.2f} {:.0f}".format(*members(options.one_size, options.events, options.passes)))
        return
    result = measure(options.members, options.rules, options.lines, options.events, options.passes)
    print(table(result))


if __name__ == "__main__":
    main()
