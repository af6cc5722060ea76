"""State records as bytes: what the accounts changelog holds.

A record is a line of JSON, an array that begins with its format number, its kind and the instant at which it has to be
looked at next, so that this can be read without the rest. Its fields stand in a fixed order; those that few accounts
have stand by name in an object, which leaves out what is empty. Behind the end of that line stands its memory
(loyalty/memory.py), as the bytes that it is. A head takes about a kilobyte, and 56 bytes more for each purchase as long
as its lot has something left. Reading a format that is not known stops the worker: guessing at an account would be
worse.

Not here: what the records mean (loyalty/account.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import astuple
from itertools import compress, starmap
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

from msgspec.json import Decoder, Encoder

from loyalty.account import (
    ClaimRecord,
    Given,
    Head,
    Limit,
    Maturing,
    Parked,
    PurchaseRecord,
    Record,
    RedemptionRecord,
    Restocked,
    Surprised,
    TierRise,
)
from loyalty.facts import Cause, Line, Return, ReturnLine, Tender
from loyalty.lots import Lot
from loyalty.tiers import Sums
from loyalty.ties import AwardRecord, GivenPart, Household, Paid, Promise, ReferralLink

FORMAT = 3
_HEAD = "head"
_PURCHASE = "purchase"
_LIMIT = "limit"
_CLAIM = "claim"
_REDEMPTION = "redemption"
_AWARD = "award"
_BEHIND_LIMIT = 2
"""The last fields of a limit, which do not stand in its line: its memory, and an instant that it never has."""
_HEAD_BYTES = b'"%s"' % _HEAD.encode()
_TIMED = tuple(b'[%d,"%s",' % (FORMAT, kind.encode()) for kind in (_HEAD, _PURCHASE, _CLAIM, _REDEMPTION, _AWARD))
"""How records start whose third field is their next instant, and a head's fourth by which version that is."""

written, _read = Encoder().encode, Decoder().decode
"""Named tuples are arrays, and integers of any size are read as they were written: orjson would ask for a tuple of each
named tuple, and reads integers beyond 64 bits as floats."""

_LOOK_BYTES = 80
"""More than a kind and two instants take. A head has tens of thousands, which need not be copied."""


class UnknownFormat(Exception):
    """A state record of a format that this version cannot read."""


def encode_record(record: Record) -> bytes:
    """The bytes of a record; equal records give equal bytes."""
    fields: list[Any]
    memory = b""
    match record:
        case Head():
            fields, memory = _head_fields(record), record.seen
        case PurchaseRecord():
            fields, memory = _purchase_fields(record), record.returns
        case Limit():
            fields, memory = [FORMAT, _LIMIT, None, *record[:-_BEHIND_LIMIT]], record.seen
        case ClaimRecord():
            fields = [FORMAT, _CLAIM, record.due_us, record.content.hex(), record.member, record.period, record.held]
        case RedemptionRecord():
            fields = _redemption_fields(record)
        case AwardRecord():
            fields = [FORMAT, _AWARD, record.due_us, *record[:-1]]
    return b"\n".join((written(fields), memory))


def decode_record(raw: bytes) -> Record:
    """The record in these bytes. Raises UnknownFormat."""
    line, _, memory = raw.partition(b"\n")
    fields = _read(line)
    match fields[:2]:
        case [3, "head"]:
            return _head(fields, memory)
        case [3, "purchase"]:
            return _purchase(fields, memory)
        case [3, "redemption"]:
            return _redemption(fields)
        case [3, "limit"]:
            limit, taken, added, closed_to, restocks, capacity, per, period = fields[3:]
            shown = tuple(starmap(Restocked, restocks))
            return Limit(limit, taken, added, closed_to, shown, capacity, per, period, memory)
        case [3, "award"]:
            return _award(*fields[2:-1], is_over=fields[-1])
        case [3, "claim"]:
            return ClaimRecord(bytes.fromhex(fields[3]), fields[4], fields[5], fields[6], fields[2])
        case _:
            raise UnknownFormat(f"a state record begins with {fields[:2]}, this version reads format {FORMAT}")


