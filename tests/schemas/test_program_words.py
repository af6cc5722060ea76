"""What a program does in plain words: whole programs against texts that a person has read, odd corners one by one."""

from pathlib import Path

import pytest

from schemas.program_load import load_program, parse_program
from schemas.program_words import describe
from tests.schemas.program_texts import PROGRAMS, SHIPPED, club

WORDS = Path(__file__).parent / "program_words"


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_programs_in_words(name: str) -> None:
    expected = (WORDS / f"{name}.txt").read_text("utf-8")
    assert "\n".join(describe(load_program(PROGRAMS / f"{name}.yaml"))) + "\n" == expected


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('per: "1.00"', 'per: "3.00"', "base: 1 Stars for each 3.00 USD spent."),
        ('points: 1, per: "1.00"', 'points: 7, per: "0.03"', "base: 7 Stars for each 0.03 USD spent."),
        ('points: 1, per: "1.00"', 'points: "0.001", per: "1.00"', "base: 0.01 Stars for each 10.00 USD spent."),
        ("on: purchase", "on: purchase\n    when: {weekdays: []}", "spent, on no time at all."),
        ("on: purchase", "on: purchase\n    when: {stores: []}", "spent, in store none at all."),
        ("on: purchase", "on: purchase\n    when: {from: 2026-03-01T09:30}", "spent, from 2026-03-01 09:30."),
        ("on: purchase", "on: purchase\n    when: {until: 2026-03-31}", "spent, to the end of 2026-03-31."),
        ("on: purchase", "on: purchase\n    multiplied: false", "spent; never multiplied."),
        ("on: review", "on: review\n    qualifies: true", "for a published review; counts for tiers."),
        ("tiers:\n", "tiers:\n  window: calendar_year\n", "in the calendar year. Members only rise."),
        (
            "tiers:\n",
            "tiers:\n  window: membership_year\n  review: {to_end_of: membership_year, grace: P30D, down: one_step}\n",
            "A tier holds to the end of that membership year, and 30 days of grace; then those who do not qualify",
        ),
        ("tiers:\n", "tiers:\n  basis: spend\n  spend_includes: tax\n", "Tiers follow money spent with tax in all."),
        ("factor: 2", "factor: 2, exclusive: true", "while it applies, no other multiplier does."),
        ("money: USD", "money: USD\nenrollment: required", "Only members who have enrolled take part."),
        ("money: USD", 'money: USD\nexchange: {JPY: "0.0067"}', "1 JPY counts as 0.0067 USD"),
        ("money: USD", "money: USD\nexclude: {categories: []}", "Every line of a basket can earn."),
        ("money: USD", "money: USD\nreturns: {keep: P1Y2M, negative: clamp}", "can come back for 14 months"),
        ("name: Stars", "name: Stars, pending: P14D", "Stars can be used 14 days after they were earned."),
        (
            "name: Stars",
            "name: Stars, expiry: {after: P12M, to_end_of: quarter, notice: P30D}",
            "after they were earned, at the end of that quarter; the member is told 30 days before.",
        ),
        (
            "name: Stars",
            "name: Stars, expiry: {after: P6M, restart_on: purchase, restart_for: P12M}",
            "Stars end 6 months after they were earned, or 12 months after the member's latest purchase, at the end of",
        ),
        (
            "name: Stars",
            "name: Stars, expiry: {after: P18M, restart_on: [purchase, review]}",
            "Stars end 18 months after the member's latest purchase or review, at the end of that day.",
        ),
        ("name: Stars", "name: Stars, decimals: 1", "Stars (1 digit after the point, rounded"),
        (
            "money: USD",
            "money: USD\nreturns: {}",
            "An operator can give and take any number of points by hand; what is given does not count for tiers;",
        ),
        (
            "money: USD",
            "money: USD\nadjustments: {approve_above: 500, negative: allow, qualifies: true}",
            "up to 500 points, more with a second operator, by hand; what is given counts for tiers;",
        ),
        (
            "money: USD",
            "money: USD\npooling: {}",
            "All Stars that a member of a household earns go to the member who holds its pool; up to 6 members are in",
        ),
        ("money: USD", "money: USD\npooling: {share: 30}", "30 % of Stars that a member of a household earns go to"),
        ("name: Stars", "name: Stars, decimals: 2, rounding: half_even", "Stars (2 digits after the point, rounded"),
    ],
)
def test_words_follow_the_rule(old: str, new: str, said: str) -> None:
    assert said in "\n".join(describe(parse_program(club(old, new))))
