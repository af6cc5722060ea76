"""What members do besides buying, made up from their purchases by a seed: for the demo, load and tests.

Out of a stream of purchases comes a longer one: the same purchases, and between them enrollments, reviews, shares,
surveys, referrals, returns, events that are sent twice, and a few that no engine should take.

Invariants:
  G1 the same purchases and the same seed give the same stream, to the byte
  G2 what is derived comes after the purchase that it is derived from, in the stream and by its own time; the stream is
     in order of time, except for what is sent twice or broken
  G3 each valid event could have happened: reviews are of what was bought, returns never of more than that, nobody
     refers themselves or is referred twice
  G4 a purchase's part of the stream depends on the seed, the purchase and who bought before, not on later purchases
  G5 memory holds the members and what is due within the next month, never the stream

Not here: real data (completejourney.py), sending (publish.py).
"""

import heapq
import random  # noqa: TID251 - seeded, and making things up is the purpose
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import orjson

from schemas.encode import instant_text
from schemas.scalars import instant_us

_SECOND_US: Final = 1_000_000
_MINUTE_US: Final = 60 * _SECOND_US
_HOUR_US: Final = 60 * _MINUTE_US
_DAY_US: Final = 24 * _HOUR_US

# How often, for each purchase; the first two for each new member.
_ENROLLS: Final = 0.8
_IS_REFERRED: Final = 0.25
_REVIEWS: Final = 0.05
_SHARES: Final = 0.04
_SURVEYS: Final = 0.01
_RETURNS: Final = 0.04
_SENT_TWICE: Final = 0.005
_BROKEN: Final = 0.002

_REFERRERS_MIN: Final = 20
"""So many members must be there before the first is referred."""
_REFERRED_SPEND_MINOR: Final = 2_000
"""What a referred member spends in one purchase for the referral to be called qualified."""

_NETWORKS: Final = ("instagram", "facebook", "pinterest", "tiktok")
_SEGMENTS: Final = ("students", "families", "seniors", "staff")
_NO_RETURN: Final = frozenset({"FUEL", "COUPON", "CNTRL/STORE SUP"})

Event = dict[str, Any]
_T = TypeVar("_T")


class Sent(NamedTuple):
    """One event of the stream, as it would be published."""

    word: str
    """The topic's word."""
    member: str
    """The Kafka key."""
    raw: bytes
    kind: str
    """What it is meant as: purchase, review, ..., duplicate, broken."""


def derive(purchases: Iterable[bytes], seed: int) -> Iterator[Sent]:
    """The purchases, in order of time, with what their members do besides.

    Args:
        purchases: encoded loyalty.purchase.v1 events with a subject, in order of time.
        seed: another one makes up other events.
    """
    town = _Town(seed)
    for raw in purchases:
        event: Event = orjson.loads(raw)
        time_us = instant_us(event["time"])
        yield from town.until(time_us)
        yield Sent("purchases", event["subject"], raw, "purchase")
        town.bought(event, time_us, raw)
    yield from town.until(None)


