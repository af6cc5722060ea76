"""The whole audit: part by part, and what it comes to."""

from collections.abc import Iterable
from typing import NamedTuple

from workers.audit.findings import DIFFERENCES_KEPT, Findings
from workers.audit.part import Part
from workers.audit.sums import Totals
from workers.audit.walk import Walk


class Audit(NamedTuple):
    """What an audit found, and the sums that it was made of."""

    findings: Findings
    totals: Totals


def audit(parts: Iterable[Part], kept_max: int = DIFFERENCES_KEPT) -> Audit:
    """Look at all parts; of differences, keep the first."""
    findings, totals = Findings(kept_max), Totals()
    for part in parts:
        Walk(part, findings, totals).run()
    return Audit(findings, totals)
