"""`loyalty explain`, `member` and `report month` over topics say what they say over the files of a replay."""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from schemas.scalars import instant_us
from tests.integration.engine_books import accounts_of, balances_in, check_journal_replay
from tests.integration.engine_cluster import LOYALTY, EngineCluster
from tests.integration.engine_events import mixed, to_send
from tests.integration.engine_programs import GROCERY
from tests.integration.harness import ROOT
from workers.books.sources import Topics


@pytest.fixture(scope="module")
def ran(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineCluster]:
    """An engine that has taken a mixed stream, and the folder by-journal with what a replay makes of it."""
    directory = tmp_path_factory.mktemp("books-")
    with EngineCluster(kafka, f"{uuid.uuid4().hex[:12]}.", directory, GROCERY, partitions=3) as cluster:
        cluster.create_topics()
        cluster.publish(to_send(mixed(400, members=25, seed=11)))
        cluster.start(BATCH_RECORDS_MAX="50")
        cluster.wait_taken()
        check_journal_replay(cluster)
        yield cluster  # The worker is still there: reading must not need an engine that stands still.


def loyalty(cluster: EngineCluster, *arguments: str, live: bool) -> subprocess.CompletedProcess[str]:
    """One of the commands over the topics, or over the folder of the replay."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("LOYALTY_")}
    topics = ["--bootstrap-servers", cluster.bootstrap, "--prefix", cluster.prefix]
    where = topics if live else ["--from", str(cluster.directory / "by-journal")]
    return subprocess.run(
        [*LOYALTY, *arguments, *where, "--program", str(GROCERY)],
        cwd=ROOT,
        env=others,
        capture_output=True,
        text=True,
        check=False,
    )


def answers(cluster: EngineCluster, *arguments: str) -> Any:
    """The answer, which is the same from both sources."""
    live, files = (loyalty(cluster, *arguments, "--json", live=live) for live in (True, False))
    assert live.returncode == files.returncode == 0, live.stderr + files.stderr
    assert live.stdout == files.stdout
    return json.loads(live.stdout)


def test_members_have_what_their_accounts_have(ran: EngineCluster) -> None:
    balances = balances_in(accounts_of(ran))
    for member in list(balances)[:4]:
        found = answers(ran, "member", member, "--since", "2017-12-01", "--by", "event")
        assert found["balances"] == balances[member]
        assert found["lots"]
        assert Topics(ran.settings).tier_now(member) == (found["tier"], instant_us(found["tier_since"]))


def test_an_entry_and_the_event_behind_it_are_explained(ran: EngineCluster) -> None:
    entries = [orjson.loads(value) for value in ran.values("ledger")]
    back = next(entry for entry in entries if entry["data"]["kind"] == "return" and entry["data"]["postings"])
    transaction = back["data"]["steps"][0]["transaction_id"]
    for wanted in (back["id"], back["data"]["cause"]["id"]):
        [found] = answers(ran, "explain", wanted)["entries"]
        assert found["entry"] == back["id"]
    # The stream's purchases have transactions that are not their events' ids: the accounts' topic knows both.
    live = json.loads(loyalty(ran, "explain", transaction, "--json", live=True).stdout)["entries"]
    assert back["id"] in {each["entry"] for each in live}
    bought = next(each for each in live if "loyalty.purchase.v1" in each["words"][2])
    assert back["id"] in bought["later"]
    alone = answers(ran, "explain", back["id"], "--member", back["subject"])
    assert [each["entry"] for each in alone["entries"]] == [back["id"]]


def test_months_follow_on_each_other_and_end_at_the_accounts(ran: EngineCluster) -> None:
    """A worker books at the time of its clock: in the month of the run, and the next if that begins meanwhile."""
    booked = {orjson.loads(value)["data"]["recorded_at"][:7] for value in ran.values("ledger")}
    closing = 0
    for month in sorted(booked):
        report = answers(ran, "report", "month", month, "--zone", "UTC")
        [total] = report["totals"]
        assert (report["ok"], total["opening"]) == (True, closing)
        closing = total["closing"]
    held = sum(each["available"] for of in balances_in(accounts_of(ran)).values() for each in of.values())
    assert closing == held > 0


@pytest.mark.parametrize("arguments", [("explain", "nothing"), ("member", "nobody")])
def test_what_is_not_there_is_a_sentence(ran: EngineCluster, arguments: tuple[str, ...]) -> None:
    done = loyalty(ran, *arguments, live=True)
    assert (done.returncode, done.stderr.startswith("loyalty: no entry")) == (1, True)


def test_topics_that_are_not_there_are_a_sentence(ran: EngineCluster) -> None:
    others = {name: value for name, value in os.environ.items() if not name.startswith("LOYALTY_")}
    done = subprocess.run(
        [*LOYALTY, "member", "m", "--bootstrap-servers", ran.bootstrap, "--prefix", "nobodys."],
        cwd=ROOT,
        env=others,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "there is no topic nobodys.ledger" in done.stderr) == (1, True)
