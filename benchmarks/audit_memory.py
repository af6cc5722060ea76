"""What `loyalty audit` needs for a partition: memory by entries and by members, and time for each record.

Entries, balance changes and accounts are made up as they are read, so nothing but the audit holds them. Each size is a
process of its own; what the same process has before its audit begins is taken off. The ids are on disk.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from benchmarks.baskets import ROOT
from loyalty.account import head_key
from loyalty.decisions import BalanceChange, Entry, Posting
from loyalty.facts import Cause
from schemas.encode import encode_balance, encode_entry
from workers.audit.findings import Place
from workers.audit.held import Held
from workers.audit.part import BALANCES, LEDGER, Account, Record
from workers.audit.run import audit

SIZES = ((100_000, 10_000), (1_000_000, 10_000), (1_000_000, 100_000), (200_000, 100_000))
"""(ledger entries, members)."""
EACH = 7
"""Points of each entry."""
NOON_US = 1_772_452_800_000_000


class MadeUp:
    """A partition whose members have bought in turn."""

    words: tuple[str, ...] = (LEDGER, BALANCES)
    open_causes_max: int | None = 200_000

    def __init__(self, entries: int, members: int) -> None:
        self._entries = entries
        self._members = members

    def accounts(self) -> Iterator[Account]:
        """As many for each as there were rounds."""
        rounds = self._entries // self._members
        for number in range(self._members):
            member, has = f"member-{number}", {"points": (EACH * rounds, 0)}
            sequences = {LEDGER: rounds, BALANCES: rounds, "tiers": 0, "notices": 0}
            yield Account(number, head_key(member), Held(member, "", sequences, has, has))

    def records(self, word: str) -> Iterator[Record]:
        """An entry or a balance change for each purchase."""
        for number in range(self._entries):
            earlier, of = divmod(number, self._members)
            member, cause = f"member-{of}", Cause("/pos/1", f"sale-{number}", "loyalty.purchase.v1")
            # Batches of a thousand, one a second.
            now_us = NOON_US + number // 1_000 * 1_000_000
            if word == LEDGER:
                postings = (
                    Posting("program:earned", "points", -EACH, "base", ""),
                    Posting(f"member:{member}:available", "points", EACH, "base", f"lot-{number}"),
                )
                steps = ({"rule": "base", "amount_minor": EACH * 100, "points": EACH},)
                heading = (f"{number:032x}", "earn", "purchase", member, "shop", "1", "d" * 64, cause, now_us, now_us)
                value = encode_entry(Entry(*heading, earlier + 1, postings, steps))
            else:
                has = EACH * (earlier + 1)
                own = {"points": (has, 0)}
                value = encode_balance(
                    BalanceChange(
                        f"{number:032x}",
                        *(member, "shop", "points", has, 0, EACH, own, cause, now_us, now_us, earlier + 1),
                    )
                )
            yield Record(number, member, value)

    def begins(self, word: str) -> int:  # noqa: ARG002
        """0: it is whole."""
        return 0

    def settled(self, word: str) -> None:  # noqa: ARG002
        """None: all of it."""
        return

    def place(self, word: str, offset: int | None = None) -> Place:
        """As of a topic."""
        return Place(word, 0, offset)

    def is_at_home(self, member: str) -> bool:  # noqa: ARG002
        """Everybody is."""
        return True


def measure(entries: int, members: int) -> None:
    """Audit one made-up partition, and print megabytes and microseconds for each record."""
    part = MadeUp(entries, members)
    started = time.process_time()
    for word in part.words:
        for _ in part.records(word):
            pass
    making = time.process_time() - started
    before = _peak_mb()
    started = time.process_time()
    found = audit([part])
    taken = time.process_time() - started - making
    if not found.findings.clean:
        raise SystemExit(f"the audit found what is not there: {found.findings.differences[:3]}")
    records = found.totals.records.total()
    print(f"{_peak_mb() - before:.0f} {taken / records * 1e6:.1f}")


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each size and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit_memory", description=__doc__)
    parser.add_argument("--one", type=int, nargs=2, metavar=("ENTRIES", "MEMBERS"), help="this size, in this process")
    options = parser.parse_args(arguments)
    if options.one:
        measure(*options.one)
        return
    print(f"{'entries':>12}{'members':>12}{'memory, MB':>12}{'us/record':>12}")
    for entries, members in SIZES:
        command = (sys.executable, "-m", "benchmarks.audit_memory", "--one", str(entries), str(members))
        done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
        memory, microseconds = done.stdout.split()
        print(f"{entries:12,}{members:12,}{memory:>12}{microseconds:>12}", flush=True)


if __name__ == "__main__":
    main()
