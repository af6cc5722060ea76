"""Cases of spec files: they pass on what the engine does, and a failing one says what came and why."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loyalty.program import Program
from schemas.program_load import load_program
from schemas.spec_load import load_spec, parse_spec, spec_beside
from tests.loyalty.books import BASE, program
from tests.schemas.program_texts import PROGRAMS, SHIPPED
from workers.cli import build_app
from workers.spec_run import SpecResult, run_spec

COFFEE = load_program(PROGRAMS / "coffee-club.yaml")
GUIDE = (Path(__file__).parents[2] / "docs" / "spec-files.md").read_text("utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)


def ran(text: str, of: Program = COFFEE) -> SpecResult:
    return run_spec(parse_spec(text, of, "p.spec.yaml"))


def case(when: str, then: str, given: str = "{}") -> str:
    return f"cases:\n  - name: a case\n    given: {given}\n    when: {when}\n    then: {then}\n"


def told(result: SpecResult) -> list[str]:
    return [f"{problem.path}: {problem.message}" for failure in result.failures for problem in failure.problems]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_programs_do_what_their_cases_say(name: str) -> None:
    beside = spec_beside(PROGRAMS / f"{name}.yaml")
    assert beside is not None
    assert run_spec(load_spec(beside)).failures == ()


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_of_the_guide_pass(example: str) -> None:
    assert ran(example).failures == ()


def test_the_guide_counts_the_cases_of_the_showcase() -> None:
    beside = PROGRAMS / "coffee-club.spec.yaml"
    assert f"coffee-club.spec.yaml: {len(load_spec(beside).cases)} cases passed\n" in GUIDE


def test_the_guide_shows_how_a_case_fails() -> None:
    [failure] = ran(EXAMPLES[0].replace("points: 18", "points: 20")).failures
    first, *others = failure.text().splitlines()
    place, message = first.removeprefix("p.spec.yaml:").split(": ", 1)
    assert f"coffee-club.spec.yaml:{place}: {message}\n" + "\n".join(others) in GUIDE


FAILING = """\
cases:
  - name: a happy hour that lasts longer
    given: {tier: gold, earlier: {review: a, photo: true}}
    when:
      - {purchase: [coffee 4.50 x2, cake 3.00, own_cup 1.00 x8], at: "16:00"}
      - {return: coffee x1, at: 1 day later}
      - {referral: member, who: ben}
      - {purchase: cake 20.00, who: ben, currency: EUR}
      - {purchase: cake 20.00, who: ben, zone: Europe/Berlin, at: 1 day later}
    then: {points: 57, rules: {base: 30}, tier: silver, balance: 3, forfeited: 0, refused: not_json}
"""

SHOWN = """\
p.spec.yaml:8:9: cases[0].when[3]: refused with currency_not_accepted: the purchase is in EUR, the program takes \
USD, CAD: add EUR to `exchange` or send the purchase to the program of that currency
    hint: if that is what the program should do, say it: refused: currency_not_accepted
p.spec.yaml:10:20: cases[0].then.points: 57 was expected, 240 came
p.spec.yaml:10:38: cases[0].then.rules.base: 30 was expected, 23 came
p.spec.yaml:10:49: cases[0].then.tier: silver was expected, gold came
p.spec.yaml:10:66: cases[0].then.balance: 3 was expected, 280 came
p.spec.yaml:10:80: cases[0].then.forfeited: 0 was expected, 14 came
p.spec.yaml:10:92: cases[0].then.refused: not_json was expected, currency_not_accepted came
    in the case: a happy hour that lasts longer
    earlier review, Mon 2026-01-05 12:00
      review: +40 Beans
        review: 25
        review-photo: 15
    purchase, Mon 2026-01-05 16:00
      purchase: +53 Beans
        base: 30, 20.00 USD at 1 for each 1, tier-gold x1.5, exactly 30
        coffee-lover: 13, 9.00 USD at 1 for each 1, tier-gold x1.5, exactly 13.5
        own-cup: 10, 8 items at 2, tier-gold x1.5, exactly 24, 14 over the limit
        all rules: 67.5 beans, rounded (floor) to 67
    return, Tue 2026-01-06 16:00
      return: -13 Beans
        back of purchase-2: line 1: 1 for 4.50 USD
        coffee-lover: held 13, holds 7
        base: held 30, holds 23
    referral, Tue 2026-01-06 16:01
    purchase, Tue 2026-01-06 16:02
      refused, currency_not_accepted: the purchase is in EUR, the program takes USD, CAD: add EUR to `exchange` or \
send the purchase to the program of that currency
    purchase, Wed 2026-01-07 22:02
      ben, purchase: +20 Beans
        base: 20, 20.00 USD at 1 for each 1
      ben, referee:friends: +100 Beans
        friends: 100, for the referee
      referrer:friends: +200 Beans
        friends: 200, for the referrer
