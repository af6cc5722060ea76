"""LAW 7: every record leaves exactly one trace, whatever its bytes are, and hostile ones harm no others."""

from dataclasses import replace
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from loyalty.plan import Programs
from tests.laws.worlds import World, examples, pick, worlds
from workers.batch import Engine
from workers.records import Record, partition_of
from workers.store.memory import MemoryStore
from workers.topic_words import DEAD_LETTERS, INBOX

NOW_US = 4_000_000_000_000_000
HOSTILE: list[Any] = [
    None,
    True,
    -1,
    0,
    2**63,
    1e308,
    "",
    "\u0000",
    "x" * 200,
    [],
    {},
    [[]],
    {"a": {"b": []}},
    "2026-02-30T00:00:00Z",
]


@st.composite
def broken(draw: Any, raw: bytes) -> bytes | None:
    """The bytes with something wrong: cut, flipped, doubled, or one value replaced."""
    how = draw(st.integers(0, 6))
    at = draw(st.integers(0, len(raw) - 1))
    match how:
        case 0:
            return None
        case 1:
            return raw[:at]
        case 2:
            return raw[:at] + bytes([raw[at] ^ (1 << draw(st.integers(0, 7)))]) + raw[at + 1 :]
        case 3:
            return raw + raw
        case 4:
            return raw[:at] + bytes(draw(st.binary(max_size=8))) + raw[at:]
        case _:
            event = orjson.loads(raw)
            where = event if draw(st.booleans()) else event["data"]
            where[pick(draw, sorted(where))] = pick(draw, HOSTILE)
            if isinstance(where, dict) and 2**63 in where.values():
                return orjson.dumps(event).replace(b"9223372036854775808", b"9" * 400)
            return orjson.dumps(event)


@given(worlds(length=6) | worlds(length=6, spends=True), st.data())
@examples(120)
def test_l7_every_record_leaves_one_trace(world: World, data: st.DataObject) -> None:
    engine = Engine(Programs([world.program]), partitions=2)
    records: list[bytes | None] = []
    for event in world.events:
        records += [data.draw(broken(event)) for _ in range(data.draw(st.integers(0, 2)))]
        records.append(event)
    taken = [Record(INBOX if n % 3 else "purchases", 0, n, 0, b"k", value) for n, value in enumerate(records)]
    result = engine.decide_batch(0, taken, MemoryStore(0), NOW_US)
    assert sum(result.counts.events.values()) == len(taken)
    assert "engine_fault" not in result.counts.dead_letters
    dead = [out for out in result.outputs if out.topic == DEAD_LETTERS]
    assert len(dead) == sum(result.counts.dead_letters.values())
    values = [record.value for record in taken]
    assert all(out.value in values for out in dead)
    for out in result.outputs:
        assert out.partition == (0 if out.topic != INBOX else partition_of((out.key or b"").decode(), 2))


@given(worlds(length=6, referrals=False), st.data())
@examples(60)
def test_l7_good_events_between_hostile_ones_are_unharmed(world: World, data: st.DataObject) -> None:
    """Hostile bytes here are such that nobody could take them for an event."""
    engine = Engine(Programs([world.program]), partitions=1)
    good = [Record(INBOX, 0, n, 0, b"k", event) for n, event in enumerate(world.events)]
    mixed = []
    for record in good:
        cut = data.draw(st.integers(0, len(record.value or b"") - 1))
        mixed += [replace(record, value=(record.value or b"")[:cut]), record]
    alone, among = (engine.decide_batch(0, some, MemoryStore(0), NOW_US) for some in (good, mixed))
    assert among.writes == alone.writes
    assert [out for out in among.outputs if out.topic != DEAD_LETTERS] == [
        out for out in alone.outputs if out.topic != DEAD_LETTERS
    ]
