"""What must hold of the books, and each place where it does not.

Invariant: however many differences there are, only the first of them are kept; all are counted
"""

from collections import Counter
from enum import StrEnum
from typing import Final, NamedTuple

from typing_extensions import override

DIFFERENCES_KEPT: Final = 1_000
"""How many differences are kept unless somebody asks for more."""


class Check(StrEnum):
    """One thing that must hold. The value names it in output; `CLAIMS` says it in words."""

    READABLE = "readable"
    PLACE = "place"
    KEPT = "kept"
    IDS = "ids"
    SEQUENCE = "sequence"
    ZERO = "zero"
    OWN = "own"
    CHANGE = "change"
    CAUSE = "cause"
    OWNER = "owner"
    REACHED = "reached"
    LEDGER = "ledger"
    BALANCES = "balances"
    LOTS = "lots"
    TIER = "tier"


CLAIMS: Final = {
    Check.READABLE: "each record can be read",
    Check.PLACE: "each record lies in its member's partition, under the member's key",
    Check.KEPT: "the ledger is kept from its first entry on",
    Check.IDS: "each id is there once in its topic",
    Check.SEQUENCE: "each member's records are numbered 1, 2, 3 in each topic",
    Check.ZERO: "the postings of each entry sum to zero in each currency",
    Check.OWN: "no entry moves points of another member",
    Check.CHANGE: "each balance change leads on from the one before",
    Check.CAUSE: "balance changes say what the ledger's entries of their cause did",
    Check.OWNER: "each member with records has an account",
    Check.REACHED: "accounts and topics have come to the same number",
    Check.LEDGER: "each member's ledger adds up to the account",
    Check.BALANCES: "each member's latest balance change says what the account has",
    Check.LOTS: "each account's lots, debt and pending points add up to its balances",
    Check.TIER: "each member's latest change of tier says what the account has",
}
"""Check -> what holds, in the order of a report."""


class Place(NamedTuple):
    """Where a record lies. A file has no partition; its lines count from 1."""

    topic: str
    partition: int | None = None
    offset: int | None = None

    @override
    def __str__(self) -> str:
        """`loyalty.ledger-3@17`, or `out/ledger.ndjson:17`; without the end where no single record is meant."""
        where = self.topic if self.partition is None else f"{self.topic}-{self.partition}"
        if self.offset is None:
            return where
        return f"{where}:{self.offset}" if self.partition is None else f"{where}@{self.offset}"


class Difference(NamedTuple):
    """Something that does not hold, and where. `entry` is the id of an entry or change, or ""."""

    check: Check
    place: Place
    member: str
    entry: str
    expected: str
    found: str

    @override
    def __str__(self) -> str:
        """One line: where, who, what was expected, what was found."""
        who = f" member {self.member}" if self.member else ""
        which = f" {self.entry}" if self.entry else ""
        return f"{self.place}{who}{which}: {self.check}: expected {self.expected}; found {self.found}"


class Findings:
    """How many things each check looked at, and what it found."""

    def __init__(self, kept_max: int = DIFFERENCES_KEPT) -> None:
        self._kept_max = kept_max
        self.looked_at: Counter[Check] = Counter()
        self.wrong: Counter[Check] = Counter()
        self.differences: list[Difference] = []
        """The first ones."""

    @property
    def clean(self) -> bool:
        """Whether everything holds."""
        return not self.wrong

    def add(self, difference: Difference) -> None:
        """Take a difference."""
        self.wrong[difference.check] += 1
        if len(self.differences) < self._kept_max:
            self.differences.append(difference)
