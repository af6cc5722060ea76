"""What all members share, on a real broker: many ask two workers at once, and exactly what is there is given."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from loyalty.account import Limit, limit_key
from loyalty.facts import Answer, Claim
from schemas.decode import Known, decode
from schemas.state import decode_record
from tests.integration.engine_books import check_books, check_journal_replay
from tests.integration.engine_cluster import EngineCluster, two_workers
from tests.integration.engine_events import Message
from tests.integration.engine_programs import PLAIN, written
from tests.loyalty.events import adjustment, purchase, redeem, restock
from workers.records import partition_of
from workers.topic_words import ACCOUNTS, INBOX

PARTITIONS = 4
ASKERS = 240
PRIZE = 10
PLACES = 60
RESTOCKED = 15
"""More prizes, added while the others are asked for."""

MUGS = 25
PROGRAM = f"""\
rewards:
  - {{id: mug, kind: product, price: 30, stock: {MUGS}}}
surprises:
  - {{id: lucky, on: purchase, percent: 100, give: {{points: {PRIZE}}}, budget: {{points: {PLACES * PRIZE}}}}}
"""
LIMIT = "budget:lucky"
MUG = "stock:mug"


def asks() -> list[Message]:
    """Of each of many members a purchase, points by hand and a wish for a mug, some twice; a restock in between."""
    messages = []
    for number in range(ASKERS):
        member = f"m{number}"
        of_member = [
            Message("purchases", member.encode(), purchase(f"p{number}", 100, member=member)),
            Message("commands", member.encode(), adjustment(f"a{number}", 50, member=member)),
            Message("commands", member.encode(), redeem(f"mug-{number}", "mug", member=member)),
        ]
        messages += of_member * (2 if number % 5 == 0 else 1)
    more = restock("more", RESTOCKED * PRIZE, limit=LIMIT)
    messages.insert(len(messages) // 2, Message("commands", LIMIT.encode(), more))
    return messages


@pytest.fixture(params=["two workers", "two workers, one of them killed"])
def ran(kafka: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[EngineCluster]:
    """An engine of two workers that has taken everything."""
    program = written(PLAIN + PROGRAM, tmp_path / "plain.yaml")
    messages = asks()
    third = len(messages) // 3
    # The restock is in the second part: enough members ask after it to take all of it.
    parts = messages[:third], messages[third : 2 * third], messages[2 * third :]
    kill = "killed" in request.param
    with two_workers(kafka, tmp_path, program, parts, partitions=PARTITIONS, kill=kill) as cluster:
        yield cluster


def test_exactly_what_is_there_is_given_and_everybody_is_answered(ran: EngineCluster) -> None:
    winners = _granted(ran, LIMIT)
    assert len(winners) == PLACES + RESTOCKED
    limit = _limit(ran, LIMIT)
    assert limit.taken == {"l": len(winners) * PRIZE}
    assert limit.added == {"l": RESTOCKED * PRIZE}
    owners = _granted(ran, MUG)
    assert len(owners) == MUGS
    assert _limit(ran, MUG).taken == {"l": MUGS}
    said = Counter[tuple[str, str]]()
    for value in ran.values("rewards"):
        change = orjson.loads(value)
        if change["type"] == "loyalty.redemption.changed.v1":
            said[change["subject"], change["data"]["status"]] += 1
    answered = {(f"m{number}", "accepted" if f"m{number}" in owners else "refused") for number in range(ASKERS)}
    assert said == dict.fromkeys(answered, 1)
    given = Counter[str]()
    for value in ran.values("ledger"):
        entry = orjson.loads(value)
        for posting in entry["data"]["postings"]:
            if posting["rule"] == "lucky" and posting["account"].startswith("member:"):
                given[entry["subject"]] += posting["amount"]
    assert given == dict.fromkeys(winners, PRIZE)
    check_books(ran)
    check_journal_replay(ran)
    ran.stop()


def _granted(cluster: EngineCluster, limit: str) -> set[str]:
    """The members to whom a limit granted something. Each of all partitions has asked once, and was answered once."""
    sent = [decode(value) for value in cluster.values(INBOX)]
    told = [each.fact for each in sent if isinstance(each, Known)]
    claims = [each for each in told if isinstance(each, Claim) and each.member == limit]
    answers = [each for each in told if isinstance(each, Answer) and each.from_member == limit]
    assert Counter(claim.from_member for claim in claims) == Counter({f"m{number}": 1 for number in range(ASKERS)})
    assert {partition_of(claim.from_member, PARTITIONS) for claim in claims} == set(range(PARTITIONS))
    assert sorted(each.claim_id for each in answers) == sorted(claim.message_id for claim in claims)
    return {answer.member for answer in answers if answer.granted}


def _limit(cluster: EngineCluster, limit: str) -> Limit:
    """The limit's account: it lies in one partition, that of its id."""
    key = limit_key(limit).encode()
    found = [record for record in cluster.read(ACCOUNTS) if record.key == key]
    assert {record.partition for record in found} == {partition_of(limit, PARTITIONS)}
    latest = decode_record(found[-1].value or b"")
    assert isinstance(latest, Limit)
    return latest
