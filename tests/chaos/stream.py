"""The stream of events of a campaign: shops, members who do things besides, spend, and give points to each other.

The same seed gives the same messages. Some come twice, some on a wrong partition, some broken.
"""

import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from tests.integration.engine_events import Message, event, gone_astray, mixed
from tests.integration.engine_programs import coffee_club_of_2017
from workers.demo.generator import Sent

REWARDS = ("free-coffee", "beans-for-all", "free-delivery", "house-mug", "cupping", "gift-card")
"""Of the showcase; the mug has a stock, the cupping places: their accounts lie with other members."""

PURCHASES_SHARE = 0.5
"""Of the messages; the rest follows from them."""


def showcase(directory: Path) -> Path:
    """The showcase, for events of 2017: what it gives depends on no clock but that of the events."""
    return coffee_club_of_2017(directory / "coffee-club.yaml")


def messages(count: int, *, members: int, partitions: int, seed: int) -> list[Message]:
    """`count` messages, in order of sending."""
    purchases = int(count * PURCHASES_SHARE) + 1
    while True:
        stream = list(_spending(mixed(purchases, members=members, seed=seed), members, seed))
        made = gone_astray(stream, partitions=partitions, seed=seed)
        if len(made) >= count:
            return made[:count]
        purchases += purchases // 4 + 1


def _spending(stream: Iterable[Sent], members: int, seed: int) -> Iterator[Sent]:
    """The stream with what members do with their points."""
    chance = random.Random(f"{seed}:spending")
    wanted: list[tuple[str, str]] = []
    for sent in stream:
        yield sent
        if sent.kind != "purchase":
            continue
        sale = orjson.loads(sent.raw)
        draw, name, time = chance.random(), f"spend-{sale['id']}", sale["time"]
        if draw < 0.08:
            wanted.append((name, sent.member))
            data: dict[str, Any] = {"redemption_id": name, "reward_id": chance.choice(REWARDS)}
            yield _command("redemption.requested", name, sent.member, time, data)
        elif draw < 0.12:
            payment = {"basket_minor": 2_000, "currency": "USD", "amount_minor": 100 * chance.randint(1, 5)}
            data = {"redemption_id": name, "transaction_id": f"{sale['id']}-next", "payment": payment}
            yield _command("redemption.requested", name, sent.member, time, data)
        elif draw < 0.20:
            data = {
                "transfer_id": name,
                "to_member": f"member-{chance.randrange(members)}",
                "points": chance.randint(10, 60),
            }
            yield _command("transfer.requested", name, sent.member, time, data)
        elif draw < 0.24 and len(wanted) > 20:
            redemption, member = wanted.pop(chance.randrange(10))
            status = chance.choice(("fulfilled", "cancelled", "failed"))
            data = {"redemption_id": redemption} | ({"reason": "broken"} if status == "failed" else {})
            yield _command(f"redemption.{status}", f"{status}-{redemption}", member, time, data)


def _command(kind: str, event_id: str, member: str, time: str, data: dict[str, Any]) -> Sent:
    return Sent("commands", member, orjson.dumps(event(kind, event_id, member, data, time=time)), kind)
