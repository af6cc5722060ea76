"""`loyalty check`: says what is wrong with a program, or in plain words what it does, and runs its cases."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.commands.failures import EXIT_CODES, FAILED, explained

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loyalty.program import Program
    from schemas.program_source import Problem
    from workers.spec_run import SpecResult

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="PROGRAM", help="Program files, folders of them (*.yaml, *.yml), or *.spec.yaml.", show_default=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object: ok, errors, programs, specs.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print problems only.")]
WithSpec = Annotated[bool, typer.Option("--spec/--no-spec", help="Run the cases of PROGRAM.spec.yaml beside it.")]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("check", no_args_is_help=True, epilog=EXIT_CODES)(check)


def check(programs: Files, as_json: Json = False, quiet: Quiet = False, spec: WithSpec = True) -> None:
    """Validate programs. Each problem is shown as file:line:column, with what was expected; exit code 1 if any.

    A program without problems is put into plain words: read them, that is what the engine will do. Then the cases of
    the spec file beside it are run; each that fails is shown with what was expected, what came, and why.
    """
    with explained():
        from schemas.program_load import check_programs, is_spec_file
        from workers.spec_check import run_specs

        named = [path for path in programs if path.is_dir() or not is_spec_file(path)]
        good, problems = check_programs(named) if named else ((), ())
        results, more = run_specs(programs, [file for file, _ in good]) if spec else ([], [])
        problems = (*problems, *more)
        failed = any(result.failures for result in results)
        if as_json:
            typer.echo(json.dumps(_report(good, problems, results), ensure_ascii=False))
        else:
            _show_problems(problems)
            if not problems and not quiet:
                _show(good)
            _show_cases(results, quiet=quiet)
        if problems or failed:
            raise typer.Exit(FAILED)


def _report(
    good: "tuple[tuple[str, Program], ...]", problems: "tuple[Problem, ...]", results: "Sequence[SpecResult]"
) -> dict[str, Any]:
    from dataclasses import asdict

    from schemas.program_words import describe

    return {
        "ok": not problems and not any(result.failures for result in results),
        "errors": [asdict(problem) for problem in problems],
        "programs": [
            {
                "file": file,
                "program": program.id,
                "version": program.version,
                "effective_from_us": program.effective_from_us,
                "digest": program.digest,
                "words": describe(program),
            }
            for file, program in good
        ],
        "specs": [
            {
                "file": result.file,
                "cases": result.cases,
                "failures": [
                    {
                        "case": failure.name,
                        "problems": [asdict(problem) for problem in failure.problems],
                        "why": failure.why,
                    }
                    for failure in result.failures
                ],
            }
            for result in results
        ],
    }


def _show_problems(problems: "tuple[Problem, ...]") -> None:
    for problem in problems:
        typer.echo(str(problem), err=True)
    if problems:
        count = len(problems)
        typer.echo(f"{count} problem{'' if count == 1 else 's'}", err=True)


def _show(good: "tuple[tuple[str, Program], ...]") -> None:
    from schemas.program_words import describe

    for number, (file, program) in enumerate(good):
        if number:
            typer.echo("")
        first, *others = describe(program)
        typer.echo(f"{file}: OK, digest {program.digest[:12]}\n{first}")
        for sentence in others:
            typer.echo(f"  - {sentence}")


def _show_cases(results: "Sequence[SpecResult]", *, quiet: bool) -> None:
    for result in results:
        for failure in result.failures:
            typer.echo(failure.text(), err=True)
        cases = f"{result.cases} case{'' if result.cases == 1 else 's'}"
        if result.failures:
            typer.echo(f"{result.file}: {len(result.failures)} of {cases} failed", err=True)
        elif not quiet:
            typer.echo(f"{result.file}: {cases} passed")