class _Town:
    """Everybody who has bought, and what they will do next."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._due: list[tuple[int, int, Sent]] = []
        self._planned = 0
        self._members: list[str] = []
        self._known: set[str] = set()
        self._referred: dict[str, Event] = {}

    def until(self, time_us: int | None) -> Iterator[Sent]:
        """What happens up to and including a time; None: everything that is left."""
        while self._due and (time_us is None or self._due[0][0] <= time_us):
            yield heapq.heappop(self._due)[-1]

    def bought(self, purchase: Event, time_us: int, raw: bytes) -> None:
        """Plan what follows from a purchase."""
        chance = _Chance(self._seed, purchase["id"])
        member = purchase["subject"]
        plan = _Plan(self, purchase, time_us, chance)
        if member not in self._known:
            self._new_member(plan, member)
        elif member in self._referred and _spent_minor(purchase) >= _REFERRED_SPEND_MINOR:
            plan.qualified(self._referred.pop(member))
        if chance.happens(_REVIEWS):
            plan.review()
        if chance.happens(_SHARES):
            plan.share()
        if chance.happens(_SURVEYS):
            plan.survey()
        if chance.happens(_RETURNS):
            plan.come_back()
        if chance.happens(_SENT_TWICE):
            self.plan(time_us + chance.between(1, 90) * _SECOND_US, Sent("purchases", member, raw, "duplicate"))
        if chance.happens(_BROKEN):
            plan.break_something()

    def plan(self, time_us: int, sent: Sent) -> None:
        """Something will be sent at a time."""
        # The number decides between equal times and keeps events from being compared.
        self._planned += 1
        heapq.heappush(self._due, (time_us, self._planned, sent))

    def _new_member(self, plan: "_Plan", member: str) -> None:
        if plan.chance.happens(_ENROLLS):
            plan.enroll()
        if len(self._members) >= _REFERRERS_MIN and plan.chance.happens(_IS_REFERRED):
            self._referred[member] = plan.referred_by(plan.chance.one_of(self._members))
        self._members.append(member)
        self._known.add(member)


class _Chance:
    """Draws that depend on the seed and the purchase alone (G1, G4)."""

    def __init__(self, seed: int, purchase_id: str) -> None:
        # `random()` of a text seed is the same on every Python; choice, sample and shuffle promise no such thing.
        self._draw = random.Random(f"{seed}:{purchase_id}").random  # noqa: S311 - no secret comes of it

    def happens(self, probability: float) -> bool:
        return self._draw() < probability

    def between(self, first: int, last: int) -> int:
        """A whole number, both ends included."""
        return first + int(self._draw() * (last - first + 1))

    def one_of(self, values: Sequence[_T]) -> _T:
        return values[self.between(0, len(values) - 1)]


class _Plan:
    """What follows from one purchase."""

    def __init__(self, town: _Town, purchase: Event, time_us: int, chance: _Chance) -> None:
        self.chance = chance
        self._town = town
        self._purchase = purchase
        self._id: str = purchase["id"]
        self._member: str = purchase["subject"]
        self._time_us = time_us

    def enroll(self) -> None:
        """The member fills in the form that came with the card."""
        data: Event = {"status": "enrolled"}
        if self.chance.happens(0.7):
            born = f"{self.chance.between(1, 12):02}-{self.chance.between(1, 28):02}"
            data["birthday"] = born if self.chance.happens(0.3) else f"{self.chance.between(1940, 1999)}-{born}"
        if self.chance.happens(0.4):
            data["segments"] = [self.chance.one_of(_SEGMENTS)]
        self._later(self.chance.between(2, 60) * _MINUTE_US, "members", "/app", "member", f"join-{self._id}", data)

    def referred_by(self, referrer: str) -> Event:
        """The new member came through somebody; answers what both stages of the referral say."""
        says = {
            "referral_id": f"referral-{self._member}",
            "referrer_id": referrer,
            "code": f"FRIEND-{referrer}",
        }
        data = says | {"stage": "signed_up"}
        self._later(
            self.chance.between(61, 600) * _MINUTE_US, "referrals", "/app", "referral", f"signed-{self._id}", data
        )
        return says

    def qualified(self, says: Event) -> None:
        """The member who was referred has bought enough."""
        data = says | {"stage": "qualified", "transaction_id": self._purchase["data"]["transaction_id"]}
        # After the sign-up, also when the two purchases are minutes apart.
        self._later(11 * _HOUR_US, "referrals", "/app", "referral", f"qualified-{self._id}", data)

    def review(self) -> None:
        """Of something in the basket."""
        data = {
            "review_id": f"review-{self._id}",
            "sku": self.chance.one_of(self._purchase["data"]["lines"])["sku"],
            "rating": min(5, self.chance.between(2, 7)),
            "text_length": self.chance.between(5, 600),
            "has_photo": self.chance.happens(0.2),
            "verified_purchase": self.chance.happens(0.9),
            "status": "published",
        }
        delay_us = self.chance.between(_HOUR_US, 10 * _DAY_US)
        self._later(delay_us, "reviews", "/web", "review", f"review-{self._id}", data)

    def share(self) -> None:
        """Of a recipe, or of what became of it."""
        data = {
            "share_id": f"share-{self._id}",
            "network": self.chance.one_of(_NETWORKS),
            "content_id": f"recipe-{self.chance.between(1, 200)}",
            "kind": "ugc" if self.chance.happens(0.3) else "share",
        }
        delay_us = self.chance.between(_MINUTE_US, 2 * _DAY_US)
        self._later(delay_us, "shares", "/app", "share", f"share-{self._id}", data)

    def survey(self) -> None:
        """How did we do?"""
        data = {
            "activity": "survey",
            "activity_id": f"survey-{self._id}",
            "properties": {"score": self.chance.between(1, 10)},
        }
        delay_us = self.chance.between(_HOUR_US, 3 * _DAY_US)
        self._later(delay_us, "engagements", "/web", "engagement", f"survey-{self._id}", data)

    def come_back(self) -> None:
        """Of the basket: all of it at once, all of it on two days, one line, or several lines on several days."""
        lines = [line for line in self._purchase["data"]["lines"] if line.get("category", "") not in _NO_RETURN]
        if not lines:
            return
        match self.chance.one_of(("whole", "halves", "line", "line", "lines")):
            case "whole":
                returns = [[_whole(line) for line in lines]]
            case "halves":
                returns = [[_whole(line) for line in half] for half in (lines[::2], lines[1::2]) if half]
            case "line":
                returns = [[self._part(self.chance.one_of(lines))]]
            case _:
                several = {self.chance.between(0, len(lines) - 1) for _ in range(self.chance.between(2, 4))}
                returns = [[self._part(lines[at])] for at in sorted(several)]
        delay_us = 0
        for number, back in enumerate(returns, 1):
            delay_us += self.chance.between(_HOUR_US, 9 * _DAY_US)
            return_id = f"return-{self._id}-{number}"
            data = {"return_id": return_id, "transaction_id": self._purchase["data"]["transaction_id"], "lines": back}
            self._later(delay_us, "purchases", self._purchase["source"], "return", return_id, data)

    def break_something(self) -> None:
        """One event that no engine should take."""
        damage = self.chance.one_of(_DAMAGES)
        word, raw = damage(self._purchase, self._time_us + _MINUTE_US)
        self._town.plan(self._time_us + _MINUTE_US, Sent(word, self._member, raw, "broken"))

    def _part(self, line: Event) -> Event:
        """Some of a line's pieces, with their share of the money; all of it when it does not come in pieces."""
        pieces = int(line["quantity"])
        if pieces < 2:  # noqa: PLR2004 - one piece has no parts
            return _whole(line)
        back = self.chance.between(1, pieces)
        return {
            "line_id": line["line_id"],
            "quantity": str(back),
            "amount_minor": line["amount_minor"] * back // pieces,
        }

    def _later(self, delay_us: int, word: str, source: str, kind: str, event_id: str, data: Event) -> None:
        time_us = self._time_us + delay_us
        raw = orjson.dumps(_event(self._member, time_us, source, kind, event_id, data))
        self._town.plan(time_us, Sent(word, self._member, raw, kind))


