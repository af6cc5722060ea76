"""What `loyalty worker` does not start with, or stops over: one sentence that says why, an exit code, no traceback."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson
import pytest

from tests.integration.engine_books import check_books, check_journal_replay, outcome_of
from tests.integration.engine_cluster import LOYALTY, WAIT_SECONDS, EngineCluster, LoyaltyWorker
from tests.integration.engine_events import Message, sale
from tests.integration.engine_programs import GROCERY, PLAIN, written
from tests.integration.harness import ROOT
from workers.topic_words import REQUIRED

REFUSED = 1
STOPPED = 70
PARTITIONS = 2


@pytest.fixture(scope="module")
def idle(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineCluster]:
    """An engine that could work: each test gives a worker of it one wrong setting."""
    directory = tmp_path_factory.mktemp("refusals")
    with EngineCluster(kafka, f"refusals-{os.urandom(6).hex()}.", directory, GROCERY, partitions=PARTITIONS) as cluster:
        cluster.create_topics()
        yield cluster


def ended(worker: LoyaltyWorker) -> tuple[int, str]:
    """Exit code and everything it said."""
    return worker.ended(WAIT_SECONDS), worker.log.read_text()


SASL = {
    "SASL_MECHANISM": "PLAIN",
    "SASL_USERNAME": "loyalty",
    "SASL_PASSWORD": "hunter2-secret",
}

SETTINGS: Mapping[str, tuple[dict[str, str], list[str]]] = {
    # what is wrong with the settings, what is said about it
    "unreachable broker": (
        {"BOOTSTRAP_SERVERS": "127.0.0.1:1"},
        ["cannot talk to the brokers at 127.0.0.1:1", "LOYALTY_BOOTSTRAP_SERVERS"],
    ),
    "broker's name unknown": (
        {"BOOTSTRAP_SERVERS": "no-such-host.invalid:9092"},
        ["no-such-host.invalid", "LOYALTY_BOOTSTRAP_SERVERS"],
    ),
    "other prefix": ({"PREFIX": "nobody."}, ["nobody.purchases", "loyalty topics create"]),
    "other number of partitions": (
        {"PARTITIONS": "5"},
        ["every topic must have 5 partitions", "purchases has 2", "LOYALTY_PARTITIONS"],
    ),
    "misspelt setting": ({"BOOTSTRAP_SERVER": "127.0.0.1:9092"}, ["LOYALTY_BOOTSTRAP_SERVER is no setting"]),
    "password in the clear": (
        {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", **SASL},
        ["SASL_PLAINTEXT sends the password in the clear", "SASL_SSL"],
    ),
    "no password": ({"SECURITY_PROTOCOL": "SASL_SSL"}, ["SASL_SSL needs", "LOYALTY_SASL_PASSWORD"]),
    "TLS to a broker without": ({"SECURITY_PROTOCOL": "SSL"}, ["cannot talk to the brokers"]),
    "certificates that are not there": (
        {"SECURITY_PROTOCOL": "SSL", "TLS_CA_FILE": "no-such-file.pem"},
        ["TLS files cannot be used", "No such file"],
    ),
    "program that is not there": ({"PROGRAMS": "no-such-program.yaml"}, ["no-such-program.yaml"]),
    "data directory that is a file": ({"DATA_DIRECTORY": "README.md"}, ["README.md", "LOYALTY_DATA_DIRECTORY"]),
}


@pytest.fixture(scope="module")
def refused(idle: EngineCluster) -> Mapping[str, tuple[int, str]]:
    """How a worker ended with each of them. All at once: most of it is starting Python."""
    workers = {what: idle.start(**wrong) for what, (wrong, _) in SETTINGS.items()}
    return {what: ended(worker) for what, worker in workers.items()}


@pytest.mark.parametrize("what", SETTINGS)
def test_settings_that_cannot_work_are_refused(what: str, refused: Mapping[str, tuple[int, str]]) -> None:
    code, said = refused[what]
    assert code == REFUSED, said
    for words in SETTINGS[what][1]:
        assert words in said
    assert_plain(said)


def assert_plain(said: str) -> None:
    """One sentence; never a traceback, never a password.

    The worker may have said before that it starts, and the client which broker it tried.
    """
    assert "Traceback" not in said
    assert '"exception"' not in said
    assert SASL["SASL_PASSWORD"] not in said
    before = ('"logger": "aiokafka"', '"event": "starting"')
    sentences = [line for line in said.splitlines() if not any(words in line for words in before)]
    assert len(sentences) == 1, said


PROGRAMS = {
    # what is wrong, what it becomes in the program, line of the file, what is said
    "no YAML": ("zone: America/New_York", "zone: [America", 5, "not valid YAML"),
    "unknown key": ("money: USD", "money: USD\nmonney: USD", 6, "monney"),
    "points as a word": ("{points: 10}", "{points: ten}", 11, "ten"),
}


@pytest.fixture(scope="module")
def broken(idle: EngineCluster) -> Mapping[str, tuple[int, str]]:
    """How a worker ended with each of the broken programs."""
    workers = {}
    for number, (what, (old, new, _, _)) in enumerate(PROGRAMS.items()):
        assert old in PLAIN
        program = written(PLAIN.replace(old, new, 1), idle.directory / f"program-{number}" / "broken.yaml")
        workers[what] = idle.start(PROGRAMS=str(program))
    return {what: ended(worker) for what, worker in workers.items()}


@pytest.mark.parametrize("what", PROGRAMS)
def test_a_broken_program_is_refused_with_file_and_line(what: str, broken: Mapping[str, tuple[int, str]]) -> None:
    code, said = broken[what]
    _, _, line, words = PROGRAMS[what]
    assert code == REFUSED, said
    assert f"broken.yaml:{line}" in said
    assert words in said
    assert_plain(said)


def test_a_port_that_is_taken_is_named(idle: EngineCluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code, said = ended(idle.start(METRICS_PORT=str(port)))
    assert code == REFUSED
    assert f"cannot serve metrics on 127.0.0.1:{port}" in said
    assert "LOYALTY_METRICS_PORT" in said
    assert_plain(said)


def test_topics_that_are_missing_are_named(kafka: str, prefix: str, tmp_path: Path) -> None:
    with EngineCluster(kafka, prefix, tmp_path, GROCERY, partitions=PARTITIONS) as cluster:
        code, said = ended(cluster.start())
    assert code == REFUSED
    assert all(f"{prefix}{word}" in said for word in REQUIRED)
    assert "loyalty topics create" in said
    assert_plain(said)


# ------------------------------------------------------------------ programs that change
def sales(first: int, count: int) -> list[Message]:
    return [
        Message("purchases", f"m{n % 7}".encode(), orjson.dumps(sale(f"s{n}", f"m{n % 7}")))
        for n in range(first, first + count)
    ]


def test_a_changed_program_is_refused_until_it_is_accepted(kafka: str, prefix: str, tmp_path: Path) -> None:
    program = written(PLAIN, tmp_path / "programs" / "plain.yaml")
    with EngineCluster(kafka, prefix, tmp_path, program, partitions=PARTITIONS) as cluster:
        cluster.create_topics()
        cluster.publish(sales(0, 40))
        cluster.start()
        cluster.wait_taken()
        cluster.stop()
        before = outcome_of(cluster)

        changed = PLAIN.replace("{points: 1, per", "{points: 2, per")
        written(changed, program)
        cluster.publish(sales(40, 40))
        code, said = ended(cluster.start())
        assert code == REFUSED
        assert "version 1 was changed (digest " in said
        assert "LOYALTY_ACCEPT_PROGRAM_CHANGE" in said
        assert_plain(without_noise(said))

        late = PLAIN.replace('version: "1"', 'version: "2"').replace("2017-01-01", "2018-01-01")
        written(late, program)
        code, said = ended(cluster.start())
        assert code == REFUSED
        assert "version 1 is missing" in said
        assert "version 2 is new but starts in the past" in said
        assert outcome_of(cluster) == before

        # A comment and another order of keys are no change.
        written(f"# the same\n{PLAIN}", program)
        cluster.start()
        cluster.wait_taken()
        cluster.stop()
        check_journal_replay(cluster)

        written(changed, program)
        cluster.publish(sales(80, 40))
        cluster.start(ACCEPT_PROGRAM_CHANGE="true")
        cluster.wait_taken()
        cluster.stop()
        check_books(cluster)
        given = [orjson.loads(value)["data"] for value in cluster.values("ledger")]
        digests = {data["cause"]["id"]: data["digest"] for data in given}
        assert digests["s0"] == digests["s79"] != digests["s80"] == digests["s119"]


def without_noise(said: str) -> str:
    """Without the worker's greetings, which come before it has looked at the state."""
    return "\n".join(line for line in said.splitlines() if '"serving metrics"' not in line)


