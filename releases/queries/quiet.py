"""When a model is called least: requests a minute by hour of the week, learnt from what was counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from statistics import median

from django.db.models import Sum
from django.utils import timezone

from releases.models import Count, Environment, MLModel, Release

HOUR, WEEKS = timedelta(hours=1), 4
HOURS = 7 * 24
# What a recreate took off before anybody measured one here: the gateways adopt two tables.
ASSUMED_SECONDS = 5.0
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Week:
    """`rates` are requests a minute in each hour of the week from Monday 00:00 in `zone`; None where nothing is known.

    `hours` is how many hours of history it comes from.
    """

    rates: tuple[float | None, ...]
    hours: int
    zone: tzinfo


@dataclass(frozen=True)
class Quiet:
    """The quietest window to come: when it is, how much is called in it, and how many calls `seconds` off would hit."""

    begins: datetime
    ends: datetime
    per_minute: float
    seconds: float

    @property
    def hit(self) -> float:
        return self.per_minute * self.seconds / 60

    @property
    def words(self) -> str:
        """Such as `Sunday 03:00 to 04:00 UTC, about 2 requests would be told to retry`."""
        calls = math.ceil(self.hit) if self.hit >= 0.5 else 0
        hit = (
            f"about {calls:,} request{'' if calls == 1 else 's'} would be told to retry"
            if calls
            else "hardly a request"
        )
        return f"{DAYS[self.begins.weekday()]} {self.begins:%H:%M} to {self.ends:%H:%M %Z}, {hit}"


def week(model: MLModel, environment: Environment, now: datetime | None = None) -> Week:
    """Average the last four weeks by hour of the week, in the time zone of the pages; one without calls is one too."""
    zone, now = timezone.get_current_timezone(), now or timezone.now()
    until = now.replace(minute=0, second=0, microsecond=0)
    rows = Count.objects.filter(
        seconds=Count.HOUR,
        environment=environment.name,
        model=model.name,
        at__gte=until - WEEKS * 7 * 24 * HOUR,
        at__lt=until,
    )
    found = dict(rows.exclude(package="").order_by("at").values_list("at").annotate(starts=Sum("starts")))
    if not found:
        return Week((None,) * HOURS, 0, zone)
    first = min(found)
    moments = [first + number * HOUR for number in range(int((until - first) / HOUR))]
    sums, seen = [0.0] * HOURS, [0] * HOURS
    for at in moments:
        place = _place(at.astimezone(zone))
        sums[place] += found.get(at, 0) / 60
        seen[place] += 1
    rates = tuple(total / count if count else None for total, count in zip(sums, seen, strict=True))
    return Week(rates, len(moments), zone)


def quietest(found: Week, seconds: float, now: datetime | None = None) -> Quiet | None:
    """Return the quietest window of whole hours that `seconds` fit into, the soonest of those; None without history."""
    length = max(1, math.ceil(seconds / 3600))
    local = (now or timezone.now()).astimezone(found.zone)
    ahead = [_start(local, number) for number in range(1, HOURS + 1)]
    rated = [(rate, begins) for begins in ahead if (rate := _rate(found.rates, _place(begins), length)) is not None]
    if not rated:
        return None
    rate, begins = min(rated, key=lambda each: (each[0], each[1]))
    return Quiet(begins, begins + length * HOUR, rate, seconds)


def downtime(model: MLModel, environment: Environment) -> float:
    """Return the seconds that a recreate takes off here: the median of those that were measured, else an assumption."""
    measured = Release.objects.filter(model=model, environment=environment).exclude(off_at=None).exclude(on_at=None)
    times = measured.order_by("-id").values_list("off_at", "on_at")[:10]
    return median([(on - off).total_seconds() for off, on in times if on and off] or [ASSUMED_SECONDS])


def proposed(model: MLModel, environment: Environment, now: datetime | None = None) -> tuple[Week, Quiet | None]:
    """Return the week, and the window in which taking the model off would hit the fewest."""
    found = week(model, environment, now)
    return found, quietest(found, downtime(model, environment), now)


def _place(local: datetime) -> int:
    return local.weekday() * 24 + local.hour


def _start(local: datetime, hours: int) -> datetime:
    """The beginning of the hour that is so many hours ahead, by the clock on the wall."""
    whole = local.replace(minute=0, second=0, microsecond=0)
    return (whole.astimezone(UTC) + hours * HOUR).astimezone(local.tzinfo)


def _rate(rates: Sequence[float | None], place: int, length: int) -> float | None:
    """The greatest rate in the window; None where an hour of it is unknown."""
    wanted = [rates[(place + step) % HOURS] for step in range(length)]
    known = [rate for rate in wanted if rate is not None]
    return max(known) if len(known) == length else None