"""


def test_a_failing_case_says_what_was_expected_what_came_and_why() -> None:
    [failure] = ran(FAILING).failures
    assert failure.text() + "\n" == SHOWN


@pytest.mark.parametrize(
    ("when", "then", "problems"),
    [
        ("{purchase: cake 5.00}", "{}", []),
        ("{purchase: cake 5.00}", "{points: 4}", ["cases[0].then.points: 4 was expected, 5 came"]),
        ("{purchase: cake 5.00}", "{points: {beans: 5}, balance: {beans: 5}, rules: {brunch: 0}}", []),
        ("{purchase: cake 5.00}", "{rules: {brunch: 20}}", ["cases[0].then.rules.brunch: 20 was expected, 0 came"]),
        (
            "{purchase: cake 5.00}",
            "{refused: too_late}",
            ["cases[0].then.refused: too_late was expected, no step was refused"],
        ),
        ("{event: loyalty.purchase.v1}", "{refused: invalid_event}", []),
        ("[{purchase: cake 5.00, id: a}, {purchase: cake 5.00, id: a}]", "{points: 5}", []),
        (
            "[{purchase: cake 5.00, id: a}, {purchase: cake 6.00, id: a}]",
            "{points: 5, refused: conflicting_duplicate}",
            [],
        ),
        ("{member: closed}", "{points: 0}", []),
        ("[{member: closed}, {purchase: cake 5.00}]", "{refused: member_closed}", []),
    ],
)
def test_what_is_expected_is_compared(when: str, then: str, problems: list[str]) -> None:
    assert told(ran(case(when, then))) == problems


def test_what_was_before_must_be_taken() -> None:
    result = ran(case("{purchase: cake 5.00}", "{points: 5}", "{earlier: {purchase: cake 5.00, currency: EUR}}"))
    [problem] = told(result)
    assert problem.startswith("cases[0].given.earlier: refused with currency_not_accepted, but what was given must be")


def test_kinds_of_points_are_counted_as_people_do() -> None:
    two = program(
        "points: {points: {name: Points}, miles: {name: Miles, decimals: 2}}\n"
        'earn: [{id: base, on: purchase, give: {points: 1, per: "1.00"}},\n'
        '  {id: fly, on: purchase, give: {points: "0.25", per: "1.00", in: miles}, at_most: {points: 1, per: day}}]\n'
    )
    text = case(
        "{purchase: cake 7.00}",
        '{points: {points: 7, miles: "1.00"}, rules: {base: 7, fly: 1}, forfeited: {fly: "0.75"}}',
    )
    assert told(ran(text, two)) == []
    wrong = text.replace('forfeited: {fly: "0.75"}', 'forfeited: {fly: "0.5"}')
    assert told(ran(wrong, two)) == ["cases[0].then.forfeited.fly: 0.5 was expected, 0.75 came"]


def test_other_versions_are_named_beside(tmp_path: Path) -> None:
    text = (PROGRAMS / "one-per-unit.yaml").read_text("utf-8")
    (tmp_path / "club.yaml").write_text(text)
    later = (
        text.replace('version: "1"', 'version: "2"')
        .replace("2000-01-01", "2027-01-01")
        .replace("points: 1,", "points: 2,")
    )
    (tmp_path / "later.yaml").write_text(later)
    steps = "[{purchase: tea 3.00, at: 2026-12-31}, {purchase: tea 3.00, at: 1 day later}]"
    beside = tmp_path / "club.spec.yaml"
    beside.write_text(case(steps, "{points: 9}") + "versions: [later.yaml]\n")
    assert run_spec(load_spec(beside)).failures == ()


# ---------------------------------------------------------------- loyalty check


def check(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(build_app(), ["check", *arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "club.yaml").write_text((PROGRAMS / "one-per-unit.yaml").read_text("utf-8"))
    (tmp_path / "club.spec.yaml").write_text(case("{purchase: tea 3.00}", "{points: 3}"))
    return tmp_path


def test_check_says_how_many_cases_passed(folder: Path) -> None:
    spec = folder / "club.spec.yaml"
    for arguments in ([str(folder)], [str(folder / "club.yaml")], [str(spec)]):
        code, out, err = check(*arguments)
        assert (code, err) == (0, "")
        assert out.endswith(f"{spec}: 1 case passed\n")
    assert "passed" not in check(str(folder), "--no-spec")[1]
    assert check(str(folder), "--quiet") == (0, "", "")


def test_check_fails_with_a_case(folder: Path) -> None:
    spec = folder / "club.spec.yaml"
    spec.write_text(case("{purchase: tea 3.00}", "{points: 4}"))
    code, _, err = check(str(folder))
    assert code == 1
    assert err.startswith(f"{spec}:5:20: cases[0].then.points: 4 was expected, 3 came\n    in the case: a case\n")
    assert err.endswith(f"{spec}: 1 of 1 case failed\n")
    code, out, _ = check(str(folder), "--json")
    report = json.loads(out)
    assert (code, report["ok"]) == (1, False)
    assert [failure["case"] for failure in report["specs"][0]["failures"]] == ["a case"]
    assert check(str(folder), "--no-spec", "--quiet") == (0, "", "")


def test_check_names_mistakes_of_a_spec(folder: Path) -> None:
    spec = folder / "club.spec.yaml"
    spec.write_text(case("{purchase: tea 3.00}", "{tier: gold}"))
    assert check(str(folder), "-q") == (1, "", f"{spec}:5:18: cases[0].then.tier: there is no tier gold\n1 problem\n")


def test_a_spec_without_its_program_is_a_problem(folder: Path) -> None:
    (folder / "club.yaml").rename(folder / "other.yaml")
    code, _, err = check(str(folder), "-q")
    assert code == 1
    assert "club.spec.yaml:1:1: there is no program beside this file" in err


def test_nothing_takes_a_spec_for_a_program(folder: Path) -> None:
    result = CliRunner().invoke(
        build_app(),
        ["replay", "--program", str(folder / "club.spec.yaml"), "--events", "-", "--out", str(folder / "out")],
        input="",
    )
    assert result.exit_code == 1
    assert "these are the cases of a program, and no program" in result.stderr


def test_a_case_tells_what_a_household_pools() -> None:
    joins = "{event: loyalty.household.v1, data: {household_id: home, status: joined, holder: ben}}"
    when = f"[{joins}, {{purchase: tea 30.00}}]"
    then = "{points: 15, balance: 15, members: {ben: {points: 15}}}"
    pooling = program(BASE + "pooling: {share: 50}\n")
    assert ran(case(when, then, "{members: {ben: {balance: 0}}}"), pooling).failures == ()
