"""Metrics, health and logs: what an operator sees of a worker."""

import json
import logging
import re
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest
import structlog
from prometheus_client import CollectorRegistry, generate_latest

from workers.counts import Counts
from workers.fatal import Refusal
from workers.health import Health, HealthServer
from workers.logs import configure_logs
from workers.metrics import Metrics
from workers.records import Record

NOW_US = 1_700_000_000_000_000
UNITS = (
    "events",
    "points",
    "claims",
    "back",
    "forfeited",
    "redeemed",
    "restored",
    "redemptions",
    "changes",
    "letters",
    "fields",
    "records",
    "seconds",
    "transactions",
    "expired",
    "notices",
    "bytes",
)
COUNTED_THINGS = {"loyalty_accounts", "loyalty_partitions", "loyalty_ready", "loyalty_build"}


def metrics() -> Metrics:
    made = Metrics(CollectorRegistry())
    made.watch(
        accounts=lambda: 7,
        partitions=lambda: 2,
        ready=lambda: 1,
        batch_age_seconds=lambda: 1.5,
        lag_records=lambda: [(1, 11)],
        state_records=lambda: 23,
        store_disk_bytes=lambda: 4096,
    )
    return made


def samples(made: Metrics) -> dict[str, str]:
    lines = generate_latest(made.registry).decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#") and "_created" not in line)


def test_a_batch_moves_the_counters() -> None:
    made = metrics()
    counts = Counts(
        events=defaultdict(int, {("loyalty.purchase.v1", "applied"): 3}),
        points=defaultdict(int, {("base", "points"): 120}),
        taken_back=defaultdict(int, {("base", "points"): 20}),
        forfeited=defaultdict(int, {"base": 9}),
        tier_changes=defaultdict(int, {"gold": 1}),
        dead_letters=defaultdict(int, {"too_large": 2}),
        limit_claims=defaultdict(int, {("stock", "denied"): 6}),
        forwarded=4,
        unknown_fields=5,
        event_time_us_max=NOW_US - 60_000_000,
    )
    record = Record("purchases", 1, 0, NOW_US // 1000 - 2_000, None, None)
    made.batch(1, [record], counts, now_us=NOW_US, seconds=0.5)
    made.taken_over(records=100, seconds=2.0)
    found = samples(made)
    for name, value in {
        'loyalty_events_total{outcome="applied",type="loyalty.purchase.v1"}': 3,
        'loyalty_points_total{currency="points",rule="base"}': 120,
        'loyalty_points_taken_back_total{currency="points",rule="base"}': 20,
        'loyalty_points_forfeited_total{rule="base"}': 9,
        'loyalty_tier_changes_total{tier="gold"}': 1,
        'loyalty_dead_letters_total{code="too_large"}': 2,
        "loyalty_forwarded_events_total": 4,
        'loyalty_limit_claims_total{kind="stock",outcome="denied"}': 6,
        "loyalty_unknown_fields_total": 5,
        "loyalty_transactions_total": 1,
        'loyalty_event_lag_seconds{partition="1"}': 60,
        'loyalty_broker_lag_seconds{partition="1"}': 2,
        'loyalty_lag_records{partition="1"}': 11,
        "loyalty_restored_records_total": 100,
        "loyalty_accounts": 7,
        "loyalty_partitions": 2,
        "loyalty_ready": 1,
        "loyalty_batch_age_seconds": 1.5,
    }.items():
        assert float(found[name]) == value, name


def test_every_metric_is_named_in_its_unit_and_says_what_to_do() -> None:
    for family in metrics().registry.collect():
        assert family.name.startswith("loyalty_")
        assert family.name.endswith(UNITS) or family.name in COUNTED_THINGS, family.name
        assert len(re.findall(r"[.:?]", family.documentation)) >= 2, f"{family.name} only says what it is"


def test_label_values_are_bounded() -> None:
    made = metrics()
    for number in range(300):
        counts = Counts(dead_letters=defaultdict(int, {f"code-{number}": 1}))
        made.batch(0, [], counts, now_us=NOW_US, seconds=0.1)
    codes = [name for name in samples(made) if name.startswith("loyalty_dead_letters_total{")]
    assert len(codes) == 201
    assert samples(made)['loyalty_dead_letters_total{code="other"}'] == "100.0"


@pytest.fixture
def server() -> tuple[HealthServer, Health]:
    health = Health()
    served = HealthServer("127.0.0.1", 0, registry=metrics().registry, health=health)
    served.start()
    return served, health


def ask(server: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_port_serves_metrics_health_and_readiness(server: tuple[HealthServer, Health]) -> None:
    served, health = server
    assert ask(served, "/metrics")[1].count("# HELP") > 10
    assert ask(served, "/healthz") == (200, '{"ok":true,"problem":null}\n')
    assert ask(served, "/readyz")[0] == 503
    health.not_ready = lambda: None
    assert ask(served, "/readyz")[0] == 200
    health._beaten -= 60
    assert ask(served, "/healthz")[0] == 503
    assert "event loop" in ask(served, "/readyz")[1]
    assert ask(served, "/")[0] == 404


def test_an_address_that_is_taken_is_refused(server: tuple[HealthServer, Health]) -> None:
    other = HealthServer("127.0.0.1", server[0].port, registry=CollectorRegistry(), health=Health())
    with pytest.raises(Refusal, match=f"cannot serve metrics on 127.0.0.1:{server[0].port}"):
        other.start()


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What has been logged; logging is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield lambda: capsys.readouterr().err
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_all_loggers_write_one_json_object_a_line(log: Callable[[], str]) -> None:
    configure_logs("info")
    structlog.stdlib.get_logger("workers.x").info("ready", partitions=[1])
    logging.getLogger("faust.app").warning("slow %s", "thing")
    logging.getLogger("aiokafka").info("inside")
    lines = [json.loads(line) for line in log().splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("ready", "info"), ("slow thing", "warning")]
    assert lines[0]["partitions"] == [1]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_traceback_does_not_show_the_values_of_variables(as_json: bool, log: Callable[[], str]) -> None:
    configure_logs("info", json=as_json)

    def decide(member: str) -> None:
        raise ValueError(f"{len(member)} letters")

    try:
        decide("secret" + "-member")
    except ValueError as error:
        structlog.stdlib.get_logger("workers.x").critical("stopped", exc_info=error)
    text = log()
    assert "13 letters" in text
    assert "in decide" in text or '"decide"' in text
    assert "secret-member" not in text
