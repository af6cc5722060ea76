"""Where the books are read from: the folder of a replay, or the topics of a live system.

Invariants:
  S1 records of a member come in the order in which they were booked
  S2 of topics only what is committed is read, up to the ends at the moment when reading begins
  S3 one record at a time is held
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import orjson

from config.settings import Settings
from loyalty.account import Head, PurchaseRecord, head_key, purchase_key
from loyalty.decisions import Entry, TierChange
from schemas.readback import NotWrittenByUs, read_entry, read_tier_change
from schemas.state import decode_record
from workers.accounts import limit_fields
from workers.books.trace import text_of
from workers.export import LIMITS, Progress, committed, limits
from workers.ndjson import InputError, Line, Source
from workers.topic_words import ACCOUNTS

LEDGER: Final = "ledger"
TIERS: Final = "tiers"
PURCHASE_KEY_BYTES: Final = len(purchase_key("", "")) - 1
"""What the keys of all purchases begin with; the member follows, and the transaction."""

T = TypeVar("T")


class Books(Protocol):
    """The records of a topic, by its word."""

    def records(self, word: str, member: str = "") -> Iterator[Line]:
        """All records, or at least those of a member."""
        ...

    def causes_of(self, transaction_id: str, member: str = "") -> set[str]:
        """Ids of the events by which a transaction was bought, as far as the source knows purchases."""
        ...

    def tier_now(self, member: str) -> tuple[str, int] | None:
        """The tier of the member's account and since when; None when the source has no more than changes of tier."""
        ...

    def limits(self) -> list[dict[str, Any]]:
        """The accounts of limits over many members, by id, as `limit_fields` says them."""
        ...

    @property
    def place(self) -> str:
        """What it is, for a sentence."""
        ...


class Folder:
    """What `loyalty replay --out` wrote."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def place(self) -> str:
        """The folder's name."""
        return str(self._directory)

    def records(self, word: str, member: str = "") -> Iterator[Line]:  # noqa: ARG002 a file holds all members
        """The lines of a file. Raises InputError."""
        path = self._directory / f"{word}.ndjson"
        if not path.is_file():
            raise InputError(f"{path} is not there\nhint: --from takes a folder that loyalty replay --out has written")
        return Source(str(path)).lines()

    def causes_of(self, transaction_id: str, member: str = "") -> set[str]:  # noqa: ARG002
        """None: a replay writes accounts, and no purchases."""
        return set()

    def tier_now(self, member: str) -> None:  # noqa: ARG002
        """None: a replay keeps every change of tier."""
        return

    def limits(self) -> list[dict[str, Any]]:
        """What the replay wrote. Raises InputError."""
        return [orjson.loads(line.raw) for line in self.records(LIMITS)]


class Topics:
    """The topics of a live system."""

    def __init__(self, settings: Settings, progress: Progress = lambda *_: None) -> None:
        self._settings = settings
        self._progress = progress

    @property
    def place(self) -> str:
        """The topics' names, and where they are."""
        return f"{self._settings.prefix}* on {', '.join(self._settings.bootstrap_servers)}"

    def records(self, word: str, member: str = "") -> Iterator[Line]:
        """The committed records of a topic, of the member's partition alone if one is named. Raises ClusterError."""
        for record in committed(self._settings, word, self._progress, member):
            if record.value is not None:
                yield Line(f"{self._settings.prefix}{word}-{record.partition}", record.offset, record.value)

    def causes_of(self, transaction_id: str, member: str = "") -> set[str]:
        """Ids of the events by which a transaction was bought: the accounts' topic keeps each purchase."""
        of_nobody = purchase_key("", transaction_id).encode()
        kind, end = of_nobody[:PURCHASE_KEY_BYTES], of_nobody[PURCHASE_KEY_BYTES:]
        found = set()
        for record in committed(self._settings, ACCOUNTS, self._progress, member):
            key, value = record.key or b"", record.value
            if value is not None and key.startswith(kind) and key.endswith(end):
                purchase = decode_record(value)
                if isinstance(purchase, PurchaseRecord) and purchase.transaction_id == transaction_id:
                    found.add(purchase.event_id)
        return found

    def tier_now(self, member: str) -> tuple[str, int] | None:
        """The tier of the account and since when: the topic of changes does not keep them for ever."""
        key, value = head_key(member).encode(), None
        for record in committed(self._settings, ACCOUNTS, self._progress, member):
            if record.key == key:
                value = record.value
        found = None if value is None else decode_record(value)
        return (found.tier, found.tier_since_us) if isinstance(found, Head) else None

    def limits(self) -> list[dict[str, Any]]:
        """What the changelog leaves behind."""
        records = committed(self._settings, ACCOUNTS, self._progress)
        return [limit_fields(limit) for limit in sorted(limits(records), key=lambda each: each.limit)]


def entries(books: Books, member: str = "", *, wanted: Callable[[bytes], bool] | None = None) -> Iterator[Entry]:
    """The entries of the ledger, of one member or of all; `wanted` may pass over records by a look at their bytes.

    Raises InputError for a record that is no entry, and what the source raises.
    """
    for entry in _read(books, LEDGER, member, wanted, read_entry):
        if not member or entry.member == member:
            yield entry


def tier_changes(books: Books, member: str) -> Iterator[TierChange]:
    """The member's changes of tier. Raises as `entries` does."""
    for change in _read(books, TIERS, member, None, read_tier_change):
        if change.member == member:
            yield change


def _read(
    books: Books, word: str, member: str, wanted: Callable[[bytes], bool] | None, read: Callable[[bytes], T]
) -> Iterator[T]:
    name = text_of(member)
    for line in books.records(word, member):
        raw = line.raw
        # Most of a ledger is about others: its bytes say so sooner than its fields.
        if (member and name not in raw) or (wanted is not None and not wanted(raw)):
            continue
        try:
            yield read(raw)
        except NotWrittenByUs as error:
            raise InputError(f"{line.where}: {error}") from error
