"""What was measured: from Redis for the last minutes, from the database for longer times, softly when Redis is away."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings
from redis import Redis

from releases.models import Count, Environment, Package
from releases.queries import traffic
from serving.metrics import store
from serving.metrics.histogram import bucket
from serving.metrics.recorder import Pending
from serving.metrics.series import Series

Environments = dict[str, Environment]
NOWHERE = "redis://127.0.0.1:1/0"
ROWS = st.lists(
    st.tuples(st.integers(0, 99), st.integers(0, 99), st.dictionaries(st.integers(0, 939), st.integers(1, 9)))
)


def count(redis: Redis, package: Package, at: int, calls: int, step: int = 1, boot: str = "a") -> None:
    counts = {"starts": calls, "completions": calls, "latency": {bucket(0.01): calls}, "errors": {"model": calls // 10}}
    series = Series(package.model.name, 1, "stable", package.digest, "rest", "v1", **counts)
    store.write(redis, boot, [Pending("dev", step, at, 1, [series])])


def lately(environment: str = "dev", model: str = "flight-eta") -> traffic.Series:
    end = datetime.now(UTC)
    return traffic.series(environment, model, end - traffic.LIVE_WINDOW, end)


def test_the_cells_of_all_gateways_are_added_by_package_number(redis: Redis, packages: list[Package]) -> None:
    at = int(time.time()) - 30
    at -= at % 5
    count(redis, packages[0], at, 10)
    count(redis, packages[0], at + 1, 10, boot="b")
    count(redis, packages[1], at, 4, boot="c")
    found = lately()
    assert found.packages[1][float(at)].starts == 20
    assert found.total(2).starts == 4
    assert found.total(1).error_rate == 0.1
    assert found.total(1).quantile(0.99) == pytest.approx(0.01, rel=0.02)


def test_other_models_and_environments_are_not_counted(redis: Redis, packages: list[Package]) -> None:
    count(redis, packages[0], int(time.time()) - 30, 10)
    assert lately(model="other").is_empty
    assert lately(environment="test").is_empty


def test_without_redis_the_series_is_unknown_and_has_its_times(packages: list[Package], settings: Settings) -> None:
    settings.REDIS_URL = NOWHERE
    found = lately()
    assert not found.known
    assert len(found.times) == 181 or len(found.times) == 180
    assert not traffic.lately("dev", "flight-eta").known


def test_longer_times_come_from_the_minutes_and_hours_of_the_database(packages: list[Package]) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for seconds, at in ((60, now - timedelta(hours=2)), (3600, now - timedelta(days=3))):
        Count.objects.create(
            seconds=seconds, at=at, environment="dev", model="flight-eta", package=2, arm="stable", mode="rest",
            protocol="v1", starts=30, completions=30, errors={"model": 3}, latency={str(bucket(0.02)): 30},
        )  # fmt: skip
    day = traffic.series("dev", "flight-eta", datetime.now(UTC) - timedelta(hours=24), datetime.now(UTC))
    week = traffic.series("dev", "flight-eta", datetime.now(UTC) - timedelta(days=7), datetime.now(UTC))
    assert (day.step, day.total(2).starts, day.total(2).error_rate) == (traffic.STEP_MINUTES, 30, 0.1)
    assert (week.step, week.total(2).starts) == (traffic.STEP_HOURS, 30)
    assert week.total(2).quantile(0.5) == pytest.approx(0.02, rel=0.02)


@given(ROWS)
def test_adding_tallies_loses_nothing_in_any_order(rows: list[tuple[int, int, dict[int, int]]]) -> None:
    tallies = [traffic.Tally(starts, completions, 0, 0, latency) for starts, completions, latency in rows]
    forward, backward = traffic.total(tallies), traffic.total(reversed(tallies))
    assert forward == backward
    assert forward.starts == sum(starts for starts, _, _ in rows)
    assert sum(forward.latency.values()) == sum(sum(latency.values()) for _, _, latency in rows)
