"""When environments stand still: the windows of their freezes, now and to come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from croniter import croniter
from django.utils import timezone

from releases.models import Environment, Freeze

# How far people look ahead, and how many windows they want to see.
AHEAD, MOST = timedelta(days=14), 5
MOMENT, YEARS = timedelta(microseconds=1), 8


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
    """Yield the window of a freeze that began last and reaches beyond `start`, then those that begin before `end`.

    One that comes round before it has ended lasts the longer for it. All times must be aware.
    """
    if freeze.begins and freeze.ends:
        if freeze.begins < end and freeze.ends > start:
            yield Window(freeze, freeze.begins, freeze.ends)
        return
    length, zone = timedelta(minutes=freeze.minutes or 0), ZoneInfo(freeze.zone)
    # A moment later, because what begins exactly there counts.
    at = (start + MOMENT).astimezone(zone)
    last = next(croniter(freeze.cron, at, max_years_between_matches=YEARS).all_prev(datetime), None)
    if last is not None and last + length > start:
        yield Window(freeze, last, last + length)
    coming = croniter(freeze.cron, start.astimezone(zone), max_years_between_matches=YEARS).all_next(datetime)
    for begins in takewhile(lambda begins: begins < end, coming):
        yield Window(freeze, begins, begins + length)


def holding(environment: Environment, at: datetime | None = None) -> Window | None:
    """Return the window that holds the environment now, the one that lasts longest; None while it may move."""
    at = at or timezone.now()
    found = _of(environment.freezes.all(), at, at + MOMENT)
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
    """A few of each freeze are enough: one that comes round every minute is no reason to count to a thousand."""
    return [window for freeze in freezes for window in islice(windows(freeze, start, end), MOST)]
