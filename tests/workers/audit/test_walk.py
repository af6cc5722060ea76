"""Each check of the audit, by a run whose books hold and one fault in them: the audit names it, and where it is."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.workers.audit.parts import EVENTS, Recorded, audited, found_in, recorded, run
from workers.audit.findings import CLAIMS, Check
from workers.audit.held import Held
from workers.audit.run import audit

Change = Callable[[dict[str, Any]], object]
OF_ONE: tuple[Recorded, ...] = tuple(recorded(run()))


@pytest.fixture
def part() -> Recorded:
    """A run in one partition, for damage."""
    [made] = recorded(run())
    return made


@pytest.mark.parametrize("partitions", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 4, 20])
def test_a_run_is_clean_and_every_check_had_something_to_look_at(partitions: int, batch: int) -> None:
    parts = recorded(run(EVENTS, partitions, batch))
    findings, totals = audited(*parts)
    assert findings.differences == []
    assert findings.clean
    assert {check for check in CLAIMS if findings.looked_at[check] == 0} == set()
    assert totals.members == 4
    assert +totals.ledger == +totals.accounts == +totals.balances
    assert totals.ledger["points", "available"] > 0
    of_stars = sum(amount for (_, currency), amount in totals.books.items() if currency == "stars")
    assert of_stars == -totals.ledger["stars", "available"] < 0


def test_all_claims_are_worded() -> None:
    assert list(CLAIMS) == list(Check)


# ---------------------------------------------------------------------- one fault each
def lose(word: str, member: str, number: int) -> Callable[[Recorded], object]:
    return lambda part: part.outputs[word].pop(part.at(word, member, number))


def double(word: str, member: str, number: int) -> Callable[[Recorded], object]:
    def change(part: Recorded) -> None:
        part.outputs[word].append(part.outputs[word][part.at(word, member, number)])

    return change


def edit(
    word: str, member: str, number: int, change: Callable[[dict[str, Any]], object]
) -> Callable[[Recorded], object]:
    return lambda part: part.edit(word, part.at(word, member, number), change)


def amounts(*by: float) -> Callable[[dict[str, Any]], None]:
    """Add to the amounts of the postings, in their order."""

    def change(event: dict[str, Any]) -> None:
        for posting, more in zip(event["data"]["postings"], by, strict=False):
            posting["amount"] += more

    return change


def to_account(at: int, account: str) -> Callable[[dict[str, Any]], None]:
    def change(event: dict[str, Any]) -> None:
        event["data"]["postings"][at]["account"] = account

    return change


def data(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda event: event["data"].update(fields)


def own_balance(currency: str, available: int, pending: int) -> Callable[[dict[str, Any]], None]:
    return lambda event: event["data"]["balances"].update({currency: {"available": available, "pending": pending}})


def other_id(event: dict[str, Any]) -> None:
    event["id"] = OF_ONE[0].events("ledger")[0]["id"]


def account(member: str, **fields: Any) -> Callable[[Recorded], object]:
    return lambda part: part.edit_account(member, **fields)


def held(part: Recorded, member: str) -> Held:
    return next(each for _, each in part.held if each.member == member)


def lots_of_m3(part: Recorded) -> None:
    part.edit_account("m3", in_lots={**held(part, "m3").in_lots, "stars": (4, 0)})


def one_more_for_m3(part: Recorded) -> None:
    has = held(part, "m3")
    part.edit_account("m3", balances={**has.balances, "stars": (6, 0)}, in_lots={**has.in_lots, "stars": (6, 0)})


def no_account_of(member: str) -> Callable[[Recorded], None]:
    def change(part: Recorded) -> None:
        part.held = [each for each in part.held if each[1].member != member]

    return change


def one_ahead(word: str) -> Callable[[Recorded], None]:
    def change(part: Recorded) -> None:
        sequences = held(part, "m3").sequences
        part.edit_account("m3", sequences={**sequences, word: sequences[word] + 1})

    return change


def one_behind(word: str) -> Callable[[Recorded], None]:
    def change(part: Recorded) -> None:
        sequences = held(part, "m3").sequences
        part.edit_account("m3", sequences={**sequences, word: sequences[word] - 1})

    return change


def other_key(word: str) -> Callable[[Recorded], None]:
    def change(part: Recorded) -> None:
        at = part.at(word, "m3", 1)
        part.outputs[word][at] = "m9", part.outputs[word][at][1]

    return change


def other_account_key(part: Recorded) -> None:
    part.held = [("m|m9" if has.member == "m3" else key, has) for key, has in part.held]


def no_bytes(part: Recorded) -> None:
    part.outputs["notices"].append(("m1", None))


def without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda event: event["data"].pop(name)


LEDGER, BALANCES, TIERS, NOTICES = "ledger", "balances", "tiers", "notices"
M3_REVIEW = LEDGER, "m3", 1
"""m3's first entry, at ledger-0@8: 5 stars for a review, at once available. Its balance change is at balances-0@12."""
UNTOLD = ("cause", "balances-0@12", "m3")
SUMS = ("ledger", "ledger-0", "m3")

