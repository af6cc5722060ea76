"""Spec files: short forms become the events that they say, and every mistake is told with its place and a remedy."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.account import Head
from schemas.program_load import load_program, parse_program
from schemas.program_source import Problem, ProgramError
from schemas.spec_load import Spec, load_spec, parse_spec, spec_beside
from tests.schemas.program_texts import CLUB, PROGRAMS, SHIPPED

PROGRAM = parse_program(CLUB)
SPEC = """\
cases:
  - name: first
    given: {tier: gold}
    when: {purchase: coffee 4.50 x2}
    then: {points: 18}
"""


def spec(old: str = "", new: str = "") -> str:
    """The little spec with one passage changed; the passage must be there."""
    if old not in SPEC:
        raise ValueError(old)
    return SPEC.replace(old, new, 1)


def loaded(when: str, given: str = "{}") -> Spec:
    text = f"cases:\n  - name: a case\n    given: {given}\n    when: {when}\n    then: {{}}\n"
    return parse_spec(text, PROGRAM)


def events(when: str) -> list[dict[str, Any]]:
    return [orjson.loads(told.raw) for told in loaded(when).cases[0].events]


def account(given: str) -> Head:
    return loaded("{purchase: tea 1.00}", given).cases[0].accounts[-1]


# ---------------------------------------------------------------- short forms


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("coffee 4.50 x2", {"category": "coffee", "sku": "coffee", "quantity": "2", "amount_minor": 900}),
        ("SALAD BAR 3.00", {"category": "SALAD BAR", "sku": "SALAD BAR", "quantity": "1", "amount_minor": 300}),
        ('"12.00"', {"sku": "item", "quantity": "1", "amount_minor": 1200}),
        ("12", {"sku": "item", "quantity": "1", "amount_minor": 1200}),
        ("7UP 1.20", {"category": "7UP", "sku": "7UP", "quantity": "1", "amount_minor": 120}),
        (
            "tea 2 x0.5 sku=T-1 brand=own",
            {"category": "tea", "sku": "T-1", "brand": "own", "quantity": "0.5", "amount_minor": 100},
        ),
        (
            '{category: cheese, quantity: "0.345", amount: "6.90"}',
            {"category": "cheese", "sku": "cheese", "quantity": "0.345", "amount_minor": 690},
        ),
    ],
)
def test_a_line_of_a_receipt(line: str, fields: dict[str, Any]) -> None:
    [event] = events(f"{{purchase: [{line}]}}")
    assert event["data"]["lines"] == [{"line_id": "1", **fields}]
    assert (event["data"]["currency"], event["data"]["channel"], event["data"]["store_id"]) == ("USD", "store", "1")


@pytest.mark.parametrize(
    ("tender", "tenders"),
    [
        ("card", [("card", 1000)]),
        ('{card: "4.00", cash: rest}', [("card", 400), ("cash", 600)]),
        ('{card: "4.00", cash: 6}', [("card", 400), ("cash", 600)]),
    ],
)
def test_ways_to_pay(tender: str, tenders: list[tuple[str, int]]) -> None:
    [event] = events(f'{{purchase: cake 8.00, tax: "1.50", tip: "0.50", tender: {tender}}}')
    assert [(each["type"], each["amount_minor"]) for each in event["data"]["tenders"]] == tenders


@pytest.mark.parametrize(
    ("back", "lines"),
    [
        ("coffee", [("1", "2", 900)]),
        ("coffee x1", [("1", "1", 450)]),
        ("T-1", [("2", "1", 300)]),
        ("2", [("2", "1", 300)]),
        ("[coffee x1, tea]", [("1", "1", 450), ("2", "1", 300)]),
        ("all", [("1", "2", 900), ("2", "1", 300)]),
        ('{line: coffee, quantity: 0, amount: "1.00"}', [("1", "0", 100)]),
    ],
)
def test_what_comes_back(back: str, lines: list[tuple[str, str, int]]) -> None:
    bought, returned = events(f"[{{purchase: [coffee 4.50 x2, tea 3.00 sku=T-1]}}, {{return: {back}}}]")
    data = returned["data"]
    assert data["transaction_id"] == bought["data"]["transaction_id"]
    assert [(each["line_id"], each["quantity"], each["amount_minor"]) for each in data["lines"]] == lines


def test_all_is_what_is_left() -> None:
    *_, last = events("[{purchase: [coffee 4.50 x3, tea 3.00]}, {return: [coffee x1, tea]}, {return: all}]")
    assert last["data"]["lines"] == [{"line_id": "1", "quantity": "2", "amount_minor": 900}]


@pytest.mark.parametrize(
    ("ats", "times"),
    [
        ([None, None], ["2026-01-05T17:00:00Z", "2026-01-05T17:01:00Z"]),
        (["15:00", "15:00:30"], ["2026-01-05T20:00:00Z", "2026-01-05T20:00:30Z"]),
        (["mon", "mon", "tue 09:00"], ["2026-01-05T17:00:00Z", "2026-01-12T17:00:00Z", "2026-01-13T14:00:00Z"]),
        (["2026-12-05", "3 days later"], ["2026-12-05T17:00:00Z", "2026-12-08T17:00:00Z"]),
        (
            ["2026-03-07 12:00", "1 day later", "24 hours later"],
            ["2026-03-07T17:00:00Z", "2026-03-08T16:00:00Z", "2026-03-09T16:00:00Z"],
        ),
        (["2026-01-31", "1 month later 08:00"], ["2026-01-31T17:00:00Z", "2026-02-28T13:00:00Z"]),
        (["2026-06-01 10:00+02:00"], ["2026-06-01T08:00:00Z"]),
        (["2026-11-01 01:30"], ["2026-11-01T05:30:00Z"]),  # twice on that day: the first
    ],
)
def test_when_steps_happen(ats: list[str | None], times: list[str]) -> None:
    steps = ", ".join(f"{{purchase: tea 1.00{f', at: {chr(34)}{at}{chr(34)}' if at else ''}}}" for at in ats)
    assert [event["time"] for event in events(f"[{steps}]")] == times


def test_the_clock_of_the_shop() -> None:
    [event] = events("{purchase: tea 1.00, at: sat 11:00, zone: America/Los_Angeles}")
    assert (event["time"], event["data"]["store_zone"]) == ("2026-01-10T19:00:00Z", "America/Los_Angeles")


@pytest.mark.parametrize(
    ("given", "tier", "qualifying", "balance"),
    [
        ("{}", "bronze", {}, {}),
        ("{tier: gold}", "gold", {"points:stars|lifetime": 100}, {}),
        ("{qualifying: 99}", "bronze", {"points:stars|lifetime": 99}, {}),
        ("{balance: 7}", "bronze", {}, {"stars": (7, 0)}),
        ("{balance: {stars: 7}}", "bronze", {}, {"stars": (7, 0)}),
    ],
)
def test_who_is_given(given: str, tier: str, qualifying: dict[str, int], balance: dict[str, tuple[int, int]]) -> None:
    head = account(given)
    assert (head.member, head.tier, head.balances) == ("member", tier, balance)
    assert {key: sums.total for key, sums in head.qualifying.items()} == qualifying


def test_a_new_member_has_no_account() -> None:
    assert loaded("{purchase: tea 1.00}", "{new: true}").cases[0].accounts == ()


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "name: first",
            "nam: first",
            "2:5: cases[0].name: the key name is missing ? What the program does, in a sentence.",
        ),
        ("tier: gold", "tier: god", "3:19: cases[0].given.tier: there is no tier god ? did you mean gold?"),
        ("tier: gold", "teir: gold", "3:13: cases[0].given.teir: the key teir is not known here ? did you mean tier?"),
        (
            "tier: gold",
            "birthday: 02-30",
            (
                "3:12: cases[0].given: no member is like that: data.birthday is a day that the calendar does not have; "
                'send a day that exists as "MM-DD" or "YYYY-MM-DD", or leave it out'
            ),
        ),
        (
            "tier: gold",
            "new: true, tier: gold",
            "3:30: cases[0].given.tier: a new member has no tier ? leave it out, or leave new out",
        ),
        (
            "tier: gold",
            "balance: {star: 1}",
            "3:23: cases[0].given.balance.star: there is no kind of points star ? did you mean stars?",
        ),
        (
            "tier: gold",
            "qualifying: -1",
            (
                "3:25: cases[0].given.qualifying: '-1' came, an amount such as 10 or \"9.95\" was expected ? "
                "digits with a dot, no sign, no currency"
            ),
        ),
        (
            "x2}",
            "x2, colour: red}",
            (
                "4:38: cases[0].when.colour: the key colour is not known here ? known "
                "are at, attributes, channel, currency, id, purchase, shipping, store, tax, tender, tip, who, zone"
            ),
        ),
        (
            "{purchase: coffee 4.50 x2}",
            "{purchse: coffee 4.50}",
            (
                "4:11: cases[0].when: a block of keys came, a block with one of purchase, return, review, share, "
                "referral, engagement, member, event, time, redeem, pay, report was expected ? did you mean purchase?"
            ),
        ),
        (
            "coffee 4.50 x2",
            "coffee x2",
            (
                "4:22: cases[0].when.purchase: 'coffee x2' came, a line of a receipt was expected ? category, price of "
                "one, xhow-many: coffee 4.50 x2; also brand=house and sku=A-1, at the end"
            ),
        ),
        (
            "coffee 4.50 x2",
            "coffee 4.505",
            (
                "4:22: cases[0].when.purchase: an amount of money has at most 2 digits after the point ? "
                "write {category: ..., quantity: ..., amount: ...}"
            ),
        ),
        (
            "x2}",
            'x2, tender: {card: "1.00"}}',
            (
                "4:46: cases[0].when.tender: the tenders add up to 1.00, but 9.00 is to be paid ? "
                "write rest for the one that pays what is left"
            ),
        ),
        (
            "x2}",
            "x2, at: soon}",
            (
                "4:42: cases[0].when.at: 'soon' came, a date and time, a weekday, a time of day or a while later was "
                "expected ? for example 2026-12-05 15:00, sat 11:00, 15:00, 3 days later, or 2 weeks later 15:00"
            ),
        ),
        ("x2}", "x2, at: 2026-02-30}", "4:42: cases[0].when.at: '2026-02-30' came, but the calendar has no such day"),
        (
            "x2}",
            "x2, at: 2026-03-08 02:30}",
            "4:42: cases[0].when.at: the clocks of America/New_York skip 02:30 on 2026-03-08",
        ),
        ("x2}", "x2, at: 9999 years later}", "4:42: cases[0].when.at: 9999 years later is beyond what calendars hold"),
        (
            "{purchase: coffee 4.50 x2}",
            "{return: all}",
            "4:20: cases[0].when.return: member has bought nothing before ? add a purchase first",
        ),
        (
            "points: 18",
            "points: many",
            "5:20: cases[0].then.points: 'many' came, a number of points such as 42, -9 or \"2.5\" was expected",
        ),
        ("points: 18", 'points: "2.5"', "5:20: cases[0].then.points: 2.5 came, whole numbers were expected"),
        ("points: 18", "rules: {bas: 1}", "5:20: cases[0].then.rules.bas: there is no rule bas ? did you mean base?"),
        ("points: 18", "tier: silver", "5:18: cases[0].then.tier: there is no tier silver ? known are bronze, gold"),
        (
            "points: 18",
            "refused: unknown_purchas",
            "5:21: cases[0].then.refused: there is no code unknown_purchas ? did you mean unknown_purchase?",
        ),
        (
            "points: 18",
            "members: {bob: {points: 1}}",
            "5:22: cases[0].then.members.bob: no step is about bob ? known are member",
        ),
        ("then: {points: 18}", "then: 18", "5:11: cases[0].then: 18 came, a block of keys was expected"),
        (
            "cases:",
            "at: monday\ncases:",
            (
                "1:5: at: 'monday' came, a date and time, a weekday, a time of day or a while later was expected ? "
                "for example 2026-12-05 15:00, sat 11:00, 15:00, 3 days later, or 2 weeks later 15:00"
            ),
        ),
        (
            "cases:",
            "at: sat\ncases:",
            "1:5: at: 'sat' came, a date was expected ? for example 2026-03-02, or 2026-03-02 15:00",
        ),
    ],
)
def test_the_author_is_told(old: str, new: str, told: str) -> None:
    with pytest.raises(ProgramError) as caught:
        parse_spec(spec(old, new), PROGRAM, "p.spec.yaml")
    found = [_line(problem) for problem in caught.value.problems]
    assert told in found
    assert all(problem.file == "p.spec.yaml" for problem in caught.value.problems)


def _line(problem: Problem) -> str:
    hint = f" ? {problem.hint}" if problem.hint else ""
    return f"{problem.line}:{problem.column}: {problem.path}: {problem.message}{hint}"


def test_steps_go_forward_and_names_are_told_apart() -> None:
    text = SPEC + SPEC.partition("\n")[2].replace(
        "{purchase: coffee 4.50 x2}", "[{review: a, at: tue}, {review: b, at: 2026-01-05}]"
    )
    with pytest.raises(ProgramError) as caught:
        parse_spec(text, PROGRAM)
    assert [problem.message for problem in caught.value.problems] == [
        "a case of this name is in line 2",
        "2026-01-05 is before the step before it, Tue 2026-01-06 12:00",
    ]


@pytest.mark.parametrize("text", ["", "cases: []", "cases: {}", "- a", "just a text", "cases:\n\t- a", "cases: [null]"])
def test_what_is_no_spec_is_a_problem_and_no_traceback(text: str) -> None:
    with pytest.raises(ProgramError) as caught:
        parse_spec(text, PROGRAM)
    assert caught.value.problems


SHOWCASE = PROGRAMS / "coffee-club.spec.yaml"


@given(
    position=st.integers(0, len(SHOWCASE.read_text("utf-8"))),
    removed=st.integers(0, 40),
    inserted=st.sampled_from(
        ["", "x", "-1", ": ", "- ", "[", "}", "\n", "{a: 1}", "null", "1.5", "&a ", "é", "\x00", "later"]
    ),
)
def test_no_damage_gives_a_traceback(position: int, removed: int, inserted: str) -> None:
    text = SHOWCASE.read_text("utf-8")
    damaged = text[:position] + inserted + text[position + removed :]
    problems = _problems(damaged)
    assert all(problem.message and problem.line >= 1 for problem in problems)


def _problems(text: str) -> tuple[Problem, ...]:
    """The problems of a text; one that says nothing stands for an error without problems."""
    try:
        parse_spec(text, COFFEE)
    except ProgramError as error:
        return error.problems or (Problem("", 0, 0, "", ""),)
    return ()


COFFEE = load_program(PROGRAMS / "coffee-club.yaml")


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_program_has_cases(name: str) -> None:
    beside = spec_beside(PROGRAMS / f"{name}.yaml")
    assert beside is not None
    assert len(load_spec(beside).cases) >= 5
