"""What a person can do something about is told in a sentence, and the sentence begins with the place."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from workers.cli import build_app

PROGRAM = str(Path(__file__).parents[2] / "config" / "programs" / "one-per-unit.yaml")


@pytest.mark.parametrize(
    ("events", "out", "said"),
    [
        ("missing", "out", "missing: No such file or directory"),
        (".", "out", ": Is a directory"),
        ("events", "events", "events: File exists"),
        ("events", "events/below", "events/below: Not a directory"),
    ],
)
def test_what_a_replay_cannot_read_or_write_is_told_by_its_path(
    events: str, out: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "events").write_bytes(b"")
    wanted = ["replay", "--program", PROGRAM, "--events", str(tmp_path / events), "--out", str(tmp_path / out)]
    done = CliRunner().invoke(build_app(), wanted)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"loyalty: {tmp_path}")
    assert done.stderr.rstrip().endswith(said)
