"""What the worker asks of a state store. The rest of the worker knows this module, never a backend.

Invariants:
  S1 a store holds the state of one partition number
  S2 `apply` is called only after the transaction that wrote the same records has committed, or to restore
  S3 reading waits for nothing but this machine: everything that a decision needs is at hand when the batch starts
  S4 records and mark are replaced together or not at all: what is there is the changelog as far as the mark says
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeAlias

TIMED_KEYS = (b"m|", b"p|", b"c|", b"r|")
"""How the keys of records start that may have to be looked at when time passes."""

ACCOUNT_KEY = b"m|"
"""How the key of a member's head starts: what `accounts` counts."""


LIMIT_KEY = b"l|"
"""How the key of the account of a limit over many members starts."""


class Mark(NamedTuple):
    """How far the changelog is in a store. A new one knows nothing."""

    changelog_next: int = 0
    """Where in the changelog to go on restoring: everything before is in the store, and more of it by own commits."""
    current_at_us: int = 0
    """Since when deletions may have gone unseen: when what is there was read, or committed by ourselves. 0: nothing is
    there.
    """
    positions: bytes | None = None
    """The record of the positions that belongs to the state; None while nothing was ever written for the partition."""


class PartitionStore(Protocol):
    """Encoded state records of one partition number, by encoded key."""

    @property
    def accounts(self) -> int:
        """How many members have an account here. May be asked from any thread."""
        ...

    @property
    def disk_bytes(self) -> int:
        """What the store takes of a disk. May be asked from any thread."""
        ...

    @property
    def mark(self) -> Mark:
        """How far the changelog is in here."""
        ...

    def __len__(self) -> int:
        """How many records there are. May be asked from any thread."""
        ...

    def get(self, key: bytes) -> bytes | None:
        """The record under `key`, or None."""
        ...

    def has_more_due_than(self, number: int, now_us: int) -> bool:
        """Whether `due` may answer more than `number` records."""
        ...

    def due(self, now_us: int, at_most: int) -> Sequence[tuple[int, bytes]]:
        """(instant, key) of the records that have to be looked at by `now_us`, in that order, the first `at_most`.

        They are answered once: the batch that asks writes what becomes of them, or the process ends.
        """
        ...

    def apply(self, writes: Mapping[bytes, bytes | None], mark: Mark) -> None:
        """Replace records, None deletes; and the mark with them."""
        ...

    def clear(self) -> None:
        """Forget everything: the state will be restored from its beginning."""
        ...

    def close(self, *, lasting: bool = False) -> None:
        """Let go of it: nothing may be asked of it any more but its numbers.

        `lasting`: see to it first that it outlives a crash of the machine, which may take seconds.
        """
        ...


StoreFactory: TypeAlias = Callable[[int], PartitionStore]
"""Makes the store of a partition number, or opens what an earlier process has left of it."""
