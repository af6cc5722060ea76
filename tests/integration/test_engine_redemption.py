"""Redemption on a real broker: many ask for few places at once, through two workers of which one may die.

Exactly as many get a place as there are, everybody else has the points back, each order is one, and a replay of the
journal gives the same bytes.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from loyalty.account import Limit, limit_key
from schemas.state import decode_record
from tests.integration.engine_books import check_books, check_journal_replay
from tests.integration.engine_cluster import EngineCluster, two_workers
from tests.integration.engine_events import Message
from tests.integration.engine_programs import PLAIN, written
from tests.loyalty.events import adjustment, back, pay, purchase, redeem, reported
from workers.topic_words import ACCOUNTS

PARTITIONS = 4
ASKERS = 200
PLACES = 60
SEAT, FUND = 100, 1_000
PAYERS = 40

PROGRAM = (
    PLAIN.replace("returns: {", "returns: {restore_spent: pro_rata, ")
    + f"""\
rewards:
  - {{id: seat, kind: event, price: {SEAT}, places: {PLACES}}}
pay_with_points: {{points: 1, worth: "0.01"}}
"""
)


def asks() -> list[Message]:
    """Everybody has points and wants a seat, a fifth of them twice over; some pay for a sale and bring it back."""
    told = [adjustment(f"a{n}", FUND, member=f"m{n}") for n in range(ASKERS)]
    wants = [redeem(f"seat-{n}", "seat", member=f"m{n}") for n in range(ASKERS)]
    told += wants + wants[::5]
    messages = [_to("commands", event) for event in told]
    for n in range(PAYERS):
        member, sale = f"p{n}", f"s{n}"
        tenders: list[Any] = [
            {"type": "points", "label": f"pay-{n}", "amount_minor": 400},
            {"type": "card", "amount_minor": 600},
        ]
        messages += [
            _to("commands", adjustment(f"pa{n}", FUND, member=member)),
            _to("commands", pay(f"pay-{n}", sale, 1000, member=member, amount_minor=400)),
            _to("purchases", purchase(sale, 1000, member=member, tenders=tenders)),
            _to("purchases", back(f"b{n}", sale, [("1", "1", 1000)], member=member)),
        ]
    return messages


def regrets() -> list[Message]:
    """Some do not want it any more, whether they have a seat or not; some are told that it cannot be."""
    return [_to("commands", reported(f"c{n}", "cancelled", f"seat-{n}", member=f"m{n}")) for n in range(30)]


def _to(topic: str, event: bytes) -> Message:
    return Message(topic, orjson.loads(event)["subject"].encode(), event)


@pytest.fixture(params=["two workers", "two workers, one of them killed"])
def ran(kafka: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[EngineCluster]:
    """An engine of two workers that has taken everything."""
    program = written(PROGRAM, tmp_path / "plain.yaml")
    messages = asks()
    half = len(messages) // 2
    parts = messages[:half], messages[half:]
    kill = "killed" in request.param
    with two_workers(kafka, tmp_path, program, parts, partitions=PARTITIONS, kill=kill) as cluster:
        yield cluster


def test_as_many_have_a_seat_as_there_are_and_the_others_have_their_points(ran: EngineCluster) -> None:
    said = changes(ran)
    seats = {each["redemption_id"] for each in said if each["reward"] == "seat" and each["status"] == "accepted"}
    refused = {each["redemption_id"] for each in said if each["status"] == "refused"}
    assert (len(seats), len(refused)) == (PLACES, ASKERS - PLACES)
    assert {each["reason"] for each in said if each["status"] == "refused"} == {"out_of_stock"}
    assert taken(ran) == PLACES
    ran.publish(regrets())
    ran.wait_taken()
    said = changes(ran)
    gone = {each["redemption_id"] for each in said if each["status"] == "cancelled" and each["points"]}
    assert gone == seats & {f"seat-{n}" for n in range(30)}
    assert taken(ran) == PLACES - len(gone)
    orders = [value["data"] for value in map(orjson.loads, ran.values("rewards")) if "order_id" in value["data"]]
    assert Counter(each["status"] for each in orders) == Counter(ordered=PLACES, returned=len(gone))
    assert len({each["order_id"] for each in orders}) == PLACES
    sums = Counter[str]()
    for value in map(orjson.loads, ran.values("ledger")):
        for posting in value["data"]["postings"]:
            if posting["account"].startswith("program:"):
                sums[posting["account"]] += posting["amount"]
    kept = PLACES - len(gone)
    assert (sums["program:held"], sums["program:redeemed"] + sums["program:restored"]) == (0, kept * SEAT)
    check_books(ran)
    check_journal_replay(ran)
    ran.stop()


def changes(cluster: EngineCluster) -> list[dict[str, Any]]:
    """What was said of redemptions."""
    said = [orjson.loads(value)["data"] for value in cluster.values("rewards")]
    return [each for each in said if "order_id" not in each]


def taken(cluster: EngineCluster) -> int:
    """The places that the stock's account holds as taken."""
    found = [record for record in cluster.read(ACCOUNTS) if record.key == limit_key("stock:seat").encode()]
    latest = decode_record(found[-1].value or b"")
    assert isinstance(latest, Limit)
    return sum(latest.taken.values())
