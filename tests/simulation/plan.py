"""What a run consists of, drawn from its seed: so many workers and events, and which faults come how often."""

from dataclasses import dataclass, fields, replace
from random import Random

from typing_extensions import override


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Shares are of one."""

    partitions: int = 2
    workers: int = 1
    events: int = 20
    seconds: float = 10.0
    timed: bool = False
    """Whether points mature and end within the run."""
    steps_between_strikes: float = 0
    """Mean number of steps between two kills or freezes; 0: none."""
    freeze_share: float = 0.0
    send: float = 0.0
    commit_refused: float = 0.0
    commit_unheard: float = 0.0
    slow: float = 0.0
    late: float = 0.0
    lost: float = 0.0
    twice: float = 0.0
    rebalances: float = 0.0
    """How often of the moments, about one a second, in which trouble is looked for."""
    outages: float = 0.0
    """As often as rebalances; nobody reaches the log for some seconds."""
    crooked: float = 0.0
    """Of the assignments: they give different partitions of different inputs."""
    retention: bool = False
    """Whether inputs expire under stopped workers."""
    growth: bool = False
    """Whether somebody gives the topics another number of partitions."""
    on_disk: bool = False
    """Whether the machines' disks keep the state of the workers that die on them."""
    in_transactions: float = 0.0
    """Of the inputs: sent in a transaction, half of them after one that is aborted."""

    @staticmethod
    def drawn(random: Random) -> "Plan":
        """A plan. Each kind of fault is in some of them, so that each is seen alone and with others."""

        def some(share: float, most: float) -> float:
            return random.random() * most if random.random() < share else 0.0

        plan = Plan(
            partitions=random.choice((1, 2, 2, 3)),
            workers=random.choice((1, 2, 2, 3)),
            events=random.randint(8, 32),
            seconds=random.uniform(6, 14),
            timed=random.random() < 0.5,
            steps_between_strikes=random.choice((0, 150, 400, 1000)),
            freeze_share=random.choice((0.0, 0.5, 0.9)),
            send=some(0.3, 0.03),
            commit_refused=some(0.3, 0.1),
            commit_unheard=some(0.3, 0.1),
            slow=some(0.4, 0.05),
            late=some(0.5, 0.3),
            lost=some(0.2, 0.1),
            twice=some(0.2, 0.1),
            rebalances=some(0.6, 0.8),
            outages=some(0.2, 0.3),
            crooked=some(0.15, 0.4),
            in_transactions=some(0.3, 0.6),
            retention=random.random() < 0.15,
            growth=random.random() < 0.15,
        )
        return replace(plan, on_disk=plan.events % 2 == 0)

    @override
    def __str__(self) -> str:
        said = [(each.name, getattr(self, each.name)) for each in fields(self)]
        return ", ".join(f"{name} {value:.3g}" for name, value in said if value)
