"""A consumer downstream, as its owner would write it: what it reads of the ledger goes into SQLite, by entry id.

Run as `python -m tests.chaos.downstream BOOTSTRAP TOPIC PARTITIONS DATABASE`. It commits its offsets late, and starts
from them: so after a kill it reads again what it has stored, and the id tells it so. An entry that comes again with
other bytes ends it with 3.
"""

import hashlib
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import orjson
from kafka import KafkaConsumer, TopicPartition

COMMIT_SECONDS = 2.0
OTHER_BYTES = 3
SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (id TEXT PRIMARY KEY, digest TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS postings (entry TEXT, member TEXT, currency TEXT, amount INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS reading (partition INTEGER PRIMARY KEY, next INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS times (what TEXT PRIMARY KEY, number INTEGER NOT NULL);
"""


def opened(database: Path) -> sqlite3.Connection:
    """The database, with its tables."""
    store = sqlite3.connect(database, timeout=60)
    store.execute("PRAGMA journal_mode=WAL")
    store.executescript(SCHEMA)
    return store


def store_entry(store: sqlite3.Connection, value: bytes) -> bool:
    """Store an entry unless it is there. Answers whether it was new."""
    entry = orjson.loads(value)
    digest = hashlib.sha256(value).hexdigest()
    held = store.execute("SELECT digest FROM entries WHERE id = ?", (entry["id"],)).fetchone()
    if held is not None:
        if held[0] != digest:
            sys.stderr.write(f"entry {entry['id']} came again with other bytes\n")
            sys.exit(OTHER_BYTES)
        return False
    store.execute("INSERT INTO entries VALUES (?, ?)", (entry["id"], digest))
    mine = f"member:{entry['subject']}:"
    store.executemany(
        "INSERT INTO postings VALUES (?, ?, ?, ?)",
        [
            (entry["id"], entry["subject"], posting["currency"], posting["amount"])
            for posting in entry["data"]["postings"]
            if posting["account"].startswith(mine)
        ],
    )
    return True


def count(store: sqlite3.Connection, what: str, more: int) -> None:
    """Add to a counter."""
    store.execute("INSERT INTO times VALUES (?, ?) ON CONFLICT DO UPDATE SET number = number + ?", (what, more, more))


def run(bootstrap: str, topic: str, partitions: int, database: Path) -> None:
    """Read until killed."""
    store = opened(database)
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=f"{topic}-downstream",
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    tps = [TopicPartition(topic, number) for number in range(partitions)]
    consumer.assign(tps)
    committed = time.monotonic()
    with store:
        count(store, "starts", 1)
    while True:
        polled = consumer.poll(timeout_ms=200)
        with store:
            for records in polled.values():
                new = sum(store_entry(store, record.value) for record in records)
                count(store, "read", len(records))
                count(store, "again", len(records) - new)
            for tp in tps:
                store.execute("INSERT OR REPLACE INTO reading VALUES (?, ?)", (tp.partition, consumer.position(tp)))
        if time.monotonic() > committed + COMMIT_SECONDS:
            consumer.commit()
            committed = time.monotonic()


# ------------------------------------------------------------------ for whoever looks at it
def sums(database: Path) -> Counter[tuple[str, str]]:
    """(member, currency) -> points, from what is stored."""
    with closing(opened(database)) as store:
        found = store.execute("SELECT member, currency, SUM(amount) FROM postings GROUP BY 1, 2").fetchall()
    return Counter({(member, currency): amount for member, currency, amount in found if amount})


def times(database: Path) -> dict[str, int]:
    """The counters, and how many entries there are."""
    with closing(opened(database)) as store:
        [entries] = store.execute("SELECT COUNT(*) FROM entries").fetchone()
        return {"entries": entries, **dict(store.execute("SELECT what, number FROM times"))}


def reading(database: Path) -> dict[int, int]:
    """Partition -> the offset that comes next."""
    with closing(opened(database)) as store:
        return dict(store.execute("SELECT partition, next FROM reading"))


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
