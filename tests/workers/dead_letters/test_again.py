"""Where a dead letter goes back to, and which stay."""

import pytest

from loyalty.plan import Programs
from tests.loyalty.books import BASE, program
from tests.loyalty.events import NOON, back, micros, purchase, referral, wire
from tests.workers.dead_letters.letters_made import came, letter, placed
from workers.batch import Engine
from workers.dead_letters.again import Back, Stays, Why, again
from workers.dead_letters.letters import NOT_KEPT, letter_in
from workers.records import FORWARDED_HEADER, Record
from workers.store.memory import MemoryStore
from workers.topic_words import DEAD_LETTERS, INBOX

SALE = purchase("p1", 500)
ANONYMOUS = wire("purchase", "p1", None, NOON, {
    "transaction_id": "p1", "store_id": "s", "channel": "store", "currency": "USD",
    "lines": [{"line_id": "1", "sku": "a", "quantity": "1", "amount_minor": 5}],
})  # fmt: skip
NOON_US = micros(NOON)
OWN = (("trace", b"\x00\xff"), ("trace", b"2"))


@pytest.mark.parametrize(
    ("record", "sent"),
    [
        pytest.param(came(SALE, headers=OWN), Back("purchases", b"m1", SALE, OWN, None), id="as it came"),
        pytest.param(came(SALE, key=b"other"), Back("purchases", b"other", SALE, (), None), id="another key"),
        pytest.param(came(SALE, key=None), Back("purchases", None, SALE, (), 2), id="no key"),
        pytest.param(came(ANONYMOUS, key=None), Back("purchases", None, ANONYMOUS, (), 2), id="an anonymous sale"),
        pytest.param(came(SALE, offset=NOT_KEPT), Back("purchases", b"m1", SALE, (), None), id="it had waited"),
        pytest.param(
            came(SALE, headers=(("__loyalty.errors.code", b"x"), *OWN)),
            Back("purchases", b"m1", SALE, OWN, None),
            id="a sender's own errors",
        ),
        pytest.param(
            came(SALE, topic=INBOX, key=b"m1", headers=(*OWN, (FORWARDED_HEADER, b"purchases/1/4"))),
            Back("purchases", b"m1", SALE, OWN, None),
            id="forwarded",
        ),
        pytest.param(
            came(SALE, topic=INBOX, key=None), Back("purchases", b"m1", SALE, (), None), id="put into the inbox"
        ),
        pytest.param(came(b"{}"), Stays(Why.STILL_NO_EVENT, "wrong_specversion"), id="no event"),
        pytest.param(came(None), Stays(Why.STILL_NO_EVENT, "empty"), id="no bytes"),
        pytest.param(
            came(SALE, topic="reviews"), Stays(Why.STILL_NO_EVENT, "wrong_topic"), id="an event of another topic"
        ),
        pytest.param(came(SALE + b" " * 262_144), Stays(Why.CUT_OFF), id="too large"),
        pytest.param(came(SALE, key=b"k" * 70_000), Stays(Why.CUT_OFF), id="a key that is too large"),
        pytest.param(
            came(b"m|m1", topic="accounts", offset=NOT_KEPT), Stays(Why.NO_EVENT), id="what time alone brought"
        ),
        pytest.param(came(SALE, topic="nowhere"), Stays(Why.NO_TOPIC), id="no topic of ours"),
    ],
)
def test_a_letter_goes_back_as_it_came_or_stays(record: Record, sent: Back | Stays) -> None:
    assert again(letter(record)) == sent


def letters_of(text: str, records: list[Record]) -> list[Record]:
    engine = Engine(Programs([program(text)]), partitions=1)
    result = engine.decide_batch(0, records, MemoryStore(0), max(each.timestamp_ms for each in records) * 1_000)
    return placed(out for out in result.outputs if out.topic == DEAD_LETTERS)


def test_what_accounts_tell_each_other_goes_back_to_the_inbox() -> None:
    """An award that names a version which is not there goes back as it is, and is decided when the version is."""
    friends = "earn: [{id: friends, on: referral, give: {referrer: 20, referee: 10}, when: {stage: signed_up}}]\n"
    engine = Engine(Programs([program(friends)]), partitions=1)
    joined = Record("referrals", 0, 0, 0, b"m1", referral("f", "m2", stage="signed_up"), ())
    [sent] = [out for out in engine.decide_batch(0, [joined], MemoryStore(0), NOON_US).outputs if out.topic == INBOX]
    award = Record(INBOX, 0, 0, NOON_US // 1_000, sent.key, sent.value, sent.headers)
    [refused] = letters_of(BASE, [award])  # a program without the rule
    found = letter_in(refused)
    assert found is not None
    assert found.code == "unknown_rule"
    assert again(found) == Back(INBOX, b"m2", sent.value, (), None)


def test_a_return_that_waited_goes_back_as_it_was_written_anew() -> None:
    text = BASE + "returns: {park: P1D}\n"
    engine, state = Engine(Programs([program(text)]), partitions=1), MemoryStore(0)
    given_back = Record("purchases", 0, 0, 0, b"m1", back("r", "p1", [("1", "1", 100)]), ())
    state.apply(engine.decide_batch(0, [given_back], state, NOON_US).writes)
    [dead] = placed(engine.decide_batch(0, [], state, NOON_US + 86_400_000_001).outputs)
    found = letter_in(dead)
    assert found is not None
    assert (found.code, found.offset) == ("unknown_purchase", NOT_KEPT)
    sent = again(found)
    assert isinstance(sent, Back)
    assert (sent.word, sent.key, sent.headers, sent.partition) == ("purchases", b"m1", (), None)
    # Sent again behind its purchase, it is taken.
    state.apply(engine.decide_batch(0, [], state, NOON_US + 86_400_000_001).writes)
    both = [Record("purchases", 0, n, 0, b"m1", raw, ()) for n, raw in enumerate([purchase("p1", 300), sent.value])]
    outputs = engine.decide_batch(0, both, state, NOON_US + 86_400_000_002).outputs
    assert [out.topic for out in outputs if out.topic == DEAD_LETTERS] == []
    assert sum(out.topic == "ledger" for out in outputs) == 2


def test_what_goes_back_twice_is_taken_once() -> None:
    """Should a letter ever be sent twice, the engine knows the event by its id."""
    sent = again(letter(came(SALE)))
    assert isinstance(sent, Back)
    engine, state = Engine(Programs([program(BASE)]), partitions=1), MemoryStore(0)
    twice = [Record("purchases", 0, offset, 0, sent.key, sent.value, sent.headers) for offset in range(2)]
    result = engine.decide_batch(0, twice, state, NOON_US)
    assert sum(out.topic == "ledger" for out in result.outputs) == 1
    assert result.counts.events["loyalty.purchase.v1", "duplicate"] == 1
