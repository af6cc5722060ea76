"""The auditor: what must hold at every commit, and at the end, of what a read_committed reader sees.

It knows nothing of workers. At every commit: entries balance, ids are new, sequences go on, a balance is what it was
plus what came, batches follow each other and take what the one before left off at, time does not go back. At the end:
one sequential replay of the inputs in the order of the journal gives the same books to the byte, nothing of the inputs
is left out, and the ledger is what the accounts hold.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import orjson
from aiokafka import TopicPartition

from loyalty.account import Head
from loyalty.plan import Programs
from loyalty.postings import TRANSFERRED
from schemas.state import decode_record
from tests.simulation.log import Entry, SimulatedLog, Transaction
from tests.simulation.worker import PREFIX
from workers.batch import Engine
from workers.positions import POSITIONS_KEY, JournalRecord, Positions, Run
from workers.records import Record
from workers.store.memory import MemoryStore
from workers.topic_words import ACCOUNTS, INBOX, INPUTS, JOURNAL, OUTPUTS

STREAMS = {"ledger": "member_sequence", "balances": "sequence", "tiers": "sequence", "notices": "sequence"}


class Violation(Exception):
    """A promise is broken. The message says which, and where."""


class Auditor:
    """Sees every transaction as it is decided."""

    def __init__(self) -> None:
        self.stored: dict[int, Positions] = {}
        """By partition, the latest committed positions."""
        self.commits = 0
        self._journalled: dict[int, JournalRecord] = {}
        self._taken: defaultdict[int, dict[str, int]] = defaultdict(dict)
        """By partition and topic word, up to where batches have taken."""
        self.missing: list[tuple[str, int, int, int]] = []
        """Ranges that the journal says were not there: topic word, partition, first, next."""
        self.retained = False
        """Whether retention has taken from the inputs."""
        self._ids: set[str] = set()
        self._sequences: Counter[tuple[str, str]] = Counter()
        self._balances: Counter[tuple[str, str]] = Counter()
        self._booked: Counter[tuple[str, str]] = Counter()
        self._under_way = 0
        """Points that have left one member for another."""
        self._homes: dict[str, int] = {}
        self.causes: Counter[str] = Counter()
        """How many ledger entries an event has caused."""

    def decided(self, transaction: Transaction) -> None:
        """Look at a transaction of a worker that has just been decided. Raises Violation."""
        if transaction.state != "committed":
            return
        self.commits += 1
        for entry in transaction.entries:
            word = entry.topic.removeprefix(PREFIX)
            if word in STREAMS:
                self._output(word, entry)
            elif word == JOURNAL:
                self._batch(entry)
        for entry in transaction.entries:
            if entry.key == POSITIONS_KEY:
                self._positions(entry)
        if self._balances != self._booked:
            moved = [key for key in self._balances | self._booked if self._balances[key] != self._booked[key]]
            raise Violation(f"balances and ledger differ after a commit: {moved[:3]}")

    def _output(self, word: str, entry: Entry) -> None:
        made = orjson.loads(entry.value or b"")
        member, data = made["subject"], made["data"]
        if made["id"] in self._ids:
            raise Violation(f"{word}-{entry.partition}@{entry.offset}: {made['id']} is there twice")
        self._ids.add(made["id"])
        if self._homes.setdefault(member, entry.partition) != entry.partition:
            raise Violation(f"{member} is in partitions {self._homes[member]} and {entry.partition}")
        self._sequences[word, member] += 1
        if data[STREAMS[word]] != self._sequences[word, member]:
            raise Violation(f"{word} of {member}: {data[STREAMS[word]]} where {self._sequences[word, member]} is next")
        if word == "ledger":
            self._entry(member, made["id"], data)
        elif word == "balances":
            key = member, data["currency"]
            self._balances[key] += data["delta"]
            if self._balances[key] != data["available"] + data["pending"]:
                raise Violation(f"a balance of {member} is not what it was and what came")

    def _entry(self, member: str, entry_id: str, data: Mapping[str, Any]) -> None:
        sums: Counter[str] = Counter()
        for posting in data["postings"]:
            sums[posting["currency"]] += posting["amount"]
            if posting["account"] == TRANSFERRED:
                self._under_way += posting["amount"]
            if posting["account"].startswith(f"member:{member}:"):
                self._booked[member, posting["currency"]] += posting["amount"]
        if any(sums.values()):
            raise Violation(f"entry {entry_id} of {member} does not balance")
        if data["kind"] != "enrollment":  # The first event of a member may cause that, too.
            self.causes[data["cause"]["id"]] += 1

    def _batch(self, journal: Entry) -> None:
        partition, batch = journal.partition, JournalRecord.decode(journal.value or b"")
        where = f"batch {batch.sequence} of partition {partition}"
        before = self._journalled.get(
            partition, JournalRecord(sequence=0, now_us=0, runs=(), programs={}, partitions=0)
        )
        if batch.sequence != before.sequence + 1:
            raise Violation(f"{where} follows batch {before.sequence}")
        if batch.now_us < before.now_us:
            raise Violation(f"{where}: time goes back")
        self._journalled[partition] = batch
        at = self._taken[partition]
        for gap in batch.missing:
            if at.setdefault(gap.topic, gap.first) != gap.first:
                raise Violation(f"{where}: a gap in {gap.topic} begins at {gap.first}, not at {at[gap.topic]}")
            at[gap.topic] = gap.next
            self.missing.append((gap.topic, partition, gap.first, gap.next))
        for run in batch.runs:
            # Where retention came before the first batch, the log does not begin at 0.
            begins = at.setdefault(run.topic, run.first if self.retained else 0)
            if begins != run.first:
                raise Violation(f"{where} takes {run.topic} from {run.first}, not from {begins}")
            at[run.topic] = run.next

    def _positions(self, entry: Entry) -> None:
        partition, after = entry.partition, Positions.decode(entry.value or b"")
        batch, at = self._journalled.get(partition), self._taken[partition]
        if batch is None or (after.sequence, after.now_us) != (batch.sequence, batch.now_us):
            raise Violation(f"the positions of partition {partition} are not those of its latest batch")
        for word, position in after.next.items():
            if at.setdefault(word, position if self.retained else 0) != position:
                raise Violation(
                    f"{word}-{partition}: the positions say {position}, but batches have taken up to {at[word]}"
                )
        self.stored[partition] = after

    # ------------------------------------------------------------------ the end
    def check_replay(self, log: SimulatedLog, programs: Programs, partitions: int) -> None:
        """Replay the journal, and compare all that there is. Raises Violation."""
        engine = Engine(programs, partitions=partitions)
        sent: defaultdict[tuple[int, int], list[Any]] = defaultdict(list)
        held: Counter[tuple[str, str]] = Counter()
        for partition in range(partitions):
            expected: defaultdict[str, list[Any]] = defaultdict(list)
            state, keys = MemoryStore(partition), set()
            inputs = {word: _seen(log, word, partition) for word in INPUTS}
            for raw in _seen(log, JOURNAL, partition):
                batch = JournalRecord.decode(raw.value or b"")
                records = [record for run in batch.runs for record in _taken(inputs, partition, run)]
                result = engine.decide_batch(partition, records, state, batch.now_us)
                state.apply(result.writes)
                keys |= set(result.writes)
                for out in result.outputs:
                    if out.topic == INBOX:
                        sent[partition, out.partition].append((out.key, out.value, out.headers))
                    else:
                        expected[out.topic].append((out.key, out.value, out.headers))
            for word in (each for each in OUTPUTS if each not in {ACCOUNTS, JOURNAL}):
                found = [(entry.key, entry.value, entry.headers) for entry in _seen(log, word, partition)]
                _same(f"{word}-{partition}", found, expected[word])
            changelog = {entry.key: entry.value for entry in _seen(log, ACCOUNTS, partition)}
            changelog.pop(POSITIONS_KEY, None)
            left = {key: value for key, value in changelog.items() if value is not None}
            replayed = {key: value for key in keys if (value := state.get(key)) is not None}
            _same(f"accounts-{partition}", sorted(left), sorted(replayed))
            _same(f"accounts-{partition}", left, replayed)
            self._all_taken(log, partition)
            for raw_head in state.accounts_held():
                head = decode_record(raw_head)
                assert isinstance(head, Head)
                for currency, (available, pending) in head.balances.items():
                    held[head.member, currency] += available + pending
        for partition in range(partitions):
            found = [(entry.key, entry.value, entry.headers) for entry in _seen(log, INBOX, partition)]
            messages = [each for sender in range(partitions) for each in sent[sender, partition]]
            _same(f"inbox-{partition}", sorted(found, key=repr), sorted(messages, key=repr))
        if +held != +self._booked or -held != -self._booked:
            raise Violation("the accounts do not hold what the ledger says")
        if self._under_way and not self.retained:
            raise Violation(f"{self._under_way} points have left members and come to none")

    def _all_taken(self, log: SimulatedLog, partition: int) -> None:
        stored = self.stored.get(partition)
        for word in INPUTS:
            seen = log.committed(TopicPartition(f"{PREFIX}{word}", partition))
            if seen and (stored is None or stored.next[word] <= seen[-1].offset):
                raise Violation(f"{word}-{partition}: the end was not taken")


def _seen(log: SimulatedLog, word: str, partition: int) -> list[Entry]:
    return log.everything(TopicPartition(f"{PREFIX}{word}", partition))


def _taken(inputs: Mapping[str, list[Entry]], partition: int, run: Run) -> list[Record]:
    found = [
        Record(run.topic, partition, entry.offset, entry.timestamp, entry.key, entry.value, entry.headers)
        for entry in inputs[run.topic]
        if run.first <= entry.offset < run.next
    ]
    if len(found) != run.records:
        raise Violation(
            f"{run.topic}-{partition}: the journal took {run.records} of the {len(found)} records from {run.first} on"
        )
    return found


def _same(what: str, found: Any, expected: Any) -> None:
    if found == expected:
        return
    if isinstance(found, list):
        at = next((n for n, pair in enumerate(zip(found, expected, strict=False)) if pair[0] != pair[1]), None)
        raise Violation(
            f"{what}: {len(found)} records, the replay has {len(expected)}; the first difference is at {at}"
        )
    raise Violation(f"{what} differs from the replay")
