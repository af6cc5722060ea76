"""The small file beside a store on disk: of what the state is, and which boot of the machine writes it.

A file of its own, so that it can be read without touching a store that a crash may have torn.

Invariants:
  A1 what was written is on the disk itself when `about_written` returns
  A2 it is there whole or not at all
"""

import os
from pathlib import Path
from typing import Final

import orjson

_NAME: Final = "about.json"


def about_read(directory: Path) -> tuple[str, str] | None:
    """(identity, boot) of the store in there; None when nothing usable is said."""
    try:
        said = orjson.loads((directory / _NAME).read_bytes())
        return str(said["identity"]), str(said["boot"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def about_written(directory: Path, identity: str, boot: str) -> None:
    """Say it. Raises OSError."""
    if about_read(directory) == (identity, boot):
        return
    unfinished = directory / f"{_NAME}.part"
    with unfinished.open("wb") as file:
        file.write(orjson.dumps({"identity": identity, "boot": boot}))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(directory / _NAME)
    entries = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(entries)
    finally:
        os.close(entries)
