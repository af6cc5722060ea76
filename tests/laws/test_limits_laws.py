"""LAW 7: what is limited for all members together is never given twice, in whatever order they ask.

First a limit alone, under random claims, releases, restocks, duplicates, windows and versions. Then members of several
partitions who win surprises, in batches of any size, with returns, removed reviews, closed accounts and restocks.
"""

from collections import Counter
from dataclasses import replace
from typing import NamedTuple

import orjson
from hypothesis import given
from hypothesis import strategies as st

from loyalty.account import ClaimRecord, Head, Limit, PurchaseRecord, claim_key, limit_key
from loyalty.budgets import LimitTerms
from loyalty.calendar import DAY_US, local_time, period_key
from loyalty.decisions import Decision, Outcome
from loyalty.facts import Answer, Cause, Claim, Release, Restock
from loyalty.limits import decide_limit, reads
from loyalty.memory import key_digest
from loyalty.plan import Programs
from schemas.decode import Known, decode
from schemas.state import decode_record, encode_record
from tests.laws.cluster import Cluster, assert_replayed
from tests.laws.worlds import Part, World, examples, pick, streams
from tests.loyalty.books import Books, program
from tests.loyalty.events import back as back_all
from tests.loyalty.events import fact, instant, member_event, micros, restock
from workers.records import partition_of
from workers.topic_words import INBOX

MUGS = "stock:mug"
START_US = micros("2026-03-02T12:00:00Z")
VERSION_DAYS = 3
"""The second version begins so many days after the first events."""


class Asked(NamedTuple):
    """One thing that happens to a limit: `number` names the claim or restock."""

    what: str
    number: int
    units: int
    day: int
    late_days: int


asked = st.builds(
    Asked,
    st.sampled_from(["claim", "claim", "claim", "release", "restock"]),
    st.integers(0, 11),
    st.integers(0, 4),
    st.integers(0, 5),
    st.sampled_from([0, 0, 1, 4]),
)
terms = st.builds(LimitTerms, st.integers(0, 9), st.sampled_from(["lifetime", "lifetime", "day", "week"]))


def _fact(one: Asked) -> Claim | Release | Restock:
    """What is sent. A number means the same claim each time, but for its units: one of them is another claim's."""
    time_us = START_US + one.day * DAY_US
    cause = Cause("/app", f"{one.what}{one.number}", "t")
    digest = key_digest(one.what, str(one.number), str(one.units if one.what != "claim" else one.number % 3))
    version = "1" if one.day < VERSION_DAYS else "2"
    match one.what:
        case "claim":
            time_us = START_US + one.number % 6 * DAY_US  # as the cause says it
            version = "1" if one.number % 6 < VERSION_DAYS else "2"
            units = 1 + one.number % 3
            heading = (cause, MUGS, time_us, digest, digest, f"c{one.number}", f"m{one.number}", version)
            return Claim(*heading, units, "surprise", "rule", "")
        case "release":
            heading = (cause, MUGS, time_us, digest, digest, f"r{one.number}-{one.units}", "m1", version)
            return Release(*heading, f"c{one.number}", one.units)
        case _:
            return Restock(cause, MUGS, time_us, digest, digest, f"s{one.number}", one.units - 2, "why", "anna", "")


@given(terms, terms, st.lists(asked, max_size=40))
@examples(400)
def test_l7_a_limit_never_grants_more_than_there_is(first: LimitTerms, second: LimitTerms, all_: list[Asked]) -> None:
    made = program('version: "1"\nearn: []\n')
    later = replace(made, version="2", effective_from_us=START_US + VERSION_DAYS * DAY_US, limits={MUGS: second})
    versions = {"1": replace(made, limits={MUGS: first}), "2": later}
    programs = Programs(list(versions.values()))
    state: dict[str, Limit | ClaimRecord] = {}
    answers: Counter[str] = Counter()
    now_us = START_US
    for one in all_:
        told = _fact(one)
        now_us = max(now_us, told.time_us + one.late_days * DAY_US)
        known = {key: state[key] for key in reads(told) if key in state}
        decision = decide_limit(programs, known, told, now_us)
        assert decide_limit(programs, known, told, now_us) == decision
        assert decision.outcome is Outcome.APPLIED or decision == Decision(decision.outcome, refusal=decision.refusal)
        for key, record in decision.writes.items():
            state[key] = record
            assert decode_record(encode_record(record)) == record
        claims = [record for record in state.values() if isinstance(record, ClaimRecord)]
        limit = state.get(limit_key(MUGS))
        if not isinstance(limit, Limit):
            continue
        held: Counter[str] = Counter()
        for claim in claims:
            held[claim.period] += claim.held
        # Q3: what is taken is what claims hold, in each period.
        assert {period: units for period, units in limit.taken.items() if units} == +held
        for message in decision.messages:
            assert isinstance(message, Answer)
            assert isinstance(told, Claim)
            answers[message.claim_id] += 1
            record = state[claim_key(MUGS, message.claim_id)]
            assert isinstance(record, ClaimRecord)
            assert record.held == (told.units if message.granted else 0)
            if message.granted:  # Q1, by the version of the claim
                given = versions[told.version].limits[MUGS]
                period = period_key(given.per, local_time(told.time_us, made.zone))
                assert limit.taken[period] <= given.capacity + limit.added.get(period, 0)
    # Q2: each claim was answered once, however often it came.
    assert answers == Counter({f"c{one.number}": 1 for one in all_ if one.what == "claim"})


