"""The generator: the same seed gives the same stream, and what it makes up could have happened."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache

import orjson
import pytest

from loyalty.facts import Engagement, Fact, MemberUpdate, Purchase, Referral, Return, Review, Share
from schemas.decode import Known, Undecodable, decode
from schemas.encode import instant_text
from workers.demo.generator import Sent, derive

START_US = 1_483_290_000_000_000
STEP_US = 240 * 1_000_000
PURCHASES = 6_000
MEMBERS = 400


def purchase(number: int) -> bytes:
    """One of many baskets; a few lines with several pieces, one without a category."""
    lines = [
        {"line_id": str(at), "sku": f"sku-{(number * 7 + at) % 900}", "quantity": str(at % 4), "amount_minor": 199 * at}
        | ({} if at == 3 else {"category": "FUEL" if number % 50 == 0 else "DELI", "brand": "Private"})
        for at in range(1, 2 + number % 8)
    ]
    data = {"transaction_id": f"{number}", "store_id": "9", "channel": "store", "currency": "USD", "lines": lines}
    event = {
        "specversion": "1.0",
        "id": f"{number}",
        "source": "/pos/test/store-9",
        "type": "loyalty.purchase.v1",
        "time": instant_text(START_US + number * STEP_US),
        "subject": f"{number * number % MEMBERS}",
        "datacontenttype": "application/json",
        "data": data,
    }
    return orjson.dumps(event)


@cache
def stream(seed: int = 1) -> tuple[Sent, ...]:
    return tuple(derive(map(purchase, range(PURCHASES)), seed))


def facts() -> list[Fact]:
    """What was meant to be valid, decoded; duplicates left out."""
    found = []
    for sent in stream():
        if sent.kind in {"duplicate", "broken"}:
            continue
        decoded = decode(sent.raw, topic=sent.word, strict=True)
        assert isinstance(decoded, Known), (sent, decoded)
        assert decoded.fact.member == sent.member
        found.append(decoded.fact)
    return found


def test_g1_the_same_seed_gives_the_same_stream() -> None:
    assert tuple(derive(map(purchase, range(PURCHASES)), 1)) == stream(1)


def test_g1_another_seed_gives_another_stream() -> None:
    assert [sent.raw for sent in stream(1)] != [sent.raw for sent in stream(2)]


def test_g2_everything_is_in_order_of_time() -> None:
    times = [fact.time_us for fact in facts()]
    assert times == sorted(times)


def test_the_purchases_go_through_untouched() -> None:
    assert [sent.raw for sent in stream() if sent.kind == "purchase"] == [purchase(n) for n in range(PURCHASES)]


def test_there_is_enough_of_everything() -> None:
    kinds = Counter(sent.kind for sent in stream())
    for kind in ("member", "referral", "review", "share", "engagement", "return", "duplicate"):
        assert kinds[kind] >= 10, kinds
    assert kinds["broken"] >= 5, kinds
    members = [fact for fact in facts() if isinstance(fact, MemberUpdate)]
    assert any(fact.birthday for fact in members)
    assert any(fact.segments for fact in members)


def test_no_id_is_used_twice() -> None:
    causes = Counter(fact.cause for fact in facts())
    assert causes.most_common(1)[0][1] == 1


def test_g3_reviews_are_of_what_was_bought_before() -> None:
    bought: dict[str, set[str]] = defaultdict(set)
    reviews = 0
    for fact in facts():
        if isinstance(fact, Purchase):
            bought[fact.member].update(line.sku for line in fact.lines)
        elif isinstance(fact, Review):
            reviews += 1
            assert fact.sku in bought[fact.member]
    assert reviews


def test_g3_returns_never_exceed_the_purchase() -> None:
    left: dict[tuple[str, str], tuple[int, int]] = {}
    parts: Counter[str] = Counter()
    for fact in facts():
        if isinstance(fact, Purchase):
            left |= {(fact.transaction_id, ln.line_id): (ln.quantity_micro, ln.amount_minor) for ln in fact.lines}
        elif isinstance(fact, Return):
            parts[fact.transaction_id] += 1
            for line in fact.lines:
                quantity, amount = left[fact.transaction_id, line.line_id]
                assert 0 <= line.quantity_micro <= quantity
                assert 0 <= line.amount_minor <= amount
                left[fact.transaction_id, line.line_id] = quantity - line.quantity_micro, amount - line.amount_minor
    assert {1, 2} <= set(parts.values())


def test_g3_members_are_referred_once_by_somebody_else_who_bought_before() -> None:
    seen: set[str] = set()
    stages: dict[str, list[str]] = defaultdict(list)
    links: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for fact in facts():
        if isinstance(fact, Referral):
            assert fact.referrer_id != fact.member
            assert fact.referrer_id in seen
            stages[fact.member].append(fact.stage)
            links[fact.member].add((fact.referral_id, fact.referrer_id))
        seen.add(fact.member)
    assert {tuple(each) for each in stages.values()} <= {("signed_up",), ("signed_up", "qualified")}
    assert ["signed_up", "qualified"] in stages.values()
    assert all(len(each) == 1 for each in links.values())


def test_duplicates_repeat_what_was_sent_before() -> None:
    sent_before: set[bytes] = set()
    for sent in stream():
        if sent.kind == "duplicate":
            assert sent.raw in sent_before
        sent_before.add(sent.raw)


def test_nothing_that_is_broken_is_a_new_valid_event() -> None:
    """What does decode contradicts what was sent before, or itself."""
    codes: Counter[str] = Counter()
    for seed in (1, 2, 3, 4):
        for sent in stream(seed):
            if sent.kind != "broken":
                continue
            decoded = decode(sent.raw, topic=sent.word)
            if isinstance(decoded, Undecodable):
                codes[decoded.code] += 1
                continue
            assert isinstance(decoded, Known)
            match decoded.fact:
                case Referral() as fact:
                    assert fact.referrer_id == fact.member
                    codes["self_referral"] += 1
                case Return() as fact:
                    codes["return"] += 1
                case Purchase() as fact:
                    assert fact.currency != "USD" or not fact.transaction_id.endswith("-x")
                    codes["purchase"] += 1
                case fact:
                    pytest.fail(f"not meant to be sent: {fact}")
    assert set(codes) >= {"not_json", "unknown_type", "invalid_event", "wrong_topic", "purchase", "return"}


def test_g4_what_comes_later_changes_nothing_before() -> None:
    """With fewer purchases the stream is the same up to the last of them."""
    fewer = 500
    shorter = list(derive(map(purchase, range(fewer)), 1))
    upto = next(at for at, sent in enumerate(shorter) if sent.raw == purchase(fewer - 1))
    assert tuple(shorter[:upto]) == stream()[:upto]


def test_g5_purchases_are_read_one_at_a_time() -> None:
    read = 0

    def counted() -> Iterator[bytes]:
        nonlocal read
        for number in range(PURCHASES):
            read += 1
            yield purchase(number)

    list(itertools.islice(derive(counted(), 1), 100))
    assert read <= 101


def test_shares_and_surveys_carry_what_programs_ask_for() -> None:
    shares = [fact for fact in facts() if isinstance(fact, Share)]
    surveys = [fact for fact in facts() if isinstance(fact, Engagement)]
    assert {share.kind for share in shares} == {"share", "ugc"}
    assert {survey.activity for survey in surveys} == {"survey"}
    assert all(1 <= int(survey.properties["score"]) <= 10 for survey in surveys)
