"""Streams of events for whole-engine tests: the same seed gives the same bytes in the same order, on every machine.

Shops of two programs in one: the categories are those of the grocery program and of the coffee club, so that rules,
limits, multipliers and exclusions of both have something to bite on. What members do besides buying comes from the
project's own generator; what goes astray on its way to the broker is added here.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from schemas.encode import instant_text
from schemas.scalars import instant_us
from workers.demo.generator import Sent, derive
from workers.records import partition_of

START_US = instant_us("2017-11-20T12:00:00Z")
"""Two weeks before December, so that the streams run into the multipliers of that month and out of some weeks."""
MINUTE_US = 60_000_000

ARTICLES = (
    ("coffee-1", "coffee", "house", 450),
    ("coffee-2", "coffee", "guest-roast", 520),
    ("espresso-1", "espresso", "house", 310),
    ("cup-1", "own_cup", "house", 280),
    ("food-1", "food", "house", 990),
    ("apples", "PRODUCE", "National", 233),
    ("salad", "SALAD BAR", "Private", 777),
    ("roses", "FLORAL", "National", 1499),
    ("flour", "GROCERY", "Private", 189),
    ("meat", "MEAT", "Private", 2599),
    ("pills", "DRUG GM", "National", 1099),
    ("gift", "gift_card", "", 2500),
    ("petrol", "FUEL", "", 3333),
    ("nothing", "COUPON", "", 0),
)


class Message(NamedTuple):
    """One record to produce. `partition` None leaves the choice to the key."""

    word: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int | None = None


def event(kind: str, event_id: str, member: str | None, data: dict[str, Any], **envelope: Any) -> dict[str, Any]:
    """A complete event; `envelope` replaces or adds fields."""
    made = {
        "specversion": "1.0",
        "id": event_id,
        "source": "/pos/test",
        "type": f"loyalty.{kind}.v1",
        "time": instant_text(START_US),
        "subject": member,
        "datacontenttype": "application/json",
        "data": data,
    }
    made |= envelope
    return {name: value for name, value in made.items() if value is not None}


def sale(event_id: str, member: str | None, amount_minor: int = 1000, **envelope: Any) -> dict[str, Any]:
    """A purchase of one line."""
    lines = [{"line_id": "1", "sku": "flour", "category": "GROCERY", "quantity": "1", "amount_minor": amount_minor}]
    data = {"transaction_id": event_id, "store_id": "1", "channel": "store", "currency": "USD", "lines": lines}
    return event("purchase", event_id, member, data, **envelope)


def purchases(count: int, *, members: int, seed: int) -> Iterator[bytes]:
    """Baskets of one to eight lines, in order of time, each under a number of its own."""
    chance = random.Random(seed)
    time_us = START_US
    for number in range(count):
        time_us += chance.randint(0, 90) * MINUTE_US + chance.randint(0, 59_999_999)
        # A few members buy most, so that they come to limits and tiers.
        member = f"member-{int(members * chance.random() ** 3)}"
        lines: list[dict[str, Any]] = []
        for line in range(chance.randint(1, 8)):
            sku, category, brand, price = chance.choice(ARTICLES)
            quantity = chance.randint(1, 4)
            amount = max(0, price * quantity - chance.randint(0, 30))
            lines.append(
                {
                    "line_id": str(line),
                    "sku": sku,
                    "category": category,
                    "brand": brand,
                    "quantity": str(quantity),
                    "amount_minor": amount,
                }
            )
        data: dict[str, Any] = {
            "transaction_id": f"t-{seed}-{number}",
            "store_id": str(chance.randint(1, 5)),
            "channel": chance.choice(("store", "online", "app")),
            "currency": "USD",
            "lines": lines,
        }
        total = sum(line["amount_minor"] for line in lines)
        if chance.random() < 0.5:
            data["tax_minor"] = tax = total // 20
            by_card = chance.randint(0, total + tax)
            data["tenders"] = [
                {"type": "card", "label": "house-card", "amount_minor": by_card},
                {"type": chance.choice(("cash", "points")), "amount_minor": total + tax - by_card},
            ]
        if chance.random() < 0.2:
            data["store_zone"] = "America/Los_Angeles"
        if chance.random() < 0.2:
            data["attributes"] = {"table": "terrace", "guests": 2}
        made = event("purchase", f"e-{seed}-{number}", member, data, time=instant_text(time_us))
        yield orjson.dumps(made)


def mixed(count: int, *, members: int, seed: int) -> list[Sent]:
    """`count` purchases and what follows from them, repeats and broken events included, in order of sending."""
    chance = random.Random(seed)
    stream: list[Sent] = []
    for sent in derive(purchases(count, members=members, seed=seed), seed):
        stream.append(sent)
        if sent.kind == "purchase" and chance.random() < 0.06:
            stream.append(_adjustment(sent, chance))
    return stream


def _adjustment(sent: Sent, chance: random.Random) -> Sent:
    """By hand, at the time of a purchase: given, taken, or brought in with an end that no run lives to see."""
    sale = orjson.loads(sent.raw)
    kind = chance.choice(("goodwill", "correction", "opening"))
    points = chance.randint(-40, -1) if kind == "correction" else chance.randint(1, 200)
    name = f"adjust-{sale['id']}"
    data = {"adjustment_id": name, "kind": kind, "points": points, "reason": "asked", "operator": "anna"}
    if kind == "opening":
        data["ends_at"] = instant_text(instant_us(sale["time"]) + 40 * 365 * 24 * 60 * MINUTE_US)
    made = event("adjustment", name, sent.member, data, time=sale["time"])
    return Sent("commands", sent.member, orjson.dumps(made), "adjustment")


def to_send(stream: Iterable[Sent]) -> list[Message]:
    """As a well-behaved producer sends them."""
    return [Message(sent.word, sent.member.encode(), sent.raw) for sent in stream]


def gone_astray(
    stream: Sequence[Sent], *, partitions: int, seed: int, words: Sequence[str] | None = None
) -> list[Message]:
    """The stream with anonymous sales and repeats in it, and one event in eight on a wrong partition.

    Wrong are: a number that another hash gave, another key than the member, and no key at all. `words` are the topics
    where that happens; None: all.
    """
    chance = random.Random(seed)
    messages: list[Message] = []
    for number, sent in enumerate(stream):
        message = Message(sent.word, sent.member.encode(), sent.raw)
        if words is None or sent.word in words:
            right = partition_of(sent.member, partitions)
            match chance.randrange(24):
                case 0:
                    message = message._replace(partition=(right + 1 + chance.randrange(partitions)) % partitions)
                case 1:
                    message = message._replace(key=b"store-7")
                case 2:
                    message = message._replace(key=None)
                case _:
                    pass
        messages.append(message)
        if chance.random() < 0.03:
            messages.append(message)
        if chance.random() < 0.05:
            messages.append(Message("purchases", None, orjson.dumps(sale(f"anonymous-{seed}-{number}", None))))
    return messages
