"""What the C library does with memory that has been freed.

Each batch builds requests of megabytes and lets go of them. glibc gives such memory back to the system at once, and
the next batch pays for every page of it anew: a twentieth of the worker's time.
"""

import ctypes
from typing import Final

# Of glibc's malloc.h. What is in a process's environment would be read before its first line, and here is after it.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3

_KEPT_BYTES: Final = 256 << 20
"""How much free memory at the end of the heap is kept."""

_MAPPED_BYTES: Final = 32 << 20
"""From which size on memory is taken from the system for itself, and given back: the most that glibc takes."""


def keep_freed_memory() -> bool:
    """Keep what is freed for what comes next. Answers whether that was possible: other C libraries have their own way.

    For a process that does one thing to its end. Its memory stays at the most that it needed.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)) and bool(mallopt(_MMAP_THRESHOLD, _MAPPED_BYTES))
