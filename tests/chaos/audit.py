"""The auditor of a campaign: what a stranger sees in the topics, against the input, a replay, and a reader downstream.

Each check is a function of what a campaign left behind; it raises AssertionError, or an error of its own, with the
first difference. What other tests know how to compare is taken from them (tests/integration/engine_books.py).
"""

import itertools
import json
import os
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from kafka import TopicPartition

from loyalty.facts import Purchase
from schemas.decode import Known, decode
from tests.chaos import downstream
from tests.integration.engine_books import (
    accounts_of,
    balances_in,
    check_books,
    check_journal_replay,
    replayed_by_time,
    same_sums,
)
from tests.integration.engine_cluster import LOYALTY, EngineCluster
from tests.integration.engine_events import Message
from tests.integration.harness import ROOT
from workers.cluster import consumer_client
from workers.positions import JournalRecord
from workers.topic_words import INBOX, INPUTS, JOURNAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a campaign left behind."""

    cluster: EngineCluster
    sent: Sequence[Message]
    """What senders published and the broker acknowledged."""
    database: Path
    """Of the reader downstream."""


Check = Callable[[Left], None]


def each_record_is_taken_once(left: Left) -> None:
    """The journal's runs follow each other from the first offset to the last, in every input; nothing between them."""
    taken: defaultdict[tuple[str, int], int] = defaultdict(int)
    records: Counter[str] = Counter()
    journal = left.cluster.read(JOURNAL)
    for partition, batches in itertools.groupby(journal, lambda record: record.partition):
        for expected, record in enumerate(batches, 1):
            batch = JournalRecord.decode(record.value or b"")
            assert batch.sequence == expected, f"journal-{partition}: batch {batch.sequence} where {expected} is next"
            for run in batch.runs:
                at = taken[run.topic, partition]
                assert run.first == at, f"{run.topic}-{partition}: taken from {run.first}, the one before ended at {at}"
                taken[run.topic, partition] = run.next
                records[run.topic] += run.records
    for word, partition in itertools.product(INPUTS, range(left.cluster.partitions)):
        last = left.cluster.published.get((word, partition))
        assert last is None or taken[word, partition] >= last, f"{word}-{partition}: the end was not taken"
    for word in INPUTS:
        there = len(left.cluster.read(word))
        assert records[word] == there, f"{word}: {there} records, of which {records[word]} were taken"
    sent = Counter(message.word for message in left.sent)
    for word in INPUTS:
        # A sender that is not answered sends again: there may be more records, and never fewer.
        assert word == INBOX or records[word] >= sent[word], f"{word}: {sent[word]} sent, {records[word]} taken"


def each_event_is_booked_once(left: Left) -> None:
    """What is booked in any order, says a plain run over the events by their time: that is booked, and once."""
    events: dict[bytes, None] = {}
    for message in left.sent:
        event = decode(message.value or b"")
        # A sale on another topic is refused there; the plain run knows no topics.
        if isinstance(event, Known) and (message.word == "purchases" or not isinstance(event.fact, Purchase)):
            events[message.value or b""] = None
    offline = replayed_by_time(left.cluster.program, events, left.cluster.directory / "by-time")
    expected = {cause for cause in map(_certain, map(orjson.loads, offline.ledger)) if cause is not None}
    assert len(expected) > len(events) // 4, "too little is certain: nothing is proven"
    found = Counter(
        cause for cause in map(_certain, map(orjson.loads, left.cluster.values("ledger"))) if cause is not None
    )
    lost = sorted(expected - found.keys())
    doubled = sorted(cause for cause, times in found.items() if times > 1)
    assert not lost, f"{len(lost)} of {len(expected)} are lost, among them {lost[:5]}"
    assert not doubled, f"{len(doubled)} are doubled, among them {doubled[:5]}"


