"""What an audit adds up: for each member of a partition, and over all.

There may be many members in a partition, so what is kept of each is small: no dictionaries, one number in each place.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Final

from workers.audit.held import Held, Pots

AVAILABLE: Final = "available"
PENDING: Final = "pending"


class Totals:
    """Sums over all parts, each from its own records."""

    def __init__(self) -> None:
        self.records: Counter[str] = Counter()
        """Topic word -> records read."""
        self.newer: Counter[str] = Counter()
        """Topic word -> records behind what the accounts have come to: read, but compared with nothing."""
        self.members = 0
        self.ledger: Counter[tuple[str, str]] = Counter()
        """(currency, pot) -> points of members by the ledger."""
        self.accounts: Counter[tuple[str, str]] = Counter()
        """The same by the accounts."""
        self.balances: Counter[tuple[str, str]] = Counter()
        """The same by the latest balance changes, where they are kept."""
        self.books: Counter[tuple[str, str]] = Counter()
        """(account of the books, currency) -> its sum, for accounts that are no member's."""


class Points:
    """One currency of a member: what the account has, what the ledger booked, what balance changes said last."""

    __slots__ = (
        "booked_available",
        "booked_pending",
        "currency",
        "has_available",
        "has_pending",
        "said_available",
        "said_pending",
    )

    def __init__(self, currency: str, has: Pots) -> None:
        self.currency = sys.intern(currency)
        self.has_available, self.has_pending = has
        self.booked_available = self.booked_pending = 0
        self.said_available: int | None = None
        """None: nothing was said yet."""
        self.said_pending = 0

    @property
    def has(self) -> Pots:
        """By the account."""
        return self.has_available, self.has_pending

    @property
    def booked(self) -> Pots:
        """By the entries that the account knows of."""
        return self.booked_available, self.booked_pending

    @property
    def said(self) -> Pots | None:
        """By the latest balance change; None: there is none."""
        return None if self.said_available is None else (self.said_available, self.said_pending)


class Member:
    """What is known of a member so far. Topics go by their place among the words of the part."""

    __slots__ = ("has_account", "known", "numbers", "points", "tier", "tier_said", "told_of")

    def __init__(self, words: Sequence[str], held: Held | None) -> None:
        self.has_account = held is not None
        self.known: tuple[int | None, ...] | None = None
        """The account's number in each topic; None for one that accounts do not number."""
        self.numbers = [0] * len(words)
        """The latest number seen in each topic; 0: none yet."""
        self.points: list[Points] = []
        self.tier = ""
        self.tier_said: str | None = None
        """What the latest change of tier says."""
        self.told_of = False
        """Whether it was said already that nobody has this account."""
        if held is not None:
            self.known = tuple(map(held.sequences.get, words))
            self.points = [Points(currency, has) for currency, has in held.balances.items()]
            self.tier = sys.intern(held.tier)

    def of(self, currency: str) -> Points:
        """The points of a currency."""
        for points in self.points:
            if points.currency == currency:
                return points
        made = Points(currency, (0, 0))
        self.points.append(made)
        return made

    def knows(self, topic: int, number: int) -> bool:
        """Whether the account was written after that record."""
        if self.known is None:
            return False
        last = self.known[topic]
        return last is None or number <= last
