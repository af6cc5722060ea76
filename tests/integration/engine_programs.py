"""Programs for whole-engine tests."""

from pathlib import Path

from tests.integration.harness import ROOT

PROGRAMS = ROOT / "config" / "programs"
GROCERY = PROGRAMS / "grocery.yaml"

PLAIN = """\
program: plain
version: "1"
effective_from: 2017-01-01
zone: America/New_York
money: USD
points:
  points: {name: Points, decimals: 0, rounding: floor}
earn:
  - {id: base, on: purchase, give: {points: 1, per: "1.00"}}
  - {id: welcome, on: enrollment, give: {points: 100}}
  - {id: review, on: review, give: {points: 10}}
  - {id: share, on: share, give: {points: 5}}
  - {id: survey, on: engagement, give: {points: 20}}
  - id: friends
    on: referral
    give: {referrer: 300, referee: 150}
    when: {stage: signed_up}
returns: {keep: P400D, negative: allow, blind: refuse}
adjustments: {negative: allow}
stream: {max_late: none}
"""
"""Nothing in it depends on the order in which a member's events of different topics are taken: totals can be compared
over runs that took them in different orders. So nothing may stop at what a member has at the moment."""


def written(text: str, path: Path) -> Path:
    """The text as a program file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def coffee_club_of_2017(path: Path) -> Path:
    """The coffee club as shipped, but from 2017 on and for old events, so that what it gives depends on no clock.

    Its beans do not end: all that was earned in 2017 would be gone at once. And nobody is won back.
    """
    text = (PROGRAMS / "coffee-club.yaml").read_text()
    start, end = text.index("  - id: birthday\n"), text.index("  - id: review\n")
    text = text[:start] + text[end:]
    for shipped, ours in (
        ("effective_from: 2026-01-01", "effective_from: 2017-01-01"),
        ("max_late: P30D", "max_late: none"),
        ("    expiry: {after: P12M, to_end_of: month, notice: P30D}\n", ""),
    ):
        assert shipped in text
        text = text.replace(shipped, ours)
    return written(text, path)
