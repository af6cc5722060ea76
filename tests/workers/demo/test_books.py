"""The demo's books: sums over records, and findings that do fail when the records are wrong."""

import pytest

from loyalty.decisions import BalanceChange, Entry, Posting, TierChange
from loyalty.facts import Cause
from schemas.encode import encode_balance, encode_entry, encode_tier
from workers.demo.books import Books

CAUSE = Cause("/pos/1", "p-1", "loyalty.purchase.v1")


def entry(sequence: int, points: int, *, kind: str = "earn", rule: str = "base", cheat: int = 0) -> bytes:
    other = "program:earned" if points > 0 else "program:returned"
    postings = (
        Posting(other, "points", -points, rule, ""),
        Posting("member:m:available", "points", points + cheat, rule, "l"),
    )
    return encode_entry(
        Entry(f"e{sequence}", kind, kind, "m", "grocery", "1", "d", CAUSE, 0, 0, sequence, postings, ({"rule": rule},))
    )


def balance(sequence: int, available: int) -> bytes:
    return encode_balance(
        BalanceChange(
            f"b{sequence}", "m", "grocery", "points", available, 0, 0, {"points": (available, 0)}, CAUSE, 0, 0, sequence
        )
    )


def tier(sequence: int, before: str | None, after: str) -> bytes:
    return encode_tier(
        TierChange(f"t{sequence}", "m", "grocery", before, after, "qualified", {}, None, {}, CAUSE, 0, 0, sequence)
    )


def books(*records: tuple[str, bytes]) -> Books:
    made = Books()
    for word, value in records:
        made.take(word, value, ())
    return made


def wrong(made: Books) -> dict[str, int]:
    """Each claim's first word or two -> how many records speak against it."""
    words = ("the postings", "each member", "the members")
    return {word: finding.wrong for word, finding in zip(words, made.findings(), strict=True) if finding.wrong}


def test_points_are_summed_by_rule_and_in_all() -> None:
    made = books(
        ("ledger", entry(1, 10)),
        ("ledger", entry(2, 5, rule="fresh")),
        ("ledger", entry(3, -4, kind="return")),
        ("balances", balance(1, 10)),
        ("balances", balance(2, 15)),
        ("balances", balance(3, 11)),
    )
    assert made.given == {("base", "points"): 10, ("fresh", "points"): 5}
    assert made.taken_back == {("base", "points"): 4}
    assert made.points() == {"points": 11}
    assert made.entries == {"earn": 2, "return": 1}
    assert made.members == 1
    assert wrong(made) == {}


def test_the_last_tier_counts() -> None:
    made = books(("tiers", tier(1, None, "bronze")), ("tiers", tier(2, "bronze", "silver")))
    assert made.tier_of == {"m": "silver"}
    assert made.tier_changes == {"bronze": 1, "silver": 1}
    assert [line.partition("  ")[2] for line in made.latest] == ["member m: tier: bronze -> silver"]


def test_dead_letters_are_counted_by_code_with_one_example() -> None:
    made = Books()
    for message in (b"first", b"second"):
        made.take("dead-letters", b"{", [("__loyalty.errors.code", b"not_json"), ("__loyalty.errors.message", message)])
    assert made.dead_letters == {"not_json": 2}
    assert made.dead_letter_example == {"not_json": "first"}


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([("ledger", entry(1, 10)), ("balances", balance(1, 10))], {}),
        ([("ledger", entry(1, 10)), ("balances", balance(1, 11))], {"each member": 1}),
        ([("ledger", entry(1, 10))], {"each member": 1}),  # the balance was never published
        ([("balances", balance(1, 10))], {"each member": 1}),  # the entry was never published
        ([("ledger", entry(1, 10, cheat=1)), ("balances", balance(1, 11))], {"the postings": 1}),
        ([("ledger", entry(2, 10)), ("balances", balance(1, 10))], {"the members": 1}),  # entry 1 is lost
        ([("ledger", entry(1, 10)), ("ledger", entry(1, 10)), ("balances", balance(1, 20))], {"the members": 1}),
        ([("tiers", tier(2, None, "bronze"))], {"the members": 1}),
    ],
)
def test_what_does_not_add_up_is_found(records: list[tuple[str, bytes]], expected: dict[str, int]) -> None:
    assert wrong(books(*records)) == expected


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (entry(1, 10), False),
        (entry(1, 10, kind="enrollment"), False),
        (entry(1, 200), True),
        (entry(1, 10, kind="review"), True),
        (entry(1, -10, kind="return"), True),
    ],
)
def test_the_latest_lines_leave_out_the_ordinary(value: bytes, shown: bool) -> None:
    assert bool(books(("ledger", value)).latest) is shown
