"""The reference pages of docs/reference, made from the code: `python -m workers.reference`, `--check` compares.

What can be read off the code is written nowhere else, so it cannot be wrong: settings, metrics, the help of each
command, the fields of each event.

Invariants:
  G1 the pages depend on the code alone: not on the machine, the terminal, the environment or the folder
  G2 `--check` changes nothing
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import typer
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from typing_extensions import override

from config.settings import PREFIX, Settings
from schemas.decode import CONTRACTS
from schemas.envelope import INBOX, TOPIC_OF_TYPE
from schemas.jsonschema import OUTPUTS, schema_of
from schemas.shapes import Shape, shape_of
from workers.cli import build_app
from workers.metrics import Metrics

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = ROOT / "docs" / "reference"
EXAMPLES: Final = ROOT / "schemas" / "examples"

_WIDTH: Final = 100
_MADE: Final = "<!-- Made from the code by `python -m workers.reference` (`make generate`); do not edit. -->\n"

_GROUPS: Final[Mapping[str, str]] = {
    "bootstrap_servers": "The cluster",
    "app_id": "The worker",
    "metrics_host": "Watching it",
}
"""First setting of a group -> its heading."""


def pages() -> Iterator[tuple[Path, str]]:
    """Yield each page's path and what it has to hold."""
    for name, text in (("cli", _cli()), ("events", _events()), ("metrics", _metrics()), ("settings", _settings())):
        yield FOLDER / f"{name}.md", text


def drift() -> list[str]:
    """Name the pages that differ from the code or are missing."""
    return [
        str(path.relative_to(ROOT)) for path, text in pages() if not path.exists() or path.read_text("utf-8") != text
    ]


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with `--check` compare them. Returns 0, 1 for drift, or 2 for wrong usage."""
    if arguments == ["--check"]:
        differing = drift()
        for name in differing:
            sys.stderr.write(f"{name} is not what the code says; run python -m workers.reference\n")
        return 1 if differing else 0
    if arguments:
        sys.stderr.write("usage: python -m workers.reference [--check]\n")
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in pages():
        path.write_text(text, "utf-8")
        sys.stdout.write(f"{path.name}\n")
    return 0


def _page(title: str, about: str, parts: Iterable[str]) -> str:
    return "\n".join([f"# {title}\n", _MADE, f"{about}\n", *parts]).rstrip("\n") + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)


# ---------------------------------------------------------------- settings


def _settings() -> str:
    schema = Settings.model_json_schema()["properties"]
    groups: dict[str, list[tuple[str, str, str, str]]] = {}
    rows: list[tuple[str, str, str, str]] = []
    for name, field in Settings.model_fields.items():
        if name in _GROUPS:
            rows = groups.setdefault(_GROUPS[name], [])
        rows.append(
            (f"`{PREFIX}{name.upper()}`", _default(field.default), _takes(schema[name]), field.description or "")
        )
    return _page(
        "Settings",
        "Environment variables, read once at start by every command. One that begins with `LOYALTY_` and is not\n"
        "listed here is an error, so that a misspelt one never stays without effect.",
        [
            f"## {title}\n\n{_table(('variable', 'default', 'takes', 'meaning'), rows)}"
            for title, rows in groups.items()
        ],
    )


def _default(value: object) -> str:
    match value:
        case None | ():
            return ""
        case bool():
            return f"`{str(value).lower()}`"
        case tuple():
            return f"`{','.join(_plain(each) for each in value)}`"
        case _:
            return f"`{_plain(value)}`"


def _plain(value: object) -> str:
    """As one would write it: files of ours by their place in the repository (G1)."""
    inside = isinstance(value, Path) and value.is_absolute()
    return str(Path(str(value)).relative_to(ROOT)) if inside else str(value)


def _takes(schema: Mapping[str, Any]) -> str:
    """What a value may be, from its JSON Schema."""
    choices = [choice for choice in schema.get("anyOf", [schema]) if choice.get("type") != "null"]
    one = choices[0]
    match one:
        case {"enum": names}:
            return ", ".join(f"`{name}`" for name in names)
        case {"minimum": low, "maximum": high}:
            return f"{low:,} to {high:,}"
        case {"exclusiveMinimum": low, "maximum": high}:
            return f"over {low:g}, to {high:g}"
        case {"type": "boolean"}:
            return "`true`, `false`"
        case {"type": "array", "items": {"format": "path"}}:
            return "paths"
        case {"type": "array"}:
            return "a list"
        case {"format": "path"}:
            return "a path"
        case _:
            return "a text"


# ---------------------------------------------------------------- metrics


class _Listening(CollectorRegistry):
    """Keeps what is registered, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Any] = []

    @override
    def register(self, collector: Any) -> None:
        self.kept.append(collector)
        super().register(collector)


_SUFFIX: Final[Mapping[str, str]] = {"counter": "_total", "info": "_info"}
"""What the exposition adds to a metric's name, by type."""


