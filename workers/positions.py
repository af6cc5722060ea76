"""Where a partition stands: the record that lies beside the state, and the journal's record of each batch.

Both are written in the transaction of the batch that they describe. So the state, the place in the inputs that it
has seen, and the account of how it got there can never disagree.

Invariants:
  P1 `next` names every input topic, also one that nothing came from yet: what it held at the first start is not lost
  P2 `now_us` and `sequence` never go back
  P3 the runs of a topic chain over all journal records of a partition: each starts where the one before ended, except
     over a range that is named under `missing`
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from workers.fatal import Refusal

POSITIONS_KEY: Final = b"s|positions"
"""Key of the positions record in each partition of the accounts changelog."""

FORMAT: Final = 1
"""Of the positions and the journal. A worker refuses a newer one."""


class Run(NamedTuple):
    """Records of one topic that follow each other in a batch: all with `first` <= offset < `next`.

    `next` may lie beyond the last record + 1: transaction markers and compaction leave gaps.
    """

    topic: str
    first: int
    next: int
    records: int
    """How many they are, so that a recording that lacks some is noticed."""


class Gap(NamedTuple):
    """Offsets that a log no longer held: `first` <= offset < `next`."""

    topic: str
    first: int
    next: int

    def named(self, partition: int) -> str:
        """As an operator accepts it: `purchases-3:41-90`."""
        return f"{self.topic}-{partition}:{self.first}-{self.next}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """What the state of one partition has seen."""

    next: Mapping[str, int]
    """For each input topic, the offset that comes next."""
    now_us: int
    """`now` of the latest batch."""
    sequence: int
    """Number of the latest batch; 0 before the first."""
    programs: Mapping[str, str]
    """Version -> digest, of every program version that the state was decided under."""
    partitions: int
    """How many partitions each topic had: another number would send members elsewhere."""
    app: str = ""
    """App id of the workers that the state belongs to; empty where it was not written down."""

    def encode(self) -> bytes:
        """As the value under `POSITIONS_KEY`."""
        return orjson.dumps(
            {
                "format": FORMAT,
                "next": self.next,
                "now_us": self.now_us,
                "sequence": self.sequence,
                "programs": self.programs,
                "partitions": self.partitions,
                "app": self.app,
            }
        )

    @staticmethod
    def decode(value: bytes) -> "Positions":
        """Read what `encode` wrote. Raises Refusal for a format of a newer release."""
        record = orjson.loads(value)
        _check_format("positions", record)
        return Positions(
            next=record["next"],
            now_us=record["now_us"],
            sequence=record["sequence"],
            programs=record["programs"],
            partitions=record["partitions"],
            app=record.get("app", ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRecord:
    """One batch of one partition: enough to take the same records again in the same order under the same `now`."""

    sequence: int
    now_us: int
    runs: Sequence[Run]
    """In the order in which the records were decided. Empty: a batch made because time passed."""
    programs: Mapping[str, str]
    partitions: int
    """How many partitions each topic had: a replay must send members to the same ones."""
    missing: Sequence[Gap] = ()
    """Ranges that the log no longer held and that an operator told the worker to do without."""

    def encode(self) -> bytes:
        """As the value of a record of the journal topic."""
        record: dict[str, Any] = {
            "format": FORMAT,
            "sequence": self.sequence,
            "now_us": self.now_us,
            "runs": [tuple(run) for run in self.runs],
            "programs": self.programs,
            "partitions": self.partitions,
        }
        if self.missing:
            record["missing"] = [tuple(gap) for gap in self.missing]
        return orjson.dumps(record)

    @staticmethod
    def decode(value: bytes) -> "JournalRecord":
        """Read what `encode` wrote. Raises Refusal for a format of a newer release."""
        record = orjson.loads(value)
        _check_format("journal", record)
        return JournalRecord(
            sequence=record["sequence"],
            now_us=record["now_us"],
            runs=[Run(*run) for run in record["runs"]],
            programs=record["programs"],
            partitions=record["partitions"],
            missing=[Gap(*gap) for gap in record.get("missing", ())],
        )


def _check_format(what: str, record: Mapping[str, Any]) -> None:
    if record["format"] != FORMAT:
        raise Refusal(
            f"the {what} are in format {record['format']}, this worker reads format {FORMAT}",
            hint="run the release that wrote them, or a newer one",
        )
