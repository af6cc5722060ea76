"""The documentation agrees with the code: generated pages are fresh, and what the others name exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import TypeAdapter

from config.settings import PREFIX, Settings
from loyalty.decisions import Code
from schemas.decode import CONTRACTS, Known, decode
from schemas.envelope import INBOX, TOPIC_OF_TYPE
from schemas.jsonschema import OUTPUTS
from schemas.outputs import LedgerEntryEvent
from schemas.refusals import DecodeCode
from workers import reference
from workers.cli import build_app
from workers.metrics import Metrics
from workers.publish import NOT_PUBLIC

DOCS = reference.ROOT / "docs"
PAGES = {str(path.relative_to(DOCS)): path.read_text("utf-8") for path in sorted(DOCS.rglob("*.md"))}
ENGINE_CODES = {"wrong_partition"}
"""Codes that stand in workers/batch.py and records.py and in no enumeration."""


def test_the_generated_pages_are_fresh() -> None:
    assert reference.drift() == [], "run python -m workers.reference"


def test_the_check_sees_a_page_that_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    monkeypatch.setattr(reference, "FOLDER", tmp_path / "docs")
    monkeypatch.setattr(reference, "pages", lambda: iter([(tmp_path / "docs" / "cli.md", "# Command line\n")]))
    assert reference.main(["--check"]) == 1
    assert not (tmp_path / "docs").exists(), "a check writes nothing"
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    (tmp_path / "docs" / "cli.md").write_text("# Edited\n")
    assert reference.drift() == ["docs/cli.md"]
    assert reference.main(["--chekc"]) == 2


@pytest.mark.parametrize("code", sorted({*DecodeCode, *Code, *ENGINE_CODES}))
def test_every_code_of_a_dead_letter_is_explained(code: str) -> None:
    rows = re.findall(rf"^\| `{code}` \| (.+?) \| (.+?) \|$", PAGES["dead-letters.md"], re.MULTILINE)
    assert len(rows) == 1, f"docs/dead-letters.md needs a row for {code}: what it means, and what to do"


def test_no_code_is_explained_that_does_not_exist() -> None:
    codes = set(re.findall(r"^\| `([a-z0-9_]+)` \|", PAGES["dead-letters.md"], re.MULTILINE))
    assert codes == {*DecodeCode, *Code, *ENGINE_CODES}
    assert f"`{NOT_PUBLIC}`" in PAGES["dead-letters.md"]


def test_the_codes_outside_of_enumerations_are_those_of_the_worker() -> None:
    source = "".join((reference.ROOT / "workers" / name).read_text("utf-8") for name in ("batch.py", "records.py"))
    assert set(re.findall(r'DeadLetter\("\w+", "(\w+)"', source)) == {*ENGINE_CODES, DecodeCode.TOO_LARGE}


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_named_exists(page: str) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {f"{PREFIX}TEST_KAFKA"}
    assert set(re.findall(rf"\b{PREFIX}[A-Z][A-Z_]*[A-Z]\b", PAGES[page])) <= known


@pytest.mark.parametrize("page", PAGES)
def test_every_metric_named_exists(page: str) -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.watch(
        accounts=lambda: 0,
        partitions=lambda: 0,
        ready=lambda: 0,
        batch_age_seconds=lambda: 0,
        lag_records=lambda: [(0, 0)],
        state_records=lambda: 0,
        store_disk_bytes=lambda: 0,
    )
    known = set(re.findall(r"^# TYPE (\w+)", generate_latest(metrics.registry).decode(), re.MULTILINE))
    assert set(re.findall(r"\bloyalty_[a-z_]+\b", PAGES[page])) <= known


def test_operations_names_every_metric() -> None:
    rows = set(re.findall(r"^\| `(\w+)`", PAGES["reference/metrics.md"], re.MULTILINE))
    assert len(rows) > 15
    assert {name for name in rows if f"`{name}`" not in PAGES["operations.md"]} == set()


def commands() -> dict[str, set[str]]:
    """Path of each command -> its options, such as "topics create" -> {"--dry-run", ...}."""
    found: dict[str, set[str]] = {}

    def walk(command: object, path: str) -> None:
        below = getattr(command, "commands", {})
        if path and not below:
            found[path] = {option for each in getattr(command, "params", ()) for option in each.opts}
        for name, one in below.items():
            walk(one, f"{path} {name}".strip())

    walk(typer.main.get_command(build_app()), "")
    return found


@pytest.mark.parametrize("page", [name for name in PAGES if not name.startswith("reference/")])
def test_every_command_shown_exists_with_its_options(page: str) -> None:
    known = commands()
    text = PAGES[page].replace("\\\n", " ")
    for line in re.findall(r"(?:^    |`)loyalty ([a-z-]+[^`\n]*)", text, re.MULTILINE):
        words = line.split(" | ", maxsplit=1)[0].split()
        path = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
        assert path in known, f"{page}: there is no command `loyalty {line}`"
        assert {word for word in words if word.startswith("--")} <= known[path] | {"--help"}, f"{page}: loyalty {line}"


def test_no_word_of_a_help_is_taken_for_a_tag() -> None:
    """The terminal's help is markdown: of `<topic>.ndjson` it showed `.ndjson`."""

    def helps(command: object) -> Iterator[str]:
        for each in (command, *getattr(command, "params", ())):
            yield getattr(each, "help", None) or ""
        for below in getattr(command, "commands", {}).values():
            yield from helps(below)

    texts = list(helps(typer.main.get_command(build_app())))
    assert len(texts) > 100
    assert [text for text in texts if "<" in text] == []


def test_events_in_the_contracts_are_true() -> None:
    event, entry = re.findall(r"^```json\n(.*?)^```", PAGES["contracts.md"], re.DOTALL | re.MULTILINE)
    assert isinstance(decode(event.encode(), topic="purchases", strict=True), Known)
    assert TypeAdapter(LedgerEntryEvent).validate_json(entry)["data"]["kind"] == "earn"


def test_the_reference_shows_an_example_of_every_event_that_comes_in() -> None:
    examples = re.findall(r"^```json\n(.*?)^```", PAGES["reference/events.md"], re.DOTALL | re.MULTILINE)
    types = {decode(example.encode(), strict=True).fact.cause.type for example in examples}  # type: ignore[union-attr]
    assert types == {name for name in CONTRACTS if TOPIC_OF_TYPE[name] != INBOX}


@pytest.mark.parametrize("name", [*(name for name in CONTRACTS if TOPIC_OF_TYPE[name] != INBOX), *OUTPUTS])
def test_the_contracts_and_the_reference_have_every_event(name: str) -> None:
    assert f"`{name}`" in PAGES["contracts.md"]
    assert f"\n## {name}\n" in PAGES["reference/events.md"]


def test_the_index_leads_to_every_page() -> None:
    pages = {name for name in PAGES if "/" not in name or name.startswith("reference/")} - {"README.md"}
    assert {name for name in pages if f"]({name})" not in PAGES["README.md"]} == set()
    assert "](adr/)" in PAGES["README.md"]
