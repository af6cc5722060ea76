"""What a program file compiles to: rates, times, filters, defaults; and which changes change its digest."""

import pickle
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from loyalty.program import Cap, Duration, EveryYear, FieldTest, Hours, LineFilter, Program, Window
from schemas.program_load import load_program, load_programs, parse_program
from schemas.program_source import ProgramError
from tests.schemas.program_texts import CLUB, PROGRAMS, SHIPPED, club


def _purchase(give: str, *more: str, top: str = "") -> Any:
    rule = "".join(f"\n    {line}" for line in more)
    text = club('    give: {points: 1, per: "1.00"}', f"    give: {give}{rule}")
    return parse_program(text.replace("money: USD", top or "money: USD")).purchase_rules[0]


@pytest.mark.parametrize(
    ("give", "top", "kind", "rate"),
    [
        ('{points: 1, per: "1.00"}', "", "per_amount", Fraction(1, 100)),
        ("{points: 1, per: 1}", "", "per_amount", Fraction(1, 100)),
        ('{points: "0.5", per: "2.50"}', "", "per_amount", Fraction(1, 500)),
        ("{points: 1, per: 100}", "money: JPY", "per_amount", Fraction(1, 100)),
        ('{points: 3, per: "0.001"}', "money: KWD", "per_amount", Fraction(3)),
        ("{points: 2, per_item: true}", "", "per_item", Fraction(2)),
        ("{points: 50}", "", "fixed", Fraction(50)),
    ],
)
def test_rates_are_points_for_each_minor_unit_item_or_purchase(give: str, top: str, kind: str, rate: Fraction) -> None:
    rule = _purchase(give, top=top)
    assert (rule.kind, rule.rate) == (kind, rate)


def test_points_with_decimals_are_counted_in_their_smallest_unit() -> None:
    text = club("name: Stars", "name: Stars, decimals: 2").replace("points: 25", 'points: "2.5"')
    program = parse_program(text)
    assert program.purchase_rules[0].rate == 1
    assert program.activity_rules[0].points == 250
    assert program.tiers is not None
    assert [level.threshold for level in program.tiers.levels] == [0, 10_000]


@pytest.mark.parametrize(
    ("give", "more", "multiplied", "qualifies"),
    [
        ('{points: 1, per: "1.00"}', [], True, True),
        ("{points: 2, per_item: true}", [], True, True),
        ("{points: 50}", [], False, False),
        ("{points: 50}", ["multiplied: true", "qualifies: true"], True, True),
        ('{points: 1, per: "1.00"}', ["multiplied: false", "qualifies: false"], False, False),
    ],
)
def test_fixed_points_are_a_bonus_unless_the_rule_says_so(
    give: str, more: list[str], multiplied: bool, qualifies: bool
) -> None:
    rule = _purchase(give, *more)
    assert (rule.multiplied, rule.qualifies) == (multiplied, qualifies)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("when", "window"),
    [
        ("from: 2026-03-01", Window(_at("2026-03-01"), None)),
        ("until: 2026-03-31", Window(None, _at("2026-04-01"))),  # The whole last day counts.
        ("from: 2026-02-28, until: 2026-02-28", Window(_at("2026-02-28"), _at("2026-03-01"))),
        ("from: 2026-03-01T09:30, until: 2026-03-01T10:00", Window(_at("2026-03-01T09:30"), _at("2026-03-01T10:00"))),
        ("from: '2026-03-01T09:30:00Z'", Window(_at("2026-03-01T09:30:00+00:00"), None)),
        ("from: '2026-03-01 09:30'", Window(_at("2026-03-01T09:30"), None)),
    ],
)
def test_a_bare_date_means_the_whole_local_day(when: str, window: Window) -> None:
    assert _purchase('{points: 1, per: "1.00"}', f"when: {{{when}}}").when.windows == (window,)


