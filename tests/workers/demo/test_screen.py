"""What the demo shows: a picture on a terminal, a line every few seconds elsewhere, a summary that names what fails."""

import io
import json

from rich.console import Console

from workers.demo.books import Books, Finding
from workers.demo.report import Report, as_json, show
from workers.demo.screen import Picture, Screen

PICTURE = Picture(
    step="publishing",
    seconds=12.4,
    published=1_300,
    baskets=1_000,
    baskets_all=20_000,
    taken=1_250,
    rate=2_345.6,
    lag_records=50,
    points={"points": 98_765},
    members=321,
    tiers={"bronze": 300, "silver": 21},
    dead_letters={"not_json": 2, "too_late": 1},
    latest=("2017-01-02 10:00  member 7: tier: bronze -> silver",),
    addresses=("http://127.0.0.1:1/metrics",),
)


def report(*, wrong: int = 0) -> Report:
    books = Books()
    books.given["base", "points"] = 10_000
    books.given["fresh", "points"] = 500
    books.taken_back["base", "points"] = 123
    books.tier_of.update({"a": "bronze", "b": "bronze", "c": "silver"})
    books.dead_letters["not_json"] = 2
    return Report(
        program="grocery",
        published={"purchase": 1_000, "broken": 2},
        outcomes={("loyalty.purchase.v1", "applied"): 1_000, ("unknown", "dead_letter"): 2},
        books=books,
        tiers=["bronze", "silver", "gold"],
        batches=7,
        publish_seconds=0.5,
        take_seconds=2.0,
        decide_seconds=0.25,
        taken=1_002,
        findings=[Finding("it adds up", 1_002, wrong)],
        addresses=("http://127.0.0.1:1/metrics",),
    )


def shown(made: Report) -> str:
    out = io.StringIO()
    show(made, Console(file=out, width=80))
    return out.getvalue()


def test_elsewhere_a_line_comes_every_few_seconds() -> None:
    now = [0.0]
    out = io.StringIO()
    with Screen(Console(file=out, width=200), clock=lambda: now[0]) as screen:
        for now[0] in (0.0, 1.0, 2.9, 3.0, 5.0, 6.1):
            screen.show(PICTURE)
    lines = out.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0] == (
        "   12 s  published 1,300  taken 1,250 (2,346/s, 50 waiting)  points 98,765 points  members 321  dead letters 3"
    )


def test_a_terminal_gets_a_picture() -> None:
    out = io.StringIO()
    with Screen(Console(file=out, width=110, force_terminal=True)) as screen:
        screen.show(PICTURE)
    for part in (
        "1,300 events, 1,000 of 20,000 baskets",
        "2,346 a second, 50 waiting",
        "300 bronze, 21 silver",
        "2 not_json, 1 too_late",
        "http://127.0.0.1:1/metrics",
        "bronze -> silver",
    ):
        assert part in out.getvalue()


def test_quiet_is_quiet() -> None:
    out = io.StringIO()
    with Screen(Console(file=out), quiet=True) as screen:
        screen.step("something")
        screen.show(PICTURE)
    assert out.getvalue() == ""


def test_the_summary_fits_80_columns_and_40_lines() -> None:
    lines = shown(report()).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert len(lines) < 40


def test_the_summary_says_what_was_measured() -> None:
    text = shown(report())
    for part in ("purchase", "1,000", "dead letter", "10,000", "123", "silver", "gold", "not_json", "501 a second"):
        assert part in text
    assert "holds  it adds up: 1,002" in text


def test_what_does_not_hold_is_named() -> None:
    made = report(wrong=3)
    assert "FAILS  it adds up: 1,002, 3 wrong" in shown(made)
    assert not made.holds


def test_a_script_gets_the_same_figures() -> None:
    fields = json.loads(json.dumps(as_json(report())))
    assert fields["outcomes"] == {"loyalty.purchase.v1": {"applied": 1_000}, "unknown": {"dead_letter": 2}}
    assert fields["members_by_tier"] == {"bronze": 2, "silver": 1, "gold": 0}
    assert fields["points_by_rule"][0] == {"rule": "base", "currency": "points", "given": 10_000, "taken_back": 123}
    assert (fields["published_total"], fields["events_per_second"], fields["ok"]) == (1_002, 501, True)
