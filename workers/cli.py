"""`loyalty`: puts the commands together, and nothing else."""

import logging
import sys
import zoneinfo

import typer

from workers.commands import (
    audit,
    check,
    compare,
    dead_letters,
    demo,
    explain,
    importer,
    kafka,
    member,
    publish,
    replay,
    report,
    stock,
    topics,
    worker,
)
from workers.compiled import StaleBuildError, engine

COMMANDS = (
    demo,
    worker,
    replay,
    check,
    compare,
    publish,
    explain,
    member,
    report,
    stock,
    audit,
    dead_letters,
    topics,
    kafka,
    importer,
)
"""In the order of --help. Importing them is cheap: each imports what it needs when it runs."""


def build_app() -> typer.Typer:
    """The application with all its commands."""
    app = typer.Typer(
        name="loyalty",
        help="A streaming loyalty engine on Kafka: events in; a ledger, balances, tiers and notices out.",
        epilog="Settings are LOYALTY_* environment variables. "
        "Exit codes: 0 done, 1 failed or found something, 2 wrong usage, 70 the worker was stopped.",
        no_args_is_help=True,
        rich_markup_mode="markdown",  # It joins the lines of a paragraph, which end in our sources where they end.
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for command in COMMANDS:
        command.register(app)
    return app


def main() -> None:
    """Entry point of the console script."""
    try:
        engine()
    except StaleBuildError as error:
        sys.exit(f"loyalty: {error}")
    # The time zones of the pinned package and not the machine's: two workers must never disagree about an hour.
    zoneinfo.reset_tzpath(())
    # What goes wrong with a cluster reaches us as an exception; the client would say it twice, and less clearly.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    build_app()()


if __name__ == "__main__":
    main()
