"""Publishing: every event in, unchanged and keyed by its member, or a reason and a place why not."""

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.partitioner import murmur2
from typer.testing import CliRunner, Result

from workers.cli import build_app
from workers.ndjson import InputError, Line, Source
from workers.publish import NOT_PUBLIC, Invalid, Valid, validate

REVIEW: dict[str, Any] = {
    "specversion": "1.0",
    "id": "r1",
    "source": "/reviews",
    "type": "loyalty.review.v1",
    "time": "2026-11-21T10:15:00-05:00",
    "subject": "member-42",
    "data": {
        "review_id": "r1",
        "sku": "SKU-9",
        "rating": 5,
        "text_length": 10,
        "has_photo": False,
        "verified_purchase": True,
        "status": "published",
    },
}
SHARE: dict[str, Any] = {
    **REVIEW,
    "id": "s1",
    "type": "loyalty.share.v1",
    "data": {"share_id": "s1", "network": "n", "content_id": "c", "kind": "share"},
}
SALE: dict[str, Any] = {
    **REVIEW,
    "id": "p1",
    "type": "loyalty.purchase.v1",
    "data": {
        "transaction_id": "p1",
        "store_id": "12",
        "channel": "store",
        "currency": "USD",
        "lines": [{"line_id": "1", "sku": "SKU-9", "quantity": "1", "amount_minor": 100}],
    },
}
ANONYMOUS = {key: value for key, value in SALE.items() if key != "subject"}
UNKNOWN = {**REVIEW, "id": "r2", "data": {**REVIEW["data"], "review_id": "r2", "mood": "sunny"}}

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """`loyalty ...` on a machine without settings; no cluster is near."""
    monkeypatch.setenv("LOYALTY_BOOTSTRAP_SERVERS", "127.0.0.1:1")

    def invoke(*arguments: str, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(build_app(), ["publish", *arguments], input=stdin)

    return invoke


def line(event: object) -> Line:
    return Line("f", 1, event if isinstance(event, bytes) else json.dumps(event).encode())


def written(path: Path, *events: object) -> str:
    path.write_bytes(b"".join(line(event).raw + b"\n" for event in events))
    return str(path)


@pytest.mark.parametrize(
    ("event", "topic", "strict", "outcome"),
    [
        (REVIEW, None, False, ("reviews", "member-42")),
        (SHARE, None, True, ("shares", "member-42")),
        (SALE, "purchases", True, ("purchases", "member-42")),
        (ANONYMOUS, None, True, ("purchases", None)),
        (UNKNOWN, None, False, ("reviews", "member-42")),
        (UNKNOWN, None, True, "unknown_field"),
        (REVIEW, "purchases", False, "wrong_topic"),
        (b'{"a":', None, False, "not_json"),
        ({**REVIEW, "time": "yesterday"}, None, False, "invalid_event"),
    ],
)
def test_a_line_is_judged_as_the_worker_would(
    event: object, topic: str | None, strict: bool, outcome: tuple[str, str | None] | str
) -> None:
    judged = validate(line(event), topic=topic, strict=strict)
    match judged:
        case Valid(word=word, member=member):
            assert (word, member) == outcome
        case Invalid(code=code):
            assert code == outcome


def test_only_the_worker_sends_awards() -> None:
    cause = {"source": "/s", "id": "1", "type": "loyalty.referral.v1"}
    award = {**REVIEW, "type": "loyalty.award.v1"}
    award["data"] = {"from_member": "m1", "rule": "r", "version": "1", "cause": cause}
    judged = validate(line(award))
    assert isinstance(judged, Invalid)
    assert judged.code == NOT_PUBLIC


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"a\nb\n", [(1, b"a"), (2, b"b")]),
        (b"a\r\n\r\n  \nb", [(1, b"a"), (4, b"b")]),
        (b"", []),
    ],
)
@pytest.mark.parametrize("suffix", [".ndjson", ".ndjson.gz"])
def test_lines_carry_their_number_and_blank_ones_are_skipped(
    tmp_path: Path, content: bytes, lines: list[tuple[int, bytes]], suffix: str
) -> None:
    path = tmp_path / f"f{suffix}"
    path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    assert [(each.number, each.raw) for each in Source(str(path)).lines()] == lines


def test_an_endless_line_is_cut_off_and_the_next_one_read(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * 40_000_000 + b"\nshort\n")
    first, second = Source(str(path)).lines()
    assert len(first.raw) <= 16 * 1024 * 1024
    assert second == Line(str(path), 2, b"short")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("f.gz", b"plain text", "[Nn]ot a gzip"),
        ("f.gz", gzip.compress(b"a\n" * 10_000, mtime=0)[:40], "damaged or cut off"),
        ("missing", None, "No such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sentence(
    tmp_path: Path, name: str, content: bytes | None, sentence: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        list(Source(str(tmp_path / name)).lines())


def test_a_dry_run_needs_no_cluster_and_names_every_refusal(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path / "f", REVIEW, b"{", UNKNOWN)
    result = run(file, "--dry-run")
    assert result.exit_code == 1
    assert f"{file}:2: not_json: " in result.stderr
    assert "2 valid, not published, 1 refused, of 3" in result.stdout
    assert "unknown field ignored: data.mood (1 times)" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "events", "exit_code"),
    [
        (["--dry-run"], [REVIEW], 0),
        (["--dry-run"], [], 0),
        (["--dry-run"], [b"["], 1),
        (["--dry-run", "--strict"], [UNKNOWN], 1),
        (["--dry-run", "--topic", "ledger"], [REVIEW], 2),
        (["--rate", "0"], [REVIEW], 2),
    ],
)
def test_exit_codes(run: Run, tmp_path: Path, arguments: list[str], events: list[object], exit_code: int) -> None:
    assert run(written(tmp_path / "f", *events), *arguments).exit_code == exit_code