def _certain(entry: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """(kind, source, id of the cause) of an entry that no order of events can prevent; None for others."""
    data = entry["data"]
    match data["kind"]:
        case "earn" if any(posting["rule"] == "base" for posting in data["postings"]):
            pass
        case "adjustment" if any(
            posting["account"].startswith("member:") and posting["amount"] > 0 for posting in data["postings"]
        ):
            pass
        case _:
            return None
    return data["kind"], data["cause"]["source"], data["cause"]["id"]


def nothing_is_under_way(left: Left) -> None:
    """No points have left one member and come to none, and none are held for an answer that never came."""
    sums: Counter[str] = Counter()
    for entry in map(orjson.loads, left.cluster.values("ledger")):
        for posting in entry["data"]["postings"]:
            if posting["account"] in {"program:transferred", "program:held"}:
                sums[posting["account"]] += posting["amount"]
    assert not any(sums.values()), dict(sums)


def each_wish_is_answered_once(left: Left) -> None:
    """A redemption is accepted or refused once, and a member who asked was told."""
    answers: Counter[tuple[str, str]] = Counter()
    for value in map(orjson.loads, left.cluster.values("rewards")):
        if value["type"] == "loyalty.redemption.changed.v1" and value["data"]["status"] in {"accepted", "refused"}:
            answers[value["subject"], value["data"]["redemption_id"]] += 1
    twice = {key: times for key, times in answers.items() if times > 1}
    assert not twice, dict(itertools.islice(twice.items(), 5))
    assert answers, "nobody has asked for anything"


def the_reader_downstream_has_the_same_sums(left: Left) -> None:
    """It was killed and has read entries twice; by their ids it has each once."""
    held = {
        (member, currency): balance["available"] + balance["pending"]
        for member, balances in balances_in(accounts_of(left.cluster)).items()
        for currency, balance in balances.items()
    }
    same_sums("sums downstream, and accounts", downstream.sums(left.database), held)
    stored, booked = downstream.times(left.database)["entries"], len(left.cluster.values("ledger"))
    assert stored == booked, f"{stored} entries are stored, of {booked}"


def the_command_finds_no_difference(left: Left) -> None:
    """`loyalty audit` says so, and its exit code."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("LOYALTY_")}
    where = ["--bootstrap-servers", left.cluster.bootstrap, "--prefix", left.cluster.prefix]
    done = subprocess.run(
        [*LOYALTY, "audit", "--json", *where], cwd=ROOT, env=others, capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 1}, done.stderr
    found = json.loads(done.stdout)
    assert not found["differences"], found["differences"][:5]
    assert done.returncode == 0, done.stdout


def _replay(left: Left) -> None:
    check_journal_replay(left.cluster)


def _books(left: Left) -> None:
    check_books(left.cluster)


CHECKS: Mapping[str, Check] = {
    "each record is taken once, by the journal": each_record_is_taken_once,
    "a replay of the journal gives the same accounts, outputs and dead letters, to the byte": _replay,
    "ledger, balances, tiers and accounts add up": _books,
    "each event is booked once, by a plain run over the input": each_event_is_booked_once,
    "no points are under way": nothing_is_under_way,
    "each wish is answered once": each_wish_is_answered_once,
    "the reader downstream has the same sums": the_reader_downstream_has_the_same_sums,
    "`loyalty audit` finds no difference": the_command_finds_no_difference,
}


def audited(left: Left) -> dict[str, str]:
    """Check -> what it found; "" where all holds. Each is made, whatever the others find."""
    found = {}
    for name, check in CHECKS.items():
        try:
            check(left)
        except Exception as error:  # noqa: BLE001 - whatever a broken log does to a check is a finding
            found[name] = f"{type(error).__name__}: {error}"[:2_000]
        else:
            found[name] = ""
    return found


def read_to_the_end(left: Left) -> bool:
    """Whether the reader downstream has read what there is of the ledger."""
    with consumer_client(left.cluster.settings) as consumer:
        tps = [TopicPartition(f"{left.cluster.prefix}ledger", number) for number in range(left.cluster.partitions)]
        ends = consumer.end_offsets(tps)
    at = downstream.reading(left.database)
    return all(at.get(tp.partition, 0) >= end for tp, end in ends.items())
