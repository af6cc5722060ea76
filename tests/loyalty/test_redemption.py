"""Redemption: at once or with a reason, out of the right lots, and back into them."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from loyalty.decisions import Code, Outcome, RedemptionChange, RewardOrder
from loyalty.lots import parsed
from tests.loyalty.books import BASE, Books, program
from tests.loyalty.events import adjustment, back, line, member_event, micros, pay, purchase, redeem, referral, reported

CATALOGUE = (
    BASE
    + """
points:
  points: {name: Points, expiry: {after: P12M, to_end_of: day}}
tiers:
  levels: [{id: base, from: 0}, {id: gold, from: 1000}]
rewards:
  - {id: coffee, kind: product, price: 100, sku: COFFEE}
  - {id: voucher, kind: money_off, price: 500, face_value: "5.00"}
  - id: mug
    kind: product
    price: 300
    seasons:
      - {name: winter, price: 200, every_year: {from: 01-07, to: 02-28}}
      - {name: sale, price: 150, from: 2026-02-01, until: 2026-02-07}
    at_most: [{number: 2, per: month}, {number: 3, per: lifetime}]
  - {id: tasting, kind: experience, price: 50, when: {tiers: gold}}
  - {id: club, kind: sample, price: 50, when: {segments: [club, staff]}}
  - {id: summer, kind: sample, price: 50, when: {from: 2026-06-01, until: 2026-08-31}}