@pytest.mark.parametrize(
    ("when", "field", "expected"),
    [
        ("weekdays: [sun, mon]", "weekdays", frozenset({1, 7})),
        ("weekdays: []", "weekdays", frozenset()),
        ("weekdays: wed", "weekdays", frozenset({3})),
        ('hours: ["22:00-02:00", "07:00-10:00"]', "hours", (Hours(420, 600), Hours(1320, 120))),
        ('hours: "20:00-24:00"', "hours", (Hours(1200, 1440),)),
        ("every_year: {from: 12-24, to: 01-06}", "every_year", (EveryYear((12, 24), (1, 6)),)),
        ("every_year: [{from: 02-29, to: 02-29}]", "every_year", (EveryYear((2, 29), (2, 29)),)),
        ("tiers: gold", "tiers", frozenset({"gold"})),
        ("segments: [students, 2026]", "segments", frozenset({"students", "2026"})),
        ("stores: [12, 007]", "stores", frozenset({"12", "007"})),
        ("channels: [app, online]", "channels", frozenset({"app", "online"})),
        ("zone: store", "store_zone", True),
        ("{}", "store_zone", False),
    ],
)
def test_circumstances(when: str, field: str, expected: object) -> None:
    block = when if when == "{}" else f"{{{when}}}"
    assert getattr(_purchase('{points: 1, per: "1.00"}', f"when: {block}").when, field) == expected


def test_lines_tenders_minimum_and_caps() -> None:
    rule = _purchase(
        '{points: 1, per: "1.00"}',
        "lines: {categories: [tea, coffee], except: {brands: [guest]}}",
        'when: {min_spend: "20.5", tenders: house-card}',
        "at_most: [{points: 500, per: day}, {awards: 3, rolling: P30D, each: store_id}]",
    )
    assert rule.lines == LineFilter(categories=frozenset({"tea", "coffee"}), not_brands=frozenset({"guest"}))
    assert rule.min_spend_minor == 2050
    assert rule.tenders == frozenset({"house-card"})
    assert rule.caps == (
        Cap(500, "points", "day"),
        Cap(3, "awards", "rolling", Duration(days=30), "store_id"),
    )


@pytest.mark.parametrize(
    ("on", "when", "tests"),
    [
        ("review", "{}", [FieldTest("status", "in", frozenset({"published"}))]),
        (
            "review",
            "{min_rating: 4, min_text_length: 50, photo: true, verified: false}",
            [
                FieldTest("status", "in", frozenset({"published"})),
                FieldTest("text_length", "min", 50),
                FieldTest("rating", "min", 4),
                FieldTest("has_photo", "is", True),
                FieldTest("verified_purchase", "is", False),
            ],
        ),
        (
            "share",
            "{networks: [a, b], kinds: ugc}",
            [FieldTest("network", "in", frozenset({"a", "b"})), FieldTest("kind", "in", frozenset({"ugc"}))],
        ),
        ("engagement", "{activities: [quiz]}", [FieldTest("activity", "in", frozenset({"quiz"}))]),
        ("enrollment", "{}", []),
    ],
)
def test_activity_rules_test_fields_of_their_event(on: str, when: str, tests: list[FieldTest]) -> None:
    rule = parse_program(club("on: review\n", f"on: {on}\n    when: {when}\n")).activity_rules[0]
    assert (rule.on, rule.points, rule.multiplied, rule.qualifies) == (on, 25, False, False)
    assert list(rule.when.fields) == tests


def test_a_two_sided_referral() -> None:
    text = club(
        "    on: review\n    give: {points: 25}\n",
        "    on: referral\n    give: {referrer: 200, referee: 100}\n    when: {codes: [SPRING]}\n"
        '    qualifying_purchase: {min_spend: "10.00", within: P60D}\n    at_most: {awards: 10, per: year}\n',
    )
    rule = parse_program(text).referral_rules[0]
    assert (rule.referrer_points, rule.referee_points, rule.stage) == (200, 100, "qualified")
    assert (rule.qualifying_spend_minor, rule.within) == (1000, Duration(days=60))
    assert rule.referrer_caps == (Cap(10, "awards", "year"),)
    assert rule.when.fields == (FieldTest("code", "in", frozenset({"SPRING"})),)


