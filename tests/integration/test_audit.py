"""`loyalty audit` on real topics: clean while workers write to them, and a forged record is found."""

import json
import os
import subprocess
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.integration.engine_cluster import LOYALTY, EngineCluster
from tests.integration.engine_events import Message, mixed, to_send
from tests.integration.engine_programs import GROCERY
from tests.integration.harness import ROOT
from workers.audit.run import audit as sum_up
from workers.audit.topics import topic_parts
from workers.records import partition_of


@pytest.fixture(scope="module")
def ran(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineCluster]:
    """An engine at work."""
    directory = tmp_path_factory.mktemp("audit-")
    with EngineCluster(kafka, f"{uuid.uuid4().hex[:12]}.", directory, GROCERY, partitions=3) as cluster:
        cluster.create_topics()
        cluster.start(BATCH_RECORDS_MAX="5", IDLE_BATCH_SECONDS="1")
        cluster.workers[0].wait_ready()
        yield cluster


def audit(cluster: EngineCluster) -> Any:
    """What the command says, and whether its exit code says the same."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("LOYALTY_")}
    where = ["--bootstrap-servers", cluster.bootstrap, "--prefix", cluster.prefix]
    done = subprocess.run(
        [*LOYALTY, "audit", "--json", *where], cwd=ROOT, env=others, capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 1}, done.stderr
    found = json.loads(done.stdout)
    assert found["clean"] is (done.returncode == 0)
    return found


def test_an_engine_at_work_gives_no_difference(ran: EngineCluster) -> None:
    stream = to_send(mixed(1_200, members=40, seed=3))
    sender = threading.Thread(target=lambda: [ran.publish(stream[at : at + 50]) for at in range(0, len(stream), 50)])
    sender.start()
    seen: list[int] = []
    newer = 0
    while sender.is_alive() or not seen:
        findings, totals = sum_up(topic_parts(ran.settings, lambda *_: None))
        assert findings.differences == []
        assert +totals.ledger == +totals.accounts == +totals.balances
        seen.append(totals.records["ledger"])
        newer += totals.newer.total()
    sender.join()
    ran.wait_taken()
    assert len(set(seen)) > 3, "the engine stood still all the time: nothing was proven"
    assert newer, "nothing came between reading accounts and outputs: nothing was proven"
    last = audit(ran)
    assert last["differences"] == []
    assert last["newer"] == {}
    assert last["checks"]["place"]["looked_at"] > last["records"]["ledger"]
    assert all(len(set(sums.values())) == 1 for pots in last["points"].values() for sums in pots.values())
    assert last["members"] >= 40


def test_a_worker_that_was_killed_leaves_no_difference(ran: EngineCluster) -> None:
    """Its transaction may be open: the audit waits until it is over."""
    before = len(ran.values("ledger"))
    ran.publish(to_send(mixed(1_000, members=40, seed=8)))
    ran.wait("some of it to be taken", lambda: len(ran.values("ledger")) > before + 100)
    ran.workers[0].process.kill()
    ran.workers[0].ended()
    killed = audit(ran)
    assert killed["differences"] == []
    ran.start()
    ran.wait_taken()
    after = audit(ran)
    assert after["differences"] == []
    assert after["records"]["ledger"] > killed["records"]["ledger"]


def test_a_forged_entry_is_found(ran: EngineCluster) -> None:
    """Somebody gives himself points, with an entry that is right in every way but that no account knows of it."""
    entry = orjson.loads(ran.values("ledger")[-1])
    member = entry["subject"]
    mine = [each for each in map(orjson.loads, ran.values("ledger")) if each["subject"] == member]
    number = len(mine) + 1
    entry["id"] = entry["data"]["entry_id"] = "f" * 32
    entry["data"] |= {
        "member_sequence": number,
        "postings": [
            {"account": "program:earned", "currency": "points", "amount": -500, "rule": "base", "lot": ""},
            {"account": f"member:{member}:available", "currency": "points", "amount": 500, "rule": "base", "lot": "x"},
        ],
    }
    forged = Message("ledger", member.encode(), orjson.dumps(entry))
    [place] = ran.publish([forged])
    [found] = audit(ran)["differences"]
    assert found == {
        "check": "reached",
        "topic": f"{ran.prefix}ledger",
        "partition": partition_of(member, 3),
        "offset": place.offset,
        "member": member,
        "entry": "f" * 32,
        "expected": f"no number beyond the account's {number - 1}",
        "found": str(number),
    }
