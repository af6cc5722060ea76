"""Two programs over the same events: what changes is counted by rule, month, member and tier, and nothing else is."""

import html
import re
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from loyalty.plan import Programs
from loyalty.program import Program
from tests.loyalty.books import BASE, program
from tests.loyalty.events import back, purchase, redeem, referral
from workers.batch import Engine
from workers.charts import Bars, Chart, columns, rows
from workers.cli import build_app
from workers.compare import compare
from workers.comparison import Comparison, Group, Letter, Mover, Row
from workers.comparison_page import page
from workers.comparison_words import grids, money_words, summary
from workers.ndjson import Source
from workers.replay import replay
from workers.replay_files import Files

TIERS = "tiers: {levels: [{id: bronze, from: 0}, {id: gold, from: 100}]}\n"
OLD = program(
    'earn: [{id: base, on: purchase, give: {points: 1, per: "1.00"}}, {id: big, on: purchase, give: {points: 5}, '
    'when: {min_spend: "50.00"}}]\n' + TIERS
)
NEW = program(
    'version: "2"\n'
    'earn: [{id: base, on: purchase, give: {points: 2, per: "1.00"}, when: {stores: [s1]}}]\n'
    "exchange: {EUR: 1}\n" + TIERS
)
EVENTS = [
    purchase("a", 1000, member="ann", time="2026-01-31T23:00:00Z"),
    purchase("b", 6000, member="bob", time="2026-02-01T01:00:00Z"),
    purchase("c", 3000, member="cid", time="2026-02-02T01:00:00Z", store_id="s2"),
    purchase("d", 2000, member="ann", time="2026-02-03T01:00:00Z", currency="EUR"),
    back("e", "b", [("1", "0", 2000)], member="bob", time="2026-03-01T01:00:00Z"),
    b"{broken",
]


def write(folder: Path, events: list[bytes]) -> Path:
    path = folder / "events.ndjson"
    path.write_bytes(b"\n".join(events))
    return path


def compared(
    events: Path, old: Program = OLD, new: Program = NEW, values: Mapping[str, Fraction] | None = None
) -> Comparison:
    return compare([old], [new], lambda: [Source(str(events))], lambda _: None, values=values or {}, movers_max=20)


@pytest.fixture
def found(tmp_path: Path) -> Comparison:
    return compared(write(tmp_path, EVENTS), values={"": Fraction("0.5")})


# By hand. Old: ann 10, bob 60 + 5 for the big purchase, less 20 and the 5 again, cid 30; the euros are refused.
# New: ann 20 + 40 for her euros, bob 120 less 40, cid nothing for the other store.
def test_a_small_example_by_hand(found: Comparison) -> None:
    [kind] = found.kinds
    assert (found.events, found.members) == (6, 3)
    assert kind.by_rule == (Row("base", 80, 140), Row("big", 0, 0))
    assert kind.by_month == (Row("2026-01", 10, 20), Row("2026-02", 95, 160), Row("2026-03", -25, -40))
    assert kind.by_rule_and_month == (
        ("2026-01", Row("base", 10, 20)),
        ("2026-02", Row("base", 90, 160)),
        ("2026-02", Row("big", 5, 0)),
        ("2026-03", Row("base", -20, -40)),
        ("2026-03", Row("big", -5, 0)),
    )
    assert kind.total == Row("all", 80, 140)
    assert kind.movers == (
        Mover("ann", 10, 60, "bronze", "bronze"),
        Mover("bob", 40, 80, "bronze", "gold"),
        Mover("cid", 30, 0, "bronze", "bronze"),
    )
    assert (kind.gain, kind.lose, kind.same) == (2, 1, 0)
    assert kind.groups == (
        Group("-99 to -10", 1),
        Group("-9 to -1", 0),
        Group("no change", 0),
        Group("+1 to +9", 0),
        Group("+10 to +99", 2),
    )
    assert kind.cost_minor(140) == 70
    assert found.tiers == {("bronze", "bronze"): 2, ("bronze", "gold"): 1}
    assert found.letters.counts == {("currency_not_accepted", ""): 1}
    [example] = found.letters.examples
    assert example == Letter(example.file, 4, "currency_not_accepted", "")
    assert found.changes


