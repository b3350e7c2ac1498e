"""What the gateways measured, for charts and figures: the last minutes from Redis, older times from the database."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
import redis
from django.db.models import TextField
from django.db.models.functions import Cast

from releases import broker
from releases.models import Count, Package
from serving.metrics import histogram, store

log = logging.getLogger(__name__)

LIVE_WINDOW = timedelta(minutes=15)
# Seconds per point for each source: one-second cells, ten-second cells, minutes, hours.
STEP_LIVE, STEP_TENS, STEP_MINUTES, STEP_HOURS = 5, 30, 900, 3600
TENS_KEPT = timedelta(hours=47)
COLUMNS = (
    *("at", "package", "starts", "completions", "errors", "refused", "histogram"),
    *("rows", "duration", "queued", "computed"),
)
Points = dict[Any, dict[float, "Tally"]]


@dataclass
class Tally:
    """Requests of one package in one span of time; latency is a histogram of bucket numbers.

    `duration` adds up the seconds of all calls; `queued` and `computed` are the parts that they waited for their model,
    and that it took.
    """

    starts: int = 0
    completions: int = 0
    errors: int = 0
    refused: int = 0
    latency: dict[int, int] = field(default_factory=dict)
    rows: int = 0
    duration: float = 0.0
    queued: float = 0.0
    computed: float = 0.0

    def add(self, starts: int, completions: int, errors: int, refused: int, latency: Iterable[tuple[int, int]]) -> None:
        self.starts += starts
        self.completions += completions
        self.errors += errors
        self.refused += refused
        mine = self.latency
        for bucket, number in latency:
            mine[bucket] = mine.get(bucket, 0) + number

    def spend(self, rows: int, duration: float, queued: float, computed: float) -> None:
        """Add the rows that were predicted, and where the time went."""
        self.rows += rows
        self.duration += duration
        self.queued += queued
        self.computed += computed

    def mean(self, seconds: float) -> float | None:
        """Return the seconds per answered call; None where nothing was answered."""
        return seconds / self.completions if self.completions else None

    @property
    def error_rate(self) -> float | None:
        """Errors per answered call, 0 to 1; None where nothing was called."""
        return self.errors / self.completions if self.completions else None

    def quantile(self, q: float) -> float | None:
        """The latency in seconds below which the share `q` of all calls lies."""
        return histogram.quantile(self.latency, q)


@dataclass(frozen=True)
class Series:
    """Tallies by package and time. `times` are epoch seconds, `step` apart; `known` is False when Redis is away."""

    times: tuple[float, ...]
    step: int
    packages: dict[int, dict[float, Tally]]
    known: bool = True

    @property
    def is_empty(self) -> bool:
        return not any(tally.starts for points in self.packages.values() for tally in points.values())

    def total(self, package: int) -> Tally:
        """The sum over the whole time of one package."""
        return total(self.packages.get(package, {}).values())


def total(tallies: Iterable[Tally]) -> Tally:
    """Add tallies up."""
    sums = Tally()
    for one in tallies:
        sums.add(one.starts, one.completions, one.errors, one.refused, one.latency.items())
        sums.spend(one.rows, one.duration, one.queued, one.computed)
    return sums


def series(environment: str, model: str, start: datetime, end: datetime) -> Series:
    """Return what was measured from start to end, from the finest source that still holds it."""
    now = datetime.now(UTC)
    if start >= now - LIVE_WINDOW - timedelta(seconds=30):
        return _from_redis(environment, model, start, end, store_step=1, step=STEP_LIVE)
    if end - start <= timedelta(hours=3) and start >= now - TENS_KEPT:
        return _from_redis(environment, model, start, end, store_step=10, step=STEP_TENS)
    if end - start <= timedelta(hours=26):
        return _from_rows(environment, model, start, end, Count.MINUTE, STEP_MINUTES)
    return _from_rows(environment, model, start, end, Count.HOUR, STEP_HOURS)


def lately(environment: str, model: str) -> Series:
    """Return the last 15 minutes in coarse points, for their sum."""
    now = datetime.now(UTC)
    return _from_redis(environment, model, now - LIVE_WINDOW, now, store_step=10, step=STEP_TENS)


def add(into: Tally, cell: store.Cell) -> None:
    """Add one gateway's cell to a tally."""
    into.add(cell.starts, cell.completions, sum(cell.errors.values()), cell.refused, cell.latency.items())
    into.spend(cell.rows, cell.seconds, cell.queued, cell.computed)


def _from_redis(
    environment: str, model: str, start: datetime, end: datetime, *, store_step: Literal[1, 10], step: int
) -> Series:
    first, times = _times(start, end, step)
    packages: Points = defaultdict(lambda: defaultdict(Tally))
    try:
        cells = store.read(broker.client(), environment, first, end.timestamp(), store_step, model)
    except redis.RedisError as error:
        log.warning("Redis is away, the charts are empty: %s", error)
        return Series(times, step, {}, known=False)
    for cell in cells:
        if cell.package:
            add(packages[cell.package][cell.at - cell.at % step], cell)
    return Series(times, step, _by_number(model, packages))


def _from_rows(environment: str, model: str, start: datetime, end: datetime, seconds: int, step: int) -> Series:
    first, times = _times(start, end, step)
    packages: Points = defaultdict(lambda: defaultdict(Tally))
    rows = Count.objects.filter(
        environment=environment, model=model, seconds=seconds, at__gte=datetime.fromtimestamp(first, UTC), at__lt=end
    ).exclude(package="")
    rows = rows.annotate(histogram=Cast("latency", TextField()))
    for at, package, starts, completions, errors, refused, latency, *spent in rows.values_list(*COLUMNS).iterator():
        point = packages[package][at.timestamp() - at.timestamp() % step]
        point.add(starts, completions, sum(errors.values()), refused, _histogram(latency).items())
        point.spend(*spent)
    return Series(times, step, _by_number(model, packages))


# A day holds 1,440 histograms: as text they are decoded three times as fast as by the field.
_histogram = msgspec.json.Decoder(dict[int, int]).decode


def _times(start: datetime, end: datetime, step: int) -> tuple[float, tuple[float, ...]]:
    first = start.timestamp() - start.timestamp() % step
    count = max(1, int((end.timestamp() - first) // step))
    return first, tuple(first + i * step for i in range(count))


def _by_number(model: str, packages: Points) -> dict[int, dict[float, Tally]]:
    """The gateways count by digest; people know packages by their numbers."""
    digests = [key for key in packages if not str(key).isdecimal()]
    known = Package.objects.filter(model__name=model, digest__in=digests).values_list("digest", "number")
    numbers = dict(known) if digests else {}
    named = {int(numbers.get(str(key), 0 if key in digests else key)): dict(points) for key, points in packages.items()}
    return dict(sorted(named.items()))
