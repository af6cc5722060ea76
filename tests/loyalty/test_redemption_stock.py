"""Redemption of rewards with a stock: held until the stock has answered, and never more than there is."""

from collections import Counter

import pytest
from typing_extensions import override

from loyalty.account import Limit, RedemptionRecord
from loyalty.decisions import Decision, Outcome, RedemptionChange, RewardOrder
from loyalty.facts import Claim, Fact
from loyalty.lots import parsed
from tests.loyalty.books import BASE, Books, program
from tests.loyalty.events import adjustment, fact, member_event, merge, micros, redeem, reported, restock
from workers.batch import as_received

SHELF = (
    BASE
    + """
points: {points: {name: Points, expiry: {after: P12M}}}
rewards:
  - {id: mug, kind: product, price: 100, stock: 3, at_most: {number: 2, per: month}}
  - {id: tasting, kind: event, price: 10, places: 2}
"""
)


class Waiting(Books):
    """Books in which messages wait until they are let go: what happens between a claim and its answer."""

    def __init__(self, text: str = SHELF) -> None:
        super().__init__(program(text))
        self.waits: list[tuple[Fact, int]] = []
        self.held = False

    @override
    def _pass_on(self, decision: Decision, now_us: int) -> None:
        if self.held:
            self.waits += [(as_received(message), now_us) for message in decision.messages]
        else:
            super()._pass_on(decision, now_us)

    def let_go(self) -> None:
        """Deliver what waits, and what follows from it."""
        self.held = False
        waits, self.waits = self.waits, []
        for message, now_us in waits:
            self.take(message, now_us)


def rich(*members: str, text: str = SHELF) -> Waiting:
    world = Waiting(text)
    for member in members or ("m1",):
        world.take(adjustment(f"a-{member}", 1000, member=member))
    return world


def answers(world: Books) -> list[tuple[str, str]]:
    return [(each.status, each.reason) for each in world.rewards if isinstance(each, RedemptionChange)]


def taken(world: Books, limit: str = "stock:mug") -> int:
    found = world.state.get(f"l|{limit}")
    return sum(found.taken.values()) if isinstance(found, Limit) else 0


def held(world: Books) -> int:
    """What lies on the account of what is held, by the ledger."""
    return sum(p.amount for entry in world.entries for p in entry.postings if p.account == "program:held")


def test_what_the_stock_grants_is_spent_and_ordered() -> None:
    world = rich()
    world.take(redeem("r1", "mug", quantity=2))
    assert (answers(world), world.balance(), taken(world), held(world)) == ([("accepted", "")], 800, 2, 0)
    assert [each.status for each in world.rewards if isinstance(each, RewardOrder)] == ["ordered"]
    assert [entry.kind for entry in world.entries] == ["adjustment", "hold", "redeem"]
    world.check_books()


def test_what_the_stock_denies_leaves_the_account_as_it_was() -> None:
    world = rich("m1", "m2")
    world.take(redeem("r1", "mug", quantity=2, member="m2"))
    before = (parsed(world.head().lots["points"]), world.head().counters)
    world.take(redeem("r2", "mug", quantity=2))
    assert answers(world)[-1] == ("refused", "out_of_stock")
    assert (parsed(world.head().lots["points"]), world.head().counters) == before
    assert (world.balance(), taken(world), held(world)) == (1000, 2, 0)
    assert "r|m1|r2" not in world.state
    world.take(redeem("r3", "mug"))
    assert (answers(world)[-1], taken(world)) == (("accepted", ""), 3)
    world.check_books()


def test_points_are_held_while_the_stock_is_asked() -> None:
    world = rich()
    world.held = True
    world.take(redeem("r1", "mug"))
    assert (answers(world), world.balance(), held(world)) == ([], 900, 100)
    assert world.take(redeem("r1", "mug")).outcome is Outcome.DUPLICATE
    world.let_go()
    assert (answers(world), world.balance(), held(world)) == ([("accepted", "")], 900, 0)


@pytest.mark.parametrize("status", ["fulfilled", "failed"])
def test_nothing_can_be_reported_of_what_is_held(status: str) -> None:
    world = rich()
    world.held = True
    world.take(redeem("r1", "mug"))
    refusal = world.take(reported("f1", status, "r1")).refusal
    assert refusal is not None
    assert refusal.code == "unknown_redemption"
    assert "asked" in refusal.message


