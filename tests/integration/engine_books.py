"""What must hold of an engine's topics after any run, summed by hand from the records that a stranger would read.

Nothing here comes from the engine's counters or from its own checks: the sums are made again, from JSON.
"""

import itertools
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from loyalty.plan import Programs
from schemas.program_load import load_programs
from tests.integration.engine_cluster import EngineCluster
from workers.batch import Engine
from workers.export import LIMITS, RECORDED, export
from workers.ndjson import Source
from workers.recorded import recording_source, replay_journal
from workers.records import ERRORS_HEADER, Record
from workers.replay import replay
from workers.replay_files import Files
from workers.topic_words import ACCOUNTS, DEAD_LETTERS, INPUTS, JOURNAL

OUTPUT_STREAMS = ("ledger", "balances", "tiers", "rewards", "notices")
SEQUENCE_OF = {word: "member_sequence" if word == "ledger" else "sequence" for word in OUTPUT_STREAMS}


class Outcome(NamedTuple):
    """What a run left behind, without what depends on when it ran."""

    accounts: bytes
    ledger: Counter[bytes]
    """Entries without the moment of their booking."""


def outcome_of(cluster: EngineCluster) -> Outcome:
    return Outcome(accounts_of(cluster), Counter(map(timeless, cluster.values("ledger"))))


def accounts_of(cluster: EngineCluster) -> bytes:
    """The accounts, as a command exports them."""
    export(cluster.settings, [ACCOUNTS], cluster.directory / "now", lambda *_: None)
    return (cluster.directory / "now" / f"{ACCOUNTS}.ndjson").read_bytes()


def timeless(value: bytes) -> bytes:
    """An output event without `recorded_at`, the one field that depends on when it was decided."""
    made = orjson.loads(value)
    del made["data"]["recorded_at"]
    return orjson.dumps(made)


def balances_in(accounts: bytes) -> dict[str, Any]:
    """Member -> balances, from exported accounts."""
    return {each["member"]: each["balances"] for each in map(orjson.loads, accounts.splitlines())}