def test_it_is_said_in_words(found: Comparison) -> None:
    assert summary(found) == [
        "6 events of 3 members, under test 1 and under test 2.",
        "Events that both programs refuse, for the same reason: 1.",
        (
            "Points: 80 become 140, +60 (+75.0%), that is 0.40 USD and 0.70 USD, +0.30 USD. "
            "Members: 2 gain, 1 lose, 0 stay."
        ),
        "Members who end in another tier: 1.",
        "Events that one program alone refuses, or for another reason: 1.",
    ]
    assert {grid.caption: len(grid.lines) for grid in grids(found)} == {
        "Points by rule": 3,
        "Points by month": 3,
        "Points by month and rule, the largest changes": 5,
        "Members by what they gain or lose in Points": 5,
        "Largest movers in Points": 3,
        "Members by tier: from (lines) to (columns)": 2,
        "Events that are refused otherwise": 1,
        "The first of these events": 1,
    }


@pytest.mark.parametrize(
    ("minor", "money", "shown"),
    [
        (Fraction("1234567.5"), "USD", "12,345.68 USD"),
        (Fraction(-5), "USD", "-0.05 USD"),
        (Fraction(5), "JPY", "5 JPY"),
        (Fraction(1), "KWD", "0.001 KWD"),
    ],
)
def test_money_in_words(minor: Fraction, money: str, shown: str) -> None:
    assert money_words(minor, money) == shown


_PURCHASES = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 20_000), st.integers(1, 28), st.sampled_from(["s1", "s2"])),
    max_size=12,
)


def stream(drawn: list[tuple[str, int, int, str]]) -> list[bytes]:
    """Purchases in any order of time, a return of every third, and one referral."""
    events = [referral("f", "a", time="2026-01-01T00:00:00Z", stage="qualified")]
    for number, (member, minor, day, store) in enumerate(drawn):
        name = f"p{number}"
        events.append(purchase(name, minor, member=member, time=f"2026-03-{day:02d}T12:00:00Z", store_id=store))
        if number % 3 == 0:
            events.append(
                back(f"r{number}", name, [("1", "0", minor // 2)], member=member, time=f"2026-04-{day:02d}T12:00:00Z")
            )
    return events


@settings(max_examples=40)
@given(drawn=_PURCHASES)
def test_law_a_program_compared_with_itself_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, int, int, str]]
) -> None:
    found = compared(write(tmp_path_factory.mktemp("self"), stream(drawn)), OLD, OLD)
    assert not found.changes
    assert summary(found)[-1] == "Nothing would change."
    assert all(not row.difference for kind in found.kinds for row in (*kind.by_rule, *kind.by_month))


@settings(max_examples=40)
@given(drawn=_PURCHASES)
def test_law_the_sums_are_those_of_two_replays(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, int, int, str]]
) -> None:
    folder = tmp_path_factory.mktemp("sums")
    events = write(folder, stream(drawn))
    [kind] = compared(events).kinds
    for side, of in (("old", OLD), ("new", NEW)):
        with Files(folder / side) as files:
            replayed = replay(
                Engine(Programs([of]), partitions=1), lambda: [Source(str(events))], files, lambda _: None
            )
        held = {
            account["member"]: sum(account["balances"].get("points", {}).values())
            for account in map(orjson.loads, (folder / side / "accounts.ndjson").read_bytes().splitlines())
        }
        by_rule: Counter[str] = Counter()
        for line in (folder / side / "ledger.ndjson").read_bytes().splitlines():
            for posting in orjson.loads(line)["data"]["postings"]:
                if posting["account"].startswith("member:"):
                    by_rule[posting["rule"]] += posting["amount"]
        assert getattr(kind.total, side) == replayed.points["points"] == sum(held.values())
        assert {row.name: getattr(row, side) for row in kind.by_rule if getattr(row, side)} == {
            rule: amount for rule, amount in by_rule.items() if amount
        }
        assert sum(getattr(row, side) for row in kind.by_month) == replayed.points["points"]
        assert all(getattr(mover, side) == held[mover.member] for mover in kind.movers)


def test_finer_points_are_compared_with_coarser_ones(tmp_path: Path) -> None:
    finer = program(
        "points: {points: {name: Points, decimals: 2}}\n"
        'earn: [{id: base, on: purchase, give: {points: 1, per: "1.00"}}]\n'
    )
    [kind] = compared(write(tmp_path, [purchase("a", 150)]), new=finer).kinds
    assert (kind.decimals, kind.total) == (2, Row("all", 100, 150))


# ---------------------------------------------------------------- the page


def test_the_page_stands_alone_and_can_be_read_by_everybody(found: Comparison) -> None:
    text = page(found)
    assert "<script" not in text
    assert not re.search(r"(?:src|href)=|url\(|@import|https?://", text)
    assert "prefers-color-scheme: dark" in text
    charts = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(charts) == 3
    for chart in charts:
        tree = ET.fromstring(chart)  # noqa: S314 - our own text
        title, description = (tree.find(name) for name in ("title", "desc"))
        assert title is not None
        assert description is not None
        assert title.text
        assert description.text
        assert tree.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert text.count("<table>") == text.count("<caption>") == 8
    shown = html.unescape(text)
    for figure in ("Points: 80 become 140, +60", "currency_not_accepted", '<th scope="row">ann</th>'):
        assert figure in shown