def test_cancelled_while_it_is_held_gives_the_units_back_when_the_answer_comes() -> None:
    world = rich()
    world.held = True
    world.take(redeem("r1", "mug", quantity=2))
    world.take(reported("c1", "cancelled", "r1"))
    assert (answers(world), world.balance(), held(world)) == ([("cancelled", "")], 1000, 0)
    world.let_go()
    assert (answers(world), world.balance(), taken(world)) == ([("cancelled", "")], 1000, 0)
    assert [each for each in world.rewards if isinstance(each, RewardOrder)] == [], "nothing was ever ordered"
    world.check_books()


@pytest.mark.parametrize("what", ["cancelled", "failed"])
def test_what_comes_to_nothing_goes_back_to_the_stock(what: str) -> None:
    world = rich()
    world.take_all([redeem("r1", "mug", quantity=2), reported("c1", what, "r1")])
    assert (world.balance(), taken(world)) == (1000, 0)
    world.check_books()


def test_an_account_that_is_closed_meanwhile_gets_its_points_back_and_nothing_else() -> None:
    world = rich()
    world.held = True
    world.take_all([redeem("r1", "mug"), member_event("x", "closed")])
    world.let_go()
    assert (answers(world), world.balance(), held(world), taken(world)) == ([("refused", "closed")], 1000, 0, 0)
    world.check_books()


@pytest.mark.parametrize(("closing", "left"), [("keep", 1000), ("expire", 0)])
def test_what_comes_back_to_a_closed_account_does_as_its_other_points_did(closing: str, left: int) -> None:
    world = rich(text=SHELF + f"closing: {{points: {closing}}}\n")
    world.held = True
    world.take_all([redeem("r1", "mug"), member_event("x", "closed")])
    world.let_go()
    assert (world.balance(), held(world)) == (left, 0)
    world.check_books()


def test_points_that_end_while_they_are_held_end_when_they_are_back() -> None:
    world = rich("m2")
    world.take(adjustment("short", 100, kind="opening", ends_at="2026-03-02T12:10:00Z"))
    world.take(redeem("r0", "mug", quantity=2, member="m2"))
    world.take(restock("less", -1))
    world.held = True
    world.take(redeem("r1", "mug", quantity=1))
    world.waits = [(message, micros("2026-03-02T12:20:00Z")) for message, _ in world.waits]
    world.let_go()
    assert (answers(world)[-1], world.balance()) == (("refused", "out_of_stock"), 0)
    assert world.entries[-1].kind == "expire"
    world.check_books()


def test_places_are_never_sold_twice_and_each_who_pays_gets_one() -> None:
    members = [f"m{number}" for number in range(9)]
    world = rich(*members)
    world.held = True
    for member in members:
        world.take(redeem(f"r-{member}", "tasting", member=member))
    world.let_go()
    assert Counter(answers(world)) == {("accepted", ""): 2, ("refused", "out_of_stock"): 7}
    assert (taken(world, "stock:tasting"), held(world)) == (2, 0)
    assert sum(1000 - world.balance(member) for member in members) == 20
    kept = [record for record in world.state.values() if isinstance(record, RedemptionRecord)]
    assert [record.status for record in kept] == ["accepted", "accepted"]
    world.check_books()


def test_a_claim_that_comes_twice_takes_once() -> None:
    world = rich()
    world.held = True
    world.take(redeem("r1", "mug"))
    [(message, now_us)] = world.waits
    assert isinstance(message, Claim)
    world.let_go()
    world.take(message, now_us)
    assert (answers(world), taken(world), world.balance()) == ([("accepted", "")], 1, 900)


def test_a_restock_serves_the_next() -> None:
    world = rich("m1", "m2")
    world.take_all([redeem("r1", "mug", quantity=2, member="m2"), redeem("r2", "mug", quantity=2)])
    world.take_all([restock("more", 5), redeem("r3", "mug", quantity=2)])
    assert [status for status, _ in answers(world)] == ["accepted", "refused", "accepted"]


def test_a_request_is_a_fact_of_the_member_alone() -> None:
    """Whatever the stock says, the request reads no account but the member's: claims travel."""
    request = fact(redeem("r1", "mug"))
    decision = rich().take(request)
    assert [message.member for message in decision.messages] == ["stock:mug"]


def test_a_redemption_whose_member_is_merged_meanwhile_is_honoured() -> None:
    world = rich("m1", "m2")
    world.held = True
    world.take(redeem("r1", "mug"))
    claims, world.waits, world.held = world.waits, [], False
    world.take(merge("x", "m2"))
    assert (world.balance("m1"), world.balance("m2"), held(world)) == (0, 1900, 100)
    world.waits = claims
    world.let_go()
    assert (answers(world), held(world), taken(world)) == ([("accepted", "")], 0, 1)
    world.take(reported("c1", "cancelled", "r1"))
    assert (world.balance("m1"), world.balance("m2"), taken(world)) == (0, 2000, 0)
    world.check_books()
