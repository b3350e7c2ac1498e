"""The board's figures: right after one reading and after many, soft when Redis is away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings
from redis import Redis

from releases.queries import glance
from serving.metrics import store
from serving.metrics.histogram import bucket
from serving.metrics.recorder import Pending
from serving.metrics.series import Series

NOON = 1_795_348_800  # a whole hour


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    glance.forget()
    yield
    glance.forget()


class Clock:
    """The time that the module reads."""

    def __init__(self) -> None:
        self.now = float(NOON)

    def time(self) -> float:
        return self.now

    monotonic = time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(glance, "time", clock)
    return clock


def count(redis: Redis, at: float, calls: int, boot: str = "a", model: str = "flight-eta") -> None:
    ten = int(at) - int(at) % 10
    counts = {"starts": calls, "completions": calls, "latency": {bucket(0.01): calls}, "errors": {"model": calls // 10}}
    store.write(redis, boot, [Pending("dev", 10, ten, 1, [Series(model, 1, "stable", "d", "rest", "v1", **counts)])])


def test_it_shows_the_last_whole_minute_and_a_line_of_fifteen(redis: Redis, clock: Clock) -> None:
    for tens in range(1, 7):
        count(redis, NOON - 10 * tens, 60)
        count(redis, NOON - 10 * tens, 30, boot="b")
    count(redis, NOON - 600, 5)
    figures = (glance.board(["dev", "test"]) or {})[("dev", "flight-eta")]
    assert (figures.rate, figures.error_rate) == (9, 0.1)
    assert figures.p99 == pytest.approx(0.01, rel=0.02)
    assert len(figures.spark) == 30
    assert figures.spark[-2:] == (270, 270)
    assert figures.spark[10] == 5
    assert sum(figures.spark) == 545


def test_many_readings_come_to_the_same_as_one(redis: Redis, clock: Clock) -> None:
    bit_by_bit = None
    for step in range(0, 1200, 7):
        clock.now = NOON + step
        for boot in ("a", "b"):
            count(redis, clock.now, 10 + step % 13, boot=boot)
        bit_by_bit = glance.board(["dev"])
    glance.forget()
    assert bit_by_bit
    assert glance.board(["dev"]) == bit_by_bit


def test_a_place_that_is_no_longer_called_leaves_the_board(redis: Redis, clock: Clock) -> None:
    count(redis, NOON - 10, 5)
    assert glance.board(["dev"])
    clock.now += glance.LINE_SECONDS + 60
    assert glance.board(["dev"]) == {}


def test_a_second_board_within_a_second_asks_redis_nothing(redis: Redis, clock: Clock, settings: Settings) -> None:
    first = glance.board(["dev"])
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert glance.board(["dev"]) is first
    clock.now += 2
    assert glance.board(["dev"]) is None


def test_a_lost_redis_is_not_asked_again_at_once_and_all_is_read_when_it_is_back(
    redis: Redis, clock: Clock, settings: Settings
) -> None:
    count(redis, NOON - 300, 5)
    good = settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert glance.board(["dev"]) is None
    settings.REDIS_URL = good
    assert glance.board(["dev"]) is None
    clock.now += glance.AWAY_SECONDS + 1
    assert sum((glance.board(["dev"]) or {})[("dev", "flight-eta")].spark) == 5


def test_an_environment_that_is_new_is_read_in_full(redis: Redis, clock: Clock) -> None:
    count(redis, NOON - 300, 5)
    glance.board(["test"])
    clock.now += 2
    assert ("dev", "flight-eta") in (glance.board(["dev", "test"]) or {})


def test_an_environment_that_was_left_out_once_misses_nothing(redis: Redis, clock: Clock) -> None:
    glance.board(["dev", "test"])
    for _ in range(10):
        clock.now += 20
        count(redis, clock.now, 5)
        glance.board(["test"])
    bit_by_bit = glance.board(["dev", "test"])
    glance.forget()
    assert bit_by_bit == glance.board(["dev", "test"])
