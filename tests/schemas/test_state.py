"""State records as bytes: what is read back is what was written, and what is not known stops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.account import Head, PurchaseRecord, TierRise
from loyalty.facts import Line, Tender
from loyalty.tiers import Sums
from loyalty.ties import AwardRecord, GivenPart, Paid, ReferralLink
from schemas.state import UnknownFormat, decode_record, encode_record, look_of
from tests.laws.worlds import World, examples, worlds
from tests.loyalty.books import Books, program
from tests.loyalty.events import purchase

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
WHOLE = st.integers(0, 2**53)
SCALARS = st.dictionaries(TEXT, st.one_of(TEXT, st.integers(-(2**53), 2**53), st.booleans()), max_size=3)
AMOUNTS = st.dictionaries(TEXT, WHOLE, max_size=3)
PAIRS = st.dictionaries(TEXT, st.tuples(st.integers(-(2**53), 2**53), WHOLE), max_size=3)

PARTS = st.one_of(st.none(), st.builds(GivenPart, TEXT, TEXT, WHOLE, TEXT, WHOLE))
HEADS = st.builds(
    Head,
    member=TEXT,
    enrolled_us=WHOLE,
    status=st.sampled_from(["active", "closed"]),
    profile_us=st.integers(-1, 2**53),
    birthday=TEXT,
    attributes=SCALARS,
    segments=st.lists(TEXT, max_size=3).map(tuple),
    tier=TEXT,
    tier_since_us=WHOLE,
    balances=PAIRS,
    debts=AMOUNTS,
    lots=st.dictionaries(TEXT, TEXT, max_size=2),
    qualifying=st.dictionaries(TEXT, st.builds(Sums, WHOLE, WHOLE, TEXT), max_size=2),
    counters=AMOUNTS,
    referral=st.one_of(
        st.none(),
        st.builds(
            ReferralLink,
            referral_id=TEXT,
            referrer=TEXT,
            linked_us=WHOLE,
            paid=st.lists(st.builds(Paid, TEXT, TEXT, WHOLE, TEXT, WHOLE, PARTS, TEXT), max_size=2).map(tuple),
            code=TEXT,
            attributes=SCALARS,
        ),
    ),
    seen=st.binary(max_size=60),
    ledger_sequence=WHOLE,
    balances_sequence=WHOLE,
    tiers_sequence=WHOLE,
    tier_until_us=st.one_of(st.none(), WHOLE),
    tier_review_us=st.one_of(st.none(), WHOLE),
    timed_us=st.integers(-1, 2**60),
    active=st.dictionaries(TEXT, WHOLE, max_size=3),
    birthday_us=WHOLE,
    kept=st.dictionaries(TEXT, WHOLE, max_size=3),
    tier_rises=st.lists(st.builds(TierRise, TEXT, TEXT, WHOLE, WHOLE), max_size=2).map(tuple),
)
PURCHASES = st.builds(
    PurchaseRecord,
    transaction_id=TEXT,
    source=TEXT,
    event_id=TEXT,
    time_us=WHOLE,
    content=st.binary(min_size=8, max_size=8),
    version=TEXT,
    tier=TEXT,
    segments=st.lists(TEXT, max_size=3).map(tuple),
    member_attributes=SCALARS,
    store_id=TEXT,
    channel=TEXT,
    currency=TEXT,
    lines=st.lists(st.builds(Line, TEXT, TEXT, TEXT, TEXT, WHOLE, WHOLE), max_size=3).map(tuple),
    tenders=st.lists(st.builds(Tender, TEXT, TEXT, WHOLE), max_size=2).map(tuple),
    tax_minor=WHOLE,
    shipping_minor=WHOLE,
    tip_minor=WHOLE,
    store_zone=TEXT,
    attributes=SCALARS,
    granted=AMOUNTS,
    held=AMOUNTS,
    qualifying_key=TEXT,
    qualified=WHOLE,
    qualified_held=WHOLE,
    raised_to=TEXT,
    returned=PAIRS,
    returns=st.binary(max_size=40),
)


@given(HEADS)
def test_a_head_is_read_as_it_was_written(head: Head) -> None:
    raw = encode_record(head)
    assert decode_record(raw) == head
    assert encode_record(decode_record(raw)) == raw


@pytest.mark.parametrize("number", [2**53 + 1, 2**63, 2**64, -(2**64), 10**30])
def test_no_number_is_rounded(number: int) -> None:
    head = Head("m", 0, debts={"points": number}, qualifying={"points": Sums(number, 0, "")})
    assert decode_record(encode_record(head)) == head


@given(PURCHASES)
def test_a_purchase_is_read_as_it_was_written(record: PurchaseRecord) -> None:
    raw = encode_record(record)
    assert decode_record(raw) == record
    assert encode_record(decode_record(raw)) == raw


@given(st.builds(AwardRecord, TEXT, WHOLE, TEXT, PARTS, st.booleans(), st.one_of(st.none(), WHOLE)))
def test_an_award_is_read_as_it_was_written(record: AwardRecord) -> None:
    raw = encode_record(record)
    assert decode_record(raw) == record
    assert look_of(raw) == record.due_us


@given(worlds())
@examples(40)
def test_the_state_of_any_stream_survives(world: World) -> None:
    books = Books(world.program, careful=False).take_all(world.events)
    for record in books.state.values():
        assert encode_record(decode_record(encode_record(record))) == encode_record(record)


@given(HEADS)
@examples(30)
def test_a_draft_is_a_copy_that_leaves_the_original_alone(head: Head) -> None:
    before = encode_record(head)
    draft = head.draft()
    assert draft == head
    for part in (draft.balances, draft.debts, draft.lots, draft.qualifying, draft.counters):
        part.clear()
    draft.tier = "other"
    assert encode_record(head) == before


@pytest.mark.parametrize("raw", [b'[1,"head"]', b'[9,"head"]', b'[0,"purchase"]', b'[3,"other"]', b"[]", b"[3]"])
def test_another_format_is_refused(raw: bytes) -> None:
    with pytest.raises(UnknownFormat):
        decode_record(raw)


def test_a_head_stays_small() -> None:
    """About a kilobyte for a member of some dozen purchases."""
    books = Books(program())
    for number in range(20):
        books.take(purchase(f"p{number}", 1000 + number))
    assert len(encode_record(books.head())) < 2_000
    assert len(encode_record(books.record("p1"))) < 500
