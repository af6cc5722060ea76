"""State keys short enough for a store that bounds them: ids have up to 128 characters of any script.

Invariants:
  H1 a key of at most `KEY_BYTES_MAX` bytes stands for itself
  H2 two keys never have one short form, and a short form is no other key's: it holds a NUL, which no id holds, and a
     digest of the whole
"""

from hashlib import blake2b
from typing import Final

KEY_BYTES_MAX: Final = 480
"""LMDB takes 511, and the index puts an instant of eight bytes before it."""

_DIGEST_BYTES: Final = 32
_KEPT_BYTES: Final = KEY_BYTES_MAX - _DIGEST_BYTES - 1


def shortened(key: bytes) -> bytes:
    """The key itself, or its beginning and a digest of all of it."""
    if len(key) <= KEY_BYTES_MAX:
        return key
    return key[:_KEPT_BYTES] + b"\0" + blake2b(key, digest_size=_DIGEST_BYTES).digest()


def is_short(key: bytes) -> bool:
    """Whether it stands for a longer one."""
    return len(key) == KEY_BYTES_MAX and key[_KEPT_BYTES] == 0
