"""What the engine decided, as bytes: CloudEvents 1.0 in structured JSON.

Invariants:
  N1 the same value gives the same bytes: fields stand in the order of the models, free maps are sorted by name
  N2 `id` is the entry's or change's own; `subject` is the member; `time` is the effective time
  N3 every instant is RFC 3339 in UTC with Z; microseconds are written only when they are not zero
"""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import orjson

from loyalty.decisions import BalanceChange, Entry, Notice, RedemptionChange, RewardOrder, TierChange
from loyalty.facts import MICRO, Cause, Return

_EPOCH = date(1970, 1, 1)
_TWO_DIGITS = tuple(f"{number:02}" for number in range(60))


@lru_cache(maxsize=1_024)
def _date_text(days: int) -> str:
    return (_EPOCH + timedelta(days)).isoformat()


@lru_cache(maxsize=1_024)
def instant_text(time_us: int) -> str:
    """Write microseconds since 1970 as RFC 3339 in UTC: 2026-11-21T15:15:00Z."""
    seconds, micros = divmod(time_us, 1_000_000)
    days, second = divmod(seconds, 86_400)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    text = f"{_date_text(days)}T{_TWO_DIGITS[hour]}:{_TWO_DIGITS[minute]}:{_TWO_DIGITS[second]}"
    return f"{text}.{micros:06}Z" if micros else f"{text}Z"


def encode_entry(entry: Entry) -> bytes:
    """Encode a ledger entry as loyalty.ledger.entry.v1."""
    # Taken apart at once: this and `encode_balance` run for nearly every event.
    (entry_id, kind, reason, member, program, version, digest, cause, time_us, now_us, sequence, postings, steps) = (
        entry
    )
    time = instant_text(time_us)
    return _event(
        entry_id,
        program,
        "loyalty.ledger.entry.v1",
        time,
        member,
        {
            "entry_id": entry_id,
            "kind": kind,
            "reason": reason,
            "program": program,
            "version": version,
            "digest": digest,
            "cause": _cause(cause),
            "effective_time": time,
            "recorded_at": instant_text(now_us),
            "member_sequence": sequence,
            "postings": [
                {"account": account, "currency": currency, "amount": amount, "rule": rule, "lot": lot}
                for account, currency, amount, rule, lot in postings
            ],
            "steps": _free(steps),
        },
    )


def encode_balance(change: BalanceChange) -> bytes:
    """Encode the change of one currency's balance as loyalty.balance.changed.v1."""
    change_id, member, program, currency, available, pending, delta, all_, cause, time_us, now_us, sequence = change
    return _event(
        change_id,
        program,
        "loyalty.balance.changed.v1",
        instant_text(time_us),
        member,
        {
            "program": program,
            "currency": currency,
            "available": available,
            "pending": pending,
            "delta": delta,
            "balances": {name: {"available": usable, "pending": due} for name, (usable, due) in sorted(all_.items())},
            "cause": _cause(cause),
            "recorded_at": instant_text(now_us),
            "sequence": sequence,
        },
    )


def encode_tier(change: TierChange) -> bytes:
    """Encode a change of tier as loyalty.tier.changed.v1."""
    valid_until_us = change.valid_until_us
    return _event(
        change.change_id,
        change.program,
        "loyalty.tier.changed.v1",
        instant_text(change.time_us),
        change.member,
        {
            "program": change.program,
            "from": change.from_tier,
            "to": change.to_tier,
            "reason": change.reason,
            "benefits": _free(change.benefits),
            "valid_until": None if valid_until_us is None else instant_text(valid_until_us),
            "progress": _free(change.progress),
            "cause": _cause(change.cause),
            "recorded_at": instant_text(change.recorded_at_us),
            "sequence": change.sequence,
        },
    )


def encode_notice(notice: Notice) -> bytes:
    """Encode something that a member may want to be told as loyalty.notice.v1. Instants stand as texts."""
    details = {
        f"{name.removesuffix('_us')}_at" if name.endswith("_us") else name: (
            instant_text(value) if name.endswith("_us") else value
        )
        for name, value in notice.details.items()
    }
    return _event(
        notice.notice_id,
        notice.program,
        "loyalty.notice.v1",
        instant_text(notice.time_us),
        notice.member,
        {
            "program": notice.program,
            "kind": notice.kind,
            "details": _free(details),
            "cause": _cause(notice.cause),
            "recorded_at": instant_text(notice.recorded_at_us),
            "sequence": notice.sequence,
        },
    )


def encode_reward(change: RedemptionChange | RewardOrder) -> bytes:
    """Encode what became of a redemption, or an order to deliver a reward, as the type that it is."""
    kind, own = _REWARDS[type(change)]
    return _event(
        change.change_id,
        change.program,
        kind,
        instant_text(change.time_us),
        change.member,
        {
            "program": change.program,
            **{name: getattr(change, name) for name in own},
            "cause": _cause(change.cause),
            "recorded_at": instant_text(change.recorded_at_us),
            "sequence": change.sequence,
        },
    )


def _own(kind: type[RedemptionChange | RewardOrder]) -> tuple[str, ...]:
    """The fields that stand in data by their own names."""
    return kind._fields[kind._fields.index("program") + 1 : kind._fields.index("cause")]


_REWARDS: Mapping[type, tuple[str, tuple[str, ...]]] = {
    RedemptionChange: ("loyalty.redemption.changed.v1", _own(RedemptionChange)),
    RewardOrder: ("loyalty.reward.order.v1", _own(RewardOrder)),
}


def encode_return(fact: Return) -> bytes:
    """Encode a return again as loyalty.return.v1; `decode` reads it back as the same fact."""
    linked = {"transaction_id": fact.transaction_id} if fact.transaction_id else {}
    lines = [
        {"line_id": line_id, "quantity": _quantity(quantity_micro), "amount_minor": amount_minor}
        for line_id, quantity_micro, amount_minor in fact.lines
    ]
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": fact.cause.id,
            "source": fact.cause.source,
            "type": fact.cause.type,
            "time": instant_text(fact.time_us),
            "subject": fact.member,
            "datacontenttype": "application/json",
            "data": {
                "return_id": fact.return_id,
                **linked,
                "lines": lines,
                **({"attributes": fact.attributes} if fact.attributes else {}),
            },
        },
    )


def _quantity(quantity_micro: int) -> str:
    whole, rest = divmod(quantity_micro, MICRO)
    return f"{whole}.{rest:06}".rstrip("0") if rest else str(whole)


def _event(
    event_id: str,
    program: str,
    event_type: str,
    time: str,
    member: str,
    data: dict[str, Any],
) -> bytes:
    """Put data into its envelope. Raises `TypeError` for an integer beyond 64 bits or a value that is not JSON."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": f"/loyalty/{program}",
            "type": event_type,
            "time": time,
            "subject": member,
            "datacontenttype": "application/json",
            "data": data,
        },
    )


def _cause(cause: Cause) -> dict[str, str]:
    source, event_id, event_type = cause
    return {"source": source, "id": event_id, "type": event_type}


def _free(value: Mapping[str, Any] | tuple[Mapping[str, Any], ...]) -> orjson.Fragment:
    """Encode what has no fixed fields with its names sorted: maps come in any order from stored state."""
    return orjson.Fragment(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