def test_strict_publishes_nothing_when_a_line_is_refused(run: Run, tmp_path: Path) -> None:
    # No cluster is near: had it tried to connect, the exit would say so.
    result = run(written(tmp_path / "f", REVIEW, UNKNOWN), "--strict", "--json")
    summary = json.loads(result.stdout)
    assert (result.exit_code, summary["published"], summary["invalid_by_code"]) == (1, 0, {"unknown_field": 1})
    assert summary["refused"][0]["line"] == 2


@pytest.mark.slow  # The client tries for five seconds.
def test_no_cluster_is_a_sentence(tmp_path: Path) -> None:
    # A process of its own: a client that never connected goes on trying for as long as its process lives.
    command = [sys.executable, "-c", "from workers.cli import main; main()", "publish", written(tmp_path / "f", REVIEW)]
    environment = os.environ | {"LOYALTY_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("loyalty: no broker answers at 127.0.0.1:1 over PLAINTEXT")
    assert "Traceback" not in done.stderr


class TestOnAClusterThatRuns:
    """What arrives on the topics."""

    @pytest.fixture
    def run_here(self, run: Run, kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Run:
        monkeypatch.setenv("LOYALTY_BOOTSTRAP_SERVERS", kafka)
        monkeypatch.setenv("LOYALTY_PREFIX", prefix)
        monkeypatch.setenv("LOYALTY_PARTITIONS", "3")
        assert CliRunner().invoke(build_app(), ["topics", "create"]).exit_code == 0
        return run

    def records(self, kafka: str, topic: str) -> list[Any]:
        consumer = KafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest", group_id=None)
        try:
            partitions = [TopicPartition(topic, number) for number in range(3)]
            consumer.assign(partitions)
            consumer.seek_to_beginning()
            ends = consumer.end_offsets(partitions)
            found: list[Any] = []
            deadline = time.monotonic() + 30
            while len(found) < sum(ends.values()) and time.monotonic() < deadline:
                found += [record for records in consumer.poll(500).values() for record in records]
            return found
        finally:
            consumer.close()

    @pytest.mark.parametrize("way", ["file", "gz", "stdin", "stdin strict"])
    def test_bytes_key_partition_and_time(
        self, run_here: Run, kafka: str, prefix: str, tmp_path: Path, way: str
    ) -> None:
        events = [{**REVIEW, "subject": f"member-{number}", "id": f"r{number}"} for number in range(20)]
        content = b"".join(line(event).raw + b"\n" for event in [*events, SHARE])
        path = tmp_path / ("f.gz" if way == "gz" else "f")
        path.write_bytes(gzip.compress(content) if way == "gz" else content)
        arguments = {"stdin": ["-"], "stdin strict": ["-", "--strict"]}.get(way, [str(path)])
        before_ms = time.time() * 1000

        result = run_here(*arguments, "--json", stdin=content)

        summary = json.loads(result.stdout)
        assert (result.exit_code, summary["published"]) == (0, 21)
        assert summary["valid_by_topic"] == {"reviews": 20, "shares": 1}
        reviews = self.records(kafka, f"{prefix}reviews")
        assert {record.value for record in reviews} == {line(event).raw for event in events}
        for record in reviews:
            member = json.loads(record.value)["subject"].encode()
            assert record.key == member
            assert record.partition == (murmur2(member) & 0x7FFFFFFF) % 3
            assert record.timestamp >= before_ms - 1_000
        assert len(self.records(kafka, f"{prefix}shares")) == 1

    def test_refused_lines_do_not_hold_up_the_others(
        self, run_here: Run, kafka: str, prefix: str, tmp_path: Path
    ) -> None:
        result = run_here(written(tmp_path / "f", b"{", SALE, ANONYMOUS))
        assert result.exit_code == 1
        assert "2 published, 1 refused, of 3" in result.stdout
        keys = sorted((record.key is None, record.key) for record in self.records(kafka, f"{prefix}purchases"))
        assert keys == [(False, b"member-42"), (True, None)]

    def test_what_came_before_a_damaged_end_is_published_and_told(
        self, run_here: Run, kafka: str, prefix: str, tmp_path: Path
    ) -> None:
        events = [
            {**REVIEW, "id": f"{number:032x}", "data": {**REVIEW["data"], "review_id": f"{number:032x}"}}
            for number in range(2_000)
        ]
        whole = gzip.compress(b"".join(line(event).raw + b"\n" for event in events))
        path = tmp_path / "cut.gz"
        path.write_bytes(whole[: len(whole) * 3 // 4])

        result = run_here(str(path))

        count = len(self.records(kafka, f"{prefix}reviews"))
        assert result.exit_code == 1
        assert 0 < count < 2_000
        assert f"{count:,} events before it are published" in result.stderr

    def test_a_missing_topic_is_a_sentence(self, run_here: Run, tmp_path: Path) -> None:
        result = run_here(written(tmp_path / "f", REVIEW), "--prefix", "elsewhere.")
        assert result.exit_code == 1
        assert "there is no topic elsewhere.reviews" in result.stderr

    def test_a_rate_is_kept(self, run_here: Run, tmp_path: Path) -> None:
        events = [{**REVIEW, "id": f"r{number}"} for number in range(11)]
        summary = json.loads(run_here(written(tmp_path / "f", *events), "--rate", "10", "--json").stdout)
        assert summary["seconds"] >= 1.0