FAULTS: dict[str, tuple[Callable[[Recorded], object], list[tuple[str, str, str]]]] = {
    "a lost entry": (lose(*M3_REVIEW), [("sequence", "ledger-0@10", "m3"), UNTOLD, SUMS]),
    "a doubled entry": (double(*M3_REVIEW), [("sequence", "ledger-0@21", "m3"), ("ids", "ledger-0@21", "m3")]),
    "a changed amount": (edit(*M3_REVIEW, amounts(-1, 1)), [UNTOLD, SUMS]),
    "an amount changed on one side": (edit(*M3_REVIEW, amounts(0, 1)), [("zero", "ledger-0@8", "m3"), UNTOLD, SUMS]),
    "an amount that is no whole number": (
        edit(*M3_REVIEW, amounts(0.5, -0.5)),
        [("readable", "ledger-0@8", "m3"), ("sequence", "ledger-0@11", "m3"), UNTOLD, SUMS],
    ),
    "points of a member that nobody has": (
        edit(*M3_REVIEW, to_account(1, "member:ghost:available")),
        [("own", "ledger-0@8", "m3"), UNTOLD, SUMS],
    ),
    "points of another member": (
        edit(*M3_REVIEW, to_account(1, "member:m1:available")),
        [("own", "ledger-0@8", "m3"), UNTOLD, SUMS],
    ),
    "points that wait and should not": (
        edit(*M3_REVIEW, to_account(1, "member:m3:pending")),
        [UNTOLD, SUMS],
    ),
    "an entry without postings": (
        edit(*M3_REVIEW, without("postings")),
        [("readable", "ledger-0@8", "m3"), ("sequence", "ledger-0@11", "m3"), UNTOLD, SUMS],
    ),
    "an entry without a number": (
        edit(*M3_REVIEW, without("member_sequence")),
        [("readable", "ledger-0@8", "m3"), ("sequence", "ledger-0@11", "m3"), UNTOLD, SUMS],
    ),
    "an entry under another's id": (edit(LEDGER, "m3", 2, other_id), [("ids", "ledger-0@11", "m3")]),
    "an entry under another's key": (other_key(LEDGER), [("place", "ledger-0@8", "m3")]),
    "a lost balance change": (
        lose(BALANCES, "m3", 1),
        [("sequence", "balances-0@14", "m3"), ("cause", "ledger-0@8", "m3")],
    ),
    "a lost latest balance change": (
        lose(BALANCES, "m3", 4),
        [("cause", "ledger-0@18", "m3"), ("reached", "balances-0", "m3"), ("balances", "balances-0", "m3")],
    ),
    "a doubled balance change": (
        double(BALANCES, "m3", 1),
        [("sequence", "balances-0@26", "m3"), ("ids", "balances-0@26", "m3")],
    ),
    "a balance that is off by one": (
        edit(BALANCES, "m3", 1, data(available=6)),
        [
            ("change", "balances-0@12", "m3"),
            ("change", "balances-0@12", "m3"),
            UNTOLD,
            ("balances", "balances-0", "m3"),
        ],
    ),
    "a delta that is off by one": (edit(BALANCES, "m3", 1, data(delta=6)), [("change", "balances-0@12", "m3")]),
    "a balance that is off by one among all": (
        edit(BALANCES, "m3", 1, own_balance("stars", 6, 0)),
        [("change", "balances-0@12", "m3")],
    ),
    "a balance change of another cause": (
        edit(BALANCES, "m3", 1, data(cause={"source": "x", "id": "y", "type": "z"})),
        [("cause", "ledger-0@8", "m3"), UNTOLD],
    ),
    "a balance change of no currency": (
        edit(BALANCES, "m3", 1, data(currency="points")),
        [("readable", "balances-0@12", "m3"), ("sequence", "balances-0@15", "m3"), ("cause", "ledger-0@8", "m3")],
    ),
    "a lost change of tier": (lose(TIERS, "m1", 2), [("reached", "tiers-0", "m1"), ("tier", "tiers-0", "m1")]),
    "a lost notice": (lose(NOTICES, "m1", 1), [("sequence", "notices-0@0", "m1")]),
    "a notice without bytes": (no_bytes, [("readable", "notices-0@4", "")]),
    "an account that is off by one": (
        one_more_for_m3,
        [("balances", "balances-0", "m3"), SUMS],
    ),
    "an account whose lots do not match": (lots_of_m3, [("lots", "accounts-0@2", "m3")]),
    "an account of another tier": (account("m3", tier="top"), [("tier", "tiers-0", "m3")]),
    "an account that is ahead of the ledger": (one_ahead(LEDGER), [("reached", "ledger-0", "m3")]),
    "an account that is ahead of the notices": (one_ahead(NOTICES), [("reached", "notices-0", "m3")]),
    "an account that is behind the ledger": (
        one_behind(LEDGER),
        [("reached", "ledger-0@18", "m3"), ("cause", "balances-0@22", "m3"), SUMS],
    ),
    "an account under another's key": (other_account_key, [("place", "accounts-0@2", "m3")]),
    "a lost account": (no_account_of("m3"), [("owner", "ledger-0@8", "m3")]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_place_and_nothing_else(part: Recorded, fault: str) -> None:
    damage, expected = FAULTS[fault]
    damage(part)
    assert found_in(part) == expected


def test_every_check_is_proven_by_a_fault() -> None:
    named = {check for _, expected in FAULTS.values() for check, _, _ in expected}
    assert {*named, "kept"} == {str(check) for check in Check}


def test_a_difference_says_what_was_expected_and_what_was_found(part: Recorded) -> None:
    edit(*M3_REVIEW, amounts(-1, 1))(part)
    first = audited(part).findings.differences[0]
    change = part.events("balances")[12]["id"]
    assert str(first) == (
        f"balances-0@12 member m3 {change}: cause: expected +6 available, +0 pending stars by loyalty.review.v1 v, as "
        "in ledger-0@8; found +5 available, +0 pending"
    )


def test_members_on_a_wrong_partition_are_named() -> None:
    one, two = recorded(run(EVENTS, 2))
    one.number, two.number = 1, 0
    assert {check for check, _, _ in found_in(one, two)} == {"place"}


def test_only_the_first_differences_are_kept_and_all_are_counted(part: Recorded) -> None:
    part.outputs["notices"] += [("m1", None)] * 5
    findings = audit([part], kept_max=2).findings
    assert (len(findings.differences), findings.wrong.total(), findings.clean) == (2, 5, False)


# ---------------------------------------------------------------------- what the engine may learn one day
def test_other_accounts_of_the_books_and_other_pots_are_summed_like_any(part: Recorded) -> None:
    edit(*M3_REVIEW, to_account(0, "limit:spring:left"))(part)
    findings, totals = audited(part)
    assert findings.clean
    assert totals.books["limit:spring:left", "stars"] == -5


def test_an_entry_of_something_that_is_no_member_needs_no_account(part: Recorded) -> None:
    def forge(event: dict[str, Any]) -> None:
        event.update(id="new", subject="limit:spring")
        event["data"].update(
            member_sequence=1,
            postings=[{"account": "limit:a", "currency": "places", "amount": 0, "rule": "", "lot": ""}],
        )

    double(*M3_REVIEW)(part)
    part.edit("ledger", len(part.outputs["ledger"]) - 1, forge)
    part.outputs["ledger"][-1] = "limit:spring", part.outputs["ledger"][-1][1]
    assert found_in(part) == []


def test_another_output_topic_is_held_to_ids_and_numbers(part: Recorded) -> None:
    part.outputs["rewards"] += [part.outputs["notices"][0], part.outputs["notices"][2]]
    unknown = [("reached", "rewards-0@0", "m1"), ("reached", "rewards-0@1", "m2")]
    assert found_in(part) == unknown, "no account has a redemption"
    part.outputs["rewards"].append(part.outputs["notices"][0])
    again = [("sequence", "rewards-0@2", "m1"), ("ids", "rewards-0@2", "m1")]
    assert sorted(found_in(part)) == sorted(unknown + again)


# ---------------------------------------------------------------------- retention
@pytest.mark.parametrize("gone", range(27))
def test_balances_whose_beginning_is_gone_are_compared_behind_it(part: Recorded, gone: int) -> None:
    part.first["balances"] = gone
    assert found_in(part) == []


def test_a_fault_behind_what_is_gone_is_found(part: Recorded) -> None:
    part.first["balances"] = 5
    edit(*M3_REVIEW, amounts(-1, 1))(part)
    assert found_in(part) == [UNTOLD, SUMS]


def test_notices_and_tiers_whose_beginning_is_gone_are_not_missed(part: Recorded) -> None:
    part.first |= {"notices": 2, "tiers": 6}
    assert found_in(part) == []


def test_a_ledger_whose_beginning_is_gone_is_a_difference_and_nothing_follows_from_it(part: Recorded) -> None:
    part.first["ledger"] = 6
    assert found_in(part) == [("kept", "ledger-0", "")]


# ---------------------------------------------------------------------- a system at work
def at_work(settled: int, accounts: int) -> Recorded:
    """Outputs were looked at after `settled` events, accounts read after `accounts`, outputs read later still."""
    [before], [between], [after] = (
        recorded(run(EVENTS[:taken], 1, 1, idle=idle))
        for taken, idle in ((settled, 0), (accounts, 0), (len(EVENTS), 4))
    )
    after.held = between.held
    after.settled_at = {word: len(before.outputs[word]) for word in after.words}
    return after


@pytest.mark.parametrize("settled", range(len(EVENTS)))
@pytest.mark.parametrize("more", [0, 1, 3])
def test_what_came_meanwhile_is_no_difference(settled: int, more: int) -> None:
    made = at_work(settled, min(settled + more, len(EVENTS)))
    findings, totals = audited(made)
    assert findings.differences == []
    assert totals.newer.total() > 0
    assert +totals.ledger == +totals.accounts == +totals.balances


def test_what_accounts_must_know_and_do_not_is_a_difference() -> None:
    made = at_work(6, 6)
    made.held = [each for each in made.held if each[1].member != "m3"]
    assert {(check, member) for check, _, member in found_in(made)} == {("owner", "m3")}
    made = at_work(len(EVENTS), 5)
    assert {check for check, _, _ in found_in(made)} >= {"reached", "owner"}


def test_a_fault_is_found_while_the_engine_works() -> None:
    made = at_work(6, 8)
    edit(*M3_REVIEW, amounts(-1, 1))(made)
    assert {check for check, _, _ in found_in(made)} == {"cause", "ledger"}


def test_causes_that_never_meet_their_other_side_do_not_pile_up(part: Recorded) -> None:
    part.outputs["balances"].clear()
    part.open_causes_max = 3
    causes = [each for each in audited(part).findings.differences if each.check is Check.CAUSE]
    assert len(causes) == 26  # as many as there were changes: each is told of once
