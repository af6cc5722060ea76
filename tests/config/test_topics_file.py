"""The topics file holds what the engine needs, and an edit that loses the books is refused."""

import pytest
from pydantic import ValidationError

from config.topics import Role, Topic, load_topics, parse_topics, topic_name
from schemas.envelope import TOPIC_OF_TYPE
from workers.topic_words import INPUTS, REQUIRED

DAY_MS = 86_400_000


def test_every_topic_of_the_worker_and_of_every_event_is_there() -> None:
    words = load_topics().keys()
    assert set(REQUIRED) <= words
    assert set(TOPIC_OF_TYPE.values()) <= words


def test_what_the_worker_reads_is_an_input_or_its_own_inbox() -> None:
    topics = load_topics()
    assert {word: topics[word].role for word in INPUTS} == {
        **dict.fromkeys(INPUTS, Role.INPUT),
        "inbox": Role.INTERNAL,
    }


@pytest.mark.parametrize(
    ("word", "key", "value"),
    [
        ("purchases", "cleanup.policy", "delete"),
        ("purchases", "retention.ms", str(400 * DAY_MS)),
        ("purchases", "retention.bytes", "-1"),
        ("purchases", "max.message.bytes", "1048576"),
        ("ledger", "retention.ms", "-1"),
        ("ledger", "retention.bytes", "-1"),
        ("ledger", "max.message.bytes", "4194304"),
        ("journal", "retention.ms", "-1"),
        ("accounts", "cleanup.policy", "compact"),
        ("accounts", "delete.retention.ms", str(7 * DAY_MS)),
        ("accounts", "segment.ms", str(DAY_MS)),
    ],
)
def test_configuration_in_the_brokers_words(word: str, key: str, value: str) -> None:
    assert load_topics()[word].broker_config()[key] == value


def test_a_compacted_topic_has_no_age() -> None:
    assert "retention.ms" not in load_topics()["accounts"].broker_config()


def test_inputs_take_more_than_an_event_may_have() -> None:
    too_small = [
        word
        for word, topic in load_topics().items()
        if topic.role is Role.INPUT and topic.max_record_kib * 1024 <= 2 * 262_144
    ]
    assert too_small == [], "an event that is too large must arrive, to be answered with a dead letter"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ledger: {role: output, about: x, cleanup: delete, max_record_kib: 1, retention_days: 30}", "kept for ever"),
        ("x: {role: output, about: x, cleanup: delete, max_record_kib: 1}", "needs retention_days"),
        ("x: {role: output, about: x, cleanup: compact, max_record_kib: 1}", "needs delete_retention_days"),
        ("x: {role: output, about: x, cleanup: compact, max_record_kib: 1, retention_days: 3}", "no retention_days"),
        ("x: {role: boss, about: x, cleanup: delete, max_record_kib: 1, retention_days: 3}", "role"),
        ("x: {role: output, about: x, cleanup: delete, max_record_kib: 0, retention_days: 3}", "max_record_kib"),
        ("x: {role: output, about: x, cleanup: delete, max_record_kib: 1, retention_days: 3, size: 1}", "size"),
        ("X Y: {role: output, about: x, cleanup: delete, max_record_kib: 1, retention_days: 3}", "X Y"),
    ],
)
def test_what_cannot_be_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        parse_topics(f"topics:\n  {text}\n")


def test_topics_are_immutable() -> None:
    topic: Topic = load_topics()["ledger"]
    with pytest.raises(ValidationError, match="frozen"):
        topic.cleanup = "compact"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("prefix", "word", "name"),
    [("loyalty.", "ledger", "loyalty.ledger"), ("", "dead-letters", "dead-letters"), ("eu-", "tiers", "eu-tiers")],
)
def test_a_name_is_prefix_and_word(prefix: str, word: str, name: str) -> None:
    assert topic_name(prefix, word) == name
