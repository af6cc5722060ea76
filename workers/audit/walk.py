"""One partition from end to end: the accounts first, then ledger and balances side by side, then the other topics.

Invariants:
  W1 a record with a number beyond the account's is compared with nothing: the account was read before it came. It is a
     difference only where the account must know of it
  W2 a record that takes a number twice, or cannot be read, is told of and left out of all sums

Not here: where records come from (part.py), the totals (run.py).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from heapq import merge
from itertools import chain
from typing import Final, NamedTuple

from loyalty.account import head_key
from workers.audit.causes import About, Causes, Sums
from workers.audit.findings import Check, Difference, Findings, Place
from workers.audit.held import NO_POINTS, NUMBERED, Held, Pots
from workers.audit.ids import Ids
from workers.audit.part import BALANCES, LEDGER, TIERS, Part
from workers.audit.published import (
    Change,
    NotPublished,
    Posted,
    Published,
    cause_of,
    change_of,
    postings_of,
    read,
)

MEMBER: Final = "member:"
"""What the accounts of members begin with in the books: member:<id>:<pot>."""
AVAILABLE, PENDING = "available", "pending"
_NEVER: Final = "~"
"""Later than every time, as text."""


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


class Member:
    """What is known of a member so far."""

    __slots__ = ("held", "latest", "ledger", "numbers", "tier", "told_of")

    def __init__(self, held: Held | None) -> None:
        self.held = held
        self.numbers: dict[str, int] = {}
        """Topic word -> the latest number seen."""
        self.ledger: dict[tuple[str, str], int] = {}
        """(currency, pot) -> sum of the entries that the account knows of."""
        self.latest: dict[str, Pots] = {}
        """Currency -> what the latest balance change says."""
        self.tier: str | None = None
        self.told_of = False
        """Whether it was said already that nobody has this account."""

    def knows(self, word: str, number: int) -> bool:
        """Whether the account was written after that record."""
        return self.held is not None and number <= self.held.sequences.get(word, number)


class Seen(NamedTuple):
    """A record that could be read, and where."""

    word: str
    place: Place
    published: Published
    offset: int


class Walk:
    """The audit of one part."""

    def __init__(self, part: Part, findings: Findings, totals: Totals) -> None:
        self._part = part
        self._findings = findings
        self._totals = totals
        self._members: dict[str, Member] = {}
        self._causes = Causes(part.open_causes_max)
        self._begins = {word: part.begins(word) for word in part.words}
        self._causes_after = ""
        """Causes booked by then may have lost records of one side to the retention."""

    def run(self) -> None:
        """Read everything, once."""
        self._take_accounts()
        self._findings.looked_at[Check.KEPT] += 1
        if self._begins[LEDGER]:
            expected, found = "all entries from the first on", f"entries from offset {self._begins[LEDGER]:,} on"
            self._say(Check.KEPT, self._part.place(LEDGER), "", "", expected, found)
        with ExitStack() as stack:
            ids = {word: stack.enter_context(Ids()) for word in (LEDGER, BALANCES)}
            both = [self._begun(word, self._seen(word, of_word)) for word, of_word in ids.items()]
            for seen in merge(*both, key=lambda each: each.published.booked):
                if seen.word == LEDGER:
                    self._entry(seen)
                else:
                    self._change(seen)
                for about, sums in self._causes.over():
                    self._say_cause(about, sums)
            for word, of_word in ids.items():
                self._check_ids(word, of_word)
        self._findings.looked_at[Check.CAUSE] += self._totals.records[BALANCES]
        for about, sums in self._causes.left():
            self._say_cause(about, sums)
        for word in self._part.words:
            if word not in {LEDGER, BALANCES}:
                self._others(word)
        for name, member in self._members.items():
            self._check_member(name, member)

    # ------------------------------------------------------------------ accounts
    def _take_accounts(self) -> None:
        for offset, key, held in self._part.accounts():
            place = self._part.place("accounts", offset)
            self._members[held.member] = Member(held)
            self._totals.members += 1
            self._findings.looked_at[Check.LOTS] += 1
            if key is not None:
                self._check_place(place, held.member, "", key, head_key(held.member))
            for currency in held.balances.keys() | held.in_lots.keys():
                says, has = held.balances.get(currency, NO_POINTS), held.in_lots.get(currency, NO_POINTS)
                if says != has:
                    expected = f"{_pots(has)} {currency} as its lots, debt and pending points say"
                    self._say(Check.LOTS, place, held.member, "", expected, _pots(says))
                self._totals.accounts[currency, AVAILABLE] += says[0]
                self._totals.accounts[currency, PENDING] += says[1]

    def _check_place(self, place: Place, member: str, record_id: str, key: str, wanted: str) -> None:
        self._findings.looked_at[Check.PLACE] += 1
        if key != wanted:
            self._say(Check.PLACE, place, member, record_id, f"the key {wanted}", f"the key {key}")
        if not self._part.is_at_home(member):
            self._say(Check.PLACE, place, member, record_id, "the partition of its member", "another")

    # ------------------------------------------------------------------ records
    def _seen(self, word: str, ids: Ids) -> Iterator[Seen]:
        """The records of a topic that can be read."""
        for offset, key, value in self._part.records(word):
            self._totals.records[word] += 1
            self._findings.looked_at[Check.READABLE] += 1
            place = self._part.place(word, offset)
            try:
                published = read(value)
            except NotPublished as error:
                self._say(Check.READABLE, place, "", "", f"a record of {word}", str(error))
                continue
            self._findings.looked_at[Check.IDS] += 1
            ids.add(published.record_id, offset)
            if key is not None:
                self._check_place(place, published.member, published.record_id, key, published.member)
            yield Seen(word, place, published, offset)

    def _begun(self, word: str, records: Iterator[Seen]) -> Iterator[Seen]:
        """The same records; where older ones are gone, causes are compared behind the first that is kept."""
        first = next(records, None)
        if self._begins[word]:
            self._causes_after = max(self._causes_after, _NEVER if first is None else first.published.booked)
        return records if first is None else chain((first,), records)

    def _numbered(self, seen: Seen) -> Member | None:
        """The member of a record whose number has its place; None when there is nothing to compare."""
        word, place, (record_id, name, _, number, _), offset = seen
        if number is None:
            if word in NUMBERED:
                self._say(Check.READABLE, place, name, record_id, "a number among the member's records", "none")
            return None
        member = self._members.get(name)
        if member is None:
            member = self._members[name] = Member(None)
        before = member.numbers.get(word)
        expected = 1 if before is None else before + 1
        self._findings.looked_at[Check.SEQUENCE] += 1
        # What the retention took away cannot be missed: there a member's first record may have any number.
        if number != expected and not (before is None and self._begins[word]):
            self._say(Check.SEQUENCE, place, name, record_id, f"number {expected}", f"number {number}")
            if number < expected:
                return None
        member.numbers[word] = number
        if member.knows(word, number):
            return member
        settled = self._part.settled(word)
        if settled is not None and offset >= settled:
            self._totals.newer[word] += 1
        elif member.held is not None:
            last = member.held.sequences[word]
            self._say(Check.REACHED, place, name, record_id, f"no number beyond the account's {last}", f"{number}")
        return None

    def _check_ids(self, word: str, ids: Ids) -> None:
        twice = {second: first for first, second in ids.twice()}
        if not twice:
            return
        # Only now is it known which: the records are looked up once more, for their members.
        for offset, _, value in self._part.records(word):
            if offset in twice:
                found = read(value)
                first = f"the id of {self._part.place(word, twice[offset])}"
                place = self._part.place(word, offset)
                self._say(Check.IDS, place, found.member, found.record_id, "an id of its own", first)

    # ------------------------------------------------------------------ ledger
    def _entry(self, seen: Seen) -> None:
        entry, place = seen.published, seen.place
        try:
            postings, cause = postings_of(entry), cause_of(entry)
        except NotPublished as error:
            self._say(Check.READABLE, place, entry.member, entry.record_id, "a ledger entry", str(error))
            return
        moved = self._moved(seen, postings)
        member = self._numbered(seen)
        if member is None:
            self._check_owner(seen, is_members=bool(moved))
            return
        for (currency, pot), amount in moved.items():
            member.ledger[currency, pot] = member.ledger.get((currency, pot), 0) + amount
            self._totals.ledger[currency, pot] += amount
        if entry.booked <= self._causes_after:
            return
        for currency in {currency for currency, _ in moved}:
            about = About(entry.member, currency, entry.booked, cause)
            pots = moved[currency, AVAILABLE], moved[currency, PENDING]
            if pots != NO_POINTS:
                self._causes.entry(about, pots, place, entry.record_id)

    def _moved(self, seen: Seen, postings: list[Posted]) -> Counter[tuple[str, str]]:
        """What an entry moves of its member's points: (currency, pot) -> points. The rest goes to the totals."""
        entry, place = seen.published, seen.place
        self._findings.looked_at[Check.ZERO] += 1
        self._findings.looked_at[Check.OWN] += 1
        sums: Counter[str] = Counter()
        moved: Counter[tuple[str, str]] = Counter()
        for account, currency, amount in postings:
            sums[currency] += amount
            if not account.startswith(MEMBER):
                self._totals.books[account, currency] += amount
                continue
            owner, _, pot = account.removeprefix(MEMBER).rpartition(":")
            if owner == entry.member:
                moved[currency, pot] += amount
            else:
                expected = f"postings to {MEMBER}{entry.member}:... and to the program's accounts"
                self._say(Check.OWN, place, entry.member, entry.record_id, expected, f"{amount:+,} to {account}")
        for currency, amount in sums.items():
            if amount:
                expected = f"postings that sum to 0 {currency}"
                self._say(Check.ZERO, place, entry.member, entry.record_id, expected, f"{amount:+,}")
        return moved

    def _check_owner(self, seen: Seen, *, is_members: bool) -> None:
        """Say so when nobody has the account of a record that is old enough to have one."""
        name, settled = seen.published.member, self._part.settled(seen.word)
        member = self._members.get(name)
        if not is_members or member is None or member.held is not None or member.told_of:
            return
        if settled is None or seen.offset < settled:
            member.told_of = True
            self._say(Check.OWNER, seen.place, name, seen.published.record_id, "an account of the member", "none")

    # ------------------------------------------------------------------ balances
    def _change(self, seen: Seen) -> None:
        change, place = seen.published, seen.place
        try:
            figures, cause = change_of(change), cause_of(change)
        except NotPublished as error:
            self._say(Check.READABLE, place, change.member, change.record_id, "a balance change", str(error))
            return
        member = self._numbered(seen)
        if member is None:
            self._check_owner(seen, is_members=True)
            return
        currency, after = figures.currency, (figures.available, figures.pending)
        before = member.latest.get(currency)
        if before is None and not self._begins[BALANCES]:
            before = NO_POINTS
        member.latest[currency] = after
        self._check_change(seen, figures, before)
        if change.booked > self._causes_after:
            about = About(change.member, currency, change.booked, cause)
            moved = (figures.delta, 0) if before is None else (after[0] - before[0], after[1] - before[1])
            self._causes.change(about, moved, place, change.record_id, only_total=before is None)

    def _check_change(self, seen: Seen, figures: Change, before: Pots | None) -> None:
        self._findings.looked_at[Check.CHANGE] += 1
        member, change_id = seen.published.member, seen.published.record_id
        total = figures.available + figures.pending
        if before is not None and sum(before) + figures.delta != total:
            expected = f"a change by {total - sum(before):+,} from {_pots(before)}"
            self._say(Check.CHANGE, seen.place, member, change_id, expected, f"a delta of {figures.delta:+,}")
        if figures.own != (figures.available, figures.pending):
            expected = f"{_pots((figures.available, figures.pending))} also among all balances"
            self._say(Check.CHANGE, seen.place, member, change_id, expected, _pots(figures.own))

    def _say_cause(self, about: About, sums: Sums) -> None:
        place, record_id = sums.change or sums.entry or (self._part.place(BALANCES), "")
        cause = f"{about.cause[2]} {about.cause[1]}"
        if sums.entry is None:
            expected = f"no change by {cause}, which has no entry"
        else:
            expected = f"{_moves(sums.entries)} {about.currency} by {cause}, as in {sums.entry[0]}"
        found = "no balance change" if sums.change is None else _moves(sums.changes)
        self._say(Check.CAUSE, place, about.member, record_id, expected, found)

    # ------------------------------------------------------------------ the other topics, and the end
    def _others(self, word: str) -> None:
        """Tiers, notices, and whatever else is numbered by member."""
        with Ids() as ids:
            for seen in self._seen(word, ids):
                member = self._numbered(seen)
                if member is None:
                    self._check_owner(seen, is_members=seen.published.sequence is not None)
                elif word == TIERS:
                    member.tier = str(seen.published.data.get("to"))
            self._check_ids(word, ids)

    def _check_member(self, name: str, member: Member) -> None:
        part, looked_at, held = self._part, self._findings.looked_at, member.held
        looked_at[Check.OWNER] += bool(member.numbers)
        if held is None:
            return
        for word, last in held.sequences.items():
            if word not in self._begins:
                continue
            looked_at[Check.REACHED] += 1
            found = member.numbers.get(word)
            if (found or 0) < last and not (found is None and self._begins[word]):
                expected = f"records up to number {last}, which the account has come to"
                self._say(Check.REACHED, part.place(word), name, "", expected, f"up to {found or 0}")
        for currency, says in member.latest.items():
            self._totals.balances[currency, AVAILABLE] += says[0]
            self._totals.balances[currency, PENDING] += says[1]
        looked_at[Check.BALANCES] += 1
        self._compare(Check.BALANCES, part.place(BALANCES), held, member.latest)
        if not self._begins[LEDGER]:
            looked_at[Check.LEDGER] += 1
            currencies = {*held.balances, *(currency for currency, _ in member.ledger)}
            sums = {
                each: (member.ledger.get((each, AVAILABLE), 0), member.ledger.get((each, PENDING), 0))
                for each in sorted(currencies)
            }
            self._compare(Check.LEDGER, part.place(LEDGER), held, sums)
        if member.tier is not None:
            looked_at[Check.TIER] += 1
            if member.tier != held.tier:
                expected = f"the tier {held.tier or 'none'} of the account"
                self._say(Check.TIER, part.place(TIERS), name, "", expected, f"a latest change to {member.tier}")

    def _compare(self, check: Check, place: Place, held: Held, found: Mapping[str, Pots]) -> None:
        for currency, says in found.items():
            has = held.balances.get(currency, NO_POINTS)
            if says != has:
                expected = f"{_pots(has)} {currency} as the account has"
                self._say(check, place, held.member, "", expected, _pots(says))

    def _say(self, check: Check, place: Place, member: str, record_id: str, expected: str, found: str) -> None:
        self._findings.add(Difference(check, place, member, record_id, expected, found))


def _pots(pots: Pots) -> str:
    return f"{pots[0]:,} available, {pots[1]:,} pending"


def _moves(pots: Pots) -> str:
    return f"{pots[0]:+,} available, {pots[1]:+,} pending"
