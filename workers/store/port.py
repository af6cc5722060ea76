"""What the worker asks of a state store. The rest of the worker knows this module, never a backend.

Invariants:
  S1 a store holds the state of one partition number
  S2 `apply` is called only after the transaction that wrote the same records has committed, or to restore
  S3 reading never waits: everything that a decision needs is at hand when the batch starts
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

TIMED_KEYS = (b"m|", b"p|", b"c|", b"r|")
"""How the keys of records start that may have to be looked at when time passes."""

ACCOUNT_KEY = b"m|"
"""How the key of a member's head starts: what `accounts` counts."""


LIMIT_KEY = b"l|"
"""How the key of the account of a limit over many members starts."""


class PartitionStore(Protocol):
    """Encoded state records of one partition number, by encoded key."""

    @property
    def accounts(self) -> int:
        """How many members have an account here."""
        ...

    def __len__(self) -> int:
        """How many records there are."""
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

    def apply(self, writes: Mapping[bytes, bytes | None]) -> None:
        """Replace records; None deletes."""
        ...

    def clear(self) -> None:
        """Forget everything: the state will be restored from its beginning."""
        ...


StoreFactory: TypeAlias = Callable[[int], PartitionStore]
"""Makes the store of a partition number."""
