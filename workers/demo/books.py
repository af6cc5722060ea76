"""Reads the engine's output as a stranger would, and does the sums: what was given, to whom, and whether it adds up.

Invariants:
  B1 nothing here comes from the engine's own counters: every figure is summed from records of the topics
  B2 memory holds one line for each member and currency, not the ledger

Not here: getting the records (reader.py).
"""

from collections import Counter, deque
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import orjson

from loyalty.activities import ENROLLMENT
from loyalty.postings import EARNED, RETURNED
from loyalty.purchases import KIND as PURCHASE
from workers.records import ERRORS_HEADER
from workers.topic_words import DEAD_LETTERS

WORDS: Final = ("ledger", "balances", "tiers", DEAD_LETTERS)
"""The topics that the books are read from, by word."""

LINES_SHOWN: Final = 8
_ORDINARY: Final = frozenset({PURCHASE, ENROLLMENT})
"""Kinds of entries of which there are too many to show each."""
_MANY_POINTS: Final = 150
"""A purchase that gives so many is worth a line."""
_CODE_HEADER: Final = f"{ERRORS_HEADER}code"
_MESSAGE_HEADER: Final = f"{ERRORS_HEADER}message"

Headers = Iterable[tuple[str, bytes]]


class Finding(NamedTuple):
    """One check: what must hold, how many it looked at, and how many did not."""

    claim: str
    looked_at: int
    wrong: int


class Books:
    """The sums over all records that were taken in so far."""

    def __init__(self) -> None:
        self.entries: Counter[str] = Counter()
        """Ledger entries by kind."""
        self.given: Counter[tuple[str, str]] = Counter()
        """(rule, currency) -> points."""
        self.taken_back: Counter[tuple[str, str]] = Counter()
        self.tier_of: dict[str, str] = {}
        self.tier_changes: Counter[str] = Counter()
        self.dead_letters: Counter[str] = Counter()
        self.dead_letter_example: dict[str, str] = {}
        """Code -> the message of one of them."""
        self.latest: deque[str] = deque(maxlen=LINES_SHOWN)
        """Lines about what happened last, the ordinary left out."""
        self._postings: Counter[tuple[str, str]] = Counter()
        self._balances: dict[tuple[str, str], int] = {}
        self._sequences: dict[str, dict[str, int]] = {word: {} for word in WORDS}
        self._numbered = 0
        self._gaps = 0
        self._unbalanced = 0

    def take(self, word: str, value: bytes, headers: Headers) -> None:
        """Adds one record of the topic `word`. Records of a member come in their order."""
        match word:
            case "ledger":
                self._entry(orjson.loads(value))
            case "balances":
                event = orjson.loads(value)
                data = event["data"]
                self._number(word, event["subject"], data["sequence"])
                self._balances[event["subject"], data["currency"]] = data["available"] + data["pending"]
            case "tiers":
                self._tier(orjson.loads(value))
            case _:
                self._dead_letter(headers)

    def points(self) -> Counter[str]:
        """Points in members' hands, by currency: the sum of the ledger."""
        sums: Counter[str] = Counter()
        for (_, currency), amount in self._postings.items():
            sums[currency] += amount
        return sums

    @property
    def members(self) -> int:
        """Members with an entry in the ledger."""
        return len(self._sequences["ledger"])

    def findings(self) -> list[Finding]:
        """What must hold of any ledger, checked."""
        accounts = self._postings.keys() | self._balances.keys()
        differ = sum(self._postings[key] != self._balances.get(key, 0) for key in accounts)
        return [
            Finding("the postings of each ledger entry sum to zero", self.entries.total(), self._unbalanced),
            Finding("each member's ledger adds up to the last balance published", len(accounts), differ),
            Finding("the members' records are numbered without a gap", self._numbered, self._gaps),
        ]

    def _entry(self, event: dict[str, Any]) -> None:
        data, member = event["data"], event["subject"]
        self._number("ledger", member, data["member_sequence"])
        self.entries[data["kind"]] += 1
        sums: Counter[str] = Counter()
        moved: Counter[str] = Counter()
        for posting in data["postings"]:
            account, currency, amount = posting["account"], posting["currency"], posting["amount"]
            sums[currency] += amount
            if account == EARNED:
                self.given[posting["rule"], currency] -= amount
            elif account == RETURNED:
                self.taken_back[posting["rule"], currency] += amount
            elif account.startswith(f"member:{member}:"):
                moved[currency] += amount
        self._unbalanced += any(sums.values())
        for currency, amount in moved.items():
            self._postings[member, currency] += amount
        if data["kind"] not in _ORDINARY or max(moved.values(), default=0) >= _MANY_POINTS:
            points = ", ".join(f"{amount:+,} {currency}" for currency, amount in moved.items()) or "nothing"
            rules = ", ".join(dict.fromkeys(step["rule"] for step in data["steps"] if "rule" in step))
            self._line(event["time"], member, f"{data['kind']}: {points} ({rules or data['reason']})")

    def _tier(self, event: dict[str, Any]) -> None:
        data, member = event["data"], event["subject"]
        self._number("tiers", member, data["sequence"])
        self.tier_of[member] = data["to"]
        self.tier_changes[data["to"]] += 1
        if data["from"] is not None:
            self._line(event["time"], member, f"tier: {data['from']} -> {data['to']}")

    def _dead_letter(self, headers: Headers) -> None:
        said = {name: value.decode(errors="replace") for name, value in headers}
        code = said.get(_CODE_HEADER, "unknown")
        self.dead_letters[code] += 1
        self.dead_letter_example.setdefault(code, said.get(_MESSAGE_HEADER, ""))
        self.latest.append(f"{'':16}  dead letter: {code}")

    def _line(self, time: str, member: str, text: str) -> None:
        self.latest.append(f"{time[:16].replace('T', ' ')}  member {member}: {text}")

    def _number(self, word: str, member: str, sequence: int) -> None:
        of = self._sequences[word]
        self._numbered += 1
        self._gaps += sequence != of.get(member, 0) + 1
        of[member] = sequence
