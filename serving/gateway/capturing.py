"""The thread that writes captured requests to Redis; while it is away they wait as far as there is room."""

from __future__ import annotations

import itertools
import logging
import threading

from redis.exceptions import RedisError

from serving import capture_stream
from serving.gateway.capture import Captures, Taken, line
from serving.sync import connect

PAUSE_SECONDS = 0.5
AT_ONCE = 256
log = logging.getLogger("slipway.gateway")


class Capturing:
    """Makes the lines and sends them. What has a number was made, and is sent until Redis has it."""

    def __init__(self, redis_url: str, boot: str, captures: Captures) -> None:
        self._captures, self._boot = captures, boot
        self._redis = connect(redis_url)
        self._numbers = itertools.count(1)
        self._taken: list[Taken] = []
        self._lines: list[tuple[int, bytes]] = []

    def run(self, stop: threading.Event) -> None:
        """Write until `stop` is set, and then once more."""
        while not stop.wait(PAUSE_SECONDS):
            self.flush()
        self.flush()

    def flush(self) -> None:
        """Write all that waits; what Redis does not take now is sent again by the next call."""
        try:
            while self._next():
                lost = len(self._taken) - len(self._lines)
                refused = capture_stream.add(self._redis, self._boot, self._lines) if self._lines else 0
                self._captures.done(self._taken, lost + refused)
                self._taken, self._lines = [], []
        except (RedisError, OSError):
            return
        except Exception:
            # The thread outlives every surprise; what surprised it is let go.
            log.exception("Captured requests could not be written.")
            self._captures.done(self._taken, len(self._taken))
            self._taken, self._lines = [], []

    def _next(self) -> bool:
        if not self._taken:
            self._taken = self._captures.take(AT_ONCE)
            made = [found for taken in self._taken if (found := line(taken)) is not None]
            self._lines = [(next(self._numbers), found) for found in made]
        return bool(self._taken)
