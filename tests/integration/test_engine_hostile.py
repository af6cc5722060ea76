"""Whatever comes in, the worker goes on: each hostile record is kept with its bytes, and harms no good event."""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from typing_extensions import override

from loyalty.purchases import KIND as PURCHASE
from schemas.decode import Undecodable, decode
from tests.integration.engine_books import (
    accounts_of,
    check_books,
    check_journal_replay,
    errors_of,
    replayed_by_time,
    same_lines,
)
from tests.integration.engine_cluster import WAIT_SECONDS, EngineCluster, LoyaltyWorker, Place
from tests.integration.engine_events import Message, mixed, sale, to_send
from tests.integration.engine_programs import GROCERY
from tests.integration.hostile import AS_DECODED, COUNTED, IGNORED, LIMIT_BYTES, Attack, attacks
from workers.records import FORWARDED_HEADER, OVERSIZE_KEPT_BYTES, Record, partition_of

ATTACKS = 10_000
GOOD = 500
PARTITIONS = 3
SEED = 20261121
STRAY_POINTS = 112
"""100 for joining, and 10 for the money, of which an early bird gets a fifth more."""


class Siege(NamedTuple):
    """What was sent and what came of it."""

    cluster: EngineCluster
    worker: LoyaltyWorker
    good: Sequence[bytes]
    attacks: Sequence[tuple[Attack, Place]]
    letters: Mapping[Place, Record]
    """Dead letters by where the record that was refused came in at first."""
    taken: Mapping[str, int]
    """Id of an event -> how many entries of a purchase it caused; an enrollment beside it is not counted."""
    forwarded: frozenset[Place]
    stored: int
    """How many dead letters there are."""


def origin_of(headers: Sequence[tuple[str, bytes]]) -> Place | None:
    """Where a forwarded record came in at first; None for others. The engine's own header is the last of its name."""
    told = [value for name, value in headers if name == FORWARDED_HEADER]
    if not told:
        return None
    word, partition, offset = told[-1].decode().split("/")
    return Place(word, int(partition), int(offset))


def bought(cluster: EngineCluster) -> Counter[str]:
    entries = [orjson.loads(value)["data"] for value in cluster.values("ledger")]
    return Counter(data["cause"]["id"] for data in entries if data["kind"] == PURCHASE)


def refused_at(letter: Record) -> Place:
    said = errors_of(letter)
    place = Place(said["topic"], int(said["partition"]), int(said["offset"]))
    return origin_of(letter.headers) or place if place.word == "inbox" else place


