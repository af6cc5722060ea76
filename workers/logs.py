"""Structured logs for everything in the process, Faust and aiokafka included.

A terminal gets lines to read, anything else one JSON object a line; both on stderr, so that stdout stays data.
No member data above debug: log positions, counts and codes, never an event. Tracebacks come without the values of
local variables, which would be whole batches of events. No password at any level.
"""

import logging
import sys
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer


def configure_logs(level: str, *, json: bool | None = None) -> None:
    """Route structlog and the standard logging module into one stream.

    `level` is a name such as "info". `json` None: JSON when stderr is not a terminal.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: list[Any] = (
        [
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(),
        ]
        if as_json
        else [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Faust names a service's logger by its module: those of ours that are Faust's services speak as it does.
    for name in ("faust", "mode", "aiokafka", "asyncio", "workers.transport"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        # Their info is about their inside.
        library.setLevel(max(logging.WARNING, root.level) if root.level > logging.DEBUG else root.level)
    # At debug it logs each request as it is: that of logging in holds the password.
    logging.getLogger("aiokafka.conn").setLevel(max(logging.INFO, root.level))
