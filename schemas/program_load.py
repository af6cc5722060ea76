"""Reads program files: text to tree to model to compiled program, with all problems at once.

A file whose shape is wrong somewhere is still checked elsewhere: the broken parts are left out of a second
validation, and what remains is compiled only to find its problems.

Invariants:
  L1 load_program answers a program that has no known problem, or raises ProgramError
  L2 the digest is that of the canonical model: comments, formatting, the order of keys and keys that repeat
     a default do not change it; the order of kinds of points and of rules does

Not here: what the keys mean (program.py), names and sums (program_compile.py).
"""

import copy
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from loyalty.program import Level, Program
from schemas.program import ProgramFile
from schemas.program_compile import compile_program
from schemas.program_explain import explain
from schemas.program_source import Problem, ProgramError, Source, TreePath, parse_source, read_source

SUFFIXES: Final = (".yaml", ".yml")
SPEC_SUFFIXES: Final = (".spec.yaml", ".spec.yml")
"""A program's cases lie beside it under these names: YAML for editors, but no program."""

_REPAIRS: Final = {
    "program": "program",
    "version": "0",
    "effective_from": "2000-01-01",
    "zone": "UTC",
    "money": "CLF",  # The money with the most digits finds least fault with amounts.
}


def load_program(path: Path | str) -> Program:
    """The program of one file; raises ProgramError."""
    source = read_source(Path(path))
    return _program(source)


def parse_program(text: str, file: str = "program.yaml") -> Program:
    """The program of a text; raises ProgramError."""
    return _program(parse_source(text, file))


def load_programs(paths: Path | str | Iterable[Path | str]) -> tuple[Program, ...]:
    """All versions of one program from files or folders (*.yaml, *.yml), the earliest first; raises ProgramError.

    Refused: no file at all, files of different programs, two versions of one name or one start.
    """
    loaded, problems = _load([paths] if isinstance(paths, Path | str) else list(paths))
    for item in loaded[1:]:
        first = loaded[0]
        if item.program.id != first.program.id:
            message = f"{item.program.id} is another program than {first.program.id} in {first.source.file}"
            problems.append(_problem(item.source, "program", message, "name the versions of one program at a time"))
    if problems:
        raise ProgramError(problems)
    return tuple(sorted((item.program for item in loaded), key=lambda program: program.effective_from_us))


def check_programs(paths: Sequence[Path | str]) -> tuple[tuple[tuple[str, Program], ...], tuple[Problem, ...]]:
    """All programs (with their files) that are good, and all problems; the files may be of different programs."""
    try:
        loaded, problems = _load(paths)
    except ProgramError as error:
        return (), error.problems
    return tuple((item.source.file, item.program) for item in loaded), ProgramError(problems).problems


class _Loaded(NamedTuple):
    source: Source
    program: Program


def _load(paths: Sequence[Path | str]) -> tuple[list[_Loaded], list[Problem]]:
    """Each file on its own, and what versions of one program may not share."""
    problems: list[Problem] = []
    loaded: list[_Loaded] = []
    for file in program_files(paths):
        try:
            source = read_source(file)
            loaded.append(_Loaded(source, _program(source)))
        except ProgramError as error:
            problems.extend(error.problems)
    # Whichever file comes first: it is the later version that must know what the earlier one has.
    in_time = sorted(loaded, key=lambda item: item.program.effective_from_us)
    for index, later in enumerate(in_time):
        for earlier in in_time[:index]:
            if earlier.program.id == later.program.id:
                problems.extend(_clashes(later, earlier))
    return loaded, problems


def program_files(paths: Sequence[Path | str]) -> list[Path]:
    """The files that are meant, each once, folders in the order of names; raises ProgramError when there is none.

    Spec files in a folder are passed over; one that is named is refused.
    """
    files: dict[Path, None] = {}
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(item for item in path.iterdir() if item.suffix in SUFFIXES and item.is_file())
            inside = [item for item in inside if not is_spec_file(item)]
            if not inside:
                raise ProgramError([Problem(str(path), 1, 1, "", "the folder holds no .yaml file")])
            files.update(dict.fromkeys(inside))
        elif is_spec_file(path):
            hint = "name the program; loyalty check runs its cases"
            raise ProgramError([Problem(str(path), 1, 1, "", "these are the cases of a program, and no program", hint)])
        else:
            files[path] = None
    if not files:
        raise ProgramError([Problem("-", 1, 1, "", "no program file was named")])
    return list(files)


def is_spec_file(path: Path) -> bool:
    """Whether the name is that of a program's cases."""
    return path.name.endswith(SPEC_SUFFIXES)