def _event(member: str, time_us: int, source: str, kind: str, event_id: str, data: Event) -> Event:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": f"loyalty.{kind}.v1",
        "time": instant_text(time_us),
        "subject": member,
        "datacontenttype": "application/json",
        "data": data,
    }


def _whole(line: Event) -> Event:
    return {name: line[name] for name in ("line_id", "quantity", "amount_minor")}


def _spent_minor(purchase: Event) -> int:
    return sum(line["amount_minor"] for line in purchase["data"]["lines"])


# ------------------------------------------------------------------ what goes wrong in real life
# Each takes a purchase and a time after it, and answers a topic's word and the bytes that somebody sends to it.


def _cut_off(purchase: Event, _: int) -> tuple[str, bytes]:
    return "purchases", orjson.dumps(_again(purchase))[:-25]


def _unknown_type(purchase: Event, _: int) -> tuple[str, bytes]:
    return "purchases", orjson.dumps(_again(purchase) | {"type": "loyalty.purchase.v9"})


def _no_currency(purchase: Event, _: int) -> tuple[str, bytes]:
    again = _again(purchase)
    return "purchases", orjson.dumps(again | {"data": again["data"] | {"currency": "DOLLARS"}})


def _other_currency(purchase: Event, _: int) -> tuple[str, bytes]:
    again = _again(purchase)
    return "purchases", orjson.dumps(again | {"data": again["data"] | {"currency": "CHF"}})


