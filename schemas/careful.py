"""Bytes to a JSON object with every doubt removed: size, encoding, syntax, depth, repeated names.

The standard parser, told to refuse what JSON does not have, because it shows each object with all its names;
the validator's own parser keeps the last of two equal names without a word.
"""

import json
import re
from typing import NoReturn

from schemas.envelope import EVENT_BYTES_MAX, NESTING_MAX
from schemas.refusals import DecodeCode, RefusedError, kind_of
from schemas.shapes import shortened

_NUMBER_CHARS_MAX = 100
_OPENINGS_UNSUSPICIOUS = 300
"""Fewer openings than this cannot exhaust the parser's stack, wherever it is called from."""
# Possessive, so that an unterminated text costs one pass and not one for each quote.
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


def parse(raw: bytes | None) -> dict[str, object]:
    """Parse one event. Raises `RefusedError` with the reason."""
    if not raw or not raw.strip():
        raise RefusedError(DecodeCode.EMPTY, "the record has no value; send one JSON object as the value")
    if len(raw) > EVENT_BYTES_MAX:
        raise RefusedError(
            DecodeCode.TOO_LARGE,
            f"the event has {len(raw)} bytes; send at most {EVENT_BYTES_MAX}, a long basket as several sales",
        )
    if raw.startswith(b"\xef\xbb\xbf"):
        raise RefusedError(
            DecodeCode.BYTE_ORDER_MARK, "the event starts with a byte order mark; send UTF-8 without one"
        )
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        message = f"byte {error.start} (0x{raw[error.start]:02x}) is not UTF-8; send the event in UTF-8"
        raise RefusedError(DecodeCode.NOT_UTF8, message) from None
    openings = raw.count(b"[") + raw.count(b"{")
    if openings > _OPENINGS_UNSUSPICIOUS and _depth_in_bytes(raw) > NESTING_MAX:
        raise _too_deep()
    value = _load(text)
    if openings > NESTING_MAX and _depth(value) > NESTING_MAX:
        raise _too_deep()
    if not isinstance(value, dict):
        raise RefusedError(DecodeCode.NOT_AN_OBJECT, f"the event is {kind_of(value)}; send one JSON object")
    if b"\\u" in raw:
        _refuse_unpaired(value)
    return value


def _load(text: str) -> object:
    """Parse JSON as its standard has it."""
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        reason = "it ends too early" if error.pos >= len(text.rstrip()) else f"{error.msg} at character {error.pos}"
        raise RefusedError(DecodeCode.NOT_JSON, f"the event is not JSON: {reason}; send one JSON object") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Build an object; a repeated name is refused, because readers disagree about which value counts."""
    built = dict(pairs)
    if len(built) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise RefusedError(
                    DecodeCode.DUPLICATE_KEY,
                    f'the name "{shortened(name)}" stands twice in one object; send each name once',
                )
            seen.add(name)
    return built


def _constant(name: str) -> NoReturn:
    """Refuse NaN and the infinities, which JSON does not have."""
    raise RefusedError(
        DecodeCode.NOT_JSON, f"the event is not JSON: it has {name}; send a number or leave the field out"
    )


def _integer(text: str) -> int:
    """Parse an integer of bounded length."""
    _refuse_long(text)
    return int(text)


def _fraction(text: str) -> float:
    """Parse a number with a fraction or exponent; only fields that are ignored may hold one."""
    _refuse_long(text)
    return float(text)


def _refuse_long(text: str) -> None:
    """Refuse numbers that no field could ever hold, before they cost time."""
    if len(text) > _NUMBER_CHARS_MAX:
        raise RefusedError(
            DecodeCode.INVALID_EVENT,
            f"a number has {len(text)} characters; send numbers of at most {_NUMBER_CHARS_MAX}",
        )


def _refuse_unpaired(value: dict[str, object]) -> None:
    """Refuse half a surrogate pair, which no UTF-8 text can hold."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        message = "a text has half of a surrogate pair (\\ud800 to \\udfff); send whole characters"
        raise RefusedError(DecodeCode.NOT_UTF8, message) from None


def _depth(value: object) -> int:
    """Count the levels of a parsed value, without recursion."""
    depth = 0
    level = [value] if isinstance(value, dict | list) else []
    while level:
        depth += 1
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return depth


def _depth_in_bytes(raw: bytes) -> int:
    """Count the levels of unparsed JSON; texts are skipped."""
    depth = deepest = 0
    for token in _TOKENS.finditer(raw):
        match raw[token.start()]:
            case 0x5B | 0x7B:
                depth += 1
                deepest = max(deepest, depth)
            case 0x5D | 0x7D:
                depth -= 1
            case _:
                pass
    return deepest


def _too_deep() -> RefusedError:
    return RefusedError(
        DecodeCode.TOO_DEEP,
        f"the event nests objects and lists more than {NESTING_MAX} deep; send at most {NESTING_MAX} levels",
    )


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=_constant,
    parse_int=_integer,
    parse_float=_fraction,
)
