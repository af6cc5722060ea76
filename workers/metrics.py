"""Every metric of the worker in one file: name, labels, and in the help text what to do when it moves.

Invariants:
  M1 names are `loyalty_<noun>_<unit>`, in base units; counters end in `_total`
  M2 no label holds a member or anything else without a bound: values beyond `_LABEL_VALUES_MAX` become "other"
  M3 what a batch did is counted after its commit, so that the counters agree with the ledger up to a crash
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from workers.compiled import engine
from workers.counts import Counts
from workers.records import Record

_LABEL_VALUES_MAX: Final = 200
_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_RECORDS: Final = (0, 1, 10, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
_RESTORE_SECONDS: Final = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)


class Bounded:
    """Label values that cannot grow without end: after `_LABEL_VALUES_MAX` different ones the rest is "other"."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        """`value`, or "other"."""
        if value in self._seen:
            return value
        if len(self._seen) >= _LABEL_VALUES_MAX:
            return "other"
        self._seen.add(value)
        return value


class _LagRecords(Collector):
    """Counted at the scrape, so that it is true of a worker that is stuck, too."""

    def __init__(self, lag_records: Callable[[], Iterable[tuple[int, int]]]) -> None:
        self._lag_records = lag_records

    def describe(self) -> list[GaugeMetricFamily]:
        """The gauge without a value."""
        about = "Records that wait to be decided. Rising for minutes: add workers, or find what blocks in the log."
        return [GaugeMetricFamily("loyalty_lag_records", about, labels=["partition"])]

    @override
    def collect(self) -> Iterator[Metric]:
        """The gauge now."""
        [gauge] = self.describe()
        for partition, records in self._lag_records():
            gauge.add_metric([str(partition)], records)
        yield gauge


class Metrics:
    """The worker's metrics on a registry of their own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._types, self._rules, self._codes = Bounded(), Bounded(), Bounded()
        self._tiers, self._currencies = Bounded(), Bounded()
        self._events = Counter(
            "loyalty_events",
            "Events decided, by type and outcome. When `dead_letter` rises: loyalty "
            "topics export --out DIR dead-letters shows which and why. "
            "When all stop: look at loyalty_lag_records and the log.",
            ["type", "outcome"],
            registry=registry,
        )
        self._points = Counter(
            "loyalty_points",
            "Points given, by rule and currency, in the smallest unit of the currency. A jump without more events is a "
            "rule that pays more than meant: loyalty check says what it does, an entry's steps how it came about.",
            ["rule", "currency"],
            registry=registry,
        )
        self._points_taken_back = Counter(
            "loyalty_points_taken_back",
            "Points taken back by returns, by rule and currency. A rise beyond returns as usual: look at who returns.",
            ["rule", "currency"],
            registry=registry,
        )
        self._points_forfeited = Counter(
            "loyalty_points_forfeited",
            "Points over a cap, not given, by rule. A steady rate: members run into the cap; is it meant to bite?",
            ["rule"],
            registry=registry,
        )
        self._points_expired = Counter(
            "loyalty_points_expired",
            "Points whose life has ended, by currency. Waves at ends of months or years are meant; else look.",
            ["currency"],
            registry=registry,
        )
        self._redemptions = Counter(
            "loyalty_redemptions",
            "Redemptions, by status and, of refused ones, reason. `insufficient` rising: a shop shows members an old "
            "balance. `failed` rising: ask whoever delivers.",
            ["status", "reason"],
            registry=registry,
        )
        self._points_redeemed = Counter(
            "loyalty_points_redeemed",
            "Points spent, by reward and currency; pay_with_points: on sales. None for long although members have "
            "points: is the catalogue worth it?",
            ["reward", "currency"],
            registry=registry,
        )
        self._points_restored = Counter(
            "loyalty_points_restored",
            "Points that were spent and came back, by reward and currency: cancelled, not delivered, or the goods that "
            "they paid for came back. Near loyalty_points_redeemed_total for a reward: it cannot be delivered.",
            ["reward", "currency"],
            registry=registry,
        )
        self._notices = Counter(
            "loyalty_notices",
            "Notices to members, by kind. None for days although points expire: does the program give notice?",
            ["kind"],
            registry=registry,
        )
        self._limit_claims = Counter(
            "loyalty_limit_claims",
            "Claims on what all members share, by kind (stock, budget) and outcome (granted, denied). `denied` rises: "
            "a stock or budget is used up; restock it with loyalty.stock.v1, or take the offer down.",
            ["kind", "outcome"],
            registry=registry,
        )
        self._tier_changes = Counter(
            "loyalty_tier_changes",
            "Tier changes, by the tier reached. A wave outside of a program change: check the thresholds.",
            ["tier"],
            registry=registry,
        )
        self._dead_letters = Counter(
            "loyalty_dead_letters",
            "Events refused, by code. Any steady rate means a sender breaks the contract: "
            "loyalty topics export --out DIR dead-letters shows it; fix the sender, then publish them again. "
            "`engine_fault` is a fault of ours: report it.",
            ["code"],
            registry=registry,
        )
        self._forwarded = Counter(
            "loyalty_forwarded_events",
            "Events that came on the wrong partition and were sent on through the inbox. They are decided, only later; "
            "a steady rate means a sender partitions by another function than murmur2: set its partitioner.",
            registry=registry,
        )
        self._unknown_fields = Counter(
            "loyalty_unknown_fields",
            "Fields of events that the contract does not know, ignored. A rise means that a sender writes something "
            "that nobody reads: loyalty publish --strict names it.",
            registry=registry,
        )
        self._batch_records = Histogram(
            "loyalty_batch_records",
            "Events in a batch. Near batch_records_max for long: the worker is behind, add workers up to the number of "
            "partitions.",
            buckets=_RECORDS,
            registry=registry,
        )
        self._batch_seconds = Histogram(
            "loyalty_batch_seconds",
            "Duration of a batch from the lane to its end. When it rises: loyalty_stage_seconds says where.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._stage_seconds = Histogram(
            "loyalty_stage_seconds",
            "Duration of each stage of a batch. decide: the processor or a costly condition; begin, confirm and "
            "commit: the brokers.",
            ["stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._transactions = Counter(
            "loyalty_transactions",
            "Transactions committed, one for each batch. A failed one ends the process: count restarts for those.",
            registry=registry,
        )
        self._event_lag = Gauge(
            "loyalty_event_lag_seconds",
            "Age of the newest event of the latest batch, by the event's own time. High while "
            "loyalty_broker_lag_seconds is low: a sender delivers late.",
            ["partition"],
            registry=registry,
        )
        self._broker_lag = Gauge(
            "loyalty_broker_lag_seconds",
            "Age of the oldest record of the latest batch, by the broker's time, when it was committed. When it rises: "
            "the worker is behind or stuck; see loyalty_lag_records.",
            ["partition"],
            registry=registry,
        )
        self._restore_seconds = Histogram(
            "loyalty_restore_seconds",
            "Duration of taking over partitions: fencing, restoring, settling positions. When it nears the rebalance "
            "timeout of 60 s: fewer accounts for each worker, or compact the accounts topic sooner.",
            buckets=_RESTORE_SECONDS,
            registry=registry,
        )
        self._restored = Counter(
            "loyalty_restored_records",
            "State records read at taking over partitions. Rises with each rebalance only. With the store on disk, as "
            "many as loyalty_state_records: what was there was thrown away; the log says why.",
            registry=registry,
        )
        self._build = Info(
            "loyalty_build", "Which release runs. More than one at a time: a rollout is under way.", registry=registry
        )
        self._build.info({"version": _version(), "python": python_version(), "engine": engine()})

    def watch(
        self,
        *,
        accounts: Callable[[], float],
        partitions: Callable[[], float],
        ready: Callable[[], float],
        batch_age_seconds: Callable[[], float],
        lag_records: Callable[[], Iterable[tuple[int, int]]],
        state_records: Callable[[], float],
        store_disk_bytes: Callable[[], float],
    ) -> None:
        """Add the gauges that are read when scraped. The functions are called from the server's thread.

        `lag_records` says for each partition how many records wait.
        """
        self.registry.register(_LagRecords(lag_records))
        for name, help_text, read in (
            (
                "loyalty_accounts",
                "Members whose state this worker holds. A fall without a rebalance: look at once.",
                accounts,
            ),
            (
                "loyalty_state_records",
                "State records that this worker holds: accounts, purchases and what else may be asked for again.",
                state_records,
            ),
            (
                "loyalty_store_disk_bytes",
                "What this worker's state takes of the disk; 0 with the store in memory. Near its size: give it room.",
                store_disk_bytes,
            ),
            (
                "loyalty_partitions",
                "Partition numbers this worker owns. 0 for long: more workers than partitions.",
                partitions,
            ),
            (
                "loyalty_batch_age_seconds",
                "Age of the oldest batch under way, 0 without one. Over some seconds: it waits for the brokers.",
                batch_age_seconds,
            ),
            ("loyalty_ready", "1 when restored, assigned and able to write. 0 for minutes: /readyz says why.", ready),
        ):
            Gauge(name, help_text, registry=self.registry).set_function(read)

    def stage(self, stage: str, seconds: float) -> None:
        """A stage of a batch has ended."""
        self._stage_seconds.labels(stage).observe(seconds)

    def batch(self, partition: int, records: Sequence[Record], counts: Counts, *, now_us: int, seconds: float) -> None:
        """A batch has been committed."""
        self._transactions.inc()
        self._batch_seconds.observe(seconds)
        self._batch_records.observe(len(records))
        oldest_ms = min((record.timestamp_ms for record in records), default=now_us // 1000)
        self._broker_lag.labels(str(partition)).set(max(0.0, now_us / 1e6 - oldest_ms / 1e3))
        self._count(counts)
        if counts.event_time_us_max:
            self._event_lag.labels(str(partition)).set(max(0.0, (now_us - counts.event_time_us_max) / 1e6))

    def taken_over(self, *, records: int, seconds: float) -> None:
        """Partitions have been taken over."""
        self._restored.inc(records)
        self._restore_seconds.observe(seconds)

    def given_up(self) -> None:
        """All partitions have been given up: what was said about them is the next owner's to say."""
        for gauge in (self._event_lag, self._broker_lag):
            gauge.clear()

    def _count(self, counts: Counts) -> None:
        for (kind, outcome), count in counts.events.items():
            self._events.labels(self._types(kind), outcome).inc(count)
        for counter, amounts in (
            (self._points, counts.points),
            (self._points_taken_back, counts.taken_back),
            (self._points_redeemed, counts.redeemed),
            (self._points_restored, counts.restored),
        ):
            for (rule, currency), amount in amounts.items():
                counter.labels(self._rules(rule), self._currencies(currency)).inc(max(0, amount))
        _add(self._points_forfeited, counts.forfeited, self._rules)
        _add(self._points_expired, counts.expired, self._currencies)
        for (status, reason), count in counts.redemptions.items():
            self._redemptions.labels(status, reason).inc(count)
        for kind, count in counts.notices.items():
            self._notices.labels(kind).inc(count)
        for (kind, outcome), count in counts.limit_claims.items():
            self._limit_claims.labels(kind, outcome).inc(count)
        _add(self._tier_changes, counts.tier_changes, self._tiers)
        _add(self._dead_letters, counts.dead_letters, self._codes)
        self._forwarded.inc(counts.forwarded)
        self._unknown_fields.inc(counts.unknown_fields)


def _add(counter: Counter, counts: Mapping[str, int], bounded: Bounded) -> None:
    for value, count in counts.items():
        counter.labels(bounded(value)).inc(count)


def _version() -> str:
    try:
        return version("loyalty")
    except PackageNotFoundError:  # Run from a checkout that is not installed.
        return "unknown"
