"""What all members share, on a real broker: many ask two workers at once, and exactly what is there is given."""

import uuid
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
from tests.integration.engine_cluster import EngineCluster
from tests.integration.engine_events import Message
from tests.integration.engine_programs import PLAIN, written
from tests.loyalty.events import purchase, restock
from workers.records import partition_of
from workers.topic_words import ACCOUNTS, INBOX

PARTITIONS = 4
ASKERS = 240
PRIZE = 10
PLACES = 60
RESTOCKED = 15
"""More prizes, added while the others are asked for."""

SURPRISE = f"""\
surprises:
  - {{id: lucky, on: purchase, percent: 100, give: {{points: {PRIZE}}}, budget: {{points: {PLACES * PRIZE}}}}}
"""
LIMIT = "budget:lucky"


def asks() -> list[Message]:
    """A purchase of each of many members, a fifth of them twice, and a restock in the middle."""
    events = [purchase(f"p{number}", 100, member=f"m{number}") for number in range(ASKERS)]
    events += [event for number, event in enumerate(events) if number % 5 == 0]
    messages = [Message("purchases", f"m{number % ASKERS}".encode(), event) for number, event in enumerate(events)]
    for number, place in enumerate(range(ASKERS, len(messages))):
        messages[place] = messages[place]._replace(key=f"m{number * 5}".encode())
    more = restock("more", RESTOCKED * PRIZE, limit=LIMIT)
    messages.insert(len(messages) // 2, Message("commands", LIMIT.encode(), more))
    return messages


@pytest.fixture(params=["two workers", "two workers, one of them killed"])
def ran(kafka: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[EngineCluster]:
    """An engine of two workers that has taken everything."""
    program = written(PLAIN + SURPRISE, tmp_path / "plain.yaml")
    with EngineCluster(kafka, f"{uuid.uuid4().hex[:12]}.", tmp_path, program, partitions=PARTITIONS) as cluster:
        cluster.create_topics()
        first, second = cluster.start(BATCH_RECORDS_MAX="9"), cluster.start(BATCH_RECORDS_MAX="9")
        first.wait_ready()
        second.wait_ready()
        messages = asks()
        cluster.publish(messages[: len(messages) // 3])
        if "killed" in request.param:
            cluster.wait_batches(6)
            first.process.kill()
            first.process.wait()
            cluster.start(BATCH_RECORDS_MAX="9")
        cluster.publish(messages[len(messages) // 3 : 2 * len(messages) // 3])
        cluster.wait_taken()  # The restock is among them: enough members ask after it to take all of it.
        cluster.publish(messages[2 * len(messages) // 3 :])
        cluster.wait_taken()
        yield cluster


def test_exactly_what_is_there_is_given_and_everybody_is_answered(ran: EngineCluster) -> None:
    sent = [decode(value) for value in ran.values(INBOX)]
    told = [each.fact for each in sent if isinstance(each, Known)]
    claims = [each for each in told if isinstance(each, Claim)]
    answers = {each.claim_id: each for each in told if isinstance(each, Answer)}
    assert Counter(claim.from_member for claim in claims) == Counter({f"m{number}": 1 for number in range(ASKERS)})
    assert {partition_of(claim.from_member, PARTITIONS) for claim in claims} == set(range(PARTITIONS))
    assert sorted(answers) == sorted(claim.message_id for claim in claims)
    assert sum(isinstance(each, Answer) for each in told) == ASKERS
    winners = {answer.member for answer in answers.values() if answer.granted}
    assert len(winners) == PLACES + RESTOCKED
    limit = _limit(ran)
    assert limit.taken == {"l": len(winners) * PRIZE}
    assert limit.added == {"l": RESTOCKED * PRIZE}
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


def _limit(cluster: EngineCluster) -> Limit:
    """The limit's account: it lies in one partition, that of its id."""
    key = limit_key(LIMIT).encode()
    found = [record for record in cluster.read(ACCOUNTS) if record.key == key]
    assert {record.partition for record in found} == {partition_of(LIMIT, PARTITIONS)}
    latest = decode_record(found[-1].value or b"")
    assert isinstance(latest, Limit)
    return latest
