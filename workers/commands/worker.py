"""`loyalty worker`: the worker, from settings, until a signal ends it."""

import typer


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("worker")(worker)


def worker() -> None:
    """Run the worker from LOYALTY_* settings until SIGTERM or Ctrl-C.

    Exit codes: 0 stopped by a signal, 1 something has to be changed first (the log says what), 70 a write failed or
    was fenced: start it again.
    """
    raise typer.Exit(run())


def run() -> int:
    """The exit code of a worker that was run to its end."""
    from config.settings import SettingsError, load_settings
    from workers.fatal import EXIT_REFUSED, Refusal, end_process

    try:
        settings = load_settings()
    except SettingsError as error:
        # Before the settings are known there is no log to write to.
        typer.echo(f"loyalty: {error}", err=True)
        return EXIT_REFUSED

    from loyalty.plan import Programs
    from schemas.program_load import load_programs
    from schemas.program_source import ProgramError
    from workers.allocator import keep_freed_memory
    from workers.batch import Engine
    from workers.collector import collect_rarely
    from workers.logs import configure_logs

    configure_logs(settings.log_level, json=settings.log_json)
    collect_rarely()
    keep_freed_memory()
    try:
        engine = Engine(
            Programs(load_programs(settings.programs)),
            partitions=settings.partitions,
            record_bytes_max=settings.max_record_bytes,
        )
        from workers.wire import wire  # The framework, which is most of a start: not before there is something to run.

        return wire(settings, decider=engine).run()
    except ProgramError as error:
        end_process("reading the programs", Refusal(str(error), hint="loyalty check shows the same, with more room"))
    except Refusal as error:
        end_process("starting", error)
