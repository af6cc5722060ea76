"""What members do in a run: events as senders make them, some of them twice, astray, broken or taken back."""

from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from loyalty.plan import Programs
from tests.loyalty.books import program
from tests.loyalty.events import adjustment, back, instant, member_event, purchase, referral, review, transfer
from workers.records import partition_of

START_US = 1_767_225_600_000_000
"""2026-01-01."""

EARN = """\
earn:
  - {id: base, on: purchase, give: {points: 1, per: "1.00"}}
  - {id: welcome, on: enrollment, give: {points: 100}}
  - {id: review, on: review, give: {points: 10}}
  - {id: friends, on: referral, give: {referrer: 300, referee: 150}, when: {stage: signed_up}}
returns: {keep: P400D, negative: allow, blind: refuse}
adjustments: {negative: allow}
transfers: {kinds: [points]}
"""
PLAIN = Programs([program(EARN)])
TIMED = Programs([program("points: {points: {name: Points, pending: PT4H, expiry: {after: P1D}}}\n" + EARN)])


class Sent(NamedTuple):
    """An event on its way in."""

    word: str
    partition: int
    key: bytes
    value: bytes
    certain: str
    """Id of an event that has to be booked exactly once, whatever else happens; "" when that depends."""


def events(random: Random, count: int, partitions: int, clock: Callable[[], int], name: str = "e") -> Iterator[Sent]:
    """So many events and what is sent again of them, in order of sending. Their ids begin with `name`."""
    members = [f"m{number}" for number in range(random.randint(2, 6))]
    sent: list[Sent] = []
    sales: list[tuple[str, str]] = []
    for number in range(count):
        if sent and random.random() < 0.12:
            yield random.choice(sent)._replace(certain="")
        made = _event(random, f"{name}{number}", random.choice(members), members, instant(clock()), sales)
        partition = partition_of(made.key.decode(), partitions)
        if made.word not in {"members", "referrals"} and random.random() < 0.1:
            partition = random.randrange(partitions)
        made = made._replace(partition=partition)
        sent.append(made)
        yield made


def _event(random: Random, name: str, member: str, members: list[str], time: str, sales: list[tuple[str, str]]) -> Sent:
    key = member.encode()
    draw = random.random()
    if draw < 0.45:
        sales.append((name, member))
        return Sent("purchases", 0, key, purchase(name, 100 * random.randint(1, 40), member=member, time=time), name)
    if draw < 0.55 and sales:
        of, owner = random.choice(sales)
        return Sent("purchases", 0, owner.encode(), back(name, of, [("1", "1", 50)], member=owner, time=time), "")
    if draw < 0.7:
        friend = random.choice(members)
        return Sent("referrals", 0, key, referral(name, friend, member=member, time=time, referral_id=name), "")
    if draw < 0.8:
        return Sent("reviews", 0, key, review(name, member=member, time=time), name)
    if draw < 0.88:
        return Sent("members", 0, key, member_event(name, "enrolled", member=member, time=time), "")
    if draw < 0.93:
        gift = transfer(name, random.choice(members), random.randint(1, 30), member=member, time=time)
        return Sent("commands", 0, key, gift, "")
    if draw < 0.97:
        return Sent("commands", 0, key, adjustment(name, random.randint(1, 50), member=member, time=time), name)
    return Sent("purchases", 0, key, b'{"specversion":', "")
