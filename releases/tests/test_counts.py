"""Rolling up: cells become minutes and hours, and doing it twice changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from redis import Redis

from releases.actions import counts
from releases.models import Count, Environment
from serving.metrics import store
from serving.metrics.recorder import Pending
from serving.metrics.series import Series

NOW = datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC)


def put(redis: Redis, at: datetime, starts: int) -> None:
    series = {
        "model": "flight-eta", "generation": 3, "arm": "stable", "package": "sha256:1", "mode": "rest",
        "protocol": "v1",
        "starts": starts, "completions": starts, "errors": {"model": 1}, "refused": 2,
        "rows": 2 * starts, "seconds": 0.5, "queued": 0.125, "computed": 0.25,
        "latency": {400: starts}, "scores": {},
    }  # fmt: skip
    second = int(at.timestamp())
    store.write(redis, "boot", [Pending("production", 10, second, 1, [Series(**series)])])


def test_minutes_and_hours_add_up_and_twice_is_harmless(redis: Redis, environments: dict[str, Environment]) -> None:
    for tens in range(0, 3600, 10):
        put(redis, datetime(2026, 3, 4, 11, 0, tzinfo=UTC) + timedelta(seconds=tens), 5)
    Count.objects.create(
        seconds=60, at=NOW - timedelta(hours=2), environment="x", model="x", package="sha256:1", arm="stable",
        mode="rest",
        protocol="v1", starts=0, completions=0,
    )  # fmt: skip
    for _ in range(2):
        counts.roll_up(NOW)
        minutes = Count.objects.filter(seconds=60, environment="production")
        assert minutes.count() == 60
        assert sum(row.starts for row in minutes) == 1800
        hour = Count.objects.get(seconds=3600, environment="production")
        assert (hour.starts, hour.errors, hour.refused) == (1800, {"model": 360}, 720)
        assert hour.latency == {"400": 1800}
        assert (hour.rows, hour.duration, hour.queued, hour.computed) == (3600, 180.0, 45.0, 90.0)


def test_a_database_without_counts_takes_up_all_that_the_cells_still_hold(
    redis: Redis, environments: dict[str, Environment]
) -> None:
    put(redis, NOW - timedelta(hours=40), 5)
    counts.roll_up(NOW)
    assert Count.objects.filter(environment="production", seconds=3600).count() == 1


def test_old_rows_are_dropped_after_their_time(environments: dict[str, Environment]) -> None:
    row = {"environment": "x", "model": "m", "package": "sha256:1", "arm": "stable", "mode": "rest", "protocol": "v1"}
    for seconds, days in ((60, 29), (60, 31), (3600, 31), (3600, 800)):
        Count.objects.create(seconds=seconds, at=NOW - timedelta(days=days), starts=1, completions=1, **row)
    counts.prune(NOW)
    assert sorted(Count.objects.values_list("seconds", flat=True)) == [60, 3600]


def test_what_comes_ten_minutes_late_is_counted_within_five(redis: Redis, environments: dict[str, Environment]) -> None:
    put(redis, NOW - timedelta(minutes=1), 5)
    counts.roll_up(NOW)
    put(redis, NOW - timedelta(minutes=14), 7)
    for seconds in range(30, 330, 30):
        counts.roll_up(NOW + timedelta(seconds=seconds))
    assert sum(row.starts for row in Count.objects.filter(seconds=60)) == 12
