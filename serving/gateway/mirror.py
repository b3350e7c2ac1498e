"""Shadows, on the event loop: requests that drew one are referenced after the reply, and a thread sends them on.

What is on its way is bounded; a request that finds no room is dropped and counted, and none ever waits.
"""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from serving.gateway.capture import weight_of
from serving.gateway.messages import Reply, Request
from serving.gateway.pairs import Pair
from serving.gateway.room import Room
from serving.gateway.world import Live
from serving.metrics.recorder import REFUSED, Call
from serving.routing import Route
from serving.runtimes import Answer, wire

T = TypeVar("T")
# Bytes: one request with its answer, and all that wait to be sent.
MOST_ONE, MOST_WAITING = 1024 * 1024, 8 * 1024 * 1024
# Only what the live package answered can be compared with it.
LIVE = frozenset({"stable", "control"})
# These say how to read a body; the others are nobody's business, an API key least of all.
NEEDED = ("content-type", "inference-header-content-length")


class Mirrored(NamedTuple):
    """A request that drew the shadows `runs`; `at` is when it came (epoch)."""

    runs: list[int]
    request: Request
    headers: list[tuple[str, str]]
    call: Call
    at: float


class Waiting(ABC, Generic[T]):
    """What waits to be mirrored. One thread offers; the one that sends does the rest.

    Each counts by run what it had to drop: `crowded` for want of room, `lost` on the way to the process.
    """

    def __init__(self, live: Live, draw: Callable[[], float]) -> None:
        self._live, self._draw = live, draw
        self.room: Room[T] = Room(MOST_WAITING, MOST_ONE)
        self.crowded: Counter[int] = Counter()
        self.lost: Counter[int] = Counter()
        self._told: Counter[int] = Counter()

    @abstractmethod
    def runs(self, found: T) -> list[int]:
        """Return the shadows that it drew."""

    @abstractmethod
    def pair(self, found: T, dropped: dict[int, int]) -> Pair:
        """Return what the shadow process is sent."""

    @property
    def dropped(self) -> Counter[int]:
        return Counter(self.crowded) + Counter(self.lost)

    def drawn(self, route: Route) -> list[int]:
        """Draw for each shadow of a route."""
        return [shadow.run for shadow in route.shadows if self._draw() < shadow.share]

    def keep(self, found: T, weight: int) -> None:
        """Let it wait, or drop it."""
        if not self.room.offer(found, weight):
            self.crowded.update(self.runs(found))

    def untold(self) -> dict[int, int]:
        """Return by run how many were dropped and not told yet."""
        return dict(self.dropped - self._told)

    def told(self, news: dict[int, int]) -> None:
        """Note that the process has these."""
        self._told.update(news)


class Mirror(Waiting[Mirrored]):
    """Requests; `offer` is called on the event loop."""

    def __init__(
        self, live: Live, draw: Callable[[], float] = random.random, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(live, draw)
        self._clock = clock

    def offer(self, request: Request, reply: Reply, call: Call) -> None:
        """Hold on to a request that drew a shadow; one that breaks the contract, or chose its package, has none."""
        route = self._live.published(call.line.environment, call.line.key[0])
        if route is None or not route.shadows or call.outcome == REFUSED or call.line.key[2] not in LIVE:
            return
        if runs := self.drawn(route):
            at = self._clock() - (time.monotonic() - call.began)
            self.keep(Mirrored(runs, request, reply.headers, call, at), weight_of(request, reply, call))

    def runs(self, found: Mirrored) -> list[int]:
        return found.runs

    def pair(self, found: Mirrored, dropped: dict[int, int]) -> Pair:
        return pair(found, dropped)


def pair(found: Mirrored, dropped: dict[int, int]) -> Pair:
    """Return what the shadow process is sent. Not for the event loop."""
    _, _, answer = found.call.kept
    given = {name: found.request.headers.get(name) for name in NEEDED}
    return Pair(
        runs=found.runs,
        protocol=found.call.line.key[5],
        headers={name: text for name, text in given.items() if text is not None},
        body=found.request.body,
        answer=wire.reply(answer) if isinstance(answer, Answer) else None,
        at=found.at,
        id=next((text for name, text in found.headers if name == "x-request-id"), ""),
        seconds=found.call.computed,
        dropped=dropped,
    )
