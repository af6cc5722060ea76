"""State on disk, for more members than memory: an LMDB environment for each partition number.

Committed batches come in whole, with the mark that says how far the changelog is in here. So a process that is killed
at any moment leaves what was there before its last batch or after it, and the next one reads on from there. A crash of
the machine is another matter: nothing is forced to the disk while batches run. So the store names the boot of the
machine that writes it, and another boot throws it away, unless it was closed for good.

Invariants:
  K1 what is there is the changelog as far as the mark says, of the identity that is written beside it
  K2 records, mark and index change in one transaction
  K3 the index holds (instant, key) of every record that names an instant; one that is void is passed over
  K4 a record whose checksum is wrong is never answered: the store is removed, and the worker starts anew without it

Not here: whose directory it is, and what an identity is made of (directory.py).
"""

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from struct import Struct
from typing import Any, Final, NoReturn, final
from zlib import crc32

import lmdb
import structlog
from typing_extensions import override

from schemas.state import StartAfter, look_of
from workers.fatal import Refusal
from workers.store.about import about_read, about_written
from workers.store.port import ACCOUNT_KEY, TIMED_KEYS, Mark, PartitionStore
from workers.store.short_keys import is_short, shortened

_log = structlog.stdlib.get_logger(__name__)

_MAP_BYTES: Final = 64 << 30
"""The most that a partition can take: of addresses alone, the file grows with what is in it."""

_MARK: Final = Struct(">qq")
_SUM_BYTES: Final = 4
_INSTANT_BYTES: Final = 8
_INSTANT_BIAS: Final = 1 << 63
"""So that instants before 1970 come first."""
_NEVER: Final = 1 << 62
_INDEXED_AT_ONCE: Final = 10_000
_UNREADABLE: Final = "it cannot be read"
_CLEAN: Final = ""
"""The boot that is named when everything is on the disk itself."""


class SpoiltStore(Exception):
    """A store that cannot be read. It has been removed: start again, and the state comes from the changelog."""