def test_names_of_others_do_no_harm(tmp_path: Path) -> None:
    events = write(tmp_path, [purchase("a", 500, member="<script>alert(1)</script>")])
    assert "<script" not in page(compared(events))


def test_charts_of_nothing_and_of_losses_are_drawn() -> None:
    for bars in ([], [Bars("a", (0.0, 0.0))], [Bars("a", (-5.0, 3.0)), Bars("b & c", (2.0, -1.0))]):
        chart = Chart("c", "title", "words", ("old", "new"), bars, str)
        for draw in (rows, columns):
            tree = ET.fromstring(draw(chart))  # noqa: S314 - our own text
            drawn = list(tree.iter("rect"))
            assert len(drawn) == 2 * len(bars)
            assert all(float(rect.get(side, "-1")) >= 0 for rect in drawn for side in ("x", "y", "width", "height"))


# ---------------------------------------------------------------- the command


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(build_app(), ["compare", *arguments])
    return result.exit_code, result.stdout, result.stderr


HEAD = """\
program: p
version: {version}
effective_from: 2026-01-01
zone: UTC
money: USD
points: {{stars: {{name: Stars}}}}
"""
RULE = 'earn: [{{id: base, on: purchase, give: {{points: {points}, per: "1.00"}}}}]\n'


@pytest.fixture
def sides(tmp_path: Path) -> list[str]:
    for name, points in (("old", 1), ("new", 2)):
        (tmp_path / f"{name}.yaml").write_text((HEAD + RULE).format(version=f'"{points}"', points=points))
    events = write(tmp_path, [purchase("a", 700, time="2026-03-02T12:00:00Z")])
    return ["--old", str(tmp_path / "old.yaml"), "--new", str(tmp_path / "new.yaml"), "--events", str(events)]


def test_the_command_shows_tables_and_writes_the_page(sides: list[str], tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    code, out, err = run(*sides, "--html", str(target), "--point-value", "stars=0.8")
    assert (code, err) == (0, "")
    assert "Stars: 7 become 14, +7 (+100.0%)" in out
    assert re.search(r"base +7 +14 +\+7 +0.06 +0.11 +\+0.06", out)
    assert target.read_text("utf-8").startswith("<!doctype html>")
    assert target.stat().st_mode & 0o777 == 0o600


def test_events_that_nobody_can_read_are_counted_where_nothing_changes(sides: list[str], tmp_path: Path) -> None:
    (tmp_path / "none.ndjson").write_text("no event\nnor this\n")
    code, out, _ = run("--old", sides[1], "--new", sides[1], "--events", str(tmp_path / "none.ndjson"))
    assert code == 0
    assert out.splitlines()[1:] == [
        "Events that both programs refuse, for the same reason: 2.",
        "Nothing would change.",
    ]


def test_exit_codes(sides: list[str]) -> None:
    assert run(*sides)[0] == 0
    assert run(*sides, "--fail-on-change")[0] == 1
    same = [sides[1] if argument == sides[3] else argument for argument in sides]
    code, out, _ = run(*same, "--fail-on-change")
    assert (code, out.splitlines()[-1]) == (0, "Nothing would change.")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("many", "is no value in cents"),
        ("star=1", "no kind of points is called 'star'"),
        ("-1", "is no value in cents"),
    ],
)
def test_a_value_that_is_none_is_wrong_usage(sides: list[str], value: str, told: str) -> None:
    code, _, err = run(*sides, f"--point-value={value}")
    assert code == 2
    assert told in err


def test_a_file_that_is_not_there(sides: list[str]) -> None:
    code, _, err = run(*sides[:-1], "gone.ndjson")
    assert (code, "gone.ndjson" in err) == (1, True)


def test_what_could_be_redeemed_and_what_was_is_compared_too(tmp_path: Path) -> None:
    mug = "rewards: [{id: mug, kind: product, price: %s}]\n"
    old, new = (program(BASE + mug % price) for price in (100, 300))
    events = write(tmp_path, [purchase("p", 20_000), redeem("r", "mug")])
    found = compared(events, old, new)
    assert [row for row in found.kinds[0].by_rule if row.name == "redeemed"] == [Row("redeemed", -100, 0)]
    assert found.letters.counts == {("", "insufficient"): 1}
