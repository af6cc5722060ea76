"""The worker and the offline run are one engine: whatever way events take through Kafka, the books are the same.

Several engines, each with topics of its own, run at once: most of a run is waiting.
"""

import os
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from tests.integration.engine_books import (
    accounts_of,
    check_books,
    check_journal_replay,
    lines_of,
    outcome_of,
    replayed_by_time,
    same_lines,
)
from tests.integration.engine_cluster import LOYALTY, EngineCluster
from tests.integration.engine_events import Message, gone_astray, mixed, to_send
from tests.integration.engine_programs import GROCERY, coffee_club_of_2017
from tests.integration.harness import ROOT
from workers.records import FORWARDED_HEADER
from workers.topic_words import INBOX, INPUTS


class Case(NamedTuple):
    """One engine: how its topics are cut, how large its batches are, and what is sent to it."""

    partitions: int
    batch_records_max: int
    program: str
    purchases: int
    members: int
    seed: int


CASES = {
    # partitions, records a batch, program, purchases, members, seed
    "one partition, large batches": Case(1, 2_000, "grocery", 1_000, 60, 1),
    "three partitions, tiny batches": Case(3, 7, "grocery", 800, 60, 2),
    "four partitions, middling batches": Case(4, 100, "coffee-club", 1_000, 60, 3),
    "more partitions than members at times": Case(9, 50, "coffee-club", 500, 12, 4),
}
ALONE = Case(3, 40, "grocery", 1_000, 50, 5)
"""Purchases and returns only, each where it belongs: then order by time and order of taking are one."""


class Ran(NamedTuple):
    cluster: EngineCluster
    messages: Sequence[Message]


def run(cluster: EngineCluster, *arguments: str) -> None:
    """A command of the project, with the engine's settings."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("LOYALTY_")}
    settings = {
        "LOYALTY_BOOTSTRAP_SERVERS": cluster.bootstrap,
        "LOYALTY_PREFIX": cluster.prefix,
        "LOYALTY_PARTITIONS": str(cluster.partitions),
    }
    done = subprocess.run(
        [*LOYALTY, *arguments], cwd=ROOT, env=others | settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def program_of(case: Case, directory: Path) -> Path:
    return GROCERY if case.program == "grocery" else coffee_club_of_2017(directory / "coffee-club.yaml")


def messages_of(name: str, case: Case) -> list[Message]:
    stream = mixed(case.purchases, members=case.members, seed=case.seed)
    if name == "alone":
        return to_send(sent for sent in stream if sent.word == "purchases")
    if case.partitions == 1:
        return to_send(stream)
    return gone_astray(stream, partitions=case.partitions, seed=case.seed)


@pytest.fixture(scope="module")
def ran(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Ran]]:
    """An engine for each case, which has taken everything and is still running."""
    with ExitStack() as stack:
        engines: dict[str, Ran] = {}
        for number, (name, case) in enumerate({**CASES, "alone": ALONE}.items()):
            directory = tmp_path_factory.mktemp(f"equality-{number}-")
            cluster = EngineCluster(
                kafka, f"{uuid.uuid4().hex[:12]}.", directory, program_of(case, directory), partitions=case.partitions
            )
            stack.enter_context(cluster)
            cluster.create_topics()
            messages = messages_of(name, case)
            # Half of it waits for the worker, half comes while it works: long batches, and short ones.
            cluster.publish(messages[: len(messages) // 2])
            cluster.start(BATCH_RECORDS_MAX=str(case.batch_records_max))
            engines[name] = Ran(cluster, messages)
        for engine in engines.values():
            engine.cluster.publish(engine.messages[len(engine.messages) // 2 :])
        for engine in engines.values():
            engine.cluster.wait_taken()
        yield engines


@pytest.mark.parametrize("name", [*CASES, "alone"])
def test_the_worker_does_what_replay_by_its_journal_does_to_the_byte(name: str, ran: Mapping[str, Ran]) -> None:
    cluster, messages = ran[name]
    check_journal_replay(cluster)
    taken = cluster.taken()
    assert sum(taken[word] for word in INPUTS if word != INBOX) == len(messages)


@pytest.mark.parametrize("name", [*CASES, "alone"])
def test_the_ledger_adds_up_to_balances_and_accounts(name: str, ran: Mapping[str, Ran]) -> None:
    check_books(ran[name].cluster)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.partitions > 1])
def test_what_came_on_a_wrong_partition_was_forwarded_and_counted(name: str, ran: Mapping[str, Ran]) -> None:
    """Without this the tests above might be about streams in which nothing ever went astray."""
    cluster, messages = ran[name]
    forwarded = [record for record in cluster.read(INBOX) if FORWARDED_HEADER in dict(record.headers)]
    assert len(forwarded) > len(messages) // 20
    ledger = {orjson.loads(value)["data"]["cause"]["id"] for value in cluster.values("ledger")}
    ids = {orjson.loads(record.value or b"")["id"] for record in forwarded}
    assert len(ids & ledger) > len(ids) // 2


def test_purchases_alone_give_what_the_plain_offline_run_gives(ran: Mapping[str, Ran]) -> None:
    cluster, messages = ran["alone"]
    expected = replayed_by_time(GROCERY, [message.value or b"" for message in messages], cluster.directory / "plain")
    found = outcome_of(cluster)
    same_lines("accounts", found.accounts.splitlines(), expected.accounts.splitlines())
    assert found.ledger == expected.ledger


def test_the_commands_do_what_these_tests_do(ran: Mapping[str, Ran]) -> None:
    """The way by hand: `topics export`, then `replay --journal`."""
    cluster, _ = ran["alone"]
    recorded, again = cluster.directory / "by-hand", cluster.directory / "by-hand-again"
    run(cluster, "topics", "export", "--out", str(recorded))
    run(cluster, "topics", "export", "--out", str(recorded), "accounts")
    events = [option for word in INPUTS for option in ("--events", str(recorded / f"{word}.ndjson"))]
    journal = ["--journal", str(recorded / "journal.ndjson")]
    run(cluster, "replay", "--program", str(GROCERY), *events, *journal, "--out", str(again))
    same_lines("accounts", lines_of(again / "accounts.ndjson"), lines_of(recorded / "accounts.ndjson"))
    same_lines("ledger", lines_of(again / "ledger.ndjson"), cluster.values("ledger"))


@pytest.mark.parametrize("name", ["alone", "one partition, large batches"])
def test_the_same_again_changes_nothing(name: str, ran: Mapping[str, Ran]) -> None:
    cluster, messages = ran[name]
    before = outcome_of(cluster), cluster.values("balances"), cluster.values("tiers"), cluster.values(INBOX)
    cluster.publish(messages)
    cluster.wait_taken()
    assert sum(cluster.taken()[word] for word in INPUTS if word != INBOX) == 2 * len(messages)
    after = outcome_of(cluster), cluster.values("balances"), cluster.values("tiers"), cluster.values(INBOX)
    assert after == before
    check_journal_replay(cluster)


def test_a_worker_that_starts_again_finds_its_accounts_as_they_were(ran: Mapping[str, Ran]) -> None:
    cluster, _ = ran["alone"]
    before = accounts_of(cluster)
    cluster.stop()
    again = cluster.start()
    again.wait_ready()
    more = to_send(sent for sent in mixed(60, members=20, seed=6) if sent.word == "purchases")
    cluster.publish(more)
    cluster.wait_taken()
    cluster.stop()
    assert accounts_of(cluster) != before
    check_journal_replay(cluster)
    check_books(cluster)
