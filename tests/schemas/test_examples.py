"""Every example in schemas/examples is what it says it is."""

import json
from typing import Any

import jsonschema
import pytest

from schemas.decode import CONTRACTS, Anonymous, DecodeCode, Known, Undecodable, decode, examine
from schemas.envelope import TOPIC_OF_TYPE
from schemas.jsonschema import schema_of
from schemas.refusals import MESSAGE_CHARS_MAX
from tests.schemas.examples import BAD, GOOD, Bad, Good

each_good = pytest.mark.parametrize("good", GOOD, ids=lambda good: f"{good.event_type}: {good.name}")
each_bad = pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.event_type}: {bad.name}")


@pytest.mark.parametrize("event_type", sorted(CONTRACTS))
def test_every_inbound_type_has_three_good_and_ten_bad_examples(event_type: str) -> None:
    assert sum(good.event_type == event_type for good in GOOD) >= 3
    assert sum(bad.event_type == event_type for bad in BAD) >= 10


@each_good
def test_a_good_example_decodes_on_its_topic_even_when_strict(good: Good) -> None:
    decoded = decode(good.raw, topic=TOPIC_OF_TYPE[good.event_type], strict=True)
    assert isinstance(decoded, Anonymous if good.anonymous else Known)
    assert decoded.unknown_fields == ()


@each_good
@pytest.mark.parametrize(
    "write",
    [
        lambda event: json.dumps(event).encode(),
        lambda event: json.dumps(event, indent=2, ensure_ascii=False).encode(),
        lambda event: json.dumps(event, separators=(" , ", " : ")).encode(),
        lambda event: json.dumps(event, sort_keys=True).encode() + b"\n",
    ],
    ids=["spaced", "indented", "space before colon", "sorted, with a line end"],
)
def test_the_way_of_writing_json_changes_nothing(good: Good, write: Any) -> None:
    assert decode(write(good.event)) == decode(good.raw) == examine(good.raw)


@each_bad
def test_a_bad_example_is_refused_with_its_code_and_sentence(bad: Bad) -> None:
    decoded = decode(bad.raw, topic=bad.topic, strict=bad.strict)
    assert isinstance(decoded, Undecodable), decoded
    assert (decoded.code, bad.says in decoded.message) == (bad.code, True), decoded
    assert len(decoded.message) <= MESSAGE_CHARS_MAX


@each_bad
def test_no_sentence_shows_who_the_member_is(bad: Bad) -> None:
    decoded = decode(bad.raw, topic=bad.topic, strict=bad.strict)
    assert isinstance(decoded, Undecodable)
    assert "member-4" not in decoded.message


def test_every_code_has_a_way_to_get_it() -> None:
    beyond_examples = {DecodeCode.TOO_LARGE}  # 256 KiB belong in no example file; see test_decode.
    assert {bad.code for bad in BAD} | beyond_examples == set(DecodeCode)


@each_good
def test_a_good_example_satisfies_the_json_schema(good: Good) -> None:
    jsonschema.validate(good.event, schema_of(good.event_type), cls=jsonschema.Draft202012Validator)


SEEN_BY_DECODE_ALONE = {
    "nobody holds the pool",
    "a holder for who leaves",
    # JSON Schema cannot say these: uniqueness by a field, sums, days, numbers without a point.
    "a day that does not exist",
    "before 1970",
    "a line id twice",
    "a line twice",
    "tenders that do not add up",
    "money with a point and no fraction",
    "money with an exponent",
    "a leap day in another year",
    # Nor what one field asks of another, and which day lies after which.
    "an opening below zero",
    "a tier by goodwill",
    "an operator who approves the own adjustment",
    "an end that the calendar does not have",
    "an end before the earning",
    "neither a reward nor a payment",
    "a reward and a payment",
    "a quantity of a payment",
    "a payment for no sale",
    "an amount beside points",
    "units of nothing",
}


@each_bad
def test_the_json_schema_refuses_what_it_can_express(bad: Bad) -> None:
    expressible = bad.code in {DecodeCode.INVALID_EVENT, DecodeCode.WRONG_SPECVERSION, DecodeCode.WRONG_CONTENT_TYPE}
    if not expressible:
        return
    validator = jsonschema.Draft202012Validator(schema_of(bad.event_type))
    assert validator.is_valid(json.loads(bad.raw)) == (bad.name in SEEN_BY_DECODE_ALONE)
