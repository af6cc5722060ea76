"""What the audit reads from: one partition of all topics, or the folder of a replay, which is one part by itself.

Not here: the files (folder.py), the topics (topics.py).
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from workers.audit.findings import Place
from workers.audit.held import Held

LEDGER = "ledger"
BALANCES = "balances"
TIERS = "tiers"


class Record(NamedTuple):
    """An output record. `key` None: the source keeps no keys."""

    offset: int
    key: str | None
    value: bytes | None


class Account(NamedTuple):
    """An account as the source holds it. `key` as above."""

    offset: int | None
    key: str | None
    held: Held


class Part(Protocol):
    """One partition.

    Outputs may be read only after all accounts: what accounts know of is there by then (topics.py).
    """

    words: tuple[str, ...]
    """The output topics that there are."""
    open_causes_max: int | None
    """More causes than that cannot be waiting for their other side; None: there is no such number."""

    def accounts(self) -> Iterator[Account]:
        """Every account."""
        ...

    def records(self, word: str) -> Iterator[Record]:
        """The records of an output topic, in order."""
        ...

    def begins(self, word: str) -> int:
        """How many records, or more, the topic does not keep any more; 0: it is whole."""
        ...

    def settled(self, word: str) -> int | None:
        """The offset before which the accounts know of every record; None: of all."""
        ...

    def place(self, word: str, offset: int | None = None) -> Place:
        """Where a record lies, or the topic."""
        ...

    def is_at_home(self, member: str) -> bool:
        """Whether the member belongs here."""
        ...
