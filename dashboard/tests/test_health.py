from __future__ import annotations

import dataclasses
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from releases import pulse
from releases.queries import health
from serving import exchange

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_outage(monkeypatch):
    health._outage.since = health._outage.asked = None
    monkeypatch.setattr(health, "STARTED", timezone.now() - timedelta(hours=1))
    yield
    health._outage.since = health._outage.asked = None


def beat_of(name: str, at: float | None = None) -> exchange.Heartbeat:
    at = at or time.time()
    return exchange.Heartbeat(name, "boot", 1, at, {}, int(at), {}, "127.0.0.1:1")


def all_well(redis) -> None:
    pulse.stamp(redis, (pulse.BEAT, *pulse.QUEUES))
    for gateway in settings.GATEWAYS:
        exchange.put_heartbeat(redis, beat_of(gateway.name))


def whats() -> list[str]:
    return [part.what for part in health.away(timezone.now())]


def test_nothing_is_away_when_everybody_has_left_a_sign_of_life(redis):
    all_well(redis)
    assert whats() == []


@pytest.mark.parametrize("name", [pulse.BEAT, *pulse.QUEUES])
def test_a_part_that_is_silent_is_away_since_its_last_sign(redis, name):
    all_well(redis)
    last = time.time() - 60
    redis.set(pulse.key(name), last)
    (part,) = health.away(timezone.now())
    assert (part.what, part.since) == (name, datetime.fromtimestamp(last, UTC))
    assert "is away since" in part.words


def test_a_part_that_never_came_is_said_so_without_a_time(redis):
    all_well(redis)
    redis.delete(pulse.key("long"))
    (part,) = health.away(timezone.now())
    assert part.since is None
    assert part.words.startswith("The worker for long work has not been seen yet. Uploads and suites wait")


def test_in_the_first_minute_nobody_is_missed_who_has_not_come_yet(redis, monkeypatch):
    monkeypatch.setattr(health, "STARTED", timezone.now() - timedelta(seconds=30))
    redis.set(pulse.key("quick"), time.time() - 3600)
    assert whats() == []
    redis.set(pulse.key("long"), time.time() - 20)
    assert whats() == ["long"]


def test_a_gateway_whose_heartbeat_expired_is_away_since_that_heartbeat(redis):
    all_well(redis)
    name = settings.GATEWAYS[0].name
    redis.delete(exchange.heartbeat_key(name, "boot"))
    (part,) = health.away(timezone.now())
    assert part.what == f"gateway {name}"
    assert abs((timezone.now() - part.since).total_seconds()) < 30
    assert "Nothing answers predictions for production." in part.words


def test_a_lost_redis_is_one_sentence_and_is_remembered_since_the_first_miss(settings):
    settings.REDIS_URL = "unix:///nowhere/valkey.sock?db=0"
    first = timezone.now()
    (part,) = health.away(first)
    (again,) = health.away(first + timedelta(seconds=10))
    assert part.what == "redis"
    assert again.since == first


def test_a_lost_redis_is_not_asked_again_by_every_page(settings, monkeypatch):
    settings.REDIS_URL = "unix:///nowhere/valkey.sock?db=0"
    now = timezone.now()
    health.away(now)
    monkeypatch.setattr(health, "_look", lambda *_: pytest.fail("asked again too soon"))
    assert health.away(now + timedelta(seconds=1))[0].what == "redis"


def test_the_health_address_needs_no_sign_in_and_writes_nothing(redis, environments, django_assert_num_queries):
    all_well(redis)
    with django_assert_num_queries(1):
        answer = Client().get("/health/")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "version": settings.VERSION, "away": []}
    assert not answer.cookies


def test_the_health_address_says_503_when_the_database_is_out_of_reach(redis, monkeypatch):
    monkeypatch.setattr("dashboard.views.health._database_answers", lambda: False)
    answer = Client().get("/health/")
    assert answer.status_code == 503
    assert answer.json()["status"] == "the database is out of reach"


def test_the_banner_says_who_is_away_and_what_does_not_happen(redis, signed_in):
    all_well(redis)
    redis.delete(pulse.key(pulse.BEAT))
    page = signed_in("viewer").get("/health/troubles/").content.decode()
    assert "Beat has not been seen yet" in page
    assert "Nothing is being judged or moved" in page


def test_the_banner_needs_a_sign_in(redis):
    assert Client().get("/health/troubles/").status_code == 302


def test_a_gateway_that_left_a_package_out_is_said_loudly(redis, signed_in):
    all_well(redis)
    name, words = settings.GATEWAYS[0].name, "Package 3 is left out: it ended this gateway twice within a minute."
    states = {"production": exchange.EnvironmentState(7, {}, words)}
    exchange.put_heartbeat(redis, dataclasses.replace(beat_of(name), environments=states))
    page = signed_in("viewer").get("/health/troubles/").content.decode()
    assert "production needs attention" in page
    assert words in page
    assert "/environments/production/" in page
