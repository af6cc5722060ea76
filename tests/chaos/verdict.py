"""How a worker may end, and for which reason: the exit codes as documented, judged life by life."""

from collections import Counter
from collections.abc import Iterable, Sequence
from signal import SIGKILL, SIGTERM

import aiokafka.errors

from tests.chaos.supervisor import Life
from workers.fatal import EXIT_REFUSED, EXIT_STOPPED

CUT_OFF = "cannot talk to the brokers"
"""The one refusal that a campaign gives cause for: a start while the broker is away."""

FRAMEWORK = "the framework"


def wrong(life: Life) -> str:
    """Why this end was not to be; "" when it was fine."""
    if life.killed and life.code == -SIGKILL:
        return ""
    match life.code:
        case 0 if life.told_to_stop:
            return ""
        case _ if life.told_to_stop and life.code == -SIGTERM and not life.ready:
            return ""  # Told so early that nobody listened yet, and nothing was owned.
        case code if code == EXIT_STOPPED and life.last.get("exit_code") == EXIT_STOPPED:
            return "" if _is_expected(life) else f"{life.name} ended with 70 over {_reason(life)}"
        case code if code == EXIT_REFUSED and CUT_OFF in life.last.get("reason", ""):
            return ""
        case _:
            return f"{life.name} ended with {life.code}: {_reason(life)} (see {life.log.name})"


def _is_expected(life: Life) -> bool:
    """Whether the broker, another worker or the campaign gave it cause."""
    if life.last.get("what") in {FRAMEWORK, "stopping"}:
        return True
    error = getattr(aiokafka.errors, life.last.get("error", ""), None)
    return isinstance(error, type) and issubclass(error, aiokafka.errors.KafkaError)


def _reason(life: Life) -> str:
    said = life.last
    return said.get("error") or said.get("what") or "nothing said"


def ends(lives: Iterable[Life]) -> Counter[str]:
    """How many lives ended how."""
    return Counter(f"{_code(life)}" for life in lives if life.code is not None)


def _code(life: Life) -> str:
    if life.killed and life.code == -SIGKILL:
        return "-9, killed"
    if life.code == 0:
        return "0, after SIGTERM"
    if life.code == EXIT_REFUSED:
        return "1, no broker to talk to" if CUT_OFF in life.last.get("reason", "") else "1, refused"
    return f"{life.code}, {_reason(life)}"


def findings(lives: Sequence[Life]) -> list[str]:
    """What was wrong with the ends of all lives."""
    return [said for said in map(wrong, lives) if said]
