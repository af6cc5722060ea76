"""How often Python looks for garbage in cycles.

The engine makes values and lets go of them; reference counts free them at once. Cycles come out of libraries and
of start-up alone. With Python's own thresholds, a run that keeps many accounts spends a fifth of its time looking
through them for nothing.
"""

import gc

_NEW_OBJECTS = 100_000
_YOUNG_RUNS = 50
_MIDDLE_RUNS = 100


def collect_rarely() -> None:
    """Leave what is there now out of every search, and search a hundred times less often than by default.

    For a process that does one thing to its end: a worker, a replay. Call it once all is loaded.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, _YOUNG_RUNS, _MIDDLE_RUNS)