def _metrics() -> str:
    registry = _Listening()
    Metrics(registry).watch(
        accounts=lambda: 0.0,
        partitions=lambda: 0.0,
        ready=lambda: 0.0,
        batch_age_seconds=lambda: 0.0,
        lag_records=list,
        state_records=lambda: 0.0,
        store_disk_bytes=lambda: 0.0,
    )
    rows = []
    for collector in registry.kept:
        [family] = collector.describe()
        # Without children a collector tells its labels to nobody else; what is read when scraped has no other place.
        knows = family if isinstance(family, GaugeMetricFamily) else collector
        labels = ", ".join(f"`{name}`" for name in knows._labelnames)  # noqa: SLF001
        name = f"`{family.name}{_SUFFIX.get(family.type, '')}`"
        rows.append((name, family.type, labels, family.documentation))
    return _page(
        "Metrics",
        "What a worker serves on `/metrics`. Histograms end in `_bucket`, `_sum` and `_count`. No label holds a\n"
        "member; a label takes at most 200 values, the rest is `other`. What to watch, and when to be woken:\n"
        "[Operations](../operations.md#metrics).",
        [_table(("name", "type", "labels", "meaning, and what to do when it moves"), rows)],
    )


# ---------------------------------------------------------------- commands


def _cli() -> str:
    return _page(
        "Command line",
        "The help of every command. Settings come from the [environment](settings.md).",
        _helps(typer.main.get_command(build_app()), "loyalty", None),
    )


def _helps(command: Any, path: str, parent: Any) -> Iterator[str]:
    """The help of a command and of those below it, as plain text (G1)."""
    command.rich_markup_mode = None
    context = command.context_class(
        command,
        info_name=path.rpartition(" ")[2],
        parent=parent,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        **command.context_settings,
    )
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    yield f"## {path}\n\n```text\n{text}\n```\n"
    for name, below in getattr(command, "commands", {}).items():
        yield from _helps(below, f"{path} {name}", context)


# ---------------------------------------------------------------- events


def _events() -> str:
    inbound = [name for name in CONTRACTS if TOPIC_OF_TYPE[name] != INBOX]
    return _page(
        "Events",
        "Each field of each event. Of what comes in, **bold** fields are required, and an example follows; of what\n"
        "goes out, all fields are always there. The rules around them are in the [contracts](../contracts.md); the\n"
        "same as JSON Schemas in [schemas/json](../../schemas/json), and more examples, good and bad, in\n"
        "[schemas/examples](../../schemas/examples).",
        [
            f"## The envelope of what comes in\n\n{_table(_SENT, _fields(_MEMBER_EVENT, data=False))}",
            *(_inbound(name) for name in inbound),
            f"## The envelope of what goes out\n\n{_table(_GIVEN, _unsent(next(iter(OUTPUTS)), data=False))}",
            *(_outbound(name) for name in OUTPUTS),
        ],
    )


_MEMBER_EVENT: Final = "loyalty.member.v1"
"""An event whose envelope has what every event's has; only a purchase may come without `subject`."""
_SENT: Final = ("field", "send", "meaning")
_GIVEN: Final = ("field", "meaning")


def _inbound(name: str) -> str:
    fields = _table(_SENT, _fields(name, data=True))
    return f"## {name}\n\n{schema_of(name)['description']}\n\n{fields}\n```json\n{_example(name)}```\n"


def _outbound(name: str) -> str:
    return f"## {name}\n\n{schema_of(name)['description']}\n\n{_table(_GIVEN, _unsent(name, data=True))}"


def _unsent(name: str, *, data: bool) -> list[tuple[str, str]]:
    return [(field.replace("*", ""), meaning) for field, _, meaning in _fields(name, data=data)]


def _fields(name: str, *, data: bool) -> list[tuple[str, str, str]]:
    """A row for each field of an event: of its data, or of the envelope around it."""
    schema = schema_of(name)
    shape = shape_of(CONTRACTS[name].model if name in CONTRACTS else OUTPUTS[name])
    rows = _walk(schema, shape, schema, "")
    return [row for row in rows if ("`data." in row[0]) == data and "`data`" not in row[0]]


def _walk(
    schema: Mapping[str, Any], shape: Shape | None, whole: Mapping[str, Any], path: str
) -> Iterator[tuple[str, str, str]]:
    """The fields of an object, those of objects inside it below their own; `whole` holds the definitions."""
    phrases = (shape.fields if shape is not None else None) or {}
    for name, below in schema["properties"].items():
        inner = phrases.get(name)
        place = f"`{path}{name}`"
        text = f"**{place}**" if name in schema.get("required", ()) else place
        yield text, inner.phrase if inner is not None else "", below.get("description", "")
        deeper, is_list = _object(below, whole)
        if deeper is not None:
            item = inner.item if inner is not None and is_list else inner
            yield from _walk(deeper, item, whole, f"{path}{name}{'[]' if is_list else ''}.")


def _object(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, bool]:
    """The object with known fields in a place, and whether it is the item of a list there."""
    if "$ref" in schema:
        return whole["$defs"][schema["$ref"].rpartition("/")[2]], False
    if "items" in schema:
        return _object(schema["items"], whole)[0], True
    return None, False


def _example(name: str) -> str:
    """The first good example, as it stands in its file."""
    text = (EXAMPLES / f"{name}.yaml").read_text("utf-8")
    found = re.search(r"^good:\n  - name: .*\n    event:\n((?:      .*\n)+)", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"schemas/examples/{name}.yaml does not begin with a good example")
    return "".join(line.removeprefix("      ") for line in found[1].splitlines(keepends=True))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
