"""Publishing: the table in Redis equals the database, whatever was lost on the way."""

from __future__ import annotations

import json

import pytest
from redis import Redis

from releases import routes
from releases.models import Environment, Package
from serving import exchange, routing

Environments = dict[str, Environment]


def test_beat_heals_an_emptied_redis(redis: Redis, environments: Environments) -> None:
    routes.send_all()
    redis.flushdb()
    routes.send_all()
    assert exchange.get_environments(redis) == ("dev", "test", "staging", "production")
    for environment in Environment.objects.all():
        held = exchange.get_table(redis, environment.name)
        assert held is not None
        kept = environment.tables.get(generation=environment.generation).body
        assert held == routing.loads(json.dumps(kept).encode())


def test_an_older_table_never_replaces_a_newer_one(redis: Redis, environments: Environments) -> None:
    dev = environments["dev"]
    first = dev.tables.get()
    Environment.objects.filter(pk=dev.pk).update(keyless=False)
    second = routes.publish(dev, "test")
    assert routes.send(second)
    assert not routes.send(first)
    assert exchange.get_table(redis, "dev").generation == second.generation


def test_gateways_on_other_machines_are_sent_to_the_web_process(packages: list[Package], settings: object) -> None:
    name = packages[0].artefact.removeprefix("sha256:")
    assert routes.target(packages[0], "stable", 100.0).url == (settings.ARTEFACTS / name).as_uri()
    settings.ARTEFACT_URL = "https://slipway.example.com/artefacts"
    assert routes.target(packages[0], "stable", 100.0).url == f"https://slipway.example.com/artefacts/{name}"


def test_a_lost_redis_does_not_stop_a_publication(
    environments: Environments, settings: object, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert not routes.send(environments["dev"].tables.get())
    assert "waits for beat" in caplog.text
