"""Whatever happens to workers, the books end where they would have ended: killed, frozen, joining and leaving.

Two truths to compare with: the journal, followed offline, to the byte; and plain totals that no order can change.
"""

import random
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tests.integration.engine_books import (
    accounts_of,
    balances_in,
    check_books,
    check_journal_replay,
    outcome_of,
    replayed_by_time,
    same_lines,
)
from tests.integration.engine_cluster import EngineCluster, LoyaltyWorker
from tests.integration.engine_events import Message, gone_astray, mixed, to_send
from tests.integration.engine_programs import GROCERY, PLAIN, written

KILLS = 4
"""After each the next worker waits until the group has given up the dead one: most of these tests is that."""
FROZEN_SECONDS_MAX = 120.0


def test_a_worker_killed_again_and_again_ends_with_the_same_books(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Mixed events, some on wrong partitions, so that awards and forwarded events are under way at each kill."""
    moments = random.Random(20261121)
    stream = mixed(1_400, members=80, seed=11)
    messages = gone_astray(stream, partitions=3, seed=11, words=("reviews", "shares", "engagements", "referrals"))
    program = written(PLAIN, tmp_path / "plain.yaml")
    with EngineCluster(kafka, prefix, tmp_path, program) as cluster:
        cluster.create_topics()
        share = len(messages) // (KILLS + 1) + 1
        for kill in range(KILLS + 1):
            cluster.publish(messages[kill * share : (kill + 1) * share])
            worker = cluster.start(BATCH_RECORDS_MAX="15")
            if kill < KILLS:
                cluster.wait_batches(moments.randint(1, 9))
                worker.signal(signal.SIGKILL)
                assert worker.ended() == -signal.SIGKILL
        cluster.wait_taken()
        cluster.stop()
        check_journal_replay(cluster)
        check_books(cluster)
        unharmed = replayed_by_time(program, [message.value or b"" for message in messages], tmp_path / "unharmed")
        assert balances_in(accounts_of(cluster)) == balances_in(unharmed.accounts)


def test_a_worker_killed_while_it_starts_ends_with_the_same_books(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Purchases and returns alone, where the books are the same to the byte as those of a run without kills."""
    moments = random.Random(20261122)
    messages = to_send(sent for sent in mixed(700, members=50, seed=12) if sent.word == "purchases")
    with EngineCluster(kafka, prefix, tmp_path, GROCERY) as cluster:
        cluster.create_topics()
        share = len(messages) // KILLS + 1
        for kill in range(KILLS):
            cluster.publish(messages[kill * share : (kill + 1) * share])
            worker = cluster.start(BATCH_RECORDS_MAX="10")
            cluster.wait("it to reach the cluster", lambda worker=worker: worker.logged("serving metrics") is not None)  # type: ignore[misc]
            # From joining the group over restoring to the first batches: the moment is the point of the test.
            time.sleep(moments.uniform(0.3, 2))
            worker.signal(signal.SIGKILL)
            assert worker.ended() == -signal.SIGKILL
        cluster.start(BATCH_RECORDS_MAX="10").wait_ready()
        cluster.wait_taken()
        cluster.stop()
        unharmed = replayed_by_time(GROCERY, [message.value or b"" for message in messages], tmp_path / "unharmed")
        found = outcome_of(cluster)
        same_lines("accounts", found.accounts.splitlines(), unharmed.accounts.splitlines())
        assert found.ledger == unharmed.ledger
        check_journal_replay(cluster)
        check_books(cluster)


def test_workers_that_join_leave_and_freeze_end_with_the_same_books(kafka: str, prefix: str, tmp_path: Path) -> None:
    stream = mixed(1_400, members=80, seed=13)
    messages = gone_astray(stream, partitions=4, seed=13, words=("reviews", "shares", "engagements", "referrals"))
    program = written(PLAIN, tmp_path / "plain.yaml")
    with EngineCluster(kafka, prefix, tmp_path, program, partitions=4) as cluster:
        cluster.create_topics()
        cluster.follower.look()
        stop = threading.Event()
        feeding = threading.Thread(target=feed, args=(cluster, messages, stop))
        first = cluster.start(BATCH_RECORDS_MAX="25")
        first.wait_ready()
        feeding.start()
        try:
            second = cluster.start(BATCH_RECORDS_MAX="25")
            cluster.wait("both to own partitions", lambda: owned(first) + owned(second) == 4 and owned(second) > 0)
            assert first.stop() == 0
            third = cluster.start(BATCH_RECORDS_MAX="25")
            cluster.wait("the third to own some", lambda: owned(second) + owned(third) == 4 and owned(third) > 0)
            second.signal(signal.SIGSTOP)
            cluster.wait("the third to own all", lambda: owned(third) == 4, FROZEN_SECONDS_MAX)
            second.signal(signal.SIGCONT)
            # What it believes to own before it has noticed is too much for both.
            cluster.wait("it to end or to rejoin", lambda: not second.running or owned(second) + owned(third) == 4)
        finally:
            stop.set()
            feeding.join()
        cluster.wait_taken()
        if not second.running:
            assert second.ended() == 70
        cluster.stop()
        check_journal_replay(cluster)
        check_books(cluster)
        unharmed = replayed_by_time(program, [message.value or b"" for message in messages], tmp_path / "unharmed")
        assert balances_in(accounts_of(cluster)) == balances_in(unharmed.accounts)


def feed(cluster: EngineCluster, messages: Sequence[Message], stop: threading.Event) -> None:
    """Publish little by little, so that there is always something under way; all that is left once told to stop."""
    step = 10
    for first in range(0, len(messages), step):
        if stop.is_set():
            cluster.publish(messages[first:])
            return
        cluster.publish(messages[first : first + step])
        stop.wait(0.2)


def owned(worker: LoyaltyWorker) -> int:
    """How many partitions a worker says it owns."""
    if not worker.running:
        return 0
    try:
        lines = worker.get("/metrics")[1].splitlines()
    except OSError:  # It ends just now.
        return 0
    return next((int(float(line.split()[1])) for line in lines if line.startswith("loyalty_partitions ")), 0)
