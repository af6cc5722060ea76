"""`loyalty check`: says what is wrong with a program, or in plain words what it does."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.commands.failures import EXIT_CODES, FAILED, explained

if TYPE_CHECKING:
    from loyalty.program import Program
    from schemas.program_source import Problem

Files = Annotated[
    list[Path],
    typer.Argument(metavar="PROGRAM", help="Program files, or folders of them (*.yaml, *.yml).", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object: ok, errors, programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print problems only.")]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("check", no_args_is_help=True, epilog=EXIT_CODES)(check)


def check(programs: Files, as_json: Json = False, quiet: Quiet = False) -> None:
    """Validate programs. Each problem is shown as file:line:column, with what was expected; exit code 1 if any.

    A program without problems is put into plain words: read them, that is what the engine will do.
    """
    with explained():
        from schemas.program_load import check_programs

        good, problems = check_programs(programs)
        if as_json:
            typer.echo(json.dumps(_report(good, problems), ensure_ascii=False))
        else:
            for problem in problems:
                typer.echo(str(problem), err=True)
            if problems:
                count = len(problems)
                typer.echo(f"{count} problem{'' if count == 1 else 's'}", err=True)
            elif not quiet:
                _show(good)
        if problems:
            raise typer.Exit(FAILED)


def _report(good: "tuple[tuple[str, Program], ...]", problems: "tuple[Problem, ...]") -> dict[str, Any]:
    from dataclasses import asdict

    from schemas.program_words import describe

    return {
        "ok": not problems,
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
    }


def _show(good: "tuple[tuple[str, Program], ...]") -> None:
    from schemas.program_words import describe

    for number, (file, program) in enumerate(good):
        if number:
            typer.echo("")
        first, *others = describe(program)
        typer.echo(f"{file}: OK, digest {program.digest[:12]}\n{first}")
        for sentence in others:
            typer.echo(f"  - {sentence}")
