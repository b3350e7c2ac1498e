"""Once a second the gateways tell each other what is asked of each limit, and each works out its own share."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import msgspec
from redis import Redis

from serving import exchange
from serving.gateway import limits
from serving.gateway.callers import Callers, Use, Uses
from serving.gateway.disk import write_atomically

# By then every gateway has written what it was asked in the second that has just ended.
LOOK_SECONDS = 0.3
USED_SECONDS = 10.0


class Shares:
    """One gateway's part of the exchange; `offer` is called on the event loop, the rest in the heart's thread.

    While Redis is away nothing is taken over, so every gateway keeps its last share. A start without Redis goes by
    the number of gateways that was seen last.
    """

    def __init__(self, boot: str, data: Path, take: Callable[[dict[str, dict[str, float]]], None]) -> None:
        self._boot, self._take = boot, take
        self._uses: Uses = {}
        self._mine: exchange.Uses = {}
        self._marks: deque[dict[str, float]] = deque(maxlen=600)
        self._used: dict[str, float] = {}
        self._wrote = 0.0
        self._file = data / "gateways.json"
        self._counts = self._kept = _read(self._file)
        self.throttled: dict[str, int] = {}

    def gateways(self, environment: str) -> int:
        """Return how many gateways serve the environment, this one included, as far as is known."""
        return self._counts.get(environment, 1)

    def offer(self, callers: Callers) -> None:
        """Take what was asked in the last second, and which keys asked."""
        self._uses, self.throttled = callers.measure(), callers.throttled()
        if used := callers.used():
            self._marks.append(dict.fromkeys(used, time.time()))

    def write(self, redis: Redis, served: Iterable[str]) -> None:
        """Tell the others what was asked here; now and then also which keys were used."""
        uses = self._uses
        self._mine = {name: _asked(uses.get(name, {})) for name in served}
        exchange.put_uses(redis, self._boot, self._mine)
        while self._marks:
            self._used |= self._marks.popleft()
        if self._used and time.monotonic() - self._wrote > USED_SECONDS:
            exchange.put_used(redis, self._used)
            self._wrote, self._used = time.monotonic(), {}

    def look(self, redis: Redis) -> None:
        """Read what the others were asked, and take over this gateway's shares."""
        found = exchange.get_uses(redis) | {self._boot: self._mine}
        self._count(found)
        self._take({name: self._shared(name, uses, found) for name, uses in self._uses.items()})

    def _shared(self, environment: str, mine: dict[str, Use], found: dict[str, exchange.Uses]) -> dict[str, float]:
        boots = sorted(boot for boot, uses in found.items() if environment in uses or boot == self._boot)
        asked, at = [found[boot].get(environment, {}) for boot in boots], boots.index(self._boot)
        return {name: _share(use, [each.get(name, 0.0) for each in asked], at) for name, use in mine.items()}

    def _count(self, found: dict[str, exchange.Uses]) -> None:
        counts: dict[str, int] = {}
        for uses in found.values():
            for name in uses:
                counts[name] = counts.get(name, 0) + 1
        self._counts = counts
        if counts != self._kept:
            # A full disk is tried again with every look; until then only a start without Redis would miss it.
            with suppress(OSError):
                write_atomically(self._file, msgspec.json.encode(counts))
                self._kept = counts


def _asked(uses: dict[str, Use]) -> dict[str, float]:
    return {name: round(use.use, 3) for name, use in uses.items() if use.use >= 0.001}


def _share(use: Use, uses: list[float], at: int) -> float:
    if use.places:
        return limits.places(int(use.limit), uses)[at]
    return limits.shares(use.limit, uses)[at]


def _read(file: Path) -> dict[str, int]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, int])
    except (OSError, msgspec.MsgspecError):
        return {}