def test_tiers_bring_multipliers_of_their_own() -> None:
    text = club("{id: gold, from: 100}", '{id: gold, name: Gold, from: 100, multiplier: "1.25"}')
    program = parse_program(text.replace("tiers:\n", "tiers:\n  window: {rolling: P1Y}\n"))
    assert program.tiers is not None
    assert (program.tiers.window, program.tiers.rolling) == ("rolling", Duration(months=12))
    tier = program.multipliers[-1]
    assert (tier.id, tier.group, tier.factor, tier.when.tiers) == (
        *("tier-gold", "tier", Fraction(5, 4)),
        frozenset({"gold"}),
    )
    assert [multiplier.id for multiplier in program.multipliers] == ["double", "tier-gold"]


def test_tiers_by_spend_count_money() -> None:
    program = parse_program(club("tiers:\n", "tiers:\n  basis: spend\n  spend_includes: [tip, tax]\n"))
    assert program.tiers is not None
    assert [level.threshold for level in program.tiers.levels] == [0, 10_000]
    assert program.tiers.spend_includes == frozenset({"tax", "tip"})
    assert program.tiers.currency == ""


@pytest.mark.parametrize(
    ("money", "exchange", "rates"),
    [
        ("USD", '{CAD: "0.73"}', {"CAD": Fraction(73, 100)}),
        ("JPY", '{USD: "113.2"}', {"USD": Fraction(1132, 1000)}),  # One cent is 1.132 yen.
        ("USD", '{JPY: "0.0067"}', {"JPY": Fraction(67, 100)}),
    ],
)
def test_exchange_is_between_minor_units(money: str, exchange: str, rates: dict[str, Fraction]) -> None:
    text = club("money: USD", f"money: {money}\nexchange: {exchange}").replace('"1.00"', "1")
    assert parse_program(text).exchange == rates


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2026-01-01", datetime(2026, 1, 1, tzinfo=ZoneInfo("America/New_York"))),
        ("2026-07-01T06:00", datetime(2026, 7, 1, 6, tzinfo=ZoneInfo("America/New_York"))),
        ("2026-07-01T06:00Z", datetime(2026, 7, 1, 6, tzinfo=ZoneInfo("UTC"))),
    ],
)
def test_a_version_starts_at_local_midnight_or_at_its_moment(written: str, instant: datetime) -> None:
    program = parse_program(club("2026-01-01", written))
    assert program.effective_from_us == int(instant.timestamp()) * 1_000_000


def test_defaults() -> None:
    program = parse_program(CLUB)
    assert program.excluded_lines.not_categories == frozenset({"gift_card", "top_up"})
    assert program.returns.keep == Duration(days=400)
    assert (program.stream.max_late, program.stream.max_future) == (Duration(days=30), Duration(seconds=300))
    assert (program.enrollment, program.combine.across, program.exchange) == ("automatic", "add", {})


def test_words_for_no_limit() -> None:
    program = parse_program(club("money: USD", "money: USD\nreturns: {keep: forever}\nstream: {max_late: none}"))
    assert program.returns.keep is None
    assert program.stream.max_late is None


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("money: USD", "# a comment\nmoney:   'USD'", True),
        ('version: "1"\neffective_from: 2026-01-01', 'effective_from: 2026-01-01\nversion: "1"', True),
        ('{points: 1, per: "1.00"}', "{per: 1, points: '1.0'}", True),
        ("money: USD", "money: USD\nenrollment: automatic", True),
        ("money: USD", "money: USD\nexclude: {categories: [top_up, gift_card, top_up]}", True),
        ("    on: review\n", "    on: review\n    at_most: []\n", True),
        ("name: Stars", "name: Sterne", False),
        ("points: 25", "points: 26", False),
        ("money: USD", "money: EUR", False),
        ("{stars: {name: Stars}}", "{stars: {name: Stars}, moons: {name: Moons}}", False),
    ],
)
def test_the_digest_follows_the_meaning(old: str, new: str, same: bool) -> None:
    assert (parse_program(club(old, new)).digest == parse_program(CLUB).digest) is same


def test_the_order_of_kinds_of_points_has_a_meaning() -> None:
    both = "{stars: {name: Stars}, moons: {name: Moons}}"
    swapped = "{moons: {name: Moons}, stars: {name: Stars}}"
    programs = [parse_program(club("{stars: {name: Stars}}", points)) for points in (both, swapped)]
    assert [program.purchase_rules[0].currency for program in programs] == ["stars", "moons"]
    assert programs[0].digest != programs[1].digest


