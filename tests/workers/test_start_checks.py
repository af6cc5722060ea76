"""What is checked before and at taking over partitions, as tables."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
import structlog
from faust.types import TP

from config.topics import load_topics
from workers.fatal import EXIT_REFUSED, EXIT_STOPPED, BrokenChain, Refusal, exit_code
from workers.ownership import co_partitioned
from workers.positions import Gap, Positions
from workers.preflight import check_configs, check_topics, held_max_us
from workers.programs_check import check_programs
from workers.restore import CLOCK_AHEAD_US_MAX, Lost, _missing, check_state, refuse_lost

NOW = 1_000


@pytest.mark.parametrize(
    ("recorded", "held", "problem"),
    [
        ({}, {"1": ("a", 0)}, None),
        ({"1": "a"}, {"1": ("a", 0)}, None),
        ({"1": "a"}, {"1": ("a", 0), "2": ("b", NOW + 1)}, None),
        ({"1": "a"}, {"1": ("b", 0)}, r"version 1 was changed \(digest a became b\)"),
        ({"1": "a", "2": "b"}, {"2": ("b", 0)}, "version 1 is missing"),
        ({"1": "a"}, {"1": ("a", 0), "2": ("b", NOW)}, "version 2 is new but starts in the past"),
        ({"1": "a"}, {"1": ("b", 0), "2": ("b", 0)}, "version 1 was changed .*; version 2 is new"),
    ],
    ids=["first start", "same", "added in the future", "changed", "missing", "added in the past", "all are named"],
)
def test_programs_are_those_of_the_state(
    recorded: Mapping[str, str], held: Mapping[str, tuple[str, int]], problem: str | None
) -> None:
    if problem is None:
        check_programs(recorded, held, now_us=NOW, accept_change=False)
        return
    with pytest.raises(Refusal, match=problem):
        check_programs(recorded, held, now_us=NOW, accept_change=False)
    check_programs(recorded, held, now_us=NOW, accept_change=True)


@pytest.mark.parametrize(
    ("position", "first", "end", "gap"),
    [
        (5, 0, 9, None),
        (5, 5, 5, None),
        (0, 0, 0, None),
        (5, 7, 9, (5, 7)),
        (5, 7, 7, (5, 7)),
        (5, 0, 3, (5, 0)),
    ],
    ids=["within", "at both ends", "empty log", "retention took some", "retention took all", "topic made anew"],
)
def test_a_position_that_its_log_does_not_hold_is_a_gap(
    position: int, first: int, end: int, gap: tuple[int, int] | None
) -> None:
    found = _missing("purchases", position, first, end)
    assert (None if found is None else (found.first, found.next)) == gap


def test_what_is_lost_is_refused_with_the_setting_that_accepts_it() -> None:
    refuse_lost([])
    names = [Gap("purchases", 41, 90).named(3), Gap("inbox", 7, 0).named(0)]
    assert names == ["purchases-3:41-90", "inbox-0:7-0"]
    with pytest.raises(Refusal, match=r"^it is lost \(and 1 more like it\)$") as refused:
        refuse_lost([Lost(names[0], "it is lost"), Lost(names[1], "made anew")])
    assert refused.value.hint.endswith("LOYALTY_ACCEPT_MISSING_RANGE=purchases-3:41-90,inbox-0:7-0")


@pytest.mark.parametrize(
    ("assignment", "numbers"),
    [
        ([], []),
        ([("a", 0), ("b", 0)], [0]),
        ([("a", 2), ("b", 0), ("b", 2), ("a", 0)], [0, 2]),
        ([("a", 0)], None),
        ([("a", 0), ("b", 1)], None),
    ],
    ids=["nothing", "one", "two", "a topic is missing", "different numbers"],
)
def test_all_inputs_have_the_same_partitions(assignment: list[tuple[str, int]], numbers: list[int] | None) -> None:
    tps = [TP(topic, number) for topic, number in assignment]
    if numbers is None:
        with pytest.raises(Refusal, match="different partitions of different inputs"):
            co_partitioned(tps, ["a", "b"])
    else:
        assert co_partitioned(tps, ["a", "b"]) == numbers


@pytest.mark.parametrize(
    ("counts", "problem"),
    [
        ({"a": 3, "b": 3, "other": 1}, None),
        ({"a": 3}, "lacks topics: b"),
        ({"a": 3, "b": 4}, "must have 3 partitions, but b has 4"),
    ],
    ids=["as it should be", "missing", "unequal"],
)
def test_topics_exist_with_equal_partitions(counts: Mapping[str, int], problem: str | None) -> None:
    if problem is None:
        check_topics(["a", "b"], counts, partition_count=3)
    else:
        with pytest.raises(Refusal, match=problem):
            check_topics(["a", "b"], counts, partition_count=3)


DAY_MS = 86_400_000
LARGE = {"cleanup.policy": "compact", "max.message.bytes": "9999999", "delete.retention.ms": "-1"}


@pytest.mark.parametrize(
    ("config", "refused", "said"),
    [
        (LARGE, None, None),
        ({**LARGE, "cleanup.policy": "delete"}, "accounts has cleanup.policy=delete", None),
        ({**LARGE, "cleanup.policy": "compact,delete"}, "accounts has cleanup.policy=compact,delete", None),
        ({**LARGE, "max.message.bytes": "1048588"}, None, "accounts: max.message.bytes=1048588, wanted 4194304"),
        (None, None, "'topics': ['accounts']"),
    ],
    ids=["as it should be", "deletes by age", "does both", "too small", "not shown to us"],
)
def test_the_changelog_keeps_what_is_the_latest_of_a_key(
    config: Mapping[str, str] | None, refused: str | None, said: str | None
) -> None:
    wanted = {"accounts": load_topics()["accounts"]}
    configs = {} if config is None else {"accounts": config}
    if refused is not None:
        with pytest.raises(Refusal, match=f"^{refused}: "):
            check_configs(wanted, configs)
        return
    with structlog.testing.capture_logs() as logs:
        check_configs(wanted, configs)
    assert (said is None and not logs) or (said is not None and said in str(logs))


@pytest.mark.parametrize(
    ("found", "expected_ms"),
    [
        ({}, 7 * DAY_MS // 2),
        ({"delete.retention.ms": str(30 * DAY_MS)}, 7 * DAY_MS // 2),
        ({"delete.retention.ms": str(DAY_MS)}, DAY_MS // 2),
        ({"delete.retention.ms": "0"}, 0),
    ],
    ids=["not shown to us", "kept for longer", "kept for less than it should be", "not kept at all"],
)
def test_held_state_is_used_for_half_the_time_for_which_the_cluster_keeps_deletions(
    found: Mapping[str, str], expected_ms: int
) -> None:
    assert held_max_us(load_topics()["accounts"], found) == expected_ms * 1_000


STORED = Positions(next={}, now_us=NOW, sequence=1, programs={}, partitions=3, app="loyalty")


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        (None, None),
        (STORED, None),
        (replace(STORED, app=""), None),
        (replace(STORED, now_us=NOW + CLOCK_AHEAD_US_MAX), None),
        (replace(STORED, partitions=4), "written with 4 partitions a topic, now there are 3"),
        (replace(STORED, app="loyalti"), "belongs to the app loyalti, this worker is of the app loyalty"),
        (replace(STORED, now_us=NOW + CLOCK_AHEAD_US_MAX + 1), "300 s ahead of this machine's clock"),
    ],
    ids=["none", "ours", "of nobody", "a little ahead", "other partitions", "another app's", "far ahead"],
)
def test_only_state_of_this_engine_and_of_a_right_clock_is_gone_on_with(
    stored: Positions | None, problem: str | None
) -> None:
    if problem is None:
        check_state(stored, partition_count=3, app="loyalty", now_us=NOW)
        return
    with pytest.raises(Refusal, match=problem):
        check_state(stored, partition_count=3, app="loyalty", now_us=NOW)


def test_what_was_accepted_of_programs_is_logged() -> None:
    with structlog.testing.capture_logs() as logs:
        check_programs({"1": "a"}, {"1": ("b", 0)}, now_us=NOW, accept_change=True)
        check_programs({"1": "a"}, {"1": ("a", 0)}, now_us=NOW, accept_change=True)
    (accepted,) = logs
    assert accepted["log_level"] == "warning"
    assert accepted["problems"] == ["version 1 was changed (digest a became b)"]


@pytest.mark.parametrize(
    ("error", "code"),
    [(Refusal("no", hint="do"), EXIT_REFUSED), (BrokenChain("hole"), EXIT_STOPPED), (OSError("gone"), EXIT_STOPPED)],
)
def test_exit_codes_tell_a_refusal_from_a_stop(error: Exception, code: int) -> None:
    assert exit_code(error) == code
