"""The clock that all gateways share, that of Redis: this machine's may be hours off, or be set while we run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from redis import Redis

from serving import exchange

TOLERANCE = 0.5
log = logging.getLogger("slipway.gateway")


class Clock:
    """Compares the clocks, and has ours set by `set_offset` (epoch = monotonic + offset) where they differ.

    While `paused` nothing may be written: what was offered still goes by the old clock, until `resume` is called.
    """

    def __init__(self, offset: Callable[[], float], set_offset: Callable[[float], None]) -> None:
        self._offset, self._set_offset = offset, set_offset
        self.agreed = self.paused = False

    def now(self) -> float:
        """Return the time of day (epoch seconds)."""
        return time.monotonic() + self._offset()

    def compare(self, redis: Redis) -> bool:
        """Look at the clock of Redis; returns True when the two were never compared before. Called by one thread."""
        if self.paused:
            return False
        began, theirs, took = _asked(redis)
        ours, offset = self._offset(), theirs - began - took / 2
        differs = abs(offset - ours) > max(TOLERANCE, took)
        if differs:
            log.warning("This machine's clock is off by %+.1f s; the counts go by the clock of Redis.", ours - offset)
        first, self.agreed = not self.agreed, True
        if differs or first:
            self.paused = True
            self._set_offset(offset if differs else ours)
        return first

    def resume(self) -> None:
        """What is offered from now on goes by the clock that was set."""
        self.paused = False


def _asked(redis: Redis) -> tuple[float, float, float]:
    """Return when we asked (monotonic), what Redis said (epoch), and how long it took."""
    began = time.monotonic()
    theirs = exchange.clock(redis)
    return began, theirs, time.monotonic() - began
