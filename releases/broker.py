"""One Redis connection pool for the control plane, with short time-outs: a lost Redis must not hang a page."""

from __future__ import annotations

from functools import lru_cache

import redis
from django.conf import settings


def client() -> redis.Redis:
    """Return the client of settings.REDIS_URL; raises redis.RedisError at use when it is away."""
    return _client(settings.REDIS_URL)


@lru_cache(maxsize=4)
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=1)
