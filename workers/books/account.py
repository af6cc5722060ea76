"""A member as of a moment, from the ledger and the changes of tier.

By event time: what had happened by then, also what was heard of later. By booking: what was known then.

Not here: when lots end, which the ledger does not say; the account itself does (`loyalty topics export accounts`).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from loyalty.decisions import Entry, TierChange
from loyalty.postings import DEBT
from workers.books.kinds import is_members, pot_of

By = Literal["event", "recorded"]


def moment_us(of: Entry | TierChange, by: By) -> int:
    """When it happened, or when it was booked."""
    return of.time_us if by == "event" else of.recorded_at_us


@dataclass(slots=True)
class LotLeft:
    """What is left of points that were earned together."""

    lot: str
    currency: str
    earned_us: int
    came: int = 0
    """All that was ever put into it."""
    left: Counter[str] = field(default_factory=Counter)
    """By pot: available, pending."""


class TierHeld(NamedTuple):
    """The tier at the moment. `since_us` None: longer than changes of tier are kept."""

    tier: str
    since_us: int | None
    progress: Mapping[str, Any]
    """As of the change, as the change says it; {} when it is not kept."""


class Account:
    """One member's sums over the entries before `until_us`; entries from `since_us` on are kept, in their order."""

    def __init__(self, until_us: int | None, since_us: int | None, by: By) -> None:
        self._until_us = until_us
        self._since_us = since_us
        self._by = by
        self._lots: dict[tuple[str, str], LotLeft] = {}
        self.balances: dict[str, Counter[str]] = {}
        """Currency -> pot (available, pending) -> points."""
        self.debts: Counter[str] = Counter()
        self.entries: list[Entry] = []
        self.counted = 0
        """Entries that the sums are of."""
        self.not_yet = 0
        """Entries after the moment."""

        self.gaps = 0
        """Places where the member's entries are not numbered 1, 2, 3: something was not read."""
        self._sequence = 0
        self._change: TierChange | None = None
        self._moved: TierChange | None = None
        self._next_change: TierChange | None = None
        self._tier_now: tuple[str, int] | None = None

    @property
    def is_known(self) -> bool:
        """Whether the records name the member at all, at whatever time."""
        return bool(self._sequence or self._change or self._next_change or self._tier_now)

    @property
    def has_changed_tier(self) -> bool:
        """Whether any change of tier was there, at whatever time."""
        return bool(self._change or self._next_change)

    def take(self, entry: Entry) -> None:
        """Add an entry of the member."""
        self.gaps += entry.sequence != self._sequence + 1
        self._sequence = entry.sequence
        at_us = moment_us(entry, self._by)
        if self._until_us is not None and at_us >= self._until_us:
            self.not_yet += 1
            return
        self.counted += 1
        if self._since_us is not None and at_us >= self._since_us:
            self.entries.append(entry)
        by_lot: Counter[tuple[str, str]] = Counter()
        for posting in entry.postings:
            if not is_members(posting):
                continue
            currency, pot = posting.currency, pot_of(posting)
            self.balances.setdefault(currency, Counter())[pot] += posting.amount
            if posting.lot == DEBT:
                self.debts[currency] -= posting.amount
            elif posting.lot:
                key = currency, posting.lot
                lot = self._lots.setdefault(key, LotLeft(posting.lot, currency, entry.time_us))
                lot.left[pot] += posting.amount
                by_lot[key] += posting.amount
        for key, amount in by_lot.items():  # Net: what matures leaves one pot and comes into the other.
            self._lots[key].came += max(amount, 0)

    def take_tier(self, change: TierChange) -> None:
        """Add a change of the member's tier."""
        if self._until_us is not None and moment_us(change, self._by) >= self._until_us:
            if self._next_change is None or change.sequence < self._next_change.sequence:
                self._next_change = change
            return
        if self._change is None or change.sequence > self._change.sequence:
            self._change = change
        # A tier that is confirmed is told of again, but it was not reached then.
        is_move = change.from_tier != change.to_tier
        if is_move and (self._moved is None or change.sequence > self._moved.sequence):
            self._moved = change

    def take_tier_now(self, tier: str, since_us: int) -> None:
        """Say what the account has, where no change of tier is kept any more."""
        self._tier_now = tier, since_us

    def tier(self) -> TierHeld | None:
        """The tier at the moment; None when there was none, or nothing that is kept tells."""
        if self._change is not None:
            since_us = None if self._moved is None else self._moved.time_us
            return TierHeld(self._change.to_tier, since_us, self._change.progress)
        following = self._next_change
        if following is not None:
            return None if following.from_tier is None else TierHeld(following.from_tier, None, {})
        if self._tier_now is None:
            return None
        tier, begun_us = self._tier_now
        begun = self._until_us is None or begun_us < self._until_us
        return TierHeld(tier, begun_us, {}) if tier and begun else None

    def lots(self) -> list[LotLeft]:
        """Lots with something left, the oldest first."""
        return sorted(
            (lot for lot in self._lots.values() if any(lot.left.values())),
            key=lambda lot: (lot.currency, lot.earned_us, lot.lot),
        )
