"""The end of the process: the only answer to a write that failed or a promise that broke.

Why not an exception that travels up: Faust acknowledges the event of an agent that raised, and `sys.exit` in an
agent hangs. So the process ends at once, nothing is acknowledged, the open transaction is fenced by whoever comes
next, and a supervisor starts the worker again.

Exit codes: 1 the worker refuses to run (a person has to change something), 70 a failed or fenced write, or a fault.
"""

import logging
import os
import sys
from typing import NoReturn, Protocol

EXIT_REFUSED = 1
EXIT_STOPPED = 70


class Refusal(Exception):
    """The worker will not run like this. The message says why, and `hint` what to do about it."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class BrokenChain(Exception):
    """What was read does not start where the state ends: records would be lost or taken twice."""


class TooManyDeadLetters(Exception):
    """More of a batch was refused than `dead_letter_stop_share` allows."""


class EndProcess(Protocol):
    """Ends the process because of an error. Passed in, so that a test can watch it."""

    def __call__(self, what: str, error: BaseException, /) -> NoReturn:
        """Say `what` failed and why, and end."""
        ...


def exit_code(error: BaseException) -> int:
    """The exit code that an error ends the process with."""
    return EXIT_REFUSED if isinstance(error, Refusal) else EXIT_STOPPED


def end_process(what: str, error: BaseException, /) -> NoReturn:
    """Log one structured line and end the process now, without clean-up and from any thread."""
    code = exit_code(error)
    try:
        # Loaded long ago in a process that has a log; a replay, which needs the errors above only, goes without.
        import structlog  # noqa: PLC0415

        log = structlog.stdlib.get_logger(__name__)
        if isinstance(error, Refusal):
            log.error("refused", what=what, reason=str(error), hint=error.hint, exit_code=code)
        else:
            log.critical(
                "stopped", what=what, error=type(error).__name__, reason=str(error), exit_code=code, exc_info=error
            )
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