# ------------------------------------------------------------------ members who win

LIVES = "points: {points: {name: Points, pending: P1D, expiry: {after: P4D, notice: P1D}}}"
SURPRISES = """
%(points)s
earn: [{id: base, on: purchase, give: {points: 1, per: "1.00"}}]
surprises:
  - {id: lucky, on: purchase, percent: 70, give: {points: 10}, budget: {points: %(lucky)s, refill: %(refill)s}}
  - {id: triple, on: purchase, percent: 60, give: {times: 3}, when: {min_spend: "3.00"},
     budget: {points: 25, per: day, refill: true}, at_most: {points: 20, per: week}}
  - {id: thanks, on: review, draw: member, percent: 80, per: week, give: {points: 5}, budget: {points: 15, per: week}}
  - {id: kept, on: engagement, percent: 50, give: {points: 3}, budget: {points: 9}, returns: keep}
"""
RULES = ("lucky", "triple", "thanks", "kept")


@st.composite
def luck(draw: st.DrawFn, *, lives: bool = True, again: bool = True) -> World:
    """Members who buy, review and return, with restocks of budgets and members who leave."""
    text = SURPRISES % {
        "points": LIVES if lives and draw(st.booleans()) else "",
        "lucky": pick(draw, [5, 10, 25, 1000]),
        "refill": pick(draw, ["true", "false"]),
    }
    events = draw(streams(members=4, length=16))
    last_us = max(fact(event).time_us for event in events)
    for number in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(events)))
        limit = f"budget:{pick(draw, RULES)}"
        more = restock(f"s{number}", pick(draw, [-12, 5, 30]), limit=limit, time=instant(last_us))
        events.insert(place, more)
    if again and draw(st.booleans()):
        events.insert(draw(st.integers(0, len(events))), member_event("bye", "closed", time=instant(last_us)))
    return World(program(text), events)


def _drained(world: World, data: st.DataObject) -> Cluster:
    """All events taken, each partition on its own, in batches of any size, some again; then all that follows."""
    cluster = Cluster(world, data.draw(st.integers(1, 4)))
    now_us = max(fact(event).time_us for event in world.events)
    for event in world.events:
        partition = cluster.send(event)
        if data.draw(st.booleans()):
            cluster.batch(partition, data.draw(st.integers(1, 4)), now_us)
    copies = data.draw(st.integers(0, 3))
    while any(cluster.waiting):
        for partition in range(cluster.partitions):
            now_us += 1_000_000
            cluster.batch(partition, data.draw(st.integers(1, 5)), now_us)
        inbox = [record for record in cluster.log if record.topic == INBOX]
        if copies and inbox:  # A message that comes twice changes nothing, now or later.
            copies -= 1
            twice = pick(data.draw, inbox)
            cluster.produce(INBOX, twice.partition, twice.key, twice.value)
    return cluster


