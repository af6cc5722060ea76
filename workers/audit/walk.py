"""One partition from end to end: the accounts first, then ledger and balances side by side, then the other topics.

Invariants:
  W1 a record with a number beyond the account's is compared with nothing: the account was read before it came. It is a
     difference only where the account must know of it
  W2 a record that takes a number twice, or cannot be read, is told of and left out of all sums

Not here: where records come from (part.py), the totals (run.py).
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from heapq import merge
from itertools import chain
from typing import Final, NamedTuple

from loyalty.account import head_key
from workers.audit.causes import About, Causes, Sums
from workers.audit.findings import Check, Difference, Findings, Place
from workers.audit.held import NO_POINTS, NUMBERED, Pots
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
from workers.audit.sums import AVAILABLE, PENDING, Member, Points, Totals

MEMBER: Final = "member:"
"""What the accounts of members begin with in the books: member:<id>:<pot>."""
_NEVER: Final = "~"
"""Later than every time, as text."""


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
        self._topics = {word: topic for topic, word in enumerate(part.words)}
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
            self._members[held.member] = Member(self._part.words, held)
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
            member = self._members[name] = Member(self._part.words, None)
        topic = self._topics[word]
        before = member.numbers[topic]
        expected = before + 1
        self._findings.looked_at[Check.SEQUENCE] += 1
        # What the retention took away cannot be missed: there a member's first record may have any number.
        if number != expected and (before or not self._begins[word]):
            self._say(Check.SEQUENCE, place, name, record_id, f"number {expected}", f"number {number}")
            if number < expected:
                return None
        member.numbers[topic] = number
        if member.knows(topic, number):
            return member
        settled = self._part.settled(word)
        if settled is not None and offset >= settled:
            self._totals.newer[word] += 1
        elif member.known is not None:
            last = member.known[topic]
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
        pots_of = {
            currency: (moved[currency, AVAILABLE], moved[currency, PENDING])
            for currency in dict.fromkeys(currency for currency, _ in moved)
        }
        for currency, pots in pots_of.items():
            points = member.of(currency)
            points.booked_available += pots[0]
            points.booked_pending += pots[1]
        self._totals.ledger.update(moved)
        if entry.booked <= self._causes_after:
            return
        for currency, pots in pots_of.items():
            about = About(entry.member, currency, entry.booked, cause)
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
        if not is_members or member is None or member.has_account or member.told_of:
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
        points = member.of(currency)
        before = points.said
        if before is None and not self._begins[BALANCES]:
            before = NO_POINTS
        points.said_available, points.said_pending = after
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
                    member.tier_said = str(seen.published.data.get("to"))
            self._check_ids(word, ids)

    def _check_member(self, name: str, member: Member) -> None:
        looked_at = self._findings.looked_at
        looked_at[Check.OWNER] += any(member.numbers)
        if member.known is None:
            return
        for word, last, found in zip(self._part.words, member.known, member.numbers, strict=True):
            if last is None:
                continue
            looked_at[Check.REACHED] += 1
            if found < last and (found or not self._begins[word]):
                expected = f"records up to number {last}, which the account has come to"
                self._say(Check.REACHED, self._part.place(word), name, "", expected, f"up to {found}")
        for points in member.points:
            if points.said is not None:
                self._totals.balances[points.currency, AVAILABLE] += points.said[0]
                self._totals.balances[points.currency, PENDING] += points.said[1]
                self._compare(Check.BALANCES, BALANCES, name, points, points.said)
        looked_at[Check.BALANCES] += 1
        if not self._begins[LEDGER]:
            looked_at[Check.LEDGER] += 1
            for points in member.points:
                self._compare(Check.LEDGER, LEDGER, name, points, points.booked)
        if member.tier_said is not None:
            looked_at[Check.TIER] += 1
            if member.tier_said != member.tier:
                expected = f"the tier {member.tier or 'none'} of the account"
                self._say(
                    Check.TIER, self._part.place(TIERS), name, "", expected, f"a latest change to {member.tier_said}"
                )

    def _compare(self, check: Check, word: str, member: str, points: Points, found: Pots) -> None:
        if found != points.has:
            expected = f"{_pots(points.has)} {points.currency} as the account has"
            self._say(check, self._part.place(word), member, "", expected, _pots(found))

    def _say(self, check: Check, place: Place, member: str, record_id: str, expected: str, found: str) -> None:
        self._findings.add(Difference(check, place, member, record_id, expected, found))


def _pots(pots: Pots) -> str:
    return f"{pots[0]:,} available, {pots[1]:,} pending"


def _moves(pots: Pots) -> str:
    return f"{pots[0]:+,} available, {pots[1]:+,} pending"
