"""The baskets that every measurement here uses: the public data set, as purchase events, made once.

The file lies in `.local/bench`, so that runs side by side read the same bytes from the same cache.
"""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import orjson

from loyalty.plan import Programs
from schemas.program_load import load_programs
from workers.completejourney import Journey

ROOT = Path(__file__).parent.parent
SCRATCH = ROOT / ".local" / "bench"
PROGRAMS = ROOT / "config" / "programs"
BASKETS_ALL = 155_848


class Basket(NamedTuple):
    """One event as it is published, and what a generator and a reader have to know of it."""

    raw: bytes
    id: str
    member: str
    total_minor: int


def baskets_file(count: int = BASKETS_ALL) -> Path:
    """NDJSON of the first `count` baskets by time. Raises DataSetError without the extra `data`."""
    path = SCRATCH / f"baskets-{count}.ndjson"
    if not path.exists():
        SCRATCH.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb") as file:
            file.writelines(basket.raw + b"\n" for basket in islice(Journey().events(), count))
        unfinished.rename(path)
    return path


def baskets(count: int, *, start: int = 0) -> list[Basket]:
    """`count` baskets of the year by time, from number `start` on; fewer when the year ends before."""
    with baskets_file().open("rb") as file:
        return [_basket(line.rstrip(b"\n")) for line in islice(file, start, start + count)]


def _basket(raw: bytes) -> Basket:
    event = orjson.loads(raw)
    return Basket(raw, event["id"], event["subject"], sum(line["amount_minor"] for line in event["data"]["lines"]))


def program_file(name: str) -> Path:
    """A shipped program."""
    return PROGRAMS / f"{name}.yaml"


def programs_named(name: str) -> Programs:
    """A shipped program, ready to decide with, as if it had been in force when the baskets were bought."""
    return Programs([replace(program, effective_from_us=0) for program in load_programs([program_file(name)])])
