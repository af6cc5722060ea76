"""Finds the spec files that belong to what `loyalty check` was asked for, and runs them.

Not here: running one (spec_run.py).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from schemas.program_load import is_spec_file
from schemas.program_source import Problem, ProgramError
from schemas.spec_load import load_spec, spec_beside
from workers.spec_run import SpecResult, run_spec


def run_specs(paths: Sequence[Path], programs: Iterable[str]) -> tuple[list[SpecResult], list[Problem]]:
    """Run the specs that are named, those in named folders, and those beside the program files `programs`.

    A spec beside a program that has problems of its own is left out: it would only echo them.
    """
    results: list[SpecResult] = []
    problems: list[Problem] = []
    for path in _specs(paths, programs):
        try:
            results.append(run_spec(load_spec(path)))
        except ProgramError as error:
            problems += error.problems
    return results, sorted(set(problems))


def _specs(paths: Sequence[Path], programs: Iterable[str]) -> list[Path]:
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            # One without a program beside it would be forgotten otherwise.
            inside = sorted(item for item in path.iterdir() if is_spec_file(item) and item.is_file())
            found.update((item, None) for item in inside if not _has_program(item))
        elif is_spec_file(path):
            found[path] = None
    found.update((spec, None) for program in programs if (spec := spec_beside(Path(program))) is not None)
    return list(found)


def _has_program(spec: Path) -> bool:
    stem = spec.name.rsplit(".spec.", 1)[0]
    return any(spec.with_name(stem + suffix).is_file() for suffix in (".yaml", ".yml"))
