"""Every golden ledger comes out as it is written, and keeps what its source says."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.golden.ledgers import Outcomes, run
from tests.golden.notation import FOLDER, read

LEDGERS = sorted(FOLDER.rglob("*.ledger"))


@pytest.mark.parametrize("path", LEDGERS, ids=lambda path: str(path.relative_to(FOLDER)))
def test_golden(path: Path, *, update_golden: bool) -> None:
    case = read(path)
    assert case.events, "a case without events shows nothing"
    outcomes = run(case)
    for claim in case.says:
        _check(claim, outcomes)
    if update_golden:
        path.write_text(f"{case.before_then}then\n{outcomes.text}", "utf-8")
    else:
        assert outcomes.text == case.then, "differs: pytest tests/golden --update-golden, and review the diff"


def _check(claim: str, outcomes: Outcomes) -> None:
    """`p1 19 points`, `m1 = 19 points`, `p1 refused code`, `m1 tier gold`."""
    match claim.split():
        case [member, "=", amount, currency]:
            assert outcomes.by_member.get((member, currency), 0) == Decimal(amount), claim
        case [event_id, "refused", code]:
            assert outcomes.refused.get(event_id) == code, claim
        case [member, "tier", tier]:
            assert outcomes.tiers[member] == tier, claim
        case [event_id, amount, currency]:
            assert outcomes.by_event.get((event_id, currency), 0) == Decimal(amount), claim
        case _:
            pytest.fail(f"not a claim: {claim}")
