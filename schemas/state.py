"""State records as bytes: what the accounts changelog holds.

A record is a line of JSON, an array that begins with its format number, its kind and the instant at which it has to be
looked at next, so that this can be read without the rest. Its fields stand in a fixed order; behind the end of that
line stands its memory (loyalty/memory.py), as the bytes that it is. A head takes about a kilobyte, and 56 bytes more
for each purchase as long as its lot has something left. Reading a format that is not known stops the worker: guessing
at an account would be worse.

Not here: what the records mean (loyalty/account.py).
"""

from collections.abc import Callable
from itertools import starmap
from typing import Any, TypeAlias

import orjson

from loyalty.account import Given, GivenPart, Head, Maturing, Parked, PurchaseRecord, Record, ReferralLink, TierRise
from loyalty.facts import Cause, Line, Return, ReturnLine, Tender
from loyalty.lots import Lot
from loyalty.tiers import Sums

FORMAT = 2
_HEAD = "head"
_PURCHASE = "purchase"
_HEAD_BYTES = b'"%s"' % _HEAD.encode()
_TIMED = tuple(b'[%d,"%s",' % (FORMAT, kind.encode()) for kind in (_HEAD, _PURCHASE))
"""How records start whose third field is their next instant."""


class UnknownFormat(Exception):
    """A state record of a format that this version cannot read."""


def encode_record(record: Record) -> bytes:
    """The bytes of a head or purchase record; equal records give equal bytes."""
    if isinstance(record, Head):
        fields, memory = _head_fields(record), record.seen
    else:
        fields, memory = _purchase_fields(record), record.returns
    # Joined into bytes of their own size, since records are kept: the encoder's buffer is eight times as large.
    return b"\n".join((orjson.dumps(fields, default=tuple), memory))  # lines and sums are NamedTuples


def decode_record(raw: bytes) -> Record:
    """The record in these bytes. Raises UnknownFormat."""
    line, _, memory = raw.partition(b"\n")
    fields = orjson.loads(line)
    match fields[:2]:
        case [2, "head"]:
            return _head(fields, memory)
        case [2, "purchase"]:
            return _purchase(fields, memory)
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
    kind, due, timed = raw.split(b",", 4)[1:4]
    due_us = None if due == b"null" else int(due)
    if kind != _HEAD_BYTES:
        return due_us
    start_us = start_after(int(timed))
    if start_us is None or due_us is None:
        return due_us if start_us is None else start_us
    return min(due_us, start_us)


def _head_fields(head: Head) -> list[Any]:
    link = head.referral
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
        None if link is None else _link_fields(link),
        head.ledger_sequence,
        head.balances_sequence,
        head.tiers_sequence,
        head.notices_sequence,
        head.maturing,
        head.active_until,
        head.noticed,
        head.expired,
        [_parked_fields(one) for one in head.parked],
        head.given,
        head.tier_until_us,
        head.tier_review_us,
        head.tier_rise,
        head.birthday_us,
        head.active,
        head.kept,
    ]


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


def _link_fields(link: ReferralLink) -> list[Any]:
    return [
        link.referral_id,
        link.referrer,
        link.code,
        link.attributes,
        link.linked_us,
        link.paid,
        link.transaction_id,
    ]


def _head(fields: list[Any], seen: bytes) -> Head:
    timed_us = fields.pop(3)
    link = fields[17]
    return Head(
        fields[3],
        fields[4],
        fields[5],
        fields[6],
        fields[7],
        fields[8],
        tuple(fields[9]),
        fields[10],
        fields[11],
        {currency: (available, pending) for currency, (available, pending) in fields[12].items()},
        fields[13],
        fields[14],
        {name: Sums(*sums) for name, sums in fields[15].items()},
        fields[16],
        None if link is None else ReferralLink(link[0], link[1], link[2], link[3], link[4], tuple(link[5]), link[6]),
        seen,
        fields[18],
        fields[19],
        fields[20],
        fields[21],
        fields[2],
        tuple(Maturing(currency, Lot(*lot), *rest) for currency, lot, *rest in fields[22]),
        fields[23],
        fields[24],
        {lot: (points, earned_us) for lot, (points, earned_us) in fields[25].items()},
        tuple(_parked(fields[3], one) for one in fields[26]),
        tuple(_given(*one) for one in fields[27]),
        fields[28],
        fields[29],
        None if fields[30] is None else TierRise(*fields[30]),
        timed_us,
        fields[31],
        fields[32],
        fields[33],
    )


def _purchase_fields(record: PurchaseRecord) -> list[Any]:
    return [
        FORMAT,
        _PURCHASE,
        record.due_us,
        record.transaction_id,
        record.source,
        record.event_id,
        record.time_us,
        record.content.hex(),
        record.version,
        record.tier,
        record.segments,
        record.member_attributes,
        record.store_id,
        record.channel,
        record.currency,
        record.lines,
        record.tenders,
        record.tax_minor,
        record.shipping_minor,
        record.tip_minor,
        record.store_zone,
        record.attributes,
        record.granted,
        record.held,
        record.qualifying_key,
        record.qualified,
        record.qualified_held,
        record.raised_to,
        record.returned,
    ]


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
