"""Compiles the pure core with mypyc, when asked to. All else about the build stands in pyproject.toml.

    COMPILED=1 python setup.py build_ext --inplace       in the checkout: make compiled
    COMPILED=1 pip wheel --no-build-isolation .          into a wheel: the image's build argument

Without COMPILED=1 nothing is compiled, nothing but setuptools is needed, and the engine is plain Python. Both decide
the same, to the byte (tests/integration/test_compiled_engine.py).

All modules form one group, so that calls between them are calls of C functions. What a decision creates and calls
belongs in the group; see docs/adr/0007-compiled-core.md for what does not.
"""

import os
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))  # a build front end does not put it there

from workers.compiled import STAMP, extension_modules, stamp_of  # noqa: E402 - needs the line above

WANTED = os.environ.get("COMPILED", "") not in {"", "0"}

# The one list of what is compiled: of the domain, all but what is named here; of the contracts, what is named.
PLAIN_IN_LOYALTY = {
    "__init__",
    "catalogue",  # As `program`: frozen dataclasses.
    "conditions",  # Its time is CEL's. Conditions are pickled by their source, which needs a plain class.
    "program",  # Read when programs are loaded. Frozen dataclasses, which mypyc can neither pickle nor copy.
}
COMPILED_IN_SCHEMAS = ("canonical", "encode", "state")


def modules() -> list[Path]:
    """The sources to compile, relative to the root."""
    domain = [path for path in sorted(Path("loyalty").glob("*.py")) if path.stem not in PLAIN_IN_LOYALTY]
    return domain + [Path("schemas", f"{name}.py") for name in COMPILED_IN_SCHEMAS]


def refuse_without_compiler() -> None:
    """End with a sentence when C cannot be compiled here; the compiler's own would come late and say less."""
    command = os.environ.get("CC") or str(sysconfig.get_config_var("CC") or "cc")
    if shutil.which(shlex.split(command)[0]) is None:
        sys.exit(
            f"Compiling needs a C compiler, and '{command}' is not found.\n"
            "hint: on Debian and Ubuntu: apt-get install gcc libc6-dev; or go without: plain Python decides the same"
        )
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.exists():
        sys.exit(
            f"Compiling needs Python's headers, and {header.name} is not found.\nhint: apt-get install python3-dev"
        )


def extensions() -> list[Extension]:
    """The group as setuptools builds it: a library with all the code, and a small module for each source."""
    refuse_without_compiler()
    from mypyc.build import mypycify  # noqa: PLC0415 - only who compiles needs it

    # Types are judged by `make lint`; here they are only used, so this needs neither plugins nor libraries' types.
    made = mypycify(
        ["--config-file=", "--explicit-package-bases", "--ignore-missing-imports", *map(str, modules())],
        opt_level="3",
        debug_level="0",
        group_name="loyalty",
    )
    for extension in made:
        # A newer compiler's new warning is no reason to go without.
        extension.extra_compile_args = [flag for flag in extension.extra_compile_args if flag != "-Werror"]
    return list(made)


class StampedBuild(build_ext):
    """Builds the group, and stamps it with what it was built from: last, so that half a build is a stale one."""

    def run(self) -> None:
        """Remove what is left of an earlier build in place, build, stamp."""
        target = ROOT if self.inplace else Path(self.build_lib)
        if WANTED:
            (target / STAMP).unlink(missing_ok=True)
            for _, path in extension_modules(target):
                path.unlink()
        super().run()
        if WANTED:
            names = [".".join(path.with_suffix("").parts) for path in modules()]
            (target / STAMP).write_bytes(stamp_of(ROOT, names))


setup(ext_modules=extensions() if WANTED else [], cmdclass={"build_ext": StampedBuild})
