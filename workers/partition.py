"""One partition number as its owner holds it: state, positions and the right to write.

Invariants:
  O1 `producer` is there only while this worker owns the partition; without it nothing can be written
  O2 `store` and `positions` agree: both are what the changelog held at the store's mark, or newer by own commits
  O3 the state outlives a revocation, so that getting the partition back costs only what others wrote meanwhile
"""

from dataclasses import dataclass, field

from workers.positions import Gap, Positions
from workers.producer import TransactionalProducer
from workers.store.port import PartitionStore


@dataclass(slots=True)
class Partition:
    """State, positions and producer of one partition number."""

    number: int
    store: PartitionStore
    positions: Positions | None = None
    """None until restored, and while nothing was ever written for this number."""
    producer: TransactionalProducer | None = None
    missing: list[Gap] = field(default_factory=list)
    """Ranges that an operator told us to do without, until the next batch has written them down."""

    def owned(self) -> Positions:
        """The positions of a partition that is ready."""
        if self.positions is None:
            raise RuntimeError(f"partition {self.number} is used before it is restored")
        return self.positions

    def take_back(self) -> None:
        """Go on where the store stands: what was settled about the positions meanwhile was never written."""
        stored = self.store.mark.positions
        self.positions = None if stored is None else Positions.decode(stored)

    def forget(self) -> None:
        """Throw the held state away: it will be restored from the beginning."""
        self.store.clear()
        self.positions = None
        self.missing.clear()

    async def release(self) -> None:
        """Give up the right to write; keep the state."""
        producer, self.producer = self.producer, None
        if producer is not None:
            await producer.stop()
