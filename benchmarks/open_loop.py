"""Sends baskets at scheduled times, whatever becomes of them: an open loop, so no slow answer slows the questions.

Event number i is due at start + i / rate. What is late is sent at once, and its wait counts from when it was due:
nothing is left out because the generator or the system could not keep up. A process of its own, so that the reader's
clock runs undisturbed. Prints, as JSON, the start in seconds since 1970 and how late it sent, as 99th percentile.
"""

import argparse
import asyncio
import json
import time
from typing import Any

from aiokafka import AIOKafkaProducer

from benchmarks.baskets import Basket, baskets
from benchmarks.waits import percentile
from workers.records import partition_of

_TICK_SECONDS = 0.002


async def generate(bootstrap: str, topic: str, partitions: int, events: list[Basket], rate: float) -> dict[str, float]:
    """Send them all; answers when all are confirmed."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    ready = [(partition_of(each.member, partitions), each.member.encode(), each.raw) for each in events]
    late: list[float] = []
    sent: list[asyncio.Future[Any]] = []
    start = time.time() + 0.05
    try:
        while len(sent) < len(ready):
            now = time.time()
            due = min(len(ready), int((now - start) * rate) + 1 if now >= start else 0)
            for number in range(len(sent), due):
                partition, key, value = ready[number]
                sent.append(await producer.send(topic, value, key, partition=partition))
                late.append(time.time() - (start + number / rate))
            await asyncio.sleep(_TICK_SECONDS)
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return {"start": start, "late_ms": percentile(late, 99) * 1_000}


def main() -> None:
    """Generate what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.open_loop", description=__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("topic")
    parser.add_argument("partitions", type=int)
    parser.add_argument("first", type=int, help="number of the first basket")
    parser.add_argument("count", type=int)
    parser.add_argument("rate", type=float, help="events a second")
    options = parser.parse_args()
    events = baskets(options.count, start=options.first)
    found = asyncio.run(generate(options.bootstrap, options.topic, options.partitions, events, options.rate))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
