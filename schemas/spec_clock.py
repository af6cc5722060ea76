"""When the steps of a case happen: the wall clock of a zone, going forward.

Without a word about time, a case begins on the first Monday noon of the program's version, and each step comes a
minute after the one before.

Not here: how a moment is written (spec_values.py).
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from loyalty.calendar import instant_us, local_time, shifted_us
from loyalty.program import Duration, Program
from schemas.program_source import Source, TreePath
from schemas.spec_values import NOON, At, parsed_at

MINUTE = Duration(seconds=60)
_WEEK_DAYS = 7


def first_us(program: Program, at: str | None, source: Source) -> int:
    """When the program's cases begin: as the file says, else at the first Monday noon of the version."""
    zone = program.zone
    if at is not None:
        clock = Clock(program.effective_from_us)
        return clock.take(at, zone.key, source, ("at",))
    day = local_time(program.effective_from_us, zone)
    moment = datetime.fromordinal(day.ordinal + (8 - day.weekday) % _WEEK_DAYS)
    begins = instant_us(datetime.combine(moment.date(), time(*NOON), zone))
    return begins if begins >= program.effective_from_us else shifted_us(begins, Duration(days=_WEEK_DAYS), zone)


@dataclass(slots=True)
class Clock:
    """The time of one case. `newest_us` is that of the latest step, or when the case begins."""

    newest_us: int
    begun: bool = False

    def take(self, text: str | None, zone_name: str, source: Source, path: TreePath) -> int:
        """The time of the next step; what is no time, or goes back, is reported."""
        zone = ZoneInfo(zone_name)
        at = None if text is None else parsed_at(text)
        try:
            time_us = self._after(at, zone, source, path)
        except (ValueError, OverflowError):
            source.report(path, f"{text} is beyond what calendars hold")
            return self.newest_us
        if self.begun and time_us < self.newest_us:
            shown = f"{_wall(self.newest_us, zone):%a %Y-%m-%d %H:%M}"
            source.report(path, f"{text} is before the step before it, {shown}", "write steps in the order of time")
            return self.newest_us
        self.begun = True
        self.newest_us = time_us
        return time_us

    def _after(self, at: At | None, zone: ZoneInfo, source: Source, path: TreePath) -> int:
        if at is None:
            return shifted_us(self.newest_us, MINUTE, zone) if self.begun else self.newest_us
        if at.later is not None:
            moved_us = shifted_us(self.newest_us, at.later, zone)
            if at.clock is None:
                return moved_us
            return self._on(_wall(moved_us, zone), at.clock, zone, source, path)
        clock = at.clock or NOON
        if at.offset:
            return instant_us(datetime.fromisoformat(f"{at.date}T{time(*clock).isoformat()}{at.offset}"))
        if at.date:
            return self._on(datetime.fromisoformat(at.date), clock, zone, source, path)
        day = _wall(self.newest_us, zone)
        if at.weekday is None:
            return self._on(day, clock, zone, source, path)
        day += timedelta(days=(at.weekday - day.isoweekday()) % _WEEK_DAYS)
        time_us = self._on(day, clock, zone, source, path)
        if self.begun and time_us <= self.newest_us:
            time_us = self._on(day + timedelta(days=_WEEK_DAYS), clock, zone, source, path)
        return time_us

    def _on(self, day: datetime, clock: tuple[int, int, int], zone: ZoneInfo, source: Source, path: TreePath) -> int:
        """The instant at which the clock shows this time of the day; the first, if it does so twice."""
        wall = datetime.combine(day.date(), time(*clock))
        time_us = instant_us(wall.replace(tzinfo=zone))
        if _wall(time_us, zone).replace(tzinfo=None) != wall:
            source.report(path, f"the clocks of {zone.key} skip {wall:%H:%M} on {wall:%Y-%m-%d}")
        return time_us


def _wall(time_us: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(time_us // 1_000_000, zone)