@pytest.fixture(scope="module")
def siege(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    """500 good events with 10,000 attacks between them, taken by one worker."""
    directory = tmp_path_factory.mktemp("siege")
    chance = random.Random(SEED)
    sales = [sent for sent in mixed(GOOD, members=40, seed=SEED) if sent.word == "purchases"][:GOOD]
    good = to_send(sales)
    hostile = list(attacks(ATTACKS, partitions=PARTITIONS, seed=SEED))
    order = [True] * len(good) + [False] * len(hostile)
    chance.shuffle(order)
    goods, hostiles = iter(good), iter(hostile)
    sent: list[Message] = [next(goods) if is_good else next(hostiles).message for is_good in order]
    with EngineCluster(kafka, unique(directory), directory, GROCERY, partitions=PARTITIONS) as cluster:
        cluster.create_topics()
        half = len(sent) // 2
        places = cluster.publish(sent[:half])
        worker = cluster.start(BATCH_RECORDS_MAX="500")
        places += cluster.publish(sent[half:])
        cluster.wait_taken()
        letters = cluster.read("dead-letters")
        hostile_places = [place for place, is_good in zip(places, order, strict=True) if not is_good]
        yield Siege(
            cluster,
            worker,
            [message.value or b"" for message in good],
            list(zip(hostile, hostile_places, strict=True)),
            {refused_at(letter): letter for letter in letters},
            bought(cluster),
            frozenset(place for record in cluster.read("inbox") if (place := origin_of(record.headers)) is not None),
            len(letters),
        )


def unique(directory: Path) -> str:
    return f"{hashlib.sha256(str(directory).encode()).hexdigest()[:12]}{random.SystemRandom().getrandbits(24):x}."


def test_no_attack_stops_the_worker(siege: Siege) -> None:
    assert siege.worker.running
    assert siege.worker.get("/healthz")[0] == 200
    assert siege.worker.get("/readyz")[0] == 200


def test_every_attack_becomes_what_the_table_says(siege: Siege) -> None:
    wrong: Counter[tuple[str, str, str]] = Counter()
    for attack, place in siege.attacks:
        found = became(siege, attack, place)
        if found != expected_of(attack, found):
            wrong[attack.kind, attack.expected, found] += 1
    assert not wrong


def became(siege: Siege, attack: Attack, place: Place) -> str:
    """What became of an attack; more than one thing, or nothing where there should be something, is no word's match."""
    letter = siege.letters.get(place)
    # Mutants may have taken each other's ids.
    entries = 0 if attack.expected == AS_DECODED else siege.taken.get(attack.event_id, 0)
    match (letter, entries):
        case (None, 0):
            return IGNORED
        case (None, 1):
            return COUNTED
        case (Record(), 0):
            return errors_of(letter)["code"]
        case _:
            return f"{entries} entries and {'a' if letter else 'no'} dead letter"


def expected_of(attack: Attack, found: str) -> str:
    """What should have become of it. Of a mutation only the decoder can say; what it takes may still be refused."""
    if attack.expected != AS_DECODED:
        return attack.expected
    decoded = decode(attack.message.value, topic=attack.message.word)
    return str(decoded.code) if isinstance(decoded, Undecodable) else found


def test_dead_letters_are_all_that_was_refused_and_nothing_else(siege: Siege) -> None:
    """One for each: none is missing, none is there twice."""
    assert siege.stored == len(siege.letters)
    attacked = {place for _, place in siege.attacks}
    refused_good = siege.letters.keys() - attacked
    assert len(refused_good) < 10  # The stream of good events holds a few broken ones of its own.
    assert len(siege.letters) > ATTACKS * 3 // 4


def test_a_dead_letter_has_the_bytes_key_and_headers_that_came(siege: Siege) -> None:
    for attack, place in siege.attacks:
        letter = siege.letters.get(place)
        if letter is None:
            continue
        message, said = attack.message, errors_of(letter)
        if message.value is not None and len(message.value) > LIMIT_BYTES:
            assert letter.value == message.value[:OVERSIZE_KEPT_BYTES]
            assert said["sha256"] == hashlib.sha256(message.value).hexdigest()
            assert said["bytes"] == str(len(message.value))
        else:
            assert letter.value == message.value, attack.kind
        assert letter.headers[: len(message.headers)] == message.headers, attack.kind
        assert letter.partition == int(said["partition"])
        assert said["stage"] in {"decode", "partition", "decide"}
        assert said["message"]
        assert int(said["timestamp"]) >= 0
        if said["topic"] == "inbox" and place.word != "inbox":
            assert place in siege.forwarded
        else:
            assert letter.key == message.key, attack.kind
            assert Place(said["topic"], int(said["partition"]), int(said["offset"])) == place


def test_what_is_on_a_wrong_partition_is_forwarded_once(siege: Siege) -> None:
    astray = {
        place
        for attack, place in siege.attacks
        if attack.expected in {COUNTED, "currency_not_accepted"}
        and place.word != "inbox"
        and partition_of(member_of(attack), PARTITIONS) != place.partition
    }
    assert len(astray) > 100
    assert astray <= siege.forwarded


def member_of(attack: Attack) -> str:
    member: str = json.loads(attack.message.value or b"")["subject"]
    return member


def test_good_events_are_worth_what_they_are_worth_alone(siege: Siege) -> None:
    alone = replayed_by_time(GROCERY, siege.good, siege.cluster.directory / "alone")
    members = {orjson.loads(line)["member"] for line in alone.accounts.splitlines()}
    found = [line for line in accounts_of(siege.cluster).splitlines() if orjson.loads(line)["member"] in members]
    same_lines("accounts", found, alone.accounts.splitlines())


def test_a_stray_event_counts_for_its_member(siege: Siege) -> None:
    accounts = {each["member"]: each for each in map(orjson.loads, accounts_of(siege.cluster).splitlines())}
    seen = 0
    for attack, _ in siege.attacks:
        if attack.kind in {"wrong partition", "no key", "key of somebody else", "sale in the inbox"}:
            assert accounts[member_of(attack)]["balances"] == {"points": {"available": STRAY_POINTS, "pending": 0}}
            seen += 1
    assert seen > 50


def test_the_books_add_up_and_the_journal_gives_the_same(siege: Siege) -> None:
    check_books(siege.cluster)
    check_journal_replay(siege.cluster)


# ------------------------------------------------------------------ what only other clients can send
class NoText(str):
    """A header's name that is no UTF-8: our client would not send it, others do."""

    __slots__ = ()

    @override
    def encode(self, *_: object, **__: object) -> bytes:
        return b"\xff\xfe"


MANY = 5_000_000
"""Bytes that compress to next to nothing: a broker that counts what comes over the wire takes them."""

GZIP = {"compression_type": "gzip", "max_request_size": 64 << 20}


def at_the_limit_of_the_inbox() -> Message:
    """On a wrong partition, and as large as its topic takes: forwarding adds to it."""
    value = orjson.dumps(sale("astray", "member-1"))
    wrong = 1 - partition_of("member-1", 2)
    return Message("purchases", b"member-1", value, wrong, (("h", b"x" * (1_048_576 - len(value) - 110)),))


FOREIGN: Mapping[str, tuple[dict[str, str], dict[str, Any], Message]] = {
    # what, how its topic is kept, the client's options, the record
    "a header name that is no text": ({}, {}, Message("purchases", b"k", b"junk", 0, ((NoText("x"), b"1"),))),
    "a key of 5 MB, compressed": ({}, GZIP, Message("purchases", b"k" * MANY, b"junk", 0)),
    "a header of 5 MB, compressed": ({}, GZIP, Message("purchases", b"k", b"junk", 0, (("h", b"x" * MANY),))),
    "a value of 50 MB, compressed": ({}, GZIP, Message("purchases", b"k", b"x" * 10 * MANY, 0)),
    "too large to be forwarded": ({}, {"max_request_size": 2 << 20}, at_the_limit_of_the_inbox()),
    "snappy": ({"compression.type": "snappy"}, {}, Message("purchases", b"k", b"junk", 0)),
    "lz4": ({"compression.type": "lz4"}, {}, Message("purchases", b"k", b"junk", 0)),
    "zstd": ({"compression.type": "zstd"}, {}, Message("purchases", b"k", b"junk", 0)),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_record_that_only_another_client_sends_stops_nobody(
    what: str, kafka: str, prefix: str, tmp_path: Path
) -> None:
    configured, options, message = FOREIGN[what]
    good = [
        Message("purchases", f"m{n}".encode(), orjson.dumps(sale(f"g{n}", f"m{n}", 500 + 100 * n))) for n in range(20)
    ]
    with EngineCluster(kafka, prefix, tmp_path, GROCERY, partitions=2) as cluster:
        cluster.create_topics()
        cluster.configure("purchases", configured)
        cluster.publish(good[:10])
        (place,) = cluster.publish([message], **options)
        cluster.publish(good[10:])
        cluster.start()
        cluster.wait_taken()
        cluster.stop()
        given = bought(cluster)
        assert all(given[f"g{n}"] == 1 for n in range(20))
        letters = {refused_at(letter): letter for letter in cluster.read("dead-letters")}
        assert given["astray"] + (place in letters) == 1


def test_what_a_sender_took_back_counts_for_nobody(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Senders may use transactions too: an aborted one never happened, and its markers are no records."""
    with EngineCluster(kafka, prefix, tmp_path, GROCERY, partitions=2) as cluster:
        cluster.create_topics()
        worker = cluster.start(BATCH_RECORDS_MAX="3")
        with cluster.producer(transactional_id=f"{prefix}sender") as producer:
            producer.init_transactions()
            for number in range(24):
                producer.begin_transaction()
                value = orjson.dumps(sale(f"s{number}", f"m{number % 5}"))
                sent = producer.send(f"{prefix}purchases", key=f"m{number % 5}".encode(), value=value)
                if number % 3 == 0:
                    producer.flush()
                    producer.abort_transaction()
                    continue
                producer.commit_transaction()
                placed = sent.get(timeout=WAIT_SECONDS)
                cluster.published["purchases", placed.partition] = placed.offset + 1
        cluster.wait_taken()
        assert worker.running
        cluster.stop()
        assert bought(cluster) == {f"s{number}": 1 for number in range(24) if number % 3}
        check_books(cluster)
        check_journal_replay(cluster)
