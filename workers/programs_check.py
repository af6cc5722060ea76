"""Whether this worker holds the programs that the state was decided under.

All workers must decide an event under the same program, also after a restart and in a replay. So the state remembers
each version by digest, and a worker that differs refuses to start unless it is told to accept the change.
"""

from collections.abc import Mapping

import structlog

from workers.fatal import Refusal

_log = structlog.stdlib.get_logger(__name__)


def check_programs(
    recorded: Mapping[str, str], held: Mapping[str, tuple[str, int]], *, now_us: int, accept_change: bool
) -> None:
    """Check one partition.

    `recorded` is version -> digest as the state knows it, empty at first; `held` is version -> (digest,
    effective_from in microseconds) of this worker; `now_us` is how far the partition has come. Raises Refusal for a
    version that is missing, changed, or new and starts in the past, unless `accept_change`.
    """
    problems = list(_differences(recorded, held, now_us)) if recorded else []
    if problems and accept_change:
        _log.warning("accepted other programs", problems=problems)
    elif problems:
        raise Refusal(
            "the programs are not those that the state was decided under: " + "; ".join(problems),
            hint="put the old files back and add a new version that starts in the future, "
            "or set LOYALTY_ACCEPT_PROGRAM_CHANGE=true once to accept this",
        )


def _differences(recorded: Mapping[str, str], held: Mapping[str, tuple[str, int]], now_us: int) -> list[str]:
    missing = [f"version {version} is missing" for version in recorded if version not in held]
    changed = [
        f"version {version} was changed (digest {recorded[version]} became {digest})"
        for version, (digest, _) in held.items()
        if recorded.get(version, digest) != digest
    ]
    late = [
        f"version {version} is new but starts in the past"
        for version, (_, effective_from_us) in held.items()
        if version not in recorded and effective_from_us <= now_us
    ]
    return missing + changed + late
