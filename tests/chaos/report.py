"""What came of a campaign, to read and to process."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import orjson

from tests.chaos.schedule import Goals

PARTS = ("faults", "ends", "stream")


@dataclass(slots=True)
class Report:
    """One campaign."""

    seed: int
    command: str
    seconds: float = 0.0
    goals: Goals = field(default_factory=Goals)
    faults: Mapping[str, int] = field(default_factory=Counter)
    """What was done, and what came of it."""
    ends: Mapping[str, int] = field(default_factory=Counter)
    """How the workers' processes ended."""
    stream: Mapping[str, int] = field(default_factory=Counter)
    """What went in and came out."""
    checks: Mapping[str, str] = field(default_factory=dict)
    """What the auditor looked at -> what it found; "" where all holds."""
    findings: list[str] = field(default_factory=list)
    """What else was wrong: an exit code, a process that did not end, a goal that was not reached."""
    without: str = ""
    """The safeguard that the workers worked without."""
    evidence: str = ""
    """Where logs and topics of a campaign that failed lie."""

    @property
    def failed(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.findings) or any(self.checks.values())

    def text(self) -> str:
        """As markdown."""
        lines = [f"# Campaign of seed {self.seed}: {'FAILED' if self.failed else 'everything held'}", ""]
        lines += [f"`{self.command}`, {self.seconds / 60:.1f} minutes", ""]
        if self.without:
            lines += [f"Without a safeguard: {self.without}.", ""]
        for part in PARTS:
            lines += [f"| {part} | |", "|---|---:|"]
            lines += [f"| {what} | {number:,} |" for what, number in getattr(self, part).items()]
            lines.append("")
        lines += ["| the auditor | |", "|---|---|"]
        lines += [f"| {name} | {'**no**' if found else 'yes'} |" for name, found in self.checks.items()]
        lines += ["", *(f"- **{name}**: {found}" for name, found in self.checks.items() if found)]
        lines += [f"- {finding}" for finding in self.findings]
        if self.failed and self.evidence:
            lines += ["", f"Logs of all processes and the topics as recordings: {self.evidence}"]
        return "\n".join(lines).rstrip() + "\n"

    def write(self, directory: Path) -> None:
        """`report.md` and `report.json`."""
        (directory / "report.md").write_text(self.text())
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        (directory / "report.json").write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2, default=dict))


def missed(goals: Goals, faults: Mapping[str, int]) -> list[str]:
    """A sentence for each goal that was not reached."""
    reached = {
        "kills": "kills",
        "zombies": "zombies",
        "broker_deaths": "broker deaths",
        "broker_freezes": "broker freezes",
        "rebalances": "rebalances",
        "stops": "stops and starts",
        "refusals": "failed calls",
        "cuts": "cuts",
        "reader_kills": "reader kills",
    }
    return [
        f"{faults.get(counted, 0)} {counted}, where {wanted} were the goal"
        for name, counted in reached.items()
        if faults.get(counted, 0) < (wanted := getattr(goals, name))
    ]
