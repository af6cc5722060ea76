"""Time does its part without events: points mature and end while nobody does anything, once, also over restarts."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from tests.integration.engine_books import check_books, check_journal_replay
from tests.integration.engine_cluster import EngineCluster
from tests.integration.engine_events import Message
from tests.integration.engine_programs import PLAIN, written
from tests.loyalty.events import member_event, purchase
from workers.batch import DUE_MAX

PENDING_SECONDS = 12
LIVES = PLAIN.replace(
    "points: {name: Points, decimals: 0, rounding: floor}",
    f"points: {{name: Points, pending: PT{PENDING_SECONDS}S, expiry: {{after: P6M, to_end_of: month, notice: P30D}}}}",
)
MEMBERS = 12


@pytest.fixture
def cluster(kafka: str, prefix: str, tmp_path: Path) -> Iterator[EngineCluster]:
    with EngineCluster(kafka, prefix, tmp_path, written(LIVES, tmp_path / "lives.yaml")) as made:
        made.create_topics()
        yield made


def bought(event_id: str, member: int, when: datetime) -> Message:
    value = purchase(event_id, 1000, member=f"m{member}", time=when.isoformat(timespec="seconds"))
    return Message("purchases", f"m{member}".encode(), value)


def booked(cluster: EngineCluster) -> Counter[str]:
    """Points moved by kind of entry, as a reader of the ledger sums them."""
    sums: Counter[str] = Counter()
    for value in cluster.values("ledger"):
        entry = orjson.loads(value)["data"]
        sums[entry["kind"]] += sum(posting["amount"] for posting in entry["postings"] if posting["amount"] > 0)
    return sums


def test_after_a_pause_what_is_due_comes_in_batches_before_events(kafka: str, prefix: str, tmp_path: Path) -> None:
    """More is due than one batch takes. The events that came meanwhile are decided behind all of it."""
    count = DUE_MAX + 800
    program = written(LIVES.replace(f"PT{PENDING_SECONDS}S", "PT25S"), tmp_path / "lives.yaml")
    with EngineCluster(kafka, prefix, tmp_path, program, partitions=1) as cluster:
        cluster.create_topics()
        first = cluster.start()
        began = time.monotonic()
        cluster.publish([bought(f"p-{member}", member, datetime.now(UTC)) for member in range(count)])
        cluster.wait_taken()
        first.stop()
        assert booked(cluster)["mature"] == 0
        batches = cluster.follower.batches
        time.sleep(max(0.0, 28 - (time.monotonic() - began)))
        cluster.publish([bought(f"q-{member}", member, datetime.now(UTC)) for member in range(3)])
        cluster.start()
        cluster.wait_taken()
        cluster.stop()
        assert booked(cluster)["mature"] == count * 110, "the welcome waits, too"
        assert cluster.follower.batches == batches + 2
        ledger = [orjson.loads(value)["data"] for value in cluster.values("ledger")]
        late = [at for at, entry in enumerate(ledger) if entry["cause"]["id"].startswith("q-")]
        matured = [at for at, entry in enumerate(ledger) if entry["kind"] == "mature"]
        assert min(late) > max(matured)
        check_journal_replay(cluster)


def test_points_mature_and_end_while_nothing_comes_and_a_worker_dies(cluster: EngineCluster) -> None:
    now = datetime.now(UTC)
    first = cluster.start(IDLE_BATCH_SECONDS="1")
    # Seven months old: they neither wait nor live on.
    cluster.publish([bought(f"old-{member}", member, now - timedelta(days=250)) for member in range(MEMBERS)])
    cluster.publish([bought(f"new-{member}", member, datetime.now(UTC)) for member in range(MEMBERS)])
    cluster.wait_taken()
    assert booked(cluster) == {"earn": 2 * MEMBERS * 10, "enrollment": MEMBERS * 100, "expire": MEMBERS * 110}
    first.signal(signal.SIGKILL)
    first.ended()
    # Nobody is there when they mature; whoever comes next knows of it from the changelog alone.
    time.sleep(PENDING_SECONDS)
    cluster.start(IDLE_BATCH_SECONDS="1")
    cluster.wait("points to mature", lambda: booked(cluster)["mature"] == MEMBERS * 10)
    cluster.stop()
    assert booked(cluster)["expire"] == MEMBERS * 110
    check_books(cluster)
    check_journal_replay(cluster)


def test_a_version_that_adds_birthdays_reaches_those_whom_nobody_touches(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Members tell their birthday under the first version. The second begins later, after a worker was killed."""
    programs = tmp_path / "programs"
    born_today = written(PLAIN.replace("America/New_York", "UTC"), programs / "1.yaml")
    with EngineCluster(kafka, prefix, tmp_path, programs) as cluster:
        cluster.create_topics()
        first = cluster.start(IDLE_BATCH_SECONDS="1")
        today = datetime.now(UTC)
        cluster.publish([enrolled(f"e-{member}", member, today) for member in range(MEMBERS)])
        cluster.wait_taken()
        first.signal(signal.SIGKILL)
        first.ended()
        begins = datetime.now(UTC) + timedelta(seconds=15)
        text = born_today.read_text().replace('version: "1"', 'version: "2"')
        text = text.replace("2017-01-01", begins.strftime("%Y-%m-%dT%H:%M:%SZ"))
        # Whatever midnight comes meanwhile.
        gift = "  - {id: gift, on: birthday, give: {points: 70}, late: P2D}\n"
        written(text.replace("returns:", f"{gift}returns:"), programs / "2.yaml")
        cluster.start(IDLE_BATCH_SECONDS="1")
        cluster.wait("the birthdays", lambda: booked(cluster)["birthday"] == MEMBERS * 70)
        cluster.stop()
        ledger = [orjson.loads(value)["data"] for value in cluster.values("ledger")]
        assert {entry["version"] for entry in ledger if entry["kind"] == "birthday"} == {"2"}
        check_books(cluster)
        check_journal_replay(cluster)


def enrolled(event_id: str, member: int, when: datetime) -> Message:
    value = member_event(
        event_id, "enrolled", member=f"m{member}", time=when.isoformat(timespec="seconds"), birthday=f"{when:%m-%d}"
    )
    return Message("members", f"m{member}".encode(), value)
