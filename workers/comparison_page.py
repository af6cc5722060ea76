"""A comparison as one HTML page: no script, nothing from elsewhere, light and dark, a table for each chart.

Not here: the charts (charts.py), the figures (comparison_words.py).
"""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from workers.charts import Bars, Chart, columns, rows
from workers.comparison import Comparison, Kind, Row
from workers.comparison_words import (
    Grid,
    examples_grid,
    letters_grid,
    members_grid,
    months_grid,
    movers_grid,
    points,
    rule_months_grid,
    rules_grid,
    side_words,
    summary,
    tiers_grid,
)

RULES_MAX: Final = 20
"""Rules in the chart; the table has them all."""

_STYLE: Final = """
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --soft: #59636e; --line: #d1d9e0;
  --old: #8a94a0; --new: #0b62c4; --bar: #0b62c4; }
@media (prefers-color-scheme: dark) { :root { --back: #14181d; --text: #e6eaef; --soft: #a3adb8; --line: #3a434d;
  --old: #7d8793; --new: #6cb2ff; --bar: #6cb2ff; } }
body { background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--text); font: 13px system-ui, sans-serif; } svg text.small { font-size: 11px; }
.old { fill: var(--old); } .new { fill: var(--new); } .bar { fill: var(--bar); } .axis { stroke: var(--line); }
.key span { display: inline-block; width: 0.9em; height: 0.9em; margin: 0 0.4em 0 1em; vertical-align: -0.1em; }
.key .old { background: var(--old); } .key .new { background: var(--new); }
.wide { overflow-x: auto; } .wide:focus-visible { outline: 2px solid var(--new); }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: 0.3rem; }
th, td { text-align: right; padding: 0.2rem 0.8rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } tr.sum > * { font-weight: 600; }
footer { color: var(--soft); margin-top: 3rem; }
"""


def page(comparison: Comparison) -> str:
    """The whole page."""
    title = f"{side_words(comparison.old)} and {side_words(comparison.new)}"
    said = "\n".join(f"<p>{escape(sentence)}</p>" for sentence in summary(comparison))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Compared: {escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>What would change</h1>\n{said}\n" + "\n".join(_sections(comparison)) + "\n</main>\n"
        "<footer>A rule has the points that it gave, less those taken back, in the month of the event; what was "
        "redeemed, put back, ended or came by hand stands under its own name, and all of it is what members hold. "
        "Members are compared by what they hold at the end.</footer>\n</body>\n</html>\n"
    )


def _sections(comparison: Comparison) -> Iterator[str]:
    for kind in comparison.kinds:
        yield from _kind(kind, comparison)
    if len(comparison.tier_order) > 1:
        yield "<h2>Tiers</h2>"
        yield _table(tiers_grid(comparison))
    if comparison.letters.counts:
        yield "<h2>Refused events</h2>"
        yield _table(letters_grid(comparison))
        yield _table(examples_grid(comparison))


def _kind(kind: Kind, comparison: Comparison) -> Iterator[str]:
    name, money = kind.name, comparison.money
    yield f"<h2>{escape(name)} by rule</h2>"
    shown = kind.by_rule[:RULES_MAX]
    yield _key(comparison)
    yield rows(_sides("rules-" + kind.currency, f"{name} by rule", shown, kind))
    yield _table(rules_grid(kind, money), last_is_sum=True)
    yield f"<h2>{escape(name)} by month</h2>"
    yield _key(comparison)
    yield columns(_sides("months-" + kind.currency, f"{name} by month", kind.by_month, kind))
    yield _table(months_grid(kind, money))
    yield f"<details><summary>By month and rule</summary>{_table(rule_months_grid(kind, money))}</details>"
    yield f"<h2>Members, {escape(name)}</h2>"
    description = "; ".join(f"{group.name}: {group.members:,} members" for group in kind.groups)
    bars = [Bars(group.name, (float(group.members),)) for group in kind.groups]
    title = f"How many members gain or lose {name}"
    yield columns(Chart(f"members-{kind.currency}", title, description, ("bar",), bars, lambda n: f"{n:,.0f}"))
    yield _table(members_grid(kind))
    if kind.movers:
        yield _table(movers_grid(kind))


def _sides(chart_id: str, title: str, shown: Sequence[Row], kind: Kind) -> Chart:
    """Old and new, side by side."""
    unit = 10**kind.decimals
    description = "; ".join(f"{row.name}: old {points(row.old, kind)}, new {points(row.new, kind)}" for row in shown)
    bars = [Bars(row.name, (row.old / unit, row.new / unit)) for row in shown]
    return Chart(chart_id, title, description, ("old", "new"), bars, _short)


def _short(value: float) -> str:
    """A figure that fits beside a bar."""
    for bound, unit in ((1_000_000, "M"), (10_000, "k")):
        if abs(value) >= bound:
            return f"{value / (1_000_000 if unit == 'M' else 1_000):,.1f} {unit}"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def _key(comparison: Comparison) -> str:
    old, new = escape(side_words(comparison.old)), escape(side_words(comparison.new))
    return f'<p class="key"><span class="old"></span>old: {old} <span class="new"></span>new: {new}</p>'


def _table(grid: Grid, *, last_is_sum: bool = False) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in grid.head)
    lines = []
    for number, line in enumerate(grid.lines):
        first, *others = line
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in others)
        css = ' class="sum"' if last_is_sum and number == len(grid.lines) - 1 else ""
        lines.append(f'<tr{css}><th scope="row">{escape(first)}</th>{cells}</tr>')
    body = "\n".join(lines)
    caption = escape(grid.caption)
    # Wide tables scroll; the keyboard must reach them.
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{caption}"><table><caption>{caption}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )
