"""Whether the engine runs compiled, and whether what was compiled is what the sources say.

An extension module silently wins over the source beside it: who edits `loyalty/purchases.py` and forgets to compile
would run, test and measure what the file said yesterday. So the build leaves a stamp with a digest of each source,
and every command and every test run asks `engine` first.

Invariants:
  C1 plain or wholly compiled: all modules of the stamp are there as extension modules, and no others
  C2 compiled only from these sources: an edit anywhere in the compiled rooms makes the build stale, because the
     compiler also takes constants and types out of modules that it does not compile

Not here: what is compiled, and how (setup.py).
"""

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[1]
ROOMS = ("loyalty", "schemas")
"""Where compiled modules may lie."""
STAMP = Path("loyalty", "compiled.stamp")
_HINT = "hint: make compiled builds it again; make plain goes back to plain Python, which decides the same"


class StaleBuildError(Exception):
    """The extension modules are not what the sources would give. The message says why, and what to do."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the compiled engine is stale: {why}\n{_HINT}")


def engine(root: Path = ROOT) -> Literal["plain", "compiled"]:
    """How the modules below `root` run. Raises StaleBuildError when they would run other than their sources say."""
    found = [module for module, _ in extension_modules(root)]
    if not found:
        return "plain"
    try:
        stamp = json.loads((root / STAMP).read_bytes())
    except FileNotFoundError:
        raise StaleBuildError(f"{found[0]} is an extension module, but no build left a stamp") from None
    for module in sorted(set(found) ^ set(stamp["modules"])):
        raise StaleBuildError(f"{module} is {'not in its stamp' if module in found else 'missing'}")
    sources = _digests(root)
    for path in sorted(sources.keys() | stamp["sources"].keys()):
        if sources.get(path) != stamp["sources"].get(path):
            raise StaleBuildError(f"{path} has changed since")
    return "compiled"


def stamp_of(root: Path, modules: Sequence[str]) -> bytes:
    """The stamp of a build of `modules` from the sources below `root`."""
    return json.dumps({"modules": sorted(modules), "sources": _digests(root)}, indent=1).encode()


def extension_modules(root: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of each extension module in the rooms that this interpreter would load, in order."""
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            name, dot, suffix = path.name.partition(".")
            if dot + suffix in EXTENSION_SUFFIXES:
                yield ".".join((*path.relative_to(root).parent.parts, name)), path


def _digests(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): sha256(path.read_bytes()).hexdigest()
        for room in ROOMS
        for path in sorted((root / room).rglob("*.py"))
    }
