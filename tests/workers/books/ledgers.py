"""Entries by hand, of kinds that the engine books and of kinds that it may book one day."""

from collections.abc import Mapping
from typing import Any

from loyalty.decisions import Entry, Posting
from loyalty.facts import Cause
from tests.loyalty.events import micros

Moves = list[tuple[str, int, str]]
"""(account, amount, lot); of the member's accounts the pot alone."""


def entry(
    kind: str,
    moves: Moves,
    *,
    at: str = "2026-03-02T12:00:00Z",
    booked: str = "",
    member: str = "m1",
    rule: str = "base",
    currency: str = "points",
    steps: tuple[Mapping[str, Any], ...] = (),
    sequence: int = 1,
) -> Entry:
    """An entry whose id and cause are made of its kind and time."""
    postings = tuple(
        Posting(account if ":" in account else f"member:{member}:{account}", currency, amount, rule, lot)
        for account, amount, lot in moves
    )
    cause = Cause("/pos/1", f"{kind}-{at}", "loyalty.test.v1")
    times = micros(at), micros(booked or at)
    return Entry(f"{kind}@{at}", kind, kind, member, "test", "1", "d" * 64, cause, *times, sequence, postings, steps)


LIFE = [
    entry("earn", [("program:earned", -50, ""), ("pending", 50, "L1")], at="2026-01-05T12:00:00Z"),
    entry("matured", [("pending", -50, "L1"), ("available", 50, "L1")], at="2026-01-20T12:00:00Z"),
    entry("opening", [("program:opening", -30, ""), ("available", 30, "L2")], at="2026-01-21T12:00:00Z", rule="import"),
    entry("redemption", [("program:redeemed", 20, ""), ("available", -20, "L1")], at="2026-02-03T12:00:00Z"),
    entry("adjustment", [("program:adjusted", -5, ""), ("available", 5, "L3")], at="2026-02-04T12:00:00Z"),
    entry("transfer", [("program:transferred", 7, ""), ("available", -7, "L2")], at="2026-02-05T12:00:00Z"),
    entry("donation", [("program:donated", 4, ""), ("available", -4, "L2")], at="2026-02-06T12:00:00Z"),
    entry("household", [("pool:smith:7", 1, ""), ("available", -1, "L2")], at="2026-02-07T12:00:00Z"),
    entry("expiry", [("program:expired", 30, ""), ("available", -30, "L1")], at="2026-02-28T12:00:00Z"),
    entry(
        "return",
        [("program:returned", 25, ""), ("available", -5, "L3"), ("available", -20, "debt")],
        at="2026-01-31T12:00:00Z",
        booked="2026-03-01T12:00:00Z",
    ),
]
"""A member's points from earning to debt; the return was heard of late."""
