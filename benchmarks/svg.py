"""Figures as SVG text: bars, ranges on a logarithmic axis, and lines. Just what the charts here need.

Invariants:
  V1 the same figures give the same text
  V2 each picture has a title, says its units, and stands on a ground of its own, so that it reads on any page

Not here: which figures (charts.py).
"""

from collections.abc import Callable, Sequence
from html import escape
from math import floor, log10
from typing import Final, NamedTuple

INK: Final = "#1f2933"
QUIET: Final = "#67727e"
GRID: Final = "#e1e6eb"
OURS: Final = "#1b6ca8"
OTHERS: Final = "#b4bfca"
SERIES: Final = ("#1b6ca8", "#d1711b", "#4f8a3c", "#7d5ba6")

_FONT: Final = "font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif"


class Bar(NamedTuple):
    """One row: its name, its figure, how that is printed, and whether it is ours."""

    name: str
    figure: float
    shown: str
    ours: bool


class Range(NamedTuple):
    """One row on a logarithmic axis: low, middle and high, and how they are printed."""

    name: str
    marks: tuple[float, float, float]
    shown: str
    ours: bool


class Line(NamedTuple):
    """A series of (x, y); `name` is empty for the only one."""

    name: str
    points: Sequence[tuple[float, float]]


def text(x: float, y: float, words: str, anchor: str = "start", size: int = 13, colour: str = INK) -> str:
    """Words whose base line starts, ends or has its middle at a point."""
    place = f'x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}"'
    return f'<text {place} font-size="{size}" fill="{colour}">{escape(words)}</text>'


def heading(title: str, about: str) -> list[str]:
    """The title of a picture, and a line below it."""
    return [
        f'<text x="20" y="30" font-size="17" font-weight="600" fill="{INK}">{escape(title)}</text>',
        text(20, 51, about, size=13, colour=QUIET),
    ]


def picture(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    """The whole file."""
    size = f'width="{_n(width)}" height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}"'
    inside = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" style="{_FONT}">\n<title>{escape(title)}</title>\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{inside}\n</svg>\n'
    )


def bars(left: float, top: float, width: float, rows: Sequence[Bar], title: str, *, names: float) -> list[str]:
    """Horizontal bars below a title; `names` is the room for names, 0 leaves them out."""
    parts = [text(left + names, top, title, size=13)]
    widest = max(row.figure for row in rows)
    room = width - names - 70
    for number, row in enumerate(rows):
        y = top + 14 + number * 30
        if names:
            parts.append(text(left + names - 10, y + 15, row.name, "end"))
        long = max(1.0, row.figure / widest * room)
        parts.append(_rect(left + names, y, long, 20, OURS if row.ours else OTHERS))
        parts.append(text(left + names + long + 6, y + 15, row.shown))
    return parts


def ranges(
    left: float, top: float, width: float, rows: Sequence[Range], title: str, *, axis: tuple[float, float], goal: float
) -> list[str]:
    """Rows of a dot, a line and a dot on a logarithmic axis, and a dashed line for a goal."""
    low, high = log10(axis[0]), log10(axis[1])

    def at(value: float) -> float:
        return left + (log10(max(value, axis[0])) - low) / (high - low) * width

    bottom = top + 22 + len(rows) * 30
    parts = [text(left, top, title)]
    for decade in range(round(low), round(high) + 1):
        x = at(10.0**decade)
        parts.append(_line(x, top + 12, x, bottom, GRID))
        parts.append(text(x, bottom + 17, f"{10**decade:,}", "middle", 12, QUIET))
    parts.append(_line(at(goal), top + 12, at(goal), bottom, "#c0392b", dashed=True))
    for number, row in enumerate(rows):
        y = top + 34 + number * 30
        colour = OURS if row.ours else "#7b8794"
        p50, p95, p99 = (at(mark) for mark in row.marks)
        parts.append(text(left - 12, y + 5, row.name, "end"))
        parts.append(_line(p50, y, p99, y, colour, wide=3))
        parts.append(f'<circle cx="{_n(p50)}" cy="{_n(y)}" r="5" fill="#ffffff" stroke="{colour}" stroke-width="2"/>')
        parts.append(_line(p95, y - 6, p95, y + 6, colour, wide=2))
        parts.append(f'<circle cx="{_n(p99)}" cy="{_n(y)}" r="5" fill="{colour}"/>')
        parts.append(text(left + width + 12, y + 5, row.shown, size=12, colour=QUIET))
    return parts


def lines(
    left: float,
    top: float,
    size: tuple[float, float],
    series: Sequence[Line],
    words: tuple[str, str],
    *,
    shown: Callable[[float], str],
) -> list[str]:
    """Lines over a logarithmic x axis from zero on, with every measured point marked; `words`: title and x axis."""
    width, height = size
    xs = [x for line in series for x, _ in line.points]
    highest = _round_up(max(y for line in series for _, y in line.points))
    low, high = log10(min(xs)), log10(max(xs))

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (log10(x) - low) / (high - low) * width, top + height - y / highest * height

    parts = [text(left - 34, top - 18, words[0])]
    for step in range(5):
        y = top + height - step / 4 * height
        parts.append(_line(left, y, left + width, y, GRID))
        parts.append(text(left - 6, y + 4, f"{highest * step / 4:,.0f}", "end", 12, QUIET))
    parts += [text(at(x, 0)[0], top + height + 17, shown(x), "middle", 12, QUIET) for x in sorted(set(xs))]
    parts.append(text(left + width / 2, top + height + 36, words[1], "middle", 12, QUIET))
    for line, colour in zip(series, SERIES, strict=False):
        placed = [at(x, y) for x, y in line.points]
        path = " ".join(f"{_n(x)},{_n(y)}" for x, y in placed)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        parts += [f'<circle cx="{_n(x)}" cy="{_n(y)}" r="3.5" fill="{colour}"/>' for x, y in placed]
        if line.name:
            parts.append(text(placed[-1][0] + 8, placed[-1][1] + 4, line.name, size=12, colour=colour))
    return parts


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 8 times a power of ten: it divides by four."""
    decade = 10.0 ** floor(log10(value))
    return next(step * decade for step in (1, 2, 4, 6, 8, 10) if step * decade >= value)


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    size = f'width="{_n(width)}" height="{_n(height)}"'
    return f'<rect x="{_n(x)}" y="{_n(y)}" {size} rx="2" fill="{colour}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, *, wide: float = 1, dashed: bool = False) -> str:
    ends = f'x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"'
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<line {ends} stroke="{colour}" stroke-width="{_n(wide)}"{dash}/>'


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