StartAfter: TypeAlias = Callable[[int], int | None]
"""From when another version of the program times what was timed by the version that starts then; None: never."""


def one_version(_: int, /) -> int | None:
    """For records of a program that never changes."""
    return None


def look_of(raw: bytes, start_after: StartAfter = one_version) -> int | None:
    """When the record has to be looked at next, in microseconds since 1970; None when never or not of this format.

    It reads the first bytes only. What loyalty.due.look_us says of records, this says of their bytes.
    """
    if not raw.startswith(_TIMED):
        return None
    kind, due, timed = raw[:_LOOK_BYTES].split(b",", 4)[1:4]
    due_us = None if due == b"null" else int(due)
    start_us = start_after(int(timed)) if kind == _HEAD_BYTES else None
    if start_us is None or due_us is None:
        return due_us if start_us is None else start_us
    return min(due_us, start_us)


def _parked_fields(one: Parked) -> list[Any]:
    fact = one.fact
    return [
        one.until_us,
        fact.cause,
        fact.time_us,
        fact.body.hex(),
        fact.content.hex(),
        fact.return_id,
        fact.transaction_id,
        fact.lines,
        fact.attributes,
    ]


def _given(key: str, time_us: int, version: str, parts: list[Any], values: dict[str, str]) -> Given:
    return Given(key, time_us, version, tuple(starmap(GivenPart, parts)), values)


def _parked(member: str, fields: list[Any]) -> Parked:
    until_us, cause, time_us, body, content, return_id, transaction_id, lines, attributes = fields
    fact = Return(
        Cause(*cause),
        member,
        time_us,
        bytes.fromhex(body),
        bytes.fromhex(content),
        return_id,
        transaction_id,
        tuple(starmap(ReturnLine, lines)),
        attributes,
    )
    return Parked(fact, until_us)


def _award(
    due_us: int | None, message_id: str, time_us: int, version: str, part: list[Any] | None, *, is_over: bool
) -> AwardRecord:
    return AwardRecord(message_id, time_us, version, None if part is None else GivenPart(*part), is_over, due_us)


def _link(_: str, fields: list[Any]) -> ReferralLink:
    referral_id, referrer, code, attributes, linked_us, paid = fields
    return ReferralLink(referral_id, referrer, code, attributes, linked_us, tuple(starmap(_paid, paid)))


def _paid(*fields: Any) -> Paid:
    # Made whole at once: compiled, a field takes no value of another type, not even for a moment.
    rule, version, time_us, transaction_id, minimum_minor, part, award_id = fields
    given = None if part is None else GivenPart(*part)
    return Paid(rule, version, time_us, transaction_id, minimum_minor, given, award_id)


def _household(_: str, fields: list[Any]) -> Household:
    *own, members = fields
    return Household._make([*own, tuple((member, membership) for member, membership in members)])


def _as_it_is(_: str, value: Any) -> Any:
    return value


class Rare(NamedTuple):
    """How a field that few accounts have is written as JSON, and read: from the member's id and what was written."""

    read: Callable[[str, Any], Any] = _as_it_is
    written: Callable[[Any], Any] = lambda value: value


