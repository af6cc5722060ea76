"""The files of this repository, as the architecture tests see them: what is or would be tracked, nothing else."""

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# What tools and runs leave at the root (see .gitignore); names that begin with a dot are left out too, except .ci.
_MADE_HERE = frozenset({"build", "data", "out"})


def _is_made(folder_name: str) -> bool:
    return folder_name == "__pycache__" or folder_name.endswith(".egg-info")


def all_files() -> Iterator[Path]:
    """Every file of the repository, in a stable order."""
    for folder, folders, names in os.walk(ROOT):
        at_root = Path(folder) == ROOT
        folders[:] = sorted(
            name
            for name in folders
            if name == ".ci" or not (name.startswith(".") or (at_root and name in _MADE_HERE) or _is_made(name))
        )
        for name in sorted(names):
            if name != ".git" and not name.endswith(".pyc"):
                yield Path(folder, name)


def python_files(*rooms: str) -> list[Path]:
    """Every Python file below the given top-level folders."""
    return [path for path in all_files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in rooms]


def top_folders() -> set[str]:
    """The names of the top-level folders that hold at least one Python file."""
    parts = (path.relative_to(ROOT).parts for path in all_files() if path.suffix == ".py")
    return {first for first, *rest in parts if rest}
