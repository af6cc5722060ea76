"""The performance document shows what was measured: its charts and tables are those of the figures that are kept."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks import charts, results, svg
from benchmarks.waits import percentile


def test_the_charts_and_tables_are_those_of_the_figures() -> None:
    made = charts.files(results.load(results.KEPT))
    assert {"performance.md", "side-by-side.svg", "latency.svg", "growth.svg"} == {path.name for path in made}
    stale = [path.name for path, content in made.items() if path.read_text("utf-8") != content]
    assert stale == [], "python -m benchmarks.charts"


def test_the_document_shows_every_chart() -> None:
    text = charts.DOCUMENT.read_text("utf-8")
    missing = [path.name for path in charts.CHARTS.glob("*.svg") if f"(charts/{path.name})" not in text]
    assert missing == []


def test_the_check_sees_what_is_not_fresh_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n{charts.BEGIN}\nold\n{charts.END}\nAfter.\n")
    for name, value in (("ROOT", tmp_path), ("DOCUMENT", page), ("CHARTS", tmp_path / "charts")):
        monkeypatch.setattr(charts, name, value)
    with pytest.raises(SystemExit, match=r"^not fresh: page\.md, side-by-side\.svg, latency\.svg, growth\.svg$"):
        charts.main(["--check"])
    assert "old" in page.read_text()
    charts.main([])
    with pytest.raises(SystemExit) as ended:
        charts.main(["--check"])
    assert ended.value.code == 0
    text = page.read_text()
    assert text.startswith("Before.\n")
    assert text.endswith("\nAfter.\n")
    assert "old" not in text


@pytest.mark.parametrize("text", ["", charts.BEGIN, charts.END])
def test_a_page_without_both_marks_is_not_written(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    monkeypatch.setattr(charts, "DOCUMENT", page)
    with pytest.raises(ValueError, match=r"page\.md has no marks"):
        charts.main([])
    assert page.read_text() == text


def test_every_figure_is_from_a_run_whose_books_were_right() -> None:
    # A run that is wrong raises, so whoever has figures has as many runs as there were rounds.
    kept = results.load(results.KEPT)
    for part in (*kept.side_by_side, kept.safety, kept.workers):
        assert part is not None
        assert {len(each.runs) for each in part.contenders.values()} == {part.rounds}


@pytest.mark.parametrize(
    ("waits", "percent", "expected"),
    [
        ([7.0], 99, 7.0),
        ([3.0, 1.0, 2.0], 50, 2.0),
        ([float(number) for number in range(1, 101)], 50, 50.0),
        ([float(number) for number in range(1, 101)], 99, 99.0),
        ([*[1.0] * 98, 500.0, 500.0], 99, 500.0),
        ([*[1.0] * 99, 500.0], 99, 1.0),
    ],
)
def test_a_percentile_is_a_wait_that_somebody_had(waits: list[float], percent: float, expected: float) -> None:
    assert percentile(waits, percent) == expected


def test_nobody_waited_is_no_percentile() -> None:
    with pytest.raises(ValueError, match="nothing was waited for"):
        percentile([], 50)


def test_a_picture_is_xml_and_keeps_its_words() -> None:
    bars = svg.bars(0, 0, 400, [svg.Bar("a & b <c>", 2.0, "2", ours=True)], "1 < 2", names=100)
    root = ET.fromstring(svg.picture(400, 100, "t & u", [*svg.heading("t & u", "about"), *bars]))  # noqa: S314 - ours
    words = [element.text for element in root.iter() if element.text and element.text.strip()]
    assert words == ["t & u", "t & u", "about", "1 < 2", "a & b <c>", "2"]


@pytest.mark.parametrize(
    ("highest", "marks"),
    [(140.0, ["0", "50", "100", "150", "200"]), (328.0, ["0", "100", "200", "300", "400"]), (8.0, list("02468"))],
)
def test_an_axis_ends_above_the_highest_point(highest: float, marks: list[str]) -> None:
    points = [(1.0, 1.0), (10.0, highest)]
    parts = svg.lines(0, 0, (100, 100), [svg.Line("", points)], ("", "x"), shown=lambda _: "-")
    texts = [ET.fromstring(part).text for part in parts if part.startswith("<text")]  # noqa: S314 - ours
    assert [text for text in texts if text and text[0].isdigit()] == marks
