"""What members do with each other on a real broker: two workers, messages between them, and not a point too many."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.integration.engine_books import check_books, check_journal_replay
from tests.integration.engine_cluster import EngineCluster, two_workers
from tests.integration.engine_events import Message
from tests.integration.engine_programs import PLAIN, written
from tests.loyalty.events import back, household, member_event, merge, purchase, referral, transfer

PARTITIONS = 4
MEMBERS = 120
PROGRAM = PLAIN.replace("when: {stage: signed_up}", 'qualifying_purchase: {min_spend: "10.00", within: P90D}') + (
    "transfers: {fee: 1, at_most: {transfers: 3, per: day}}\npooling: {share: 40, max_members: 5}\n"
)


def _events() -> list[Message]:
    """Each member joins, was brought by the one before, buys, gives; some pool, leave, merge, or return."""
    messages = []

    def told(word: str, member: str, raw: bytes) -> None:
        messages.append(Message(word, member.encode(), raw))

    for number in range(MEMBERS):
        told("members", f"m{number}", member_event(f"e{number}", "enrolled", member=f"m{number}"))
    for number in range(0, MEMBERS, 3):
        holder = f"m{number // 12 * 12 + 1}"
        told("commands", f"m{number}", household(f"h{number}", "home", holder, member=f"m{number}"))
    for number in range(MEMBERS):
        member, before = f"m{number}", f"m{number - 1}"
        if number:
            told("referrals", member, referral(f"f{number}", before, member=member, referral_id=f"f{number}"))
        told("purchases", member, purchase(f"p{number}", 5_000, member=member))
        for step in (1, 7):
            other = f"m{(number + step) % MEMBERS}"
            told("commands", member, transfer(f"t{number}-{step}", other, 10 + step, member=member))
        if number % 11 == 3:
            told("members", member, member_event(f"c{number}", "closed", member=member))
        if number % 7 == 2:
            told("commands", member, merge(f"g{number}", f"m{(number * 5 + 1) % MEMBERS}", member=member))
        if number % 5 == 1:
            told("purchases", member, back(f"r{number}", f"p{number}", [("1", "1", 5_000)], member=member))
        told("purchases", member, purchase(f"q{number}", 300, member=member))
    for number in range(0, MEMBERS, 3):  # when most households have been joined
        told("purchases", f"m{number}", purchase(f"s{number}", 5_000, member=f"m{number}"))
    return messages


@pytest.fixture(params=["two workers", "two workers, one of them killed"])
def ran(kafka: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[EngineCluster]:
    """An engine of two workers that has taken everything."""
    program = written(PROGRAM, tmp_path / "plain.yaml")
    messages = _events()
    half = len(messages) // 2
    parts = messages[:half], messages[half:]
    kill = "killed" in request.param
    with two_workers(kafka, tmp_path, program, parts, partitions=PARTITIONS, kill=kill) as cluster:
        yield cluster


def test_nothing_is_on_its_way_when_all_is_taken_and_a_replay_says_the_same(ran: EngineCluster) -> None:
    on_its_way: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for value in ran.values("ledger"):
        entry = orjson.loads(value)["data"]
        kinds[entry["kind"]] += 1
        for posting in entry["postings"]:
            if posting["account"] == "program:transferred":
                on_its_way[posting["currency"]] += posting["amount"]
    assert not any(on_its_way.values())
    assert min(kinds[kind] for kind in ("transfer", "merge", "referral", "return")) > MEMBERS // 20
    assert kinds["household"], "nobody had joined before buying"
    check_books(ran)
    check_journal_replay(ran)
    ran.stop()
