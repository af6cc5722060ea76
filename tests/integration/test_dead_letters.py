"""The round trip of a dead letter: refused by an old program, sent back under the mended one, exact to the point."""

import functools
import json
import os
import subprocess
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.integration.engine_books import accounts_of, check_books, replayed_by_time
from tests.integration.engine_cluster import LOYALTY, EngineCluster
from tests.integration.engine_events import Message, sale
from tests.integration.engine_programs import PLAIN, written
from tests.integration.harness import ROOT
from workers.dead_letters.sending import TOGETHER_MAX

MENDED = PLAIN.replace("money: USD\n", 'money: USD\nexchange: {EUR: "1.10"}\n')
ABROAD = TOGETHER_MAX + 100
"""Sales in another currency: more than one transaction takes back."""
TRACE = (("trace", b"\x00\xff"),)


@pytest.fixture
def cluster(kafka: str, tmp_path: Path) -> Iterator[EngineCluster]:
    """An engine that does not take euros."""
    program = written(PLAIN, tmp_path / "program" / "plain.yaml")
    prefix = f"{uuid.uuid4().hex[:12]}."
    with EngineCluster(kafka, prefix, tmp_path, program, partitions=2) as made:
        made.create_topics()
        made.start()
        yield made


def loyalty(cluster: EngineCluster, *arguments: str) -> Any:
    others = {name: value for name, value in os.environ.items() if not name.startswith("LOYALTY_")}
    where = ["--bootstrap-servers", cluster.bootstrap, "--prefix", cluster.prefix, "--json"]
    done = subprocess.run(
        [*LOYALTY, *arguments, *where], cwd=ROOT, env=others, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def groups(cluster: EngineCluster) -> dict[str, tuple[int, int]]:
    """Code -> (left, replayed)."""
    listed = loyalty(cluster, "dead-letters", "list")
    found: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for each in listed["groups"]:
        left, replayed = found[each["code"]]
        found[each["code"]] = left + each["left"], replayed + each["replayed"]
    return dict(found)


def in_euros(number: int) -> bytes:
    event = sale(f"abroad-{number}", f"member-{number % 40}", 1000 + number)
    event["data"]["currency"] = "EUR"
    return orjson.dumps(event)


def test_what_an_old_program_refused_is_sent_back_under_the_mended_one(cluster: EngineCluster) -> None:
    at_home = [orjson.dumps(sale(f"home-{number}", f"member-{number % 40}", 700 + number)) for number in range(60)]
    abroad = [in_euros(number) for number in range(ABROAD)]
    subject = [orjson.loads(raw)["subject"].encode() for raw in (*at_home, *abroad)]
    sales = zip(subject, (*at_home, *abroad), strict=True)
    sent = [Message("purchases", key, raw, headers=TRACE) for key, raw in sales]
    sent.append(Message("purchases", b"member-1", b"no JSON"))
    cluster.publish(sent)
    cluster.wait_taken()
    assert groups(cluster) == {"currency_not_accepted": (ABROAD, 0), "not_json": (1, 0)}

    dry = loyalty(cluster, "dead-letters", "replay", "--all", "--dry-run")
    assert dry["sent"] == [{"code": "currency_not_accepted", "topic": "purchases", "letters": ABROAD}]
    assert [(each["code"], each["letters"]) for each in dry["stay"]] == [("not_json", 1)]
    assert groups(cluster)["currency_not_accepted"] == (ABROAD, 0)

    cluster.stop()
    written(MENDED, cluster.program)
    cluster.start(ACCEPT_PROGRAM_CHANGE="true")
    done = loyalty(cluster, "dead-letters", "replay", "--code", "currency_not_accepted")
    assert done["sent"] == dry["sent"]
    again = loyalty(cluster, "dead-letters", "replay", "--all")
    assert (again["sent"], again["replayed_before"]) == ([], ABROAD)
    assert groups(cluster) == {"currency_not_accepted": (0, ABROAD), "not_json": (1, 0)}

    # What came back is what came in: bytes, key and headers.
    came = [(record.key, record.value, record.headers) for record in cluster.read("purchases")]
    published = [(message.key, message.value, message.headers) for message in sent]
    assert sorted(came) == sorted([*published, *published[len(at_home) : -1]])
    cluster.wait("all sales in the ledger", lambda: purchases_in(cluster) == len(at_home) + len(abroad))
    cluster.stop()
    expected = replayed_by_time(cluster.program, [*at_home, *abroad], cluster.directory / "expected").accounts
    assert accounts_of(cluster) == expected
    assert len(expected.splitlines()) == len(set(subject))
    check_books(cluster)
    assert loyalty(cluster, "audit")["clean"]


def purchases_in(cluster: EngineCluster) -> int:
    return sum(orjson.loads(value)["data"]["kind"] == "earn" for value in cluster.values("ledger"))


def has(cluster: EngineCluster, expected: dict[str, tuple[int, int]]) -> bool:
    return groups(cluster) == expected


def test_letters_that_are_refused_again_are_new_letters_and_may_be_sent_again(cluster: EngineCluster) -> None:
    cluster.publish([Message("purchases", b"member-0", in_euros(0))])
    cluster.wait_taken()
    for replayed in range(3):
        expected = {"currency_not_accepted": (1, replayed)}
        cluster.wait("a letter", functools.partial(has, cluster, expected))
        loyalty(cluster, "dead-letters", "replay", "--topic", "purchases", "--partition", "0", "--since", "2020-01-01")
        done = loyalty(cluster, "dead-letters", "replay", "--topic", "purchases", "--partition", "1")
        assert sum(each["letters"] for each in done["sent"]) <= 1


def test_two_who_replay_at_once_send_each_letter_once(cluster: EngineCluster) -> None:
    # Half of them are of members of the other partition: refused behind the inbox, they go back to their own topic.
    sent = [Message("purchases", b"member-1", in_euros(number)) for number in range(ABROAD)]
    cluster.publish(sent)
    cluster.wait_taken()
    where = ["--bootstrap-servers", cluster.bootstrap, "--prefix", cluster.prefix]
    command = [*LOYALTY, "dead-letters", "replay", "--until", "2100-01-01", *where]
    cluster.stop()  # The same program would refuse them again: letters of that would count, too.
    both = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [(process.communicate()[1], process.returncode) for process in both]
    assert all(code == 0 or "hint: say the same again" in error for error, code in said), said
    loyalty(cluster, "dead-letters", "replay", "--all")
    came = Counter(record.value for record in cluster.read("purchases"))
    assert came == Counter({message.value: 2 for message in sent})
    assert groups(cluster) == {"currency_not_accepted": (0, ABROAD)}
