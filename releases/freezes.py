"""When environments stand still: the windows of their freezes, now and to come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter
from django.utils import timezone

from releases.models import Environment, Freeze

# How far people look ahead, and how many windows they want to see.
AHEAD, MOST = timedelta(days=14), 5
# One that begins anew before it has ended is one window; more often than this it would be no freeze any more.
MOST_STARTS = 2000


@dataclass(frozen=True)
class Window:
    """A freeze once: it holds from `begins` to before `ends`."""

    freeze: Freeze
    begins: datetime
    ends: datetime

    @property
    def words(self) -> str:
        """A sentence for whoever waits."""
        local = self.ends.astimezone(ZoneInfo(self.freeze.zone))
        until = f"{local.day} {local:%b %Y, %H:%M} {self.freeze.zone}"
        return f"{self.freeze.environment.name} is frozen until {until}: {self.freeze.name}."


def windows(freeze: Freeze, start: datetime, end: datetime) -> Iterator[Window]:
    """Yield the windows of a freeze that reach into [start, end), by their beginning. All times must be aware."""
    if freeze.begins and freeze.ends:
        if freeze.begins < end and freeze.ends > start:
            yield Window(freeze, freeze.begins, freeze.ends)
        return
    length = timedelta(minutes=freeze.minutes or 0)
    zone = ZoneInfo(freeze.zone)
    # A moment earlier, because what begins exactly there counts.
    starts = croniter(
        freeze.cron, (start - length - timedelta(seconds=1)).astimezone(zone), max_years_between_matches=8
    )
    for _, begins in zip(range(MOST_STARTS), starts.all_next(datetime), strict=False):
        if begins >= end:
            return
        if begins + length > start:
            yield Window(freeze, begins, begins + length)


def holding(environment: Environment, at: datetime | None = None) -> Window | None:
    """Return the window that holds the environment now, the one that lasts longest; None while it may move."""
    at = at or timezone.now()
    found = _of(environment.freezes.all(), at, at + timedelta(microseconds=1))
    return max(found, key=lambda window: window.ends, default=None)


def coming(environments: Iterable[Environment], at: datetime | None = None) -> dict[int, list[Window]]:
    """Return by environment the windows that hold now or in the next days, soonest first, a few of each."""
    at = at or timezone.now()
    freezes = Freeze.objects.filter(environment__in=list(environments)).select_related("environment")
    found: dict[int, list[Window]] = {}
    for window in sorted(_of(freezes, at, at + AHEAD), key=lambda window: window.begins):
        mine = found.setdefault(window.freeze.environment_id, [])
        if len(mine) < MOST:
            mine.append(window)
    return found


def _of(freezes: Iterable[Freeze], start: datetime, end: datetime) -> list[Window]:
    return [window for freeze in freezes for window in windows(freeze, start, end)]