pay_with_points: {points: 100, worth: "1.00", block: 10, minimum: 50, max_percent: 50}
"""
)


def books(text: str = CATALOGUE) -> Books:
    return Books(program(text))


def with_points(points: int, text: str = CATALOGUE, time: str = "2026-01-05T12:00:00Z") -> Books:
    return books(text).take_all([adjustment("a0", points, time=time)])


def answers(books: Books) -> list[tuple[str, str]]:
    """(status, reason) of what was said about redemptions, in order."""
    return [(each.status, each.reason) for each in books.rewards if isinstance(each, RedemptionChange)]


def lots(books: Books) -> list[tuple[int, str]]:
    return [(lot.left, lot.lot_id) for lot in parsed(books.head().lots.get("points", ""))]


# ---------------------------------------------------------------- what it takes


class Asked(NamedTuple):
    what: bytes
    has: int
    answer: tuple[str, str]
    left: int


MARCH, JANUARY, FEBRUARY, JULY = (f"2026-{day}T12:00:00Z" for day in ("03-02", "01-20", "02-03", "07-01"))


@pytest.mark.parametrize(
    "asked",
    [
        Asked(redeem("r", "coffee"), 100, ("accepted", ""), 0),
        Asked(redeem("r", "coffee"), 99, ("refused", "insufficient"), 99),
        Asked(redeem("r", "coffee", quantity=3), 301, ("accepted", ""), 1),
        Asked(redeem("r", "coffee", quantity=3), 299, ("refused", "insufficient"), 299),
        Asked(redeem("r", "tea"), 1000, ("refused", "unknown_reward"), 1000),
        Asked(redeem("r", "tasting"), 1000, ("refused", "not_for_this_tier"), 1000),
        Asked(redeem("r", "club"), 1000, ("refused", "not_for_this_segment"), 1000),
        Asked(redeem("r", "summer", time=MARCH), 1000, ("refused", "not_available_now"), 1000),
        Asked(redeem("r", "summer", time=JULY), 1000, ("accepted", ""), 950),
        Asked(redeem("r", "mug", time=MARCH), 1000, ("accepted", ""), 700),
        Asked(redeem("r", "mug", time=JANUARY), 1000, ("accepted", ""), 800),
        Asked(redeem("r", "mug", time=FEBRUARY), 1000, ("accepted", ""), 850),  # the better one of two seasons
        Asked(redeem("r", "mug", quantity=3, time=MARCH), 1000, ("refused", "limit_reached"), 1000),
        Asked(pay("r", "s", 1000, amount_minor=300), 1000, ("accepted", ""), 700),
        Asked(pay("r", "s", 1000, amount_minor=301), 1000, ("accepted", ""), 690),  # begun blocks are used up
        Asked(pay("r", "s", 1000, amount_minor=501), 1000, ("refused", "above_share"), 1000),
        Asked(pay("r", "s", 1000, points=500), 1000, ("accepted", ""), 500),
        Asked(pay("r", "s", 1000, points=510), 1000, ("refused", "above_share"), 1000),
        Asked(pay("r", "s", 1000, points=55), 1000, ("refused", "not_in_blocks"), 1000),
        Asked(pay("r", "s", 1000, points=40), 1000, ("refused", "below_minimum"), 1000),
        Asked(pay("r", "s", 1000, amount_minor=1), 1000, ("refused", "below_minimum"), 1000),
        Asked(pay("r", "s", 1000, points=200), 199, ("refused", "insufficient"), 199),
        Asked(pay("r", "s", 1000), 1000, ("accepted", ""), 500),  # as much as half of the sale takes
        Asked(pay("r", "s", 1000), 137, ("accepted", ""), 7),  # as many whole blocks as there are
        Asked(pay("r", "s", 1000), 49, ("refused", "below_minimum"), 49),
        Asked(pay("r", "s", 1000, points=100, currency="EUR"), 1000, ("refused", "currency_not_accepted"), 1000),
    ],
    ids=lambda asked: f"{asked.answer[1] or asked.left}",
)
def test_a_redemption_takes_all_of_its_points_or_none(asked: Asked) -> None:
    world = with_points(asked.has)
    assert world.take(asked.what).outcome is Outcome.APPLIED
    assert (answers(world), world.balance()) == ([asked.answer], asked.left)
    world.check_books()


@pytest.mark.parametrize(
    ("text", "reason"),
    [(BASE, "unknown_reward"), ("exchange: {CAD: 1}\n" + CATALOGUE, "currency_not_accepted")],
    ids=["no payment at all", "another money"],
)
def test_a_payment_that_the_program_does_not_take(text: str, reason: str) -> None:
    world = with_points(500, text)
    world.take(pay("r", "s", 1000, points=100, currency="EUR"))
    assert answers(world) == [("refused", reason)]


def test_points_pay_in_other_money_by_its_rate() -> None:
    world = with_points(500, 'exchange: {CAD: "0.50"}\n' + CATALOGUE)
    world.take(pay("r", "s", 1000, points=100, currency="CAD"))
    change = world.rewards[0]
    assert isinstance(change, RedemptionChange)
    assert (change.status, change.value_minor, change.money) == ("accepted", 200, "CAD")


def test_a_limit_counts_pieces_and_is_free_again_after_a_cancellation() -> None:
    world = with_points(5000)
    steps = [
        (redeem("r1", "mug", quantity=2, time="2026-03-02T12:00:00Z"), "accepted"),
        (redeem("r2", "mug", time="2026-03-03T12:00:00Z"), "limit_reached"),
        (reported("c1", "cancelled", "r1", time="2026-03-04T12:00:00Z"), "cancelled"),
        (redeem("r3", "mug", time="2026-03-05T12:00:00Z"), "accepted"),
        (redeem("r4", "mug", quantity=2, time="2026-04-05T12:00:00Z"), "accepted"),
        (redeem("r5", "mug", time="2026-05-05T12:00:00Z"), "limit_reached"),  # three in all
    ]
    for event, wanted in steps:
        world.take(event)
        assert wanted in answers(world)[-1]
    assert world.balance() == 5000 - 3 * 300


def test_only_what_is_available_counts() -> None:
    pending = CATALOGUE.replace("expiry: {after", "pending: P14D, expiry: {after")
    world = books(pending).take_all([purchase("p1", 20_000, time="2026-03-01T12:00:00Z")])
    world.take(redeem("r1", "coffee", time="2026-03-02T12:00:00Z"))
    world.take(redeem("r2", "coffee", time="2026-03-20T12:00:00Z"))
    assert answers(world) == [("refused", "insufficient"), ("accepted", "")]


def test_who_owes_points_has_none_to_spend() -> None:
    world = books().take_all([purchase("p1", 10_000), redeem("r1", "coffee"), back("b1", "p1", [("1", "1", 10_000)])])
    assert world.balance() == -100
    world.take(redeem("r2", "coffee"))
    assert answers(world)[-1] == ("refused", "insufficient")


def test_the_lots_that_end_soonest_are_used_first() -> None:
    world = books().take_all(
        [
            adjustment("late", 100, kind="opening", ends_at="2027-06-01T00:00:00Z"),
            adjustment("soon", 100, kind="opening", ends_at="2027-01-01T00:00:00Z"),
            adjustment("over", 100, kind="opening", ends_at="2026-03-02T12:00:01Z"),
            redeem("r1", "coffee", quantity=2, time="2026-03-02T12:00:01Z"),
        ]
    )
    assert answers(world) == [("accepted", "")]
    assert [ends.ends_us for ends in world.redemption("r1").spent] == [
        micros("2027-01-01T00:00:00Z"),
        micros("2027-06-01T00:00:00Z"),
    ]
    world.check_books()


def test_an_end_is_not_a_time_at_which_points_can_be_used_also_by_a_clock_that_runs_ahead() -> None:
    world = books().take_all([adjustment("soon", 100, kind="opening", ends_at="2026-03-02T12:01:00Z")])
    world.take(redeem("r1", "coffee", time="2026-03-02T12:01:00Z"), micros("2026-03-02T12:00:30Z"))
    assert answers(world) == [("refused", "insufficient")]


# ---------------------------------------------------------------- the same sale


@pytest.mark.parametrize("asks_first", [True, False])
def test_points_earned_by_a_sale_do_not_pay_for_it(*, asks_first: bool) -> None:
    sale, asked = purchase("s1", 20_000), pay("r1", "s1", 20_000, points=200)
    world = books().take_all([asked, sale] if asks_first else [sale, asked])
    assert (answers(world), world.balance()) == ([("refused", "insufficient")], 200)
    world.take(pay("r2", "s2", 20_000, points=200))
    assert (answers(world)[-1], world.balance()) == (("accepted", ""), 0)


def test_neither_do_points_by_surprise_or_for_a_referral_that_it_qualified() -> None:
    lucky = """
