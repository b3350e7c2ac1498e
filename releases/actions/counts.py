"""Roll the gateways' ten-second cells up into minutes and hours; every write sets, so that twice is harmless."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

from releases import broker
from releases.models import Count, Environment
from serving.metrics import store

KEEP = {Count.MINUTE: timedelta(days=30), Count.HOUR: timedelta(days=730)}
KEY = ("environment", "model", "generation", "package", "arm", "mode", "protocol")
LATE = timedelta(seconds=20)
# Cells may come late, after a gateway was without Redis: once in WIDE all of half an hour is read again.
LOOK_BACK, LOOK_FAR_BACK = timedelta(minutes=3), timedelta(minutes=30)
WIDE, EVERY = 300, 30  # seconds
CELLS_KEPT = timedelta(hours=48)
NUMBERS = ("starts", "completions", "refused", "rows", "duration", "queued", "computed")
HISTOGRAMS = ("errors", "latency", "scores")
NOWHERE = ""  # the environment of calls to none that exists

Sums = dict[str, Any]


def roll_up(now: datetime) -> None:
    """Write the whole minutes since the last ones, and again those that may have grown; then the hours of all these."""
    end = _floor(now - LATE, Count.MINUTE)
    start = _first_minute(end, LOOK_FAR_BACK if now.timestamp() % WIDE < EVERY else LOOK_BACK)
    for environment in [*Environment.objects.values_list("name", flat=True), NOWHERE]:
        cells = store.read(broker.client(), environment, start.timestamp(), end.timestamp(), step=10)
        _write(Count.MINUTE, _by(Count.MINUTE, [_row(environment, cell) for cell in cells]))
    hour = _floor(start, Count.HOUR)
    while hour + timedelta(hours=1) <= end:
        _roll_hour(hour)
        hour += timedelta(hours=1)


def prune(now: datetime) -> None:
    """Delete rows that are past their keeping time."""
    for seconds, keep in KEEP.items():
        Count.objects.filter(seconds=seconds, at__lt=now - keep).delete()


def add(into: Sums, row: Sums) -> None:
    """Add one row's numbers to a sum."""
    for name in NUMBERS:
        into[name] = into.get(name, 0) + row[name]
    for name in HISTOGRAMS:
        sums = into.setdefault(name, {})
        for key, number in row[name].items():
            sums[str(key)] = sums.get(str(key), 0) + number


def _first_minute(end: datetime, back: timedelta) -> datetime:
    """Go back to the last minute that was written, because beat may have been away; the cells reach back 48 hours.

    In a database without one all of the 48 hours are taken up.
    """
    last = Count.objects.filter(seconds=Count.MINUTE).order_by("-at").values_list("at", flat=True).first()
    return max(min(end - back, last or end - CELLS_KEPT), end - CELLS_KEPT)


def _row(environment: str, cell: store.Cell) -> Sums:
    names = (*KEY[1:], *NUMBERS, *HISTOGRAMS)
    own = {"environment": environment, "at": datetime.fromtimestamp(cell.at, UTC), "duration": cell.seconds}
    return own | {name: getattr(cell, name) for name in names if name not in own}


def _by(seconds: int, rows: list[Sums]) -> dict[tuple, Sums]:
    sums: dict[tuple, Sums] = defaultdict(dict)
    for row in rows:
        add(sums[(_floor(row["at"], seconds), *(row[name] for name in KEY))], row)
    return sums


def _write(seconds: int, sums: dict[tuple, Sums]) -> None:
    rows = [
        Count(seconds=seconds, at=key[0], **dict(zip(KEY, key[1:], strict=True)), **numbers)
        for key, numbers in sums.items()
    ]
    Count.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["seconds", "at", *KEY],
        update_fields=[*NUMBERS, *HISTOGRAMS],
    )


def _roll_hour(hour: datetime) -> None:
    minutes = Count.objects.filter(seconds=Count.MINUTE, at__gte=hour, at__lt=hour + timedelta(hours=1))
    names = ("at", *KEY, *NUMBERS, *HISTOGRAMS)
    _write(Count.HOUR, _by(Count.HOUR, [{name: getattr(row, name) for name in names} for row in minutes]))


def _floor(at: datetime, seconds: int) -> datetime:
    stamp = int(at.timestamp())
    return datetime.fromtimestamp(stamp - stamp % seconds, UTC)
