"""How large a busy member's records are, and what they are made of: the showcase program, decided event by event.

A member who buys three times a week, with a return every month, and reviews, shares and a quiz each week, for years.
What time does in between is done as well: points end, purchases are dropped, counters are forgotten.
"""

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from loyalty.account import Head, Record, head_key
from loyalty.decide import decide
from loyalty.due import decide_due, look_us
from loyalty.fetching import reads
from loyalty.plan import Programs
from schemas.decode import Known, decode
from schemas.program_load import load_program
from schemas.state import encode_record

PROGRAM = Path(__file__).parents[1] / "config" / "programs" / "coffee-club.yaml"
MEMBER = "member-1234567"
START = datetime(2026, 1, 5, 9, tzinfo=UTC)
_LINES = (("coffee", 450), ("food", 1290), ("own_cup", 350), ("beans", 1800))


def events(weeks: int) -> Iterator[bytes]:
    """What the member does, in order of time."""
    for week in range(weeks):
        monday = START + timedelta(weeks=week)
        for visit in range(3):
            sale = f"12-3-{week:04d}{visit}"
            lines = [
                {"line_id": str(at), "sku": f"SKU-{at}", "category": name, "quantity": "1", "amount_minor": minor}
                for at, (name, minor) in enumerate(_LINES)
            ]
            data: dict[str, Any] = {"store_id": "12", "channel": "store", "currency": "USD", "lines": lines}
            yield event("purchase", sale, monday + timedelta(days=2 * visit), {"transaction_id": sale, **data})
        sunday = monday + timedelta(days=6)
        about = {"rating": 5, "text_length": 120, "has_photo": True, "verified_purchase": True, "status": "published"}
        yield event("review", f"v{week}", sunday, {"review_id": f"v{week}", "sku": f"SKU-{week}", **about})
        shared = {"network": "instagram", "content_id": f"c{week}", "kind": "share"}
        yield event("share", f"s{week}", sunday, {"share_id": f"s{week}", **shared})
        quiz = {"activity": "quiz", "activity_id": f"q{week}", "properties": {"score": 9}}
        yield event("engagement", f"q{week}", sunday, quiz)
        if week % 4 == 0:
            back = [{"line_id": "1", "quantity": "1", "amount_minor": _LINES[1][1]}]
            data = {"return_id": f"r{week}", "transaction_id": f"12-3-{week:04d}0", "lines": back}
            yield event("return", f"r{week}", sunday, data)


def event(kind: str, event_id: str, moment: datetime, data: dict[str, Any]) -> bytes:
    """An event as it comes over the wire."""
    envelope = {"specversion": "1.0", "id": event_id, "source": "/pos/store-12", "type": f"loyalty.{kind}.v1"}
    return orjson.dumps({**envelope, "time": moment.isoformat(), "subject": MEMBER, "data": data})


def lived(weeks: int) -> dict[str, Record]:
    """The member's records after so many weeks."""
    programs = Programs([load_program(PROGRAM)])
    state: dict[str, Record] = {}

    def write(writes: Any) -> None:
        for key, record in writes.items():
            if record is None:
                state.pop(key, None)
            else:
                state[key] = record

    for raw in events(weeks):
        decoded = decode(raw)
        if not isinstance(decoded, Known):
            raise TypeError(decoded)
        fact = decoded.fact
        while due := [
            key for key, one in state.items() if (look_us(programs, one) or fact.time_us + 1) <= fact.time_us
        ]:
            for key in due:
                write(decide_due(programs, {key: state[key]}, key, fact.time_us).writes)
        found = {key: state[key] for key in reads(fact) if key in state}
        write(decide(programs, found, fact, fact.time_us).writes)
    return state


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.record_sizes", description=__doc__)
    parser.add_argument("--years", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args(arguments)
    for years in options.years:
        state = lived(52 * years)
        head = state[head_key(MEMBER)]
        if not isinstance(head, Head):
            raise TypeError(head)
        others = [len(encode_record(record)) for record in state.values() if record is not head]
        parts = {
            "lots": sum(map(len, head.lots.values())),
            "memory of events": len(head.seen),
            "counters": len(orjson.dumps(head.counters)),
            "tier basis": sum(len(sums.periods) for sums in head.qualifying.values()),
            "reviews that may be taken back": len(orjson.dumps(head.given, default=tuple)),
            "expired points": len(orjson.dumps(head.expired)),
        }
        print(f"after {years} years: head {len(encode_record(head)):,} bytes, of which")
        for name, size in parts.items():
            print(f"    {name:32} {size:8,}")
        each = sum(others) // max(len(others), 1)
        print(f"  {len(others):,} purchases of {each:,} bytes, together {sum(others):,}")


if __name__ == "__main__":
    main()