@given(luck(), st.data())
@examples(150)
def test_l7_members_of_all_partitions_share_what_there_is(world: World, data: st.DataObject) -> None:
    cluster = _drained(world, data)
    records = [decode_record(raw) for held in cluster.held() for key, raw in held.items() if raw and key[:2] != b"s|"]
    limits = {record.limit: record for record in records if isinstance(record, Limit)}
    claims = [record for record in records if isinstance(record, ClaimRecord)]
    sent = [decode(out.value) for out in cluster.outputs if out.topic == INBOX]
    told = [each.fact for each in sent if isinstance(each, Known)]
    asked_for = {each.message_id: each for each in told if isinstance(each, Claim)}
    answered = [each for each in told if isinstance(each, Answer)]
    # Every claim is answered, once, to the one who asked, by the partition that holds the limit.
    assert sorted(each.claim_id for each in answered) == sorted(asked_for)
    assert all(asked_for[each.claim_id].from_member == each.member for each in answered)
    assert len(claims) == len(asked_for)
    for rule in world.program.surprises:
        limit = limits.get(rule.budget)
        taken = sum(limit.taken.values()) if limit is not None else 0
        mine = [each for each in asked_for.values() if each.member == rule.budget]
        held = sum(state_of(records_of(cluster, rule.budget), each) for each in mine)
        assert taken == held
        given = _given(cluster, rule.id)
        # What members hold is what the budget counts; without a refill it goes on counting what went back.
        assert given == taken if rule.refill or rule.returns == "keep" else given <= taken
        terms = world.program.limits[rule.budget]
        for period, units in (limit.taken if limit is not None else {}).items():
            most = terms.capacity + max(0, *_added(world, rule.budget, period), 0)
            assert 0 <= units <= most
        where = partition_of(rule.budget, cluster.partitions)
        assert all(limit_key(rule.budget).encode() not in held for at, held in enumerate(cluster.held()) if at != where)
    for head in (record for record in records if isinstance(record, Head)):
        assert len(head.surprised) <= len(asked_for)
    assert_replayed(cluster, world)


@given(luck(), st.integers(0, 9))
@examples(150)
def test_l7_the_books_hold_with_surprises(world: World, days: int) -> None:
    """Whatever is won and taken back, matures and ends: each step is checked, and all of it in the end."""
    books = Books(world.program).take_all(world.events)
    books.pass_time(max(fact(event).time_us for event in world.events) + days * DAY_US)
    books.check_books()
    for message in books.messages:
        assert books.take(message).outcome is Outcome.DUPLICATE


@given(luck(lives=False, again=False))
@examples(150)
def test_l7_nothing_is_left_of_what_came_back(world: World) -> None:
    """When all of every purchase has come back, so have its surprises, and a budget that is refilled is whole."""
    books = Books(world.program, careful=False).take_all(world.events)
    last = instant(max(fact(event).time_us for event in world.events))
    sales = [(key, record) for key, record in books.state.items() if isinstance(record, PurchaseRecord)]
    for number, (key, sale) in enumerate(sales):
        member = key.split("|")[1]
        parts = [(line, line.quantity_micro, line.amount_minor) for line in sale.lines]
        left = [
            Part(line.line_id, quantity - back[0], amount - back[1]).returned
            for line, quantity, amount in parts
            if (back := sale.returned.get(line.line_id, (0, 0))) != (quantity, amount) or not quantity
        ]
        if left:
            books.take(back_all(f"all-{number}", sale.transaction_id, left, member=member, time=last))
    for head in books.heads():
        for rule in ("lucky", "triple"):
            assert books.by_rule(head.member)[rule, "points"] == 0
        assert not [one for one in head.surprised if one.on == "purchase"]
    limits = {record.limit: record for record in books.state.values() if isinstance(record, Limit)}
    triple = limits.get("budget:triple")
    assert triple is None or not sum(triple.taken.values())
    books.check_books()


def records_of(cluster: Cluster, limit: str) -> dict[bytes, bytes | None]:
    """The records of the partition that holds a limit."""
    return cluster.held()[partition_of(limit, cluster.partitions)]


def state_of(held: dict[bytes, bytes | None], claim: Claim) -> int:
    """The units that a claim holds."""
    raw = held[claim_key(claim.member, claim.message_id).encode()]
    assert raw is not None
    record = decode_record(raw)
    assert isinstance(record, ClaimRecord)
    return record.held


def _added(world: World, limit: str, period: str) -> list[int]:
    """Sums of restocks of the period so far: the claims came between them."""
    per = world.program.limits[limit].per
    found, seen = [0], set()
    restocks = (each for each in map(fact, world.events) if isinstance(each, Restock) and each.member == limit)
    for each in restocks:
        if period_key(per, local_time(each.time_us, world.program.zone)) == period and each.restock_id not in seen:
            seen.add(each.restock_id)
            found.append(found[-1] + each.units)
    return found


def _given(cluster: Cluster, rule: str) -> int:
    """What all members got of a rule, less what went back. What had expired by then counts as returned."""
    total = 0
    for raw in cluster.stream("ledger"):
        entry = orjson.loads(raw)["data"]
        for posting in entry["postings"]:
            if posting["rule"] == rule and posting["account"].startswith("member:"):
                total += posting["amount"]
        total -= sum(step.get("expired_before", 0) for step in entry["steps"] if step.get("rule") == rule)
    return total