def replayed_by_time(program: Path, events: Iterable[bytes], directory: Path) -> Outcome:
    """What the offline run makes of the same events, on one partition and in order of their time."""
    directory.mkdir(parents=True, exist_ok=True)
    events_file = directory / "events.ndjson"
    events_file.write_bytes(b"\n".join(events))
    with Files(directory / "by-time") as files:
        engine = Engine(Programs(load_programs([program])), partitions=1)
        # Until now, as the worker's clock: points from an older system may have ended by then.
        replay(engine, lambda: [Source(str(events_file))], files, lambda _: None, time.time_ns() // 1_000)
    ledger = (directory / "by-time" / "ledger.ndjson").read_bytes().splitlines()
    return Outcome((directory / "by-time" / "accounts.ndjson").read_bytes(), Counter(map(timeless, ledger)))


def check_journal_replay(cluster: EngineCluster) -> None:
    """`replay --journal` of the recordings gives accounts, ledger, balances, tiers and dead letters to the byte."""
    recorded = cluster.directory / "recorded"
    export(cluster.settings, [*RECORDED, ACCOUNTS, LIMITS], recorded, lambda *_: None)
    check_recorded_replay(cluster, recorded)


def check_recorded_replay(cluster: EngineCluster, recorded: Path) -> None:
    """The same of recordings that lie there: of all inputs, the journal, accounts and limits."""
    again = cluster.directory / "by-journal"
    named = {program.version: program for program in load_programs([cluster.program])}
    with Files(again) as files:
        replay_journal(
            lambda partitions, names: Engine(Programs([named[name] for name in names]), partitions=partitions),
            recording_source(str(recorded / f"{JOURNAL}.ndjson")),
            [recording_source(str(recorded / f"{word}.ndjson")) for word in INPUTS],
            files,
        )
    for held in (ACCOUNTS, LIMITS):
        same_lines(held, lines_of(recorded / f"{held}.ndjson"), lines_of(again / f"{held}.ndjson"))
    for stream in OUTPUT_STREAMS:
        same_lines(stream, cluster.values(stream), lines_of(again / f"{stream}.ndjson"))
    refused = [orjson.loads(line) for line in lines_of(again / "dead-letters.ndjson")]
    wanted = ("topic", "partition", "offset", "code")
    same_lines(
        DEAD_LETTERS,
        [orjson.dumps([errors_of(record)[name] for name in wanted]) for record in cluster.read(DEAD_LETTERS)],
        [orjson.dumps([fields[name] for name in wanted]) for fields in refused],
    )


def same_lines(what: str, found: Sequence[bytes], expected: Sequence[bytes]) -> None:
    """Compare line by line, and show the first difference alone."""
    for number, (ours, theirs) in enumerate(itertools.zip_longest(found, expected), 1):
        assert ours == theirs, f"{what}, line {number} of {len(found)} and {len(expected)}:\n  {ours!r}\n  {theirs!r}"


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def errors_of(letter: Record) -> dict[str, str]:
    """The engine's own headers of a dead letter; what a sender put in front under the same name does not count."""
    return {
        name.removeprefix(ERRORS_HEADER): value.decode(errors="replace")
        for name, value in letter.headers
        if name.startswith(ERRORS_HEADER)
    }


def check_books(cluster: EngineCluster) -> None:
    """The ledger adds up to the balances and the accounts; nothing is doubled, nothing is missing in between."""
    topics = {word: cluster.read(word) for word in OUTPUT_STREAMS}
    accounts = {each["member"]: each for each in map(orjson.loads, accounts_of(cluster).splitlines())}
    assert topics["ledger"], "the ledger is empty"
    counted = {word: check_sequences(word, records) for word, records in topics.items()}
    for member, account in accounts.items():
        assert account["sequences"] == {word: counted[word][member] for word in OUTPUT_STREAMS}, member
    for word in OUTPUT_STREAMS:
        without = sorted(counted[word].keys() - accounts.keys())
        assert not without, f"{word} of members without an account: {without[:5]}"
    ledger = check_entries(topics["ledger"])
    changed, latest = check_changes(topics["balances"])
    held = {
        (member, currency): balance["available"] + balance["pending"]
        for member, account in accounts.items()
        for currency, balance in account["balances"].items()
    }
    same_sums("ledger, and changes of balance", ledger, changed)
    same_sums("ledger, and latest balances", ledger, latest)
    same_sums("ledger, and accounts", ledger, held)
    for (member, currency), amount in held.items():
        account = accounts[member]
        in_lots = sum(lot["left"] for lot in account["lots"].get(currency, ()))
        in_lots += sum(lot["left"] for lot in account["pending_lots"] if lot["currency"] == currency)
        assert amount == in_lots - account["debts"].get(currency, 0), member
    tiers = {record.key: orjson.loads(record.value or b"")["data"]["to"] for record in topics["tiers"]}
    held_tiers = {member.encode(): account["tier"] for member, account in accounts.items() if account["tier"]}
    assert tiers == held_tiers, f"tiers, and accounts: {sorted(tiers.items() ^ held_tiers.items())[:5]}"


def same_sums(what: str, found: Mapping[tuple[str, str], int], expected: Mapping[tuple[str, str], int]) -> None:
    """Compare by member and currency, where nothing is the same as zero, and show the first difference alone."""
    for key in sorted(found.keys() | expected.keys()):
        ours, theirs = found.get(key, 0), expected.get(key, 0)
        assert ours == theirs, f"{what}, of {' in '.join(key)}: {ours} and {theirs}"


def without_zeros(sums: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    return {key: amount for key, amount in sums.items() if amount}


def check_sequences(word: str, records: Sequence[Record]) -> Counter[str]:
    """Each member's records count 1, 2, 3 and lie in one partition under the member's key; every id is there once."""
    counted: Counter[str] = Counter()
    places: dict[str, int] = {}
    ids: set[str] = set()
    for record in records:
        made = orjson.loads(record.value or b"")
        member = made["subject"]
        assert record.key == member.encode()
        assert places.setdefault(member, record.partition) == record.partition
        counted[member] += 1
        assert made["data"][SEQUENCE_OF[word]] == counted[member], f"{word} of {member}"
        ids.add(made["id"])
    assert len(ids) == len(records), f"{word}: ids occur twice"
    return counted


def check_entries(records: Sequence[Record]) -> Counter[tuple[str, str]]:
    """Postings sum to zero in each entry; answers what each member got in all, by currency."""
    sums: Counter[tuple[str, str]] = Counter()
    for record in records:
        made = orjson.loads(record.value or b"")
        balanced: Counter[str] = Counter()
        for posting in made["data"]["postings"]:
            assert isinstance(posting["amount"], int)
            balanced[posting["currency"]] += posting["amount"]
            if posting["account"].startswith(f"member:{made['subject']}:"):
                sums[made["subject"], posting["currency"]] += posting["amount"]
            else:
                assert posting["account"].startswith("program:"), posting
        assert not any(balanced.values()), made
    return Counter(without_zeros(sums))


def check_changes(records: Sequence[Record]) -> tuple[Counter[tuple[str, str]], dict[tuple[str, str], int]]:
    """Each change starts from the balance before it; answers the sums of the changes and the latest balances."""
    sums: Counter[tuple[str, str]] = Counter()
    latest: dict[tuple[str, str], int] = {}
    for record in records:
        made = orjson.loads(record.value or b"")
        data, key = made["data"], (made["subject"], made["data"]["currency"])
        after = data["available"] + data["pending"]
        assert after - data["delta"] == latest.get(key, 0), made
        assert data["balances"][data["currency"]] == {name: data[name] for name in ("available", "pending")}
        latest[key] = after
        sums[key] += data["delta"]
    return Counter(without_zeros(sums)), latest