def test_the_digest_of_the_little_program_never_changes() -> None:
    # Workers refuse to go on under a program that changed: a new key must not change programs without it.
    assert parse_program(CLUB).digest == "0f1fe139d34528e8300adaf75e52e1fb75777b281d07094885262ef657f8e76c"


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_programs_load_and_are_plain_values(name: str) -> None:
    program = load_program(PROGRAMS / f"{name}.yaml")
    assert program.id == name
    copied = pickle.loads(pickle.dumps(program))  # noqa: S301 - our own bytes
    assert copied == program


def test_versions_come_in_the_order_of_their_start(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(club("2026-01-01", "2027-01-01").replace('version: "1"', 'version: "2"'))
    (tmp_path / "b.yml").write_text(CLUB)
    (tmp_path / "notes.txt").write_text("not a program")
    loaded: tuple[Program, ...] = load_programs([tmp_path, tmp_path / "a.yaml"])
    assert [program.version for program in loaded] == ["1", "2"]


@pytest.mark.parametrize(
    ("first", "second", "is_good"), [("2026-01-01", "2027-01-01", True), ("2027-01-01", "2026-01-01", False)]
)
def test_a_later_version_keeps_the_tiers_of_an_earlier_one_whichever_file_comes_first(
    tmp_path: Path, first: str, second: str, *, is_good: bool
) -> None:
    """The file that comes second has a tier more."""
    more = club("{id: gold, from: 100}", "{id: gold, from: 100}\n    - {id: top, from: 900}")
    (tmp_path / "a.yaml").write_text(club("2026-01-01", first))
    (tmp_path / "b.yaml").write_text(more.replace("2026-01-01", second).replace('version: "1"', 'version: "2"'))
    for order in (["a.yaml", "b.yaml"], ["b.yaml", "a.yaml"]):
        paths = [tmp_path / name for name in order]
        if is_good:
            assert len(load_programs(paths)) == 2
        else:
            with pytest.raises(ProgramError, match=r"tier top of version 2 in .*b\.yaml is missing"):
                load_programs(paths)


@pytest.mark.parametrize(
    ("said", "where"),
    [("", "8:10: points.stars"), (", decimals: 2", "8:46: points.stars.decimals"), (", decimals: 1", "")],
)
def test_a_later_version_keeps_the_decimals_of_points(tmp_path: Path, said: str, where: str) -> None:
    """Else 100 old points would be 1.00 from one day to the next."""
    files = [tmp_path / name for name in ("a.yaml", "b.yaml")]
    for number, (file, decimals) in enumerate(zip(files, [", decimals: 1", said], strict=True), 1):
        text = f"""program: club
version: "{number}"
effective_from: 202{number}-01-01
zone: UTC
money: USD
stream: {{max_late: none}}
points:
  stars: {{name: Stars of the club{decimals}}}
earn: [{{id: base, on: purchase, give: {{points: 1, per: "1.00"}}}}]
"""
        file.write_text(text)
    for order in (files, files[::-1]):
        if not where:
            assert len(load_programs(order)) == 2
            continue
        with pytest.raises(ProgramError) as caught:
            load_programs(order)
        (problem,) = caught.value.problems
        assert str(problem).startswith(
            f"{files[1]}:{where}: decimals of stars were 1 in version 1 in {files[0]}, and are"
        )
        assert problem.hint == "what members have would be worth something else: keep the decimals, or add another kind"


def test_one_per_unit_is_nothing_else() -> None:
    program = load_program(PROGRAMS / "one-per-unit.yaml")
    (rule,) = program.purchase_rules
    assert (rule.kind, rule.rate, rule.caps, rule.min_spend_minor) == ("per_amount", Fraction(1, 100), (), 0)
    assert (program.activity_rules, program.referral_rules, program.multipliers, program.tiers) == ((), (), (), None)
    assert (program.stream.max_late, program.returns.keep) == (None, Duration(days=400))


def test_coffee_club_benefits() -> None:
    program = load_program(PROGRAMS / "coffee-club.yaml")
    assert program.tiers is not None
    assert [dict(level.benefits) for level in program.tiers.levels] == [
        {"discount_percent": 5},
        {"discount_percent": 10},
        {"discount_percent": 20, "free_shipping": True},
    ]
