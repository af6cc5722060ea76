"""`loyalty dead-letters`: what it does not take. What it does is tested on a real broker (tests/integration)."""

import pytest
from typer.testing import CliRunner

from workers.cli import build_app


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replay"], "say which"),
        (["replay", "--topic", "ledger"], "no topic that events come in on"),
        (["replay", "--since", "yesterday"], "write a date such as"),
        (["list", "--until", "2026-02-30"], "a day that the calendar does not have"),
        (["list", "--bootstrap-servers", " "], "write host:port"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(build_app(), ["dead-letters", *arguments], env={"COLUMNS": "300"})
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.replace("│", " ").split())
