"""Who was turned away: from the cells for the last hour, from the database for longer, apart from what a model did."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django.fixtures import Settings
from redis import Redis

from releases.actions import counts
from releases.models import Package
from releases.queries import traffic
from releases.queries.refusals import Refusal, turned_away
from serving.metrics import store
from serving.metrics.recorder import Pending
from serving.metrics.series import Series

KEY, RATE = Refusal("flight-eta", 401, "key"), Refusal("", 429, "rate")


def put(redis: Redis, at: int) -> None:
    found = [
        Series(name, 0, "", "", "rest", "v1", refused=number, errors={reason: number})
        for name, reason, number in (("flight-eta", "401 key", 7), ("", "429 rate", 2))
    ]
    store.write(redis, "a", [Pending("dev", step, at, 1, found) for step in (1, 10)])


@pytest.mark.parametrize("hours", [0.5, 24, 24 * 7])
def test_it_says_how_many_by_model_status_and_kind(redis: Redis, packages: list[Package], hours: float) -> None:
    now = datetime.now(UTC)
    at = (now if hours < 1 else now - timedelta(hours=3)).timestamp()
    put(redis, int(at) - int(at) % 10 - 60)
    counts.roll_up(now)
    found = turned_away("dev", now - timedelta(hours=hours), now)
    assert found == {KEY: 7, RATE: 2}
    assert turned_away("dev", now - timedelta(hours=hours), now, "flight-eta") == {KEY: 7}


@pytest.mark.parametrize("hours", [24, 24 * 7])
def test_a_long_time_ends_now_and_counts_nothing_twice(
    redis: Redis, packages: list[Package], settings: Settings, hours: float
) -> None:
    now = datetime.now(UTC)
    put(redis, int(now.timestamp()) - int(now.timestamp()) % 10 - 30)
    for _ in range(3):
        assert turned_away("dev", now - timedelta(hours=hours), now) == {KEY: 7, RATE: 2}
        counts.roll_up(now)
        now += timedelta(seconds=40)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert turned_away("dev", now - timedelta(hours=hours), now) in ({}, {KEY: 7, RATE: 2})


def test_without_redis_nobody_knows(packages: list[Package], settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    now = datetime.now(UTC)
    assert turned_away("dev", now - timedelta(minutes=5), now) is None


def test_they_are_no_calls_of_any_package(redis: Redis, packages: list[Package]) -> None:
    put(redis, int(time.time()) - 30)
    now = datetime.now(UTC)
    for minutes in (15, 120, 60 * 24):
        counts.roll_up(now)
        assert traffic.series("dev", "flight-eta", now - timedelta(minutes=minutes), now).packages == {}
