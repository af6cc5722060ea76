"""Small bar charts as SVG text, to stand within an HTML page.

Each has a title and a description for those who do not see it, takes its colours from the page (`--old`, `--new`,
`--bar`), and prints its figures where there is room; the page has them all in a table beside it.

Invariants:
  C1 every text of a caller is escaped
  C2 the same figures give the same text

Not here: the page (comparison_page.py).
"""

from collections.abc import Callable, Sequence
from html import escape
from typing import Final, NamedTuple

_WIDTH: Final = 760
_ROW: Final = 44
_BAR: Final = 16
_LABEL: Final = 150
_FIGURE: Final = 90
_HEIGHT: Final = 260
_FOOT: Final = 40
_HEAD: Final = 24
_SHOWN_CHARS: Final = 20


class Bars(NamedTuple):
    """One place on the axis: its name and a figure for each series."""

    name: str
    figures: tuple[float, ...]


class Chart(NamedTuple):
    """A chart's words and figures. `classes` names a style of the page for each series."""

    id: str
    title: str
    description: str
    classes: tuple[str, ...]
    bars: Sequence[Bars]
    shown: Callable[[float], str]
    """How a figure is printed."""


def rows(chart: Chart) -> str:
    """Horizontal bars, one row for each place: for names that are long."""
    height = len(chart.bars) * _ROW + 4
    low, high = _range(chart)
    before = _FIGURE if low < 0 else 0  # Room for the figures of bars that point to the left.
    scale = (_WIDTH - _LABEL - _FIGURE - before) / (high - low)
    zero = _LABEL + before - low * scale
    parts = [_line(zero, 0, zero, height)]
    for number, bar in enumerate(chart.bars):
        top = number * _ROW + 6
        parts.append(_text(_LABEL - 8, top + _BAR + 5, _cut(bar.name), "end"))
        for series, figure in enumerate(bar.figures):
            y = top + series * (_BAR + 1)
            width = abs(figure) * scale
            left = zero if figure >= 0 else zero - width
            parts.append(_rect(left, y, width, _BAR, chart.classes[series]))
            at, anchor = (left + width + 5, "start") if figure >= 0 else (left - 5, "end")
            parts.append(_text(at, y + _BAR - 4, chart.shown(figure), anchor, small=True))
    return _svg(chart, height, parts)


def columns(chart: Chart) -> str:
    """Vertical bars, one group for each place: for what goes on in order."""
    low, high = _range(chart)
    tall = _HEIGHT - _FOOT - _HEAD
    scale = tall / (high - low)
    zero = _HEAD + high * scale
    slot = _WIDTH / max(len(chart.bars), 1)
    wide = min(slot * 0.8 / max(len(chart.classes), 1), 60)
    parts = [_line(0, zero, _WIDTH, zero)]
    room = slot / max(len(chart.classes), 1) >= 7 * max(
        (len(chart.shown(figure)) for bar in chart.bars for figure in bar.figures), default=0
    )
    for number, bar in enumerate(chart.bars):
        middle = (number + 0.5) * slot
        first = middle - wide * len(bar.figures) / 2
        for series, figure in enumerate(bar.figures):
            tallness = abs(figure) * scale
            top = zero - tallness if figure >= 0 else zero
            left = first + series * wide
            parts.append(_rect(left, top, wide - 1, tallness, chart.classes[series]))
            if room:
                above = top - 4 if figure >= 0 else top + tallness + 12
                parts.append(_text(left + wide / 2, above, chart.shown(figure), "middle", small=True))
        parts.append(_text(middle, _HEIGHT - 8, _cut(bar.name), "middle", small=len(chart.bars) > 8))  # noqa: PLR2004
    return _svg(chart, _HEIGHT, parts)


def _range(chart: Chart) -> tuple[float, float]:
    """The lowest and highest figure, zero between them; never empty."""
    figures = [figure for bar in chart.bars for figure in bar.figures]
    low, high = min(0.0, *figures, 0.0), max(0.0, *figures, 0.0)
    return (low, high) if high > low else (0.0, 1.0)


def _svg(chart: Chart, height: float, parts: Sequence[str]) -> str:
    title, description = f"{chart.id}-title", f"{chart.id}-desc"
    inside = "\n".join(parts)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_number(height)}" role="img" aria-labelledby="{title} {description}">\n'
        f'<title id="{title}">{escape(chart.title)}</title>\n'
        f'<desc id="{description}">{escape(chart.description)}</desc>\n{inside}\n</svg>'
    )


def _rect(x: float, y: float, width: float, height: float, css: str) -> str:
    size = f'width="{_number(width)}" height="{_number(height)}"'
    return f'<rect x="{_number(x)}" y="{_number(y)}" {size} class="{escape(css)}"/>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    start, end = f'x1="{_number(x1)}" y1="{_number(y1)}"', f'x2="{_number(x2)}" y2="{_number(y2)}"'
    return f'<line {start} {end} class="axis"/>'


def _text(x: float, y: float, text: str, anchor: str, *, small: bool = False) -> str:
    css = ' class="small"' if small else ""
    return f'<text x="{_number(x)}" y="{_number(y)}" text-anchor="{anchor}"{css}>{escape(text)}</text>'


def _cut(name: str) -> str:
    return name if len(name) <= _SHOWN_CHARS else name[: _SHOWN_CHARS - 1] + "…"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
