"""What the README and the docs show is true: the program loads, the event is valid, commands and links exist."""

import re
from pathlib import Path

import pytest
import typer

from loyalty.decide import decide
from loyalty.plan import Programs
from schemas.decode import Known, decode
from schemas.program_load import parse_program
from workers.cli import build_app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]


def block(language: str) -> str:
    """The one fenced block of a language."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    return str(found)


def commands() -> set[str]:
    group = typer.main.get_command(build_app())
    return set(getattr(group, "commands", {}))


def test_the_program_in_ten_lines_has_ten_and_loads() -> None:
    text = block("yaml")
    assert len(text.splitlines()) == 10
    assert parse_program(text, file="README.md").id == "corner-shop"


def test_the_event_is_valid_and_the_program_gives_points_for_it() -> None:
    decoded = decode(block("json").encode(), topic="purchases", strict=True)
    assert isinstance(decoded, Known)
    programs = Programs([parse_program(block("yaml"), file="README.md")])
    decision = decide(programs, {}, decoded.fact, decoded.fact.time_us)
    assert decision.refusal is None
    [entry] = decision.entries
    assert {posting.amount for posting in entry.postings} == {
        11,
        4,
        -11,
        -4,
    }  # 11.90 USD and two coffees.


def test_every_command_shown_exists() -> None:
    shown = set(re.findall(r"`(?:[A-Z_]+=\S+ )?loyalty ([a-z-]+)", README))
    assert shown
    assert shown <= commands()


def test_what_is_not_there_yet_is_not_there() -> None:
    """When one of them comes, the README has to say so."""
    missing = README.split("## What is not there yet")[1]
    named = set(re.findall(r"`([a-z-]+)`", missing))
    assert not named & commands()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    document = ROOT / name
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text("utf-8"))
    broken = [target for target in targets if "://" not in target and not (document.parent / target).exists()]
    assert broken == []


def test_decisions_are_numbered_without_a_gap() -> None:
    names = sorted(path.name for path in (ROOT / "docs" / "adr").glob("*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    for number, name in enumerate(names, 1):
        assert (ROOT / "docs" / "adr" / name).read_text("utf-8").startswith(f"# {number}. ")
