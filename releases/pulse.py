"""Signs of life in Redis: beat and the workers leave a stamp every second or two, and the pages read them."""

from __future__ import annotations

import time
from collections.abc import Iterable

import redis

BEAT, QUEUES = "beat", ("quick", "long", "load", "batch")
MISSED = "missed"  # when a scheduled batch was missed, so that pages need not look for one all the time
EVERY = 2.0  # seconds between two stamps
AWAY = 10.0  # seconds of silence after which somebody counts as away


def key(name: str) -> str:
    return f"slipway:pulse:{name}"


def stamp(client: redis.Redis, names: Iterable[str]) -> bool:
    """Leave the stamp of `beat` or of queues; says False when Redis is away, because the next stamp comes soon."""
    now = time.time()
    try:
        client.mset({key(name): now for name in names})
    except redis.RedisError:
        return False
    return True


def last(client: redis.Redis, names: Iterable[str]) -> dict[str, float | None]:
    """Return when each was last alive (epoch seconds), None for never; raises redis.RedisError."""
    names = list(names)
    values = client.mget([key(name) for name in names])
    return {name: float(value) if value else None for name, value in zip(names, values, strict=True)}
