"""Random programs and random streams for the laws: small figures, so that collisions and edges are common.

Programs are built compiled, events as bytes of the wire, so a failing example can be read and sent again.
"""

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st

from loyalty.budgets import LimitTerms
from loyalty.catalogue import Payment, Reward, Season
from loyalty.limits import STOCK, limit_id
from loyalty.program import (
    ALL_LINES,
    ActivityRule,
    Cap,
    Combine,
    Currency,
    Duration,
    EveryYear,
    Expiry,
    Hours,
    Level,
    LineFilter,
    Multiplier,
    Occasion,
    Program,
    PurchaseRule,
    Redemptions,
    ReferralRule,
    Returns,
    Stream,
    TierNotice,
    TierReview,
    Tiers,
    When,
)
from tests.loyalty.events import (
    Json,
    back,
    engagement,
    member_event,
    pay,
    purchase,
    redeem,
    referral,
    reported,
    review,
    share,
)

F = TypeVar("F", bound=Callable[..., None])
Draw = Callable[[st.SearchStrategy[Any]], Any]

POINTS, STARS = "points", "stars"
BIRTHDAYS = ("03-06", "1990-03-08", "03-09", "02-29", "01-01", "12-31")
CATEGORIES = ("a", "a", "b", "b", "c", "gift_card")
_START = datetime.fromisoformat("2026-03-06T20:00:00+00:00")  # two days before New York loses an hour


QUICK_PERCENT = 35
"""Of the examples that a law deserves, so many are tried each time, so that the fast tests stay fast."""


