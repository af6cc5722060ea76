"""Every end of a worker is one that the documented exit codes allow, or a finding."""

from pathlib import Path
from typing import Any

import pytest

from tests.chaos.supervisor import Life
from tests.chaos.verdict import ends, wrong

FENCED = {"event": "stopped", "what": "partition 1", "error": "ProducerFenced", "exit_code": 70}
FAULT = {"event": "stopped", "what": "partition 1", "error": "BrokenChain", "exit_code": 70}
HUNG = {"event": "stopped", "what": "stopping", "error": "TimeoutError", "exit_code": 70}
CRASHED = {"event": "stopped", "what": "the framework", "exit_code": 70}
NO_BROKER = {"event": "refused", "reason": "cannot talk to the brokers at 127.0.0.1:1: ...", "exit_code": 1}
REFUSED = {"event": "refused", "reason": "the changelog lacks batches", "exit_code": 1}


def life(code: int, last: dict[str, Any], **done: Any) -> Life:
    return Life("worker 0", 3, 0.0, Path("worker-0-3.log"), ended=9.0, code=code, last=last, **done)


@pytest.mark.parametrize(
    ("lived", "fine"),
    [
        (life(-9, {}, killed=True), True),
        (life(-9, {}), False),  # Who killed it?
        (life(0, {}, told_to_stop=True), True),
        (life(0, {}), False),
        (life(-15, {}, told_to_stop=True), True),
        (life(-15, {}, told_to_stop=True, ready=1), False),
        (life(-15, {}), False),
        (life(70, FENCED), True),
        (life(70, FENCED, killed=True), True),  # It was quicker than the kill.
        (life(70, FENCED, told_to_stop=True), True),
        (life(70, HUNG, told_to_stop=True), True),
        (life(70, CRASHED), True),
        (life(70, FAULT), False),
        (life(70, {}), False),  # It has to say why.
        (life(1, NO_BROKER), True),
        (life(1, REFUSED), False),
        (life(-11, {}), False),
    ],
)
def test_an_end_is_judged_by_what_was_done_and_said(lived: Life, fine: bool) -> None:
    assert (wrong(lived) == "") is fine


def test_a_finding_names_the_life_and_where_its_log_is() -> None:
    assert wrong(life(0, {})) == "worker 0, life 3 ended with 0: nothing said (see worker-0-3.log)"


def test_ends_are_counted_by_code_and_reason() -> None:
    lives = [life(70, FENCED), life(70, FENCED), life(-9, {}, killed=True), life(1, NO_BROKER)]
    assert ends(lives) == {"70, ProducerFenced": 2, "-9, killed": 1, "1, no broker to talk to": 1}