surprises: [{id: lucky, on: purchase, percent: 100, give: {points: 50}, budget: {points: 1000}}]
"""
    friends = """
  - {id: friends, on: referral, give: {referee: 70}, qualifying_purchase: {within: P9D}}
"""
    text = lucky + CATALOGUE.replace(
        BASE, f'earn:\n  - {{id: base, on: purchase, give: {{points: 1, per: "1.00"}}}}{friends}'
    )
    world = books(text).take_all([referral("f", "m9"), purchase("s1", 10_000)])
    assert world.balance() == 100 + 50 + 70
    world.take_all([pay("r1", "s1", 100_000, points=60), pay("r2", "s2", 100_000, points=210)])
    assert answers(world) == [("refused", "insufficient"), ("accepted", "")]


def test_a_reward_used_in_a_sale_is_not_paid_with_its_points_either() -> None:
    world = books().take_all([purchase("s1", 20_000), redeem("r1", "coffee", transaction_id="s1")])
    assert answers(world) == [("refused", "insufficient")]


# ---------------------------------------------------------------- what others are told


def orders(books: Books) -> list[RewardOrder]:
    return [each for each in books.rewards if isinstance(each, RewardOrder)]


def test_an_order_keeps_its_id_whatever_becomes_of_it() -> None:
    world = with_points(1000)
    world.take_all([redeem("r1", "voucher", quantity=2), reported("f1", "fulfilled", "r1", reference="4711")])
    world.take(reported("c1", "cancelled", "r1"))
    assert [(each.status, each.kind, each.quantity, each.face_value_minor, each.money) for each in orders(world)] == [
        ("ordered", "money_off", 2, 500, "USD"),
        ("fulfilled", "money_off", 2, 500, "USD"),
        ("returned", "money_off", 2, 500, "USD"),
    ]
    assert len({each.order_id for each in orders(world)}) == 1
    assert answers(world) == [("accepted", ""), ("fulfilled", "4711"), ("cancelled", "")]
    assert world.balance() == 1000


def test_a_failed_delivery_returns_the_points() -> None:
    world = with_points(100)
    world.take_all([redeem("r1", "coffee"), reported("f1", "failed", "r1")])
    assert (answers(world)[-1], orders(world)[-1].status, world.balance()) == (("failed", "sold out"), "failed", 100)


def test_a_payment_orders_nothing() -> None:
    world = with_points(500)
    world.take(pay("r1", "s1", 1000, points=100))
    assert orders(world) == []


@pytest.mark.parametrize(
    ("events", "code"),
    [
        ([reported("x", "fulfilled", "nothing")], Code.UNKNOWN_REDEMPTION),
        ([reported("x", "failed", "nothing")], Code.UNKNOWN_REDEMPTION),
        ([redeem("r", "tea"), reported("x", "fulfilled", "r")], Code.UNKNOWN_REDEMPTION),
        (
            [redeem("r", "coffee"), reported("c", "cancelled", "r"), reported("x", "fulfilled", "r")],
            Code.REDEMPTION_OVER,
        ),
        ([redeem("r", "coffee"), reported("c", "cancelled", "r"), reported("x", "failed", "r")], Code.REDEMPTION_OVER),
        ([redeem("r", "coffee"), reported("c", "failed", "r"), reported("x", "cancelled", "r")], Code.REDEMPTION_OVER),
        (
            [redeem("r", "coffee"), reported("f", "fulfilled", "r"), reported("x", "fulfilled", "r", reference="2")],
            Code.CONFLICTING_DUPLICATE,
        ),
        (
            [redeem("r", "coffee"), reported("x", "cancelled", "r", time="2027-04-06T12:00:00Z")],
            Code.REDEMPTION_TOO_OLD,
        ),
        ([redeem("r", "coffee"), redeem("r", "coffee", quantity=2)], Code.CONFLICTING_DUPLICATE),
        ([member_event("x0", "closed"), reported("x", "cancelled", "r")], Code.MEMBER_CLOSED),
    ],
)
def test_what_cannot_be_reported_is_a_dead_letter(events: Sequence[bytes], code: Code) -> None:
    world = with_points(1000)
    refusal = [world.take(event) for event in events][-1].refusal
    assert refusal is not None
    assert refusal.code == code
    world.check_books()


def test_nobody_becomes_a_member_by_a_report() -> None:
    world = books()
    refusal = world.take(reported("x", "cancelled", "r", member="stranger")).refusal
    assert refusal is not None
    assert (refusal.code, world.heads()) == (Code.UNKNOWN_REDEMPTION, [])


def test_a_closed_account_answers() -> None:
    world = with_points(1000)
    world.take_all([member_event("x", "closed"), redeem("r", "coffee")])
    assert (answers(world), world.balance()) == ([("refused", "closed")], 1000)


# ---------------------------------------------------------------- once


@pytest.mark.parametrize("event_id", ["r1", "another"])
def test_a_redemption_is_taken_once(event_id: str) -> None:
    world = with_points(1000)
    data: dict[str, Any] = {"reward_id": "coffee", "redemption_id": "r1"}
    world.take(redeem("r1", **data))
    again = redeem(event_id, **data)
    assert world.take(again).outcome is Outcome.DUPLICATE
    assert world.balance() == 900


def test_a_redemption_is_known_by_its_record_when_the_event_is_forgotten() -> None:
    late = CATALOGUE + "stream: {max_late: P1D}\n"
    world = with_points(1000, late)
    world.take(redeem("r1", "coffee", time="2026-01-06T12:00:00Z"))
    later = "2026-03-06T12:00:00Z"
    assert world.take(redeem("anew", "coffee", redemption_id="r1", time=later)).outcome is Outcome.DUPLICATE
    assert world.balance() == 900


# ---------------------------------------------------------------- back again


def test_a_cancelled_redemption_leaves_the_account_as_it_was() -> None:
    world = books().take_all(
        [
            adjustment("late", 100, kind="opening", ends_at="2027-06-01T00:00:00Z"),
            adjustment("soon", 130, kind="opening", ends_at="2027-01-01T00:00:00Z"),
        ]
    )
    before = sorted(parsed(world.head().lots["points"]))
    world.take_all([redeem("r1", "coffee", quantity=2), reported("c1", "cancelled", "r1")])
    assert sorted(parsed(world.head().lots["points"])) == before
    world.check_books()


def test_a_cancellation_pays_a_debt_first() -> None:
    world = books().take_all([purchase("p1", 10_000), redeem("r1", "coffee"), back("b1", "p1", [("1", "0", 4_000)])])
    assert world.balance() == -40
    world.take(reported("c1", "cancelled", "r1"))
    assert (world.balance(), [left for left, _ in lots(world)]) == (60, [60])
    world.check_books()


@pytest.mark.parametrize(
    ("grace", "left", "ended"),
    [("", 0, 100), ("redemptions: {grace: P10D}\n", 100, 0)],
    ids=["at once", "after ten days"],
)
def test_points_that_have_ended_meanwhile_end(grace: str, left: int, ended: int) -> None:
    world = books(CATALOGUE + grace).take_all(
        [
            adjustment("soon", 100, kind="opening", ends_at="2026-04-01T00:00:00Z"),
            redeem("r1", "coffee"),
            reported("c1", "cancelled", "r1", time="2026-05-01T12:00:00Z"),
        ]
    )
    expired = [entry for entry in world.entries if entry.kind == "expire"]
    assert (world.balance(), sum(len(entry.steps) for entry in expired)) == (left, bool(ended))
    world.pass_time(micros("2026-05-11T23:59:59Z"))
    assert world.balance() == left
    world.pass_time(micros("2026-05-12T00:00:00Z"))
    assert world.balance() == 0
    world.check_books()


def test_points_that_activity_keeps_alive_come_back_to_the_life_of_the_others() -> None:
    text = CATALOGUE.replace("to_end_of: day}", "to_end_of: day, restart_on: purchase}")
    world = books(text).take_all([purchase("p1", 10_000, time="2026-01-01T12:00:00Z"), redeem("r1", "coffee")])
    world.take(purchase("p2", 100, time="2026-12-01T12:00:00Z"))
    world.take(reported("c1", "cancelled", "r1", time="2027-01-05T12:00:00Z"))
    assert world.balance() == 101
    world.pass_time(micros("2027-12-02T00:00:00Z"))
    assert world.balance() == 0
    world.check_books()


def test_points_that_no_activity_kept_alive_end_at_once_when_they_come_back() -> None:
    text = CATALOGUE.replace("to_end_of: day}", "to_end_of: day, restart_on: purchase}")
    world = books(text).take_all([purchase("p1", 10_000, time="2026-01-01T12:00:00Z"), redeem("r1", "coffee")])
    world.take(reported("c1", "cancelled", "r1", time="2027-01-05T12:00:00Z"))
    assert (world.balance(), world.head().lots) == (0, {})
    world.check_books()


# ---------------------------------------------------------------- out of order


def test_a_cancellation_may_overtake_its_request() -> None:
    world = with_points(1000)
    world.take_all([reported("c1", "cancelled", "r1"), redeem("r1", "coffee")])
    assert answers(world) == [("cancelled", "not_requested"), ("refused", "cancelled")]
    assert world.balance() == 1000


# ---------------------------------------------------------------- returns of what points paid for


def paid_sale(text: str = CATALOGUE) -> Books:
    """Two lines of 50.00 and 30.00, of which points paid 8.00 out of two lots."""
    tenders = [
        {"type": "points", "label": "r1", "amount_minor": 800},
        {"type": "card", "label": "", "amount_minor": 7200},
    ]
    return books(text).take_all(
        [
            adjustment("soon", 300, kind="opening", ends_at="2026-12-01T00:00:00Z"),
            adjustment("late", 700, kind="opening", ends_at="2027-12-01T00:00:00Z"),
            pay("r1", "s1", 8000, points=800),
            purchase("s1", [line("1", 5000), line("2", 3000)], tenders=tenders),
        ]
    )


def test_value_paid_with_points_earns_nothing() -> None:
    assert paid_sale().by_rule()["base", "points"] == 72


def test_points_that_paid_come_back_pro_rata_the_last_used_first() -> None:
    world = paid_sale()
    earned = world.balance() - 200
    world.take(back("b1", "s1", [("2", "1", 3000)]))
    assert world.redemption("r1").restored == 300
    assert sum(world.by_rule().values()) == 200 + 300 + earned - 27
    spent_of_late = 500 - 300
    late = next(
        lot.left for lot in parsed(world.head().lots["points"]) if lot.ends_us == micros("2027-12-01T00:00:00Z")
    )
    assert late == 700 - spent_of_late
    world.take(back("b2", "s1", [("1", "1", 5000)]))
    assert (world.redemption("r1").restored, world.balance()) == (800, 1000)
    assert [status for status, _ in answers(world)] == ["accepted", "restored", "restored"]
    world.check_books()


def test_small_returns_add_up_to_one_large_one() -> None:
    world = paid_sale()
    for cents in range(7):
        world.take(back(f"b{cents}", "s1", [("1", "0", 333)]))
    assert world.redemption("r1").restored == 800 * 7 * 333 // 8000
    world.check_books()


def test_full_only_restores_with_the_last_line() -> None:
    world = paid_sale(CATALOGUE + "returns: {restore_spent: full_only}\n")
    world.take(back("b1", "s1", [("2", "1", 3000)]))
    assert world.redemption("r1").restored == 0
    world.take(back("b2", "s1", [("1", "1", 5000)]))
    assert (world.redemption("r1").restored, world.balance()) == (800, 1000)


def test_what_came_back_with_a_return_does_not_come_back_again_with_a_cancellation() -> None:
    world = paid_sale()
    world.take_all([back("b1", "s1", [("2", "1", 3000)]), reported("c1", "cancelled", "r1")])
    assert sum(each.restored for each in world.rewards if isinstance(each, RedemptionChange)) == 800
    world.take(back("b2", "s1", [("1", "1", 5000)]))
    assert world.balance() == 1000
    world.check_books()


def test_a_return_that_waits_for_its_sale_restores_as_one_that_comes_after_it() -> None:
    world = books(CATALOGUE)
    tenders = [{"type": "points", "label": "r1", "amount_minor": 800}, {"type": "card", "amount_minor": 7200}]
    world.take_all(
        [
            adjustment("a", 800, kind="opening"),
            pay("r1", "s1", 8000, points=800),
            back("b1", "s1", [("1", "1", 8000)]),
            purchase("s1", 8000, tenders=tenders),
        ]
    )
    assert (world.redemption("r1").restored, world.balance()) == (800, 800)
    world.check_books()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=lambda order: "".join(map(str, order)))
def test_the_request_may_come_after_its_sale_and_after_the_return(order: tuple[int, ...]) -> None:
    tenders = [{"type": "points", "label": "r1", "amount_minor": 800}, {"type": "card", "amount_minor": 7200}]
    events = [
        pay("r1", "s1", 8000, points=800),
        purchase("s1", [line("1", 5000), line("2", 3000)], tenders=tenders),
        back("b1", "s1", [("2", "1", 3000)]),
    ]
    world = books().take_all([adjustment("a", 800, kind="opening"), *(events[place] for place in order)])
    assert (world.redemption("r1").restored, world.balance()) == (300, 300 + 45)
    world.check_books()


# ---------------------------------------------------------------- how long it is known


def test_a_redemption_is_forgotten_when_nobody_can_ask_for_it() -> None:
    text = CATALOGUE + "stream: {max_late: P1D}\nreturns: {keep: P10D}\nredemptions: {keep: P20D}\n"
    world = with_points(1000, text, time="2026-03-01T12:00:00Z")
    world.take(redeem("r1", "coffee"))
    kept = [key for key in world.state if key.startswith("r|")]
    world.pass_time(micros("2026-03-23T12:00:00Z"))
    assert [key for key in world.state if key.startswith("r|")] == kept
    world.pass_time(micros("2026-04-30T12:00:00Z"))
    assert [key for key in world.state if key.startswith("r|")] == []


def test_it_is_kept_as_long_as_the_sale_that_it_paid_for() -> None:
    text = CATALOGUE + "stream: {max_late: P1D}\nreturns: {keep: P30D}\nredemptions: {keep: P10D}\n"
    world = with_points(1000, text, time="2026-03-01T12:00:00Z")
    tenders = [{"type": "points", "label": "r1", "amount_minor": 500}, {"type": "card", "amount_minor": 500}]
    world.take(redeem("r1", "voucher", time="2026-03-02T12:00:00Z"))
    world.take(purchase("s1", 1000, tenders=tenders, time="2026-04-01T12:00:00Z"))
    world.take(back("b1", "s1", [("1", "1", 1000)], time="2026-04-30T12:00:00Z"))
    assert world.balance() == 1000


def test_a_redemption_is_no_way_up_or_down() -> None:
    world = books().take_all([purchase("p1", 100_000), redeem("r1", "coffee")])
    sums = {name: sums.total for name, sums in world.head().qualifying.items()}
    world.take_all([reported("c1", "cancelled", "r1"), redeem("r2", "tasting")])
    assert answers(world)[-1] == ("accepted", "")
    assert ({name: sums.total for name, sums in world.head().qualifying.items()}, world.head().tier) == (sums, "gold")


# ---------------------------------------------------------------- versions, and other units


def test_what_was_redeemed_under_a_version_comes_back_under_one_without_rewards() -> None:
    with_rewards = program(CATALOGUE)
    without = program(
        'version: "2"\neffective_from: 2026-04-01\n'
        + BASE
        + "tiers: {levels: [{id: base, from: 0}, {id: gold, from: 9}]}\n"
    )
    world = Books(with_rewards, without).take_all([adjustment("a", 1000, time="2026-03-01T12:00:00Z")])
    world.take_all([redeem("r1", "mug", quantity=2), redeem("r2", "mug", time="2026-04-02T12:00:00Z")])
    assert answers(world) == [("accepted", ""), ("refused", "unknown_reward")]
    counted = [name for name in world.head().counters if name.startswith("reward:")]
    assert len(counted) == 2, "of the month and in all"
    world.take(reported("c1", "cancelled", "r1", time="2026-04-03T12:00:00Z"))
    assert (world.balance(), world.head().counters) == (1000, {})
    assert [(each.status, each.name) for each in orders(world)] == [("ordered", "mug"), ("returned", "mug")]
    world.check_books()


def test_points_of_a_kind_that_the_program_has_no_more_come_back_and_end_on_their_day() -> None:
    # The other kind keeps the account from being looked at for a reason of its own.
    gems = "points: {points: {name: Points}, gems: {name: Gems, expiry: {after: P6M, to_end_of: day}}}\n"
    rewards = "rewards: [{id: mug, kind: product, price: 300, in: gems}]\n"
    world = Books(
        program(BASE.replace("give: {", "give: {in: points, ") + gems + rewards),
        program('version: "2"\neffective_from: 2026-04-01\n' + BASE),
    )
    world.take(adjustment("a", 300, currency="gems", time="2026-01-05T12:00:00Z"))
    world.take(redeem("r1", "mug"))
    world.take(reported("c1", "cancelled", "r1", time="2026-05-02T12:00:00Z"))
    assert world.balance(currency="gems") == 300
    world.pass_time(micros("2026-07-06T00:00:00Z"))
    assert world.balance(currency="gems") == 0
    world.check_books()


def test_a_late_request_pays_the_price_of_its_own_time() -> None:
    world = with_points(1000)
    world.take(redeem("r1", "mug", time="2026-02-28T23:59:59Z"), micros("2026-03-05T12:00:00Z"))
    assert world.balance() == 800


@pytest.mark.parametrize(
    ("asked", "taken", "value"),
    [({"amount_minor": 333}, 33_300, 333), ({"points": 12_345}, 12_345, 123), ({}, 50_000, 500)],
    ids=["an amount", "points", "all"],
)
def test_points_with_decimals_pay_by_their_smallest_unit(asked: dict[str, Any], taken: int, value: int) -> None:
    fine = CATALOGUE.replace("{name: Points, expiry", "{name: Points, decimals: 2, expiry").replace(", block: 10", "")
    world = with_points(100_000, fine)
    world.take(pay("r1", "s1", 1000, **asked))
    change = world.rewards[0]
    assert isinstance(change, RedemptionChange)
    assert (change.points, change.value_minor, world.balance()) == (taken, value, 100_000 - taken)


def test_a_cancellation_without_a_request_is_forgotten_with_the_events_of_its_time() -> None:
    world = with_points(1000, CATALOGUE + "stream: {max_late: P1D}\n", time="2026-03-01T12:00:00Z")
    world.take(reported("c1", "cancelled", "r1"))
    assert [key for key in world.state if key.startswith("r|")] == ["r|m1|r1"]
    world.pass_time(micros("2026-03-05T12:00:00Z"))
    assert [key for key in world.state if key.startswith("r|")] == []
