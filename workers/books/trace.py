"""Finds the entries about one id while a ledger goes by, and what happened afterwards to the points of them.

An id is that of an entry, of the event that caused it (of a purchase: as a rule also its transaction), or a
transaction that the steps of an entry name, as those of a return do. `also` are further ids of the same thing.

Invariants:
  T1 entries of a member come in their order; those of different members in any
  T2 memory holds what belongs to the id: the entries about it, and what moved their lots
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import orjson

from loyalty.decisions import Entry
from loyalty.postings import DEBT, HELD, RESTORED
from workers.books.kinds import is_members, pot_of

FOUND_MAX = 100
"""So many entries about one id are kept; more are only counted."""


@dataclass(slots=True)
class Followed:
    """An entry about the id, and what followed."""

    entry: Entry
    given: dict[str, str]
    """Lot -> currency, of the lots that it put points into."""
    later: list[Entry] = field(default_factory=list)
    """Entries of the member, after it, that moved these lots."""
    left: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(lot, pot) -> what is left, over all entries so far."""


class Trace:
    """What a ledger says about one id. `member` "": whoever it is."""

    def __init__(self, wanted: str, member: str = "", also: Collection[str] = ()) -> None:
        self.wanted = wanted
        self._ids = frozenset({wanted, *also})
        self._member = member
        self._needles = [text_of(each) for each in self._ids]
        self._by_member: dict[str, list[Followed]] = {}
        self.found: list[Followed] = []
        self.more = 0
        """Entries about the id beyond FOUND_MAX."""

    @property
    def is_named_only(self) -> bool:
        """Whether entries name the id at most in their steps: none is it, and none has it as its cause."""
        return not any(self._ids & {each.entry.entry_id, each.entry.cause.id} for each in self.found)

    def may_concern(self, raw: bytes) -> bool:
        """Whether the record may say something: a look at its bytes, since nearly all of a ledger does not."""
        return any(needle in raw for needle in self._needles)

    def take_all(self, entries: Iterable[Entry]) -> None:
        """Look at entries."""
        for entry in entries:
            self.take(entry)

    def take(self, entry: Entry) -> None:
        """Look at an entry."""
        if self._member and entry.member != self._member:
            return
        earlier = self._by_member.get(entry.member, ())
        for followed in earlier:
            _follow(followed, entry)
        if not is_about(entry, self._ids):
            return
        if len(self.found) >= FOUND_MAX:
            self.more += 1
            return
        followed = Followed(entry, _lots_filled(entry))
        _count(followed, entry)
        self.found.append(followed)
        if not earlier:
            self._needles.append(text_of(entry.member))
        self._by_member.setdefault(entry.member, []).append(followed)


def text_of(value: str) -> bytes:
    """A text as it stands in the records of the engine, with its quotes."""
    return orjson.dumps(value)


def is_about(entry: Entry, wanted: Collection[str]) -> bool:
    """Whether one of the ids is this entry's, its cause's, or the transaction that one of its steps names."""
    if entry.entry_id in wanted or entry.cause.id in wanted:
        return True
    return any(step.get("transaction_id") in wanted for step in entry.steps)


def _lots_filled(entry: Entry) -> dict[str, str]:
    """Lot -> currency of those that an entry made. What it puts back belongs to the entry that had made the lot."""
    if any(posting.account in _PUT_BACK and posting.amount < 0 for posting in entry.postings):
        return {}
    if any("came_back" in step or step.get("merge_id") == "" for step in entry.steps):
        return {}  # A transfer that nobody took; what an account that has been merged passed on.
    sums: Counter[tuple[str, str]] = Counter()
    for posting in entry.postings:
        if is_members(posting) and posting.lot not in {"", DEBT}:
            sums[posting.lot, posting.currency] += posting.amount
    return {lot: currency for (lot, currency), amount in sums.items() if amount > 0}


_PUT_BACK = frozenset({HELD, RESTORED})


def _follow(followed: Followed, entry: Entry) -> None:
    if _count(followed, entry):
        followed.later.append(entry)


def _count(followed: Followed, entry: Entry) -> bool:
    touched = False
    for posting in entry.postings:
        if is_members(posting) and posting.lot in followed.given:
            followed.left[posting.lot, pot_of(posting)] += posting.amount
            touched = True
    return touched
