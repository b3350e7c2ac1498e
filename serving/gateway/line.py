"""The line to Redis of the thread that follows the tables: it asks, notes when nobody answers, and says since when."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from redis import Redis
from redis.client import PubSub
from redis.exceptions import RedisError

T = TypeVar("T")
log = logging.getLogger("slipway.gateway")


class Line:
    """`since` (epoch) is set while Redis is away; `cut_off` is when it was away last, from and to."""

    def __init__(self, redis: Redis, changed: Callable[[float | None], None]) -> None:
        self.redis, self._changed = redis, changed
        self.since: float | None = None
        self.cut_off: tuple[float, float] | None = None

    @property
    def away(self) -> bool:
        return self.since is not None

    def ask(self, question: Callable[[Redis], T]) -> T | None:
        """Ask Redis; None, and one line in the log, while it is away. Other errors are the caller's."""
        try:
            answer = question(self.redis)
        except (RedisError, OSError) as error:
            self._lost(error)
            return None
        self._found()
        return answer

    def subscribe(self, channel: str) -> PubSub:
        """Return a new subscription; raises RedisError and OSError."""
        subscription: PubSub = self.redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        subscription.subscribe(channel)
        return subscription

    def _lost(self, error: Exception) -> None:
        if self.since is None:
            log.warning("Redis is away (%s); the last tables and keys stay live.", type(error).__name__)
            self.since = time.time()
            self._changed(self.since)

    def _found(self) -> None:
        if self.since is not None:
            self.cut_off = (self.since, time.time())
            log.warning("Redis is back after %.0f s.", self.cut_off[1] - self.cut_off[0])
            self.since = None
            self._changed(None)