# ------------------------------------------------------------------ nearly all of it is wrong
def test_nearly_all_dead_letters_stop_the_worker_before_it_writes(kafka: str, prefix: str, tmp_path: Path) -> None:
    junk = [Message("purchases", b"m1", b"{", 0) for _ in range(95)]
    good = [
        Message("purchases", f"m{n}".encode(), orjson.dumps(sale(f"s{n}", f"m{n}")), 0) for n in range(5)
    ]  # Some of them are to be forwarded.
    with EngineCluster(kafka, prefix, tmp_path, GROCERY, partitions=PARTITIONS) as cluster:
        cluster.create_topics()
        cluster.publish([*junk[:50], *good, *junk[50:]])
        worker = cluster.start(DEAD_LETTER_STOP_SHARE="0.9")
        code, said = ended(worker)
        assert code == STOPPED
        assert "95 of 100 events of partition 0 would become dead letters" in said
        for word in ("dead-letters", "ledger", "balances", "tiers", "accounts", "journal", "inbox"):
            assert cluster.read(word, "read_uncommitted") == [], word

        # Told to go on, it takes them all; a share that is not reached stops nothing.
        cluster.start(DEAD_LETTER_STOP_SHARE="0.96")
        cluster.wait_taken()
        cluster.stop()
        assert len(cluster.read("dead-letters")) == 95
        check_books(cluster)
        check_journal_replay(cluster)


def test_ctrl_c_is_a_clean_end_too(idle: EngineCluster) -> None:
    worker = idle.start()
    worker.wait_ready()
    worker.signal(signal.SIGINT)
    code, said = ended(worker)
    assert code == 0, said
    assert "Traceback" not in said


def test_help_says_what_the_exit_codes_mean() -> None:
    done = subprocess.run([*LOYALTY, "worker", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert all(code in done.stdout for code in ("0 stopped by a signal", "70"))