def digest_of(file: ProgramFile) -> str:
    """sha256 of the canonical model, hex."""
    data = file.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    # The first kind of points is the default one, so their order has a meaning.
    data["points"] = list(data["points"].items())
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _program(source: Source) -> Program:
    if not isinstance(source.tree, dict):
        if not source.problems:
            source.report((), "a block of keys was expected", "start with program: my-program")
        raise ProgramError(source.problems)
    file = _validated(source)
    program = compile_program(file, source, digest_of(file)) if file is not None else None
    if source.problems or program is None:
        raise ProgramError(source.problems)
    return program


def _validated(source: Source) -> ProgramFile | None:
    """The model of the tree; with problems reported, of what is left of it, or None."""
    try:
        return ProgramFile.model_validate(source.tree)
    except ValidationError as error:
        broken = [explain(item, source) for item in error.errors(include_url=False)]
    try:
        return ProgramFile.model_validate(_repaired(source.tree, broken))
    except ValidationError:
        return None


def _repaired(tree: dict[str, Any], broken: Iterable[tuple[TreePath, bool]]) -> dict[str, Any]:
    """The tree with harmless values for its broken parts, so that the rest can be checked; never for use."""
    rest = copy.deepcopy(tree)
    for path in (path for path, too_much in broken if too_much):
        _drop(rest, path)
    for path in (path for path, too_much in broken if not too_much):
        match path:
            case ("earn", int(index), *_):
                item = _raw(tree, "earn", index)
                rest["earn"][index] = {
                    **_identity(item, index),
                    "on": "engagement",
                    "give": {"points": 1},
                    "multiplied": True,
                }
            case ("multiply", "rules", int(index), *_):
                rest["multiply"]["rules"][index] = {
                    **_identity(_raw(tree["multiply"], "rules", index), index),
                    "factor": 1,
                }
            case ("points", *_):
                keys = list(tree["points"]) if isinstance(tree.get("points"), dict) else []
                rest["points"] = {key: {"name": key, "decimals": 6} for key in keys or ["points"]}
            case ("tiers", str(key), *_) if key != "levels" and isinstance(rest.get("tiers"), dict):
                rest["tiers"].pop(key, None)
            case (str(key), *_) if key in _REPAIRS:
                rest[key] = _REPAIRS[key]
            case (str(key), *_):
                rest.pop(key, None)
            case _:
                pass
    return rest


def _drop(tree: Any, path: TreePath) -> None:
    for part in path[:-1]:
        tree = tree[part]
    tree.pop(path[-1])


def _raw(tree: dict[str, Any], key: str, index: int) -> Any:
    return tree[key][index]


def _identity(item: Any, index: int) -> dict[str, Any]:
    """The item's own id, so that others who name it are not blamed; else one that nobody uses."""
    known = item.get("id") if isinstance(item, dict) else None
    return {"id": known if isinstance(known, str) else f"broken-{index}"}


def _clashes(later: _Loaded, earlier: _Loaded) -> Iterable[Problem]:
    mine, other, file = later.program, earlier.program, earlier.source.file
    if mine.version == other.version:
        yield _problem(later.source, "version", f"version {mine.version} is also in {file}", "each version has a name")
    if mine.effective_from_us == other.effective_from_us:
        message = f"version {other.version} in {file} starts at the same time"
        yield _problem(later.source, "effective_from", message, "a version is replaced by one that starts later")
    gone = {level.id for level in _levels(other)} - {level.id for level in _levels(mine)}
    if gone and _levels(mine):
        message = f"tier {min(gone)} of version {other.version} in {file} is missing"
        yield _problem(later.source, "tiers", message, "members may be in it: keep its id, and change the name")
    before = {currency.id: currency.decimals for currency in other.currencies}
    for currency in mine.currencies:
        was = before.get(currency.id, currency.decimals)
        if was != currency.decimals:
            said = ("points", currency.id, "decimals")
            where = said if said in later.source.values else said[:-1]
            message = f"decimals of {currency.id} were {was} in version {other.version} in {file}, and are"
            hint = "what members have would be worth something else: keep the decimals, or add another kind"
            yield _problem(later.source, where, f"{message} {currency.decimals}", hint)


def _levels(program: Program) -> tuple[Level, ...]:
    return program.tiers.levels if program.tiers is not None else ()


def _problem(source: Source, where: str | tuple[str, ...], message: str, hint: str) -> Problem:
    path = (where,) if isinstance(where, str) else where
    return Problem(source.file, *source.values.get(path, (1, 1)), ".".join(path), message, hint)
