"""Lots against a plain list: order of use, own lot first, nothing lost."""

from hypothesis import given
from hypothesis import strategies as st

from loyalty.lots import Lot, added, joined, left_total, parsed, put_back, restored, spent, taken, without_first

LOTS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([None, 5, 9]), st.integers(1, 20)), max_size=8).map(
    lambda rows: [Lot(f"lot{i}", earned, ends, left) for i, (earned, ends, left) in enumerate(rows)]
)


def _text(lots: list[Lot]) -> str:
    text = ""
    for lot in lots:
        text = added(text, lot)
    return text


def _unordered(text: str) -> set[Lot]:
    return set(parsed(text))


@given(LOTS)
def test_l1_the_text_is_the_lots(lots: list[Lot]) -> None:
    assert parsed(_text(lots)) == tuple(lots)
    assert joined(lots) == _text(lots)
    assert left_total(_text(lots)) == sum(lot.left for lot in lots)


@given(LOTS, st.integers(0, 120), st.sampled_from(["", "lot0", "lot3", "gone"]))
def test_l2_points_are_taken_in_their_order(lots: list[Lot], amount: int, first: str) -> None:
    remaining, parts = taken(_text(lots), amount, first)
    points = [lot for lot in lots for _ in range(lot.left)]
    points.sort(key=lambda lot: (lot.lot_id != first, lot.ends_us is None, lot.ends_us or 0, lot.earned_us))
    expected = points[:amount]
    assert [lot for lot, part in parts for _ in range(part)] == [lot.lot_id for lot in expected]
    assert left_total(remaining) == len(points) - len(expected)
    assert all(lot.left > 0 for lot in parsed(remaining))
    assert [lot.lot_id for lot in parsed(remaining)] == [
        lot.lot_id for lot in lots if lot.left > sum(part for name, part in parts if name == lot.lot_id)
    ]


@given(LOTS, st.sampled_from(["lot0", "lot2", "new"]), st.integers(1, 9))
def test_l3_what_is_put_back_goes_to_its_lot(lots: list[Lot], lot_id: str, amount: int) -> None:
    found = parsed(put_back(_text(lots), Lot(lot_id, 7, None, amount)))
    expected = [lot._replace(left=lot.left + amount) if lot.lot_id == lot_id else lot for lot in lots]
    if lot_id not in {lot.lot_id for lot in lots}:
        expected.append(Lot(lot_id, 7, None, amount))
    assert found == tuple(expected)


@given(LOTS, st.integers(0, 120), st.integers(0, 120))
def test_what_was_spent_comes_back_as_if_less_had_been_spent(lots: list[Lot], amount: int, back: int) -> None:
    """The last used first: what is left is what spending so many fewer would have left."""
    amount = min(amount, sum(lot.left for lot in lots))
    back = min(back, amount)
    rest, parts = spent(_text(lots), amount, lambda _: True)
    assert sum(lot.left for lot in parts) == amount == sum(lot.left for lot in lots) - left_total(rest)
    fewer, _ = spent(_text(lots), amount - back, lambda _: True)
    assert _unordered(restored(rest, without_first(parts, amount - back))) == _unordered(fewer)


@given(LOTS, st.integers(1, 120))
def test_only_usable_lots_are_spent(lots: list[Lot], amount: int) -> None:
    rest, parts = spent(_text(lots), amount, lambda lot: lot.ends_us != 9)
    assert all(lot.ends_us != 9 for lot in parts)
    assert [lot for lot in parsed(rest) if lot.ends_us == 9] == [lot for lot in lots if lot.ends_us == 9]


def test_a_lot_that_lives_on_stands_beside_the_one_that_it_came_from() -> None:
    text = added("", Lot("a", 1, 5, 3))
    assert parsed(restored(text, [Lot("a", 1, 9, 2), Lot("a", 1, 5, 1), Lot("a", 1, 9, 4)])) == (
        Lot("a", 1, 5, 4),
        Lot("a", 1, 9, 6),
    )


def test_nothing_is_no_lot() -> None:
    assert added("", Lot("a", 0, None, 0)) == ""
    assert taken("", 5) == ("", [])