RARE: Mapping[str, Rare] = {
    "referral": Rare(_link, astuple),
    "maturing": Rare(
        lambda _, all_: tuple(Maturing(currency, Lot(*lot), *rest) for currency, lot, *rest in all_),
    ),
    "active_until": Rare(),
    "noticed": Rare(),
    "expired": Rare(lambda _, all_: {lot: (points, earned_us) for lot, (points, earned_us) in all_.items()}),
    "parked": Rare(
        lambda member, all_: tuple(_parked(member, one) for one in all_),
        lambda all_: [_parked_fields(one) for one in all_],
    ),
    "given": Rare(lambda _, all_: tuple(_given(*one) for one in all_)),
    "tier_rises": Rare(lambda _, all_: tuple(starmap(TierRise, all_))),
    "rewards_sequence": Rare(),
    "surprised": Rare(lambda _, all_: tuple(starmap(Surprised, all_))),
    "birthday_us": Rare(),
    "kept": Rare(),
    "merged_into": Rare(),
    "absorbed": Rare(lambda _, ids: tuple(ids)),
    "leaving": Rare(),
    "promised": Rare(lambda _, all_: tuple(starmap(Promise, all_))),
    "household": Rare(_household),
}
"""Field of a head -> how it is kept. To add one: a field of `Head`, and a line here."""


_rare_of = attrgetter(*RARE)


def _head_fields(head: Head) -> list[Any]:
    return [
        FORMAT,
        _HEAD,
        head.due_us,
        head.timed_us,
        head.member,
        head.enrolled_us,
        head.status,
        head.profile_us,
        head.birthday,
        head.attributes,
        head.segments,
        head.tier,
        head.tier_since_us,
        head.balances,
        head.debts,
        head.lots,
        head.qualifying,
        head.counters,
        head.ledger_sequence,
        head.balances_sequence,
        head.tiers_sequence,
        head.notices_sequence,
        head.tier_until_us,
        head.tier_review_us,
        head.active,
        {name: rare.written(getattr(head, name)) for name, rare in compress(RARE.items(), _rare_of(head))},
    ]


def _head(fields: list[Any], seen: bytes) -> Head:
    head = Head(
        fields[4],
        fields[5],
        fields[6],
        fields[7],
        fields[8],
        fields[9],
        tuple(fields[10]),
        fields[11],
        fields[12],
        {currency: (available, pending) for currency, (available, pending) in fields[13].items()},
        fields[14],
        fields[15],
        {name: Sums(*sums) for name, sums in fields[16].items()},
        fields[17],
        seen,
        fields[18],
        fields[19],
        fields[20],
        fields[21],
        fields[2],
        fields[22],
        fields[23],
        fields[3],
        fields[24],
    )
    for name, value in fields[25].items():
        setattr(head, name, RARE[name].read(head.member, value))
    return head


def _purchase_fields(record: PurchaseRecord) -> list[Any]:
    *fields, _, due_us = record
    fields[_SALE_CONTENT] = record.content.hex()
    return [FORMAT, _PURCHASE, due_us, *fields]


def _purchase(fields: list[Any], returns: bytes) -> PurchaseRecord:
    return PurchaseRecord(
        fields[3],
        fields[4],
        fields[5],
        fields[6],
        bytes.fromhex(fields[7]),
        fields[8],
        fields[9],
        tuple(fields[10]),
        fields[11],
        fields[12],
        fields[13],
        fields[14],
        tuple(starmap(Line, fields[15])),
        tuple(starmap(Tender, fields[16])),
        fields[17],
        fields[18],
        fields[19],
        fields[20],
        fields[21],
        fields[22],
        fields[23],
        fields[24],
        fields[25],
        fields[26],
        fields[27],
        {line_id: (quantity, amount) for line_id, (quantity, amount) in fields[28].items()},
        returns,
        fields[2],
    )


def _redemption_fields(record: RedemptionRecord) -> list[Any]:
    *fields, due_us = record
    fields[_CONTENT] = record.content.hex()
    return [FORMAT, _REDEMPTION, due_us, *fields]


def _redemption(fields: list[Any]) -> RedemptionRecord:
    _, _, due_us, *own = fields
    own[_CONTENT] = bytes.fromhex(own[_CONTENT])
    own[_SPENT] = tuple(starmap(Lot, own[_SPENT]))
    return RedemptionRecord._make([*own, due_us])


_SALE_CONTENT = PurchaseRecord._fields.index("content")
_CONTENT = RedemptionRecord._fields.index("content")
_SPENT = RedemptionRecord._fields.index("spent")
