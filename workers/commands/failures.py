"""How a command ends when something it needs is not there: one sentence on standard error, and the right exit code.

Exit codes of all commands: 0 done, 1 failed or found something, 2 wrong usage, 70 the worker was stopped.
"""

import contextlib
import sys
from collections.abc import Iterator
from typing import Final

import typer

DONE: Final = 0
FAILED: Final = 1
WRONG_USAGE: Final = 2
EXIT_CODES: Final = "Exit codes: 0 done, 1 failed or found something, 2 wrong usage."
"""At the end of each command's help."""


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turns the failures that a person can do something about into a sentence; a fault of ours keeps its traceback."""
    try:
        yield
    except KeyboardInterrupt:
        _say("interrupted")
        raise typer.Exit(FAILED) from None
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter must not complain while it flushes.
        sys.stderr.close()
        raise typer.Exit(FAILED) from None
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        _say(_sentence(error))
        raise typer.Exit(code) from error


def _exit_code(error: Exception) -> int | None:
    # Imported now: a command that does not fail does not pay for the clients it does not use.
    from kafka.errors import KafkaError

    from config.settings import SettingsError
    from schemas.program_source import ProgramError
    from workers.cluster import ClusterError
    from workers.kafka_jars import LocalKafkaError
    from workers.ndjson import InputError
    from workers.recorded import BadRecording

    match error:
        case SettingsError():
            return WRONG_USAGE
        case (
            ProgramError()
            | BadRecording()
            | ClusterError()
            | InputError()
            | LocalKafkaError()
            | KafkaError()
            | OSError()
        ):
            return FAILED
        case _:
            return None


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"  # As for a file of events; its own text begins with a number.
    return str(error)


def _say(sentence: str) -> None:
    typer.echo(f"loyalty: {sentence}", err=True)