def _money_with_a_point(purchase: Event, _: int) -> tuple[str, bytes]:
    again = _again(purchase)
    lines = [line | {"amount_minor": line["amount_minor"] / 100 + 0.001} for line in again["data"]["lines"]]
    return "purchases", orjson.dumps(again | {"data": again["data"] | {"lines": lines}})


def _no_offset(purchase: Event, _: int) -> tuple[str, bytes]:
    return "purchases", orjson.dumps(_again(purchase) | {"time": purchase["time"][:19]})


def _same_number_other_sale(purchase: Event, _: int) -> tuple[str, bytes]:
    lines = [line | {"amount_minor": line["amount_minor"] + 1} for line in purchase["data"]["lines"]]
    return "purchases", orjson.dumps(purchase | {"data": purchase["data"] | {"lines": lines}})


def _return_of_nothing(purchase: Event, time_us: int) -> tuple[str, bytes]:
    """Waits for a purchase that never comes; it is refused only when its time is over."""
    return_id = f"return-{purchase['id']}-x"
    lines = [_whole(purchase["data"]["lines"][0])]
    data = {"return_id": return_id, "transaction_id": f"{purchase['id']}-x", "lines": lines}
    return "purchases", orjson.dumps(_followed(purchase, time_us, "return", return_id, data))


def _return_of_too_much(purchase: Event, time_us: int) -> tuple[str, bytes]:
    return_id = f"return-{purchase['id']}-y"
    line = _whole(purchase["data"]["lines"][0])
    line["quantity"] = str(int(line["quantity"]) + 1)
    data = {"return_id": return_id, "transaction_id": purchase["data"]["transaction_id"], "lines": [line]}
    return "purchases", orjson.dumps(_followed(purchase, time_us, "return", return_id, data))


def _refers_oneself(purchase: Event, time_us: int) -> tuple[str, bytes]:
    member = purchase["subject"]
    referral_id = f"referral-{purchase['id']}-x"
    data = {"referral_id": referral_id, "referrer_id": member, "code": f"FRIEND-{member}", "stage": "signed_up"}
    return "referrals", orjson.dumps(_followed(purchase, time_us, "referral", referral_id, data))


def _on_another_topic(purchase: Event, _: int) -> tuple[str, bytes]:
    return "reviews", orjson.dumps(_again(purchase))


_DAMAGES: Final[tuple[Callable[[Event, int], tuple[str, bytes]], ...]] = (
    _cut_off,
    _unknown_type,
    _no_currency,
    _other_currency,
    _money_with_a_point,
    _no_offset,
    _same_number_other_sale,
    _return_of_nothing,
    _return_of_too_much,
    _refers_oneself,
    _on_another_topic,
)


def _again(purchase: Event) -> Event:
    """The purchase under numbers of its own."""
    number = f"{purchase['id']}-x"
    return purchase | {"id": number, "data": purchase["data"] | {"transaction_id": number}}


def _followed(purchase: Event, time_us: int, kind: str, event_id: str, data: Event) -> Event:
    return _event(purchase["subject"], time_us, purchase["source"], kind, event_id, data)