def examples(number: int) -> Callable[[F], F]:
    """How many examples a law deserves; LOYALTY_EXAMPLES sets another number, then each run draws new ones."""
    more = os.environ.get("LOYALTY_EXAMPLES")
    quick = settings(max_examples=max(10, number * QUICK_PERCENT // 100))
    made: Any = settings(max_examples=int(more), derandomize=False) if more else quick
    return made  # type: ignore[no-any-return]


# ------------------------------------------------------------------------------------------ programs
_RATES = {
    "per_amount": [
        Fraction(1, 100),
        Fraction(3, 100),
        Fraction(1, 150),
        Fraction(7, 300),
        Fraction(1, 1000),
        Fraction(1),
    ],
    "per_item": [Fraction(1), Fraction(2), Fraction(1, 3), Fraction(5, 2)],
    "fixed": [Fraction(1), Fraction(5), Fraction(50)],
}
_FACTORS = [Fraction(n, d) for n, d in ((2, 1), (11, 10), (5, 4), (3, 2), (3, 1), (1, 2), (0, 1))]
_FILTERS = [
    ALL_LINES,
    ALL_LINES,
    ALL_LINES,
    LineFilter(categories=frozenset("a")),
    LineFilter(categories=frozenset("ab")),
    LineFilter(not_categories=frozenset("a")),
    LineFilter(skus=frozenset({"s1"})),
    LineFilter(brands=frozenset({"x"}), not_skus=frozenset({"s2"})),
]
_WHENS = [
    *[When()] * 8,
    When(weekdays=frozenset({6, 7})),
    When(hours=(Hours(120, 180),)),
    When(every_year=(EveryYear((12, 1), (3, 7)),)),
    When(channels=frozenset({"app"})),
    When(tiers=frozenset({"l1", "l2"})),
    When(segments=frozenset({"vip"})),
]
_CAPS = [
    Cap(7, per="transaction"),
    Cap(12, per="day"),
    Cap(30, per="week"),
    Cap(2, "awards", "day"),
    Cap(3, "awards", "lifetime"),
    Cap(25, per="rolling", rolling=Duration(days=3)),
]


_PENDINGS = [None, Duration(seconds=3600), Duration(days=2)]
_EXPIRIES = [
    None,
    Expiry(Duration(days=3), notice=Duration(days=1)),
    Expiry(Duration(days=5), "month", notice=Duration(days=4)),
    Expiry(Duration(months=3), "quarter"),
    Expiry(Duration(days=4), restart_on=frozenset({"purchase", "review"}), notice=Duration(days=2)),
    Expiry(Duration(months=1), "year", frozenset({"share"})),
]


_REVIEWS = [
    None,
    TierReview(Duration(days=4)),
    TierReview(Duration(days=6), grace=Duration(days=2), down="one_step"),
    TierReview(to_end_of="month", down="base"),
    TierReview(Duration(months=1), "year", Duration(months=1)),
    TierReview(to_end_of="membership_year"),
]
_BOUGHT = frozenset({"purchase"})
_TIER_NOTICES = [TierNotice(), TierNotice(10, Duration(days=3)), TierNotice(at_risk=Duration(days=3))]


@functools.cache
def _places(count: int) -> st.SearchStrategy[int]:
    return st.integers(0, count - 1)


def pick(draw: Draw, options: Sequence[Any]) -> Any:
    """One of the options. As `draw(sampled_from(options))`, whose making each time is most of what a stream costs."""
    return options[draw(_places(len(options)))]


def _caps(draw: Draw) -> tuple[Cap, ...]:
    return tuple(pick(draw, _CAPS) for _ in range(pick(draw, [0, 0, 0, 1, 2])))


@st.composite
def programs(draw: Draw, *, tiers: bool = True, referrals: bool = True, lives: bool = False) -> Program:
    """A version with up to four purchase rules, multipliers, tiers and rules for activities.

    With `lives` points may wait, and end; tiers, too.
    """
    rules = []
    for number in range(pick(draw, [2, 3, 4, 1])):
        plain = number == 0  # one rule that nearly every sale meets, so that little is tried in vain
        kind = pick(draw, ["per_amount", "per_amount", "per_amount", "per_item", "fixed"])
        rules.append(
            PurchaseRule(
                f"r{number}",
                "",
                pick(draw, [POINTS, POINTS, STARS]),
                kind,
                pick(draw, _RATES[kind]),
                when=When() if plain else pick(draw, _WHENS),
                lines=ALL_LINES if plain else pick(draw, _FILTERS),
                tenders=None if plain else pick(draw, [None, None, None, frozenset({"card"})]),
                min_spend_minor=pick(draw, [0, 0, 300, 1000]),
                multiplied=draw(st.booleans()) or kind == "per_amount",
                qualifies=draw(st.booleans()),
                caps=_caps(draw),
            )
        )
    multipliers = []
    for number in range(draw(st.integers(0, 4))):
        exclusive = pick(draw, [False, False, False, False, True])
        multipliers.append(
            Multiplier(
                f"m{number}",
                "",
                pick(draw, _FACTORS),
                pick(draw, ["default", "season", "tier"]),
                pick(draw, _WHENS),
                pick(draw, _FILTERS),
                pick(draw, [None, None, frozenset({"r0"})]),
                exclusive=exclusive,
                priority=number + 1 if exclusive else 0,
            )
        )
    how = st.sampled_from(["best", "add", "multiply"])
    ladder = None
    if tiers and draw(st.booleans()):
        window = pick(draw, ["lifetime", "calendar_year", "rolling", *(["membership_year"] if lives else [])])
        basis = pick(draw, ["points", "spend"])
        ladder = Tiers(
            (Level("l0", "", 0), Level("l1", "", 20, Fraction(3, 2)), Level("l2", "", 60, Fraction(2))),
            basis=basis,
            currency=POINTS if basis == "points" else "",
            spend_includes=frozenset({"tax"}) if basis == "spend" else frozenset(),
            window=window,
            rolling=Duration(days=3) if window == "rolling" else None,
            crossing=pick(draw, ["before", "same"]),
            review=pick(draw, _REVIEWS) if lives else None,
            notice=TierNotice(pick(draw, [None, 10]), pick(draw, [None, Duration(days=3)])) if lives else TierNotice(),
        )
        multipliers += [
            Multiplier(f"tier-{each.id}", "", each.multiplier, "tier", When(tiers=frozenset({each.id})))
            for each in ladder.levels[1:]
        ]
    return Program(
        id="law",
        version="1",
        digest="d" * 64,
        effective_from_us=0,
        zone=ZoneInfo(pick(draw, ["UTC", "America/New_York", "Pacific/Auckland"])),
        money="USD",
        money_decimals=2,
        exchange={"EUR": Fraction(11, 10)},
        currencies=tuple(
            Currency(
                each,
                "",
                0,
                pick(draw, ["floor", "half_up", "half_even", "ceil"]),
                pick(draw, _PENDINGS) if lives else None,
                pick(draw, _EXPIRIES) if lives else None,
            )
            for each in (POINTS, STARS)
        ),
        excluded_lines=LineFilter(not_categories=frozenset({"gift_card"})),
        purchase_rules=tuple(rules),
        activity_rules=(*_activity_rules(draw), *(occasion_rules(draw) if lives else ())),
        referral_rules=(
            (ReferralRule("friends", "", POINTS, 20, 10, "qualified", 200, Duration(days=2)),) if referrals else ()
        ),
        multipliers=tuple(multipliers),
        combine=Combine({"default": draw(how), "season": draw(how)}, pick(draw, ["add", "multiply"])),
        tiers=ladder,
        returns=Returns(Duration(days=400), pick(draw, [False, False, True]), "allow"),
        stream=Stream(max_late=pick(draw, [None, Duration(days=20)]) if lives else None),
    )


_CATALOGUE = (
    Reward("pen", "Pen", "product", POINTS, 3, When(), (Season("rush", 1, When(weekdays=frozenset({1, 2}))),)),
    Reward("star", "Star", "sample", STARS, 2, When(), tiers=frozenset({"l1", "l2", ""})),
    Reward("mug", "Mug", "gift_card", POINTS, 5, When(), limits=(Cap(2, "pieces", "day"),), face_value_minor=500),
    Reward("seat", "Seat", "event", POINTS, 2, When()),
)
SEATS = 3


def with_rewards(draw: Draw, program: Program) -> Program:
    """The version with a catalogue, of which one reward has few places for all, and with points that pay."""
    return replace(
        program,
        rewards=_CATALOGUE,
        limits={limit_id(STOCK, "seat"): LimitTerms(SEATS)},
        payment=Payment(POINTS, pick(draw, [Fraction(100), Fraction(7, 3)]), pick(draw, [1, 2]), 0, Fraction(1, 2)),
        redemptions=Redemptions(grace=pick(draw, [None, Duration(days=2)])),
        returns=replace(program.returns, restore_spent=pick(draw, ["pro_rata", "pro_rata", "full_only"])),
    )


def _activity_rules(draw: Draw) -> list[ActivityRule]:
    found = [
        ActivityRule("welcome", "", "enrollment", pick(draw, [POINTS, STARS]), 5),
        ActivityRule(
            "review", "", "review", POINTS, 4, multiplied=draw(st.booleans()), caps=_activity_caps(draw, "sku")
        ),
        ActivityRule("share", "", "share", STARS, 3, caps=_activity_caps(draw, "content_id")),
        ActivityRule("quiz", "", "engagement", POINTS, 2, qualifies=True, caps=_activity_caps(draw, "activity")),
    ]
    return found[: draw(st.integers(0, 4))]


def occasion_rules(draw: Draw) -> list[ActivityRule]:
    """Rules on birthdays, anniversaries and silences, some of each: all on one kind agree on when."""
    lead, late = pick(draw, [Duration(), Duration(days=2)]), pick(draw, [Duration(), Duration(days=5)])
    terms = {
        "birthday": Occasion(lead, late, pick(draw, ["feb_28", "mar_1"])),
        "anniversary": Occasion(lead, late, from_year=pick(draw, [1, 1, 2])),
        "inactivity": Occasion(
            late=late,
            after=Duration(days=pick(draw, [1, 3, 40])),
            activities=pick(draw, [_BOUGHT, _BOUGHT | {"review"}]),
        ),
    }
    return [
        ActivityRule(
            f"{on}{number}",
            "",
            on,
            pick(draw, [POINTS, STARS]),
            pick(draw, [3, 20]),
            when=pick(draw, _WHENS[:10]),
            multiplied=draw(st.booleans()),
            qualifies=draw(st.booleans()),
            caps=pick(draw, [(), (), (Cap(1, "awards", "year"),), (Cap(30, per="lifetime"),)]),
            ends_after=pick(draw, [None, Duration(days=4)]),
            notice=draw(st.booleans()),
            occasion=of,
        )
        for on, of in terms.items()
        for number in range(pick(draw, [0, 1, 1, 2]))
    ]


def _activity_caps(draw: Draw, each: str) -> tuple[Cap, ...]:
    by_value = Cap(1, "awards", "lifetime", each=each)
    together = (Cap(5, "points", "day"), Cap(2, "awards", "week", each=each))
    found: tuple[Cap, ...] = pick(draw, [(), (by_value,), together])
    return found


# ------------------------------------------------------------------------------------------ events
def at(minute: int) -> str:
    """An instant so many minutes into the stream."""
    return (_START + timedelta(minutes=minute)).isoformat()


@st.composite
def baskets(draw: Draw) -> list[Json]:
    """One to four lines; some without amount, some without quantity."""
    return [
        {
            "line_id": str(number),
            "sku": pick(draw, ["s1", "s2", "s3"]),
            "category": pick(draw, CATEGORIES),
            "brand": pick(draw, ["x", "y"]),
            "quantity": pick(draw, ["1", "2", "3", "1", "0.5", "0"]),
            "amount_minor": pick(draw, [333, 700, 1000, 1999, 150, 99, 50, 1, 0]),
        }
        for number in range(pick(draw, [2, 3, 4, 1]))
    ]


_BASKETS = baskets()


def sale_fields(draw: Draw, lines: list[Json]) -> Json:
    """What else a sale says: tax, channel, currency, and tenders that add up."""
    tax = pick(draw, [0, 0, 13])
    fields: Json = {
        "channel": pick(draw, ["store", "app"]),
        "currency": pick(draw, ["USD", "USD", "EUR"]),
        "tax_minor": tax,
    }
    due = sum(line["amount_minor"] for line in lines) + tax
    split = pick(draw, [None, 0, 1, 3, 10])
    if split is not None:
        first = due * split // 10
        kinds = pick(draw, [("card", "cash"), ("points", "card"), ("gift_card", "points")])
        fields["tenders"] = [
            {"type": kinds[0], "amount_minor": first},
            {"type": kinds[1], "amount_minor": due - first},
        ]
    return fields


class Part(NamedTuple):
    """A part of a line that comes back."""

    line_id: str
    quantity_micro: int
    amount_minor: int

    @property
    def returned(self) -> tuple[str, str, int]:
        """As a return says it."""
        whole, rest = divmod(self.quantity_micro, 1_000_000)
        return self.line_id, f"{whole}.{rest:06d}" if rest else str(whole), self.amount_minor


def micro(quantity: str) -> int:
    """A decimal quantity in millionths."""
    return int(Fraction(quantity) * 1_000_000)


@st.composite
def parts(draw: Draw, lines: list[Json], *, whole: bool) -> list[Part]:
    """Each line in up to three parts; together all of it (`whole`), or some of it."""
    found = []
    for line in lines:
        quantity, amount = micro(line["quantity"]), line["amount_minor"]
        for _ in range(draw(st.integers(0, 2))):
            share = draw(st.integers(0, 4))
            q, a = quantity * share // 4, amount * draw(st.integers(0, 4)) // 4
            quantity, amount = quantity - q, amount - a
            found.append(Part(line["line_id"], q, a))
        if whole:
            found.append(Part(line["line_id"], quantity, amount))
    return draw(st.permutations(found))  # type: ignore[no-any-return]


class _Stream:
    """A stream in the making: what was sent, and which sales may still come back."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.made: list[bytes] = []
        self.sales: list[tuple[str, str, list[Json]]] = []
        self.redemptions: list[tuple[str, str]] = []

    def add(self, kind: str, event_id: str, member: str, when: str, *, again: bool) -> None:
        """One more event; what cannot be yet (a return without a sale) is left out."""
        draw, made = self.draw, self.made
        match kind:
            case "purchase":
                lines = draw(_BASKETS)
                if pick(draw, [False, False, False, False, True]):  # a return that overtakes its purchase
                    first = Part(lines[0]["line_id"], micro(lines[0]["quantity"]), lines[0]["amount_minor"])
                    made.append(back(f"{event_id}-early", event_id, [first.returned], member=member, time=when))
                made.append(purchase(event_id, lines, member=member, time=when, **sale_fields(draw, lines)))
                self.sales.append((event_id, member, lines))
            case "return":
                self._return(event_id, when, again=again)
            case "redeem":
                reward = pick(draw, ["pen", "star", "mug", "seat", "seat"])
                made.append(redeem(event_id, reward, member=member, time=when, quantity=pick(draw, [1, 1, 2])))
                self.redemptions.append((event_id, member))
            case "pay":
                self._paid_sale(event_id, member, when)
            case "report":
                known = [*self.redemptions, *self.redemptions, (f"{event_id}-new", member)]
                redemption, owner = pick(draw, known)
                status = pick(draw, ["cancelled", "cancelled", "fulfilled", "failed"])
                made.append(reported(event_id, status, redemption, member=owner, time=when))
                self.redemptions.append((redemption, owner))
            case "conflict":
                of, owner, lines = pick(draw, self.sales)
                made.append(purchase(of, [{**lines[0], "amount_minor": 77}], member=owner, time=when))
            case "again":
                made.append(pick(draw, made))
            case "referral":
                stage = pick(draw, ["signed_up", "qualified"])
                made.append(referral(event_id, pick(draw, ["m1", "friend"]), member=member, time=when, stage=stage))
            case "member":
                fields = pick(
                    draw, [{"segments": ["vip"]}, {"segments": []}, *[{"birthday": day} for day in BIRTHDAYS]]
                )
                made.append(member_event(event_id, member=member, time=when, **fields))
            case _:
                made.append(self._activity(kind, event_id, member, when))

    def _paid_sale(self, event_id: str, member: str, when: str) -> None:
        """A sale and the request to pay for it with points, in either order; it says so in its tenders."""
        draw = self.draw
        lines = draw(_BASKETS)
        due = sum(line["amount_minor"] for line in lines)
        asked = pick(draw, [{}, {"points": 2}, {"amount_minor": 150}])
        request = pay(event_id, f"{event_id}-sale", max(due, 1), member=member, time=when, **asked)
        paid = due // 2
        tenders = [
            {"type": "points", "label": event_id, "amount_minor": paid},
            {"type": "card", "amount_minor": due - paid},
        ]
        sale = purchase(f"{event_id}-sale", lines, member=member, time=when, tenders=tenders)
        self.made += draw(st.permutations([request, sale]))
        self.redemptions.append((event_id, member))
        self.sales.append((f"{event_id}-sale", member, lines))

    def _activity(self, kind: str, event_id: str, member: str, when: str) -> bytes:
        value = pick(self.draw, ["v1", "v2"])
        match kind:
            case "review":
                number = self.draw(st.integers(0, 3))  # few, so that the same are published and removed
                status = pick(self.draw, ["published", "published", "removed"])
                return review(
                    event_id, member=member, time=when, sku=f"v{number % 2}", review_id=f"rev{number}", status=status
                )
            case "share":
                return share(event_id, member=member, time=when, content_id=value)
            case _:
                return engagement(event_id, member=member, time=when)

    def _return(self, event_id: str, when: str, *, again: bool) -> None:
        """Some lines of a sale; lines that came back may be asked back `again`, which may be refused."""
        sale = pick(self.draw, self.sales)
        of, owner, lines = sale
        chosen = {part.line_id: part for part in self.draw(parts(lines, whole=self.draw(st.booleans())))}
        if not chosen:
            return
        self.made.append(back(event_id, of, [part.returned for part in chosen.values()], member=owner, time=when))
        left = [each for each in lines if each["line_id"] not in chosen]
        if left and not again:
            self.sales[self.sales.index(sale)] = (of, owner, left)


_KINDS = [*["purchase"] * 6, *["return"] * 7, "review", "share", "quiz", "quiz", "member", "again", "conflict"]
_UPDATES: list[Json] = [{"segments": ["vip"]}, {"segments": []}, *[{"birthday": day} for day in BIRTHDAYS]]
_SPENDING = [*["redeem"] * 5, *["pay"] * 4, *["report"] * 4]


@st.composite
def streams(
    draw: Draw,
    *,
    members: int = 2,
    late: bool = True,
    referrals: bool = True,
    spends: bool = False,
    length: int = 10,
) -> list[bytes]:
    """Events of all kinds, in order of arrival; a fifth of them late, with duplicates, conflicts and refused ones."""
    stream = _Stream(draw)
    minute = 0
    kinds = [*_KINDS, "referral", "referral"] if referrals else _KINDS
    kinds = [*kinds, *_SPENDING] if spends else kinds
    for number in range(pick(draw, [length, length // 2, length * 3 // 4, 1])):
        minute += pick(draw, [7, 1, 60, 361, 1441])
        when = at(minute - pick(draw, [0, 0, 0, 0, 2880]) if late else minute)
        kind = pick(draw, kinds) if number else "purchase"
        stream.add(kind, f"e{number}", f"m{draw(st.integers(1, members))}", when, again=number % 4 == 0)
    return stream.made


class World(NamedTuple):
    """A program and a stream."""

    program: Program
    events: list[bytes]


@st.composite
def worlds(
    draw: Draw, /, *, referrals: bool = True, lives: bool = False, spends: bool = False, **of_stream: Any
) -> World:
    """A random program and a random stream for it; with `spends` members redeem points."""
    program = draw(programs(referrals=referrals, lives=lives))
    program = with_rewards(draw, program) if spends else program
    return World(program, draw(streams(referrals=referrals, spends=spends, **of_stream)))
