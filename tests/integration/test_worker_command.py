"""`loyalty worker` as an operator starts it: the real engine, a shipped program, and settings that cannot work."""

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.integration.engine_cluster import EngineCluster
from tests.integration.engine_events import Message
from tests.integration.harness import PARTITIONS, ROOT, Cluster, wait_for

ONE_PER_UNIT = ROOT / "config" / "programs" / "one-per-unit.yaml"
COMMAND = [sys.executable, "-c", "from workers.cli import main; main()", "worker"]


def environment(bootstrap: str, prefix: str, directory: Path, **settings: str) -> dict[str, str]:
    names = {
        "BOOTSTRAP_SERVERS": bootstrap,
        "PREFIX": prefix,
        "PARTITIONS": str(PARTITIONS),
        "PROGRAMS": str(ONE_PER_UNIT),
        "DATA_DIRECTORY": str(directory / "data"),
        "METRICS_PORT": "0",
        **settings,
    }
    return os.environ | {f"LOYALTY_{name}": value for name, value in names.items()}


def purchase(number: int) -> bytes:
    line = {"line_id": "1", "sku": "SKU-9", "category": "coffee", "quantity": "1", "amount_minor": 1190}
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": f"event-{number}",
            "source": "/pos/store-12",
            "type": "loyalty.purchase.v1",
            "time": "2020-11-21T10:15:00-05:00",
            "subject": "member-raw",
            "datacontenttype": "application/json",
            "data": {
                "transaction_id": f"transaction-{number}",
                "store_id": "12",
                "channel": "store",
                "currency": "USD",
                "lines": [line],
            },
        }
    )


def test_it_decides_purchases_under_a_shipped_program_until_sigterm(cluster: Cluster, tmp_path: Path) -> None:
    cluster.publish_raw("purchases", [purchase(1), b"{", purchase(2), purchase(1)])
    with subprocess.Popen(
        COMMAND, env=environment(cluster.bootstrap, cluster.prefix, tmp_path), stderr=subprocess.PIPE
    ) as worker:
        wait_for("two entries", lambda: len(cluster.read("ledger")) == 2 or worker.poll() is not None)
        worker.terminate()
        _, log = worker.communicate(timeout=30)
    assert worker.returncode == 0, log.decode()
    balances = [orjson.loads(record.value)["data"] for record in cluster.read("balances")]
    assert [(balance["available"], balance["delta"], balance["sequence"]) for balance in balances] == [
        (11, 11, 1),
        (22, 11, 2),
    ]
    assert [letter.value for letter in cluster.read("dead-letters")] == [b"{"]
    assert b"member-raw" not in log


def test_it_goes_on_where_it_stopped_on_topics_as_the_command_makes_them(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    with EngineCluster(kafka, prefix, tmp_path, ONE_PER_UNIT) as cluster:
        cluster.create_topics()
        for numbers in ((1, 2), (3, 4), ()):  # The third start finds nothing to do but to restore.
            cluster.publish([Message("purchases", b"member-raw", purchase(number)) for number in numbers])
            cluster.start().wait_ready()
            cluster.wait_taken()
            cluster.stop()
        restored = [line["restored_records"] for line in cluster.workers[-1].lines() if line["event"] == "ready"]
        assert max(restored) > 0
        balances = [orjson.loads(value)["data"] for value in cluster.values("balances")]
        assert [(each["available"], each["sequence"]) for each in balances] == [(11, 1), (22, 2), (33, 3), (44, 4)]
        lines = [line for each in cluster.workers for line in each.lines()]
        assert [line for line in lines if line["level"] != "info" and line["logger"].startswith("workers.")] == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"PROGRAMS": "no/such/program.yaml"}, "no/such/program.yaml"),
        ({"PARTITONS": "3"}, "did you mean LOYALTY_PARTITIONS?"),
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, "LOYALTY_SASL_PASSWORD"),
        ({"SECURITY_PROTOCOL": "SSL", "TLS_CA_FILE": "no/such/ca.pem"}, "the TLS files cannot be used"),
    ],
    ids=["no program", "misspelt setting", "SASL without a password", "no CA file"],
)
def test_settings_that_cannot_work_are_one_sentence_and_exit_code_1(
    settings: dict[str, str], said: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        COMMAND,
        env=environment("127.0.0.1:1", "none.", tmp_path, **settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