@final
class DiskStore(PartitionStore):
    """The state of one partition number as a file. Opening it throws away what is not ours, or cannot be trusted."""

    _mark: Mark

    def __init__(self, path: Path, *, identity: str, boot: str, start_after: StartAfter, timing: bytes) -> None:
        """Open what is there.

        Args:
            path: its directory, made when missing.
            identity: of what the state is; what is there of anything else is thrown away.
            boot: of this machine; another than the one that wrote, when that was not closed for good, likewise.
            start_after: from when another version of the program times accounts.
            timing: names `start_after`: when it is another than before, the index is made anew.

        Raises:
            Refusal: the directory cannot be used.
        """
        self._path = path
        self._identity = identity
        self._boot = boot
        self._start_after = start_after
        self._timing = timing
        self._answered: set[bytes] = set()
        """Places in the index that `due` has answered: the next `apply` removes them."""
        self._earliest_us: int | None = None
        """No place in the index is before; None: not known."""
        self._accounts = self._others = self._disk_bytes = 0
        try:
            self._open_or_remake()
        except (lmdb.Error, OSError) as error:
            raise Refusal(f"cannot keep state in {path}: {error}", hint=_HINT) from error

    # ------------------------------------------------------------------ asking
    @property
    @override
    def accounts(self) -> int:
        return self._accounts

    @property
    @override
    def disk_bytes(self) -> int:
        return self._disk_bytes

    @property
    @override
    def mark(self) -> Mark:
        return self._mark

    @override
    def __len__(self) -> int:
        return self._accounts + self._others

    @override
    def get(self, key: bytes) -> bytes | None:
        try:
            with self._env.begin() as txn:
                return self._read(txn, shortened(key))
        except lmdb.Error as error:
            self._spoilt(error)

    @override
    def has_more_due_than(self, number: int, now_us: int) -> bool:
        if self._nothing_before(now_us):
            return False
        with self._reading() as txn:
            return any(count > number for count, _ in enumerate(self._reminders(txn, now_us), 1))

    @override
    def due(self, now_us: int, at_most: int) -> Sequence[tuple[int, bytes]]:
        if self._nothing_before(now_us):
            return []
        found: list[tuple[int, bytes]] = []
        void: list[bytes] = []
        with self._reading() as txn:
            for place in self._reminders(txn, now_us):
                if len(found) == at_most:
                    break
                due_us, short = _instant(place), place[_INSTANT_BYTES:]
                raw = self._read(txn, short)
                if raw is None or look_of(raw, self._start_after) != due_us:
                    void.append(place)
                    continue
                self._answered.add(place)
                found.append((due_us, (txn.get(short, db=self._long) or short) if is_short(short) else short))
        if void:  # No commit has to be waited for: that they are void is in what is committed.
            self._write({}, self._mark, gone=void)
        found.sort()
        return found

    # ------------------------------------------------------------------ changing
    @override
    def apply(self, writes: Mapping[bytes, bytes | None], mark: Mark) -> None:
        self._write(writes, mark, gone=self._answered)
        self._answered.clear()

    @override
    def clear(self) -> None:
        self._env.close()
        try:
            self._remake()
        except (lmdb.Error, OSError) as error:
            raise Refusal(f"cannot keep state in {self._path}: {error}", hint=_HINT) from error

    @override
    def close(self, *, lasting: bool = False) -> None:
        if lasting:
            self._env.sync(True)
        self._env.close()
        if lasting:
            about_written(self._path, self._identity, _CLEAN)

    def _write(self, writes: Mapping[bytes, bytes | None], mark: Mark, *, gone: Collection[bytes]) -> None:
        heads: list[tuple[bytes, bytes]] = []
        others: list[tuple[bytes, bytes]] = []
        long: list[tuple[bytes, bytes]] = []
        places: list[tuple[bytes, bytes]] = []
        deleted: list[bytes] = []
        earliest_us = _NEVER
        for key, value in writes.items():
            short = shortened(key)
            if value is None:
                deleted.append(short)
                continue
            if short is not key:
                long.append((short, key))
            summed = crc32(value, crc32(short)).to_bytes(_SUM_BYTES, "big") + value
            (heads if key.startswith(ACCOUNT_KEY) else others).append((short, summed))
            due_us = look_of(value, self._start_after) if key.startswith(TIMED_KEYS) else None
            if due_us is not None:
                places.append((_place(due_us, short), b""))
                earliest_us = min(earliest_us, due_us)
        try:
            with self._env.begin(write=True) as txn:
                for place in gone:
                    txn.delete(place, db=self._due)
                for short in deleted:
                    txn.delete(short, db=self._of(short))
                    if is_short(short):
                        txn.delete(short, db=self._long)
                for db, items in (
                    (self._heads, heads),
                    (self._rest, others),
                    (self._long, long),
                    (self._due, places),
                ):
                    # In order, so that neighbours are written once.
                    txn.cursor(db).putmulti(sorted(items))
                known = _MARK.pack(mark.changelog_next, mark.current_at_us) + (mark.positions or b"")
                txn.put(b"mark", known, db=self._marks)
                self._count(txn)
        except (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.PanicError) as error:
            self._spoilt(error)
        except lmdb.Error as error:  # No room, mostly.
            raise Refusal(f"cannot write the state in {self._path}: {error}", hint=_HINT) from error
        self._mark = mark
        if gone or self._earliest_us is None:
            self._earliest_us = None
        else:
            self._earliest_us = min(self._earliest_us, earliest_us)

    # ------------------------------------------------------------------ opening
    def _open_or_remake(self) -> None:
        if self._path.exists():
            reason = self._distrusted()
            if reason is None:
                try:
                    self._open()
                except lmdb.Error:
                    reason = _UNREADABLE
                else:
                    return
            _log.warning("threw state away", path=str(self._path), reason=reason)
        self._remake()

    def _distrusted(self) -> str | None:
        """Why what is there is not used; None: it may be."""
        # Asked before the environment is touched: one that a crash of the machine has torn must not even be read.
        about = about_read(self._path)
        if about is None:
            return _UNREADABLE
        identity, boot = about
        if identity != self._identity:
            return "it is of another changelog, or in another format"
        if boot not in {_CLEAN, self._boot}:
            return "the machine went down while it was written"
        return None

    def _remake(self) -> None:
        shutil.rmtree(self._path, ignore_errors=True)
        self._path.mkdir(mode=0o700, parents=True)
        self._open()

    def _open(self) -> None:
        # Before anything is written: this boot writes now.
        about_written(self._path, self._identity, self._boot)
        self._env = lmdb.open(
            str(self._path),
            map_size=_MAP_BYTES,
            max_dbs=5,
            mode=0o600,
            sync=False,
            metasync=False,
            readahead=False,
            max_spare_txns=2,
        )
        self._marks, self._heads, self._rest, self._long, self._due = (
            self._env.open_db(name) for name in (b"marks", b"heads", b"rest", b"long", b"due")
        )
        self._earliest_us = None
        self._answered.clear()
        with self._env.begin(db=self._marks) as txn:
            raw = txn.get(b"mark")
            same_timing = txn.get(b"timing") == self._timing
            self._count(txn)
        if raw is None:
            self._mark = Mark()
        else:
            changelog_next, current_at_us = _MARK.unpack_from(raw)
            self._mark = Mark(changelog_next, current_at_us, raw[_MARK.size :] or None)
        if not same_timing:
            self._index()

    def _index(self) -> None:
        with self._env.begin(write=True) as txn:
            txn.drop(self._due, delete=False)
            places = txn.cursor(self._due)
            found: list[tuple[bytes, bytes]] = []
            for db in (self._heads, self._rest):
                for short, raw in txn.cursor(db):
                    due_us = look_of(raw[_SUM_BYTES:], self._start_after) if short.startswith(TIMED_KEYS) else None
                    if due_us is not None:
                        found.append((_place(due_us, short), b""))
                    if len(found) == _INDEXED_AT_ONCE:
                        places.putmulti(sorted(found))
                        found.clear()
            places.putmulti(sorted(found))
            txn.put(b"timing", self._timing, db=self._marks)

    # ------------------------------------------------------------------ within a transaction
    @contextmanager
    def _reading(self) -> "Iterator[lmdb.Transaction[bytes]]":
        try:
            with self._env.begin() as txn:
                yield txn
        except lmdb.Error as error:
            self._spoilt(error)

    def _of(self, short: bytes) -> Any:
        return self._heads if short.startswith(ACCOUNT_KEY) else self._rest

    def _read(self, txn: "lmdb.Transaction[bytes]", short: bytes) -> bytes | None:
        summed = txn.get(short, db=self._of(short))
        if summed is None:
            return None
        record = summed[_SUM_BYTES:]
        if crc32(record, crc32(short)) != int.from_bytes(summed[:_SUM_BYTES], "big"):
            self._spoilt(ValueError("a record has a wrong checksum"))
        return record

    def _reminders(self, txn: "lmdb.Transaction[bytes]", now_us: int) -> Iterator[bytes]:
        """The places of the index up to `now_us`, without those that were answered."""
        end = _place(now_us + 1, b"")
        cursor = txn.cursor(self._due)
        if not cursor.first():
            return
        for place in cursor.iternext(keys=True, values=False):
            if place >= end:
                return
            if place not in self._answered:
                yield place

    def _nothing_before(self, now_us: int) -> bool:
        """Whether nothing can be due: asked before each batch, and mostly so."""
        if self._earliest_us is None:
            with self._reading() as txn:
                cursor = txn.cursor(self._due)
                self._earliest_us = _instant(cursor.key()) if cursor.first() else _NEVER
        return now_us < self._earliest_us

    def _count(self, txn: "lmdb.Transaction[bytes]") -> None:
        self._accounts = txn.stat(self._heads)["entries"]
        self._others = txn.stat(self._rest)["entries"]
        self._disk_bytes = (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"]

    def _spoilt(self, error: Exception) -> NoReturn:
        # What is mapped stays readable until the process ends, which is now.
        shutil.rmtree(self._path, ignore_errors=True)
        raise SpoiltStore(f"the state in {self._path} cannot be read, and is removed: {error}") from error


_HINT: Final = (
    "give LOYALTY_STORE_DIRECTORY room and the rights to write there; what is in it may be removed, "
    "the state is in the cluster"
)


def _place(due_us: int, short: bytes) -> bytes:
    return (due_us + _INSTANT_BIAS).to_bytes(_INSTANT_BYTES, "big") + short


def _instant(place: bytes) -> int:
    return int.from_bytes(place[:_INSTANT_BYTES], "big") - _INSTANT_BIAS
