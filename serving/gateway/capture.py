"""Capture of requests with their answers: referenced after the reply, made into lines later, by another thread.

What is on its way is bounded; a request that finds no room is dropped and counted, and none ever waits.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from serving import captured
from serving.contract import Batch
from serving.gateway.messages import Reply, Request
from serving.gateway.protocols import v1
from serving.gateway.room import Room
from serving.gateway.world import Live
from serving.metrics.recorder import REFUSED, Call
from serving.routing import Capture

HOUR = 3600
# Bytes: one request with its answer, and all that wait to be written.
MOST_ONE, MOST_WAITING = 256 * 1024, 8 * 1024 * 1024
NUMBER = 8


@dataclass(frozen=True, slots=True)
class Taken:
    """What is kept of a request until it is written; `weight` is about what it costs, in bytes."""

    at: float
    seconds: float
    call: Call
    status: int
    headers: list[tuple[str, str]]
    weight: int


class Captures:
    """`offer` is called on the event loop, `take` and `done` by the one thread that writes.

    `counts`: `kept` (offered to the writer), `dropped` (no room, or too large), `over` (past the cap of the hour).
    """

    def __init__(
        self, live: Live, draw: Callable[[], float] = random.random, clock: Callable[[], float] = time.time
    ) -> None:
        self._live, self._draw, self._clock = live, draw, clock
        self._room: Room[Taken] = Room(MOST_WAITING, MOST_ONE)
        self._hours: dict[tuple[str, str], tuple[int, int]] = {}
        self.counts: Counter[str] = Counter()
        self.lost = 0

    def offer(self, request: Request, reply: Reply, call: Call) -> None:
        """Keep a request that drew a place in the share; one that breaks the contract never is."""
        setting = self._setting(call)
        if setting is None or call.outcome == REFUSED or self._draw() >= setting.share:
            return
        if not self._within(call, setting.per_hour):
            self.counts["over"] += 1
            return
        weight, seconds = weight_of(request, reply, call), time.monotonic() - call.began
        taken = Taken(self._clock() - seconds, seconds, call, reply.status, reply.headers, weight)
        self.counts["kept" if self._room.offer(taken, weight) else "dropped"] += 1

    def take(self, most: int) -> list[Taken]:
        """Return what came first, at most so many."""
        return [taken for taken, _ in self._room.take(most)]

    def done(self, taken: list[Taken], lost: int = 0) -> None:
        """Make room again: these are written, or `lost` of them for good."""
        self._room.done(sum(item.weight for item in taken))
        self.lost += lost

    def told(self) -> dict[str, int]:
        """Return the counts, for the heartbeat; empty while nothing was ever captured."""
        counts = dict(self.counts)
        return counts | {"dropped": counts.get("dropped", 0) + self.lost} if counts else {}

    def _setting(self, call: Call) -> Capture | None:
        route = self._live.published(call.line.environment, call.line.key[0])
        return route.capture if route else None

    def _within(self, call: Call, most: int) -> bool:
        place, hour = (call.line.environment, call.line.key[0]), int(self._clock()) // HOUR
        held, count = self._hours.get(place, (hour, 0))
        count = count if held == hour else 0
        self._hours[place] = (hour, count + 1)
        return count < most


def weight_of(request: Request, reply: Reply, call: Call) -> int:
    """Return about how many bytes a request and its answer take while they wait."""
    choice, batch, _ = call.kept
    values: int = batch.rows * len(choice.package.decoder.fields)
    return max(len(request.body), NUMBER * values) + len(reply.body)


def line(taken: Taken) -> bytes | None:
    """Return the request as a line of JSON; None when it cannot be one, or is too large. Not for the event loop."""
    try:
        made = captured.dumps(record(taken))
    except (ValueError, TypeError):
        return None
    return made if len(made) <= MOST_ONE else None


def record(taken: Taken) -> captured.Record:
    """Return what is kept of it."""
    call = taken.call
    choice, batch, answer = call.kept
    model, _, arm, digest, _, protocol = call.line.key
    return captured.Record(
        id=next((text for name, text in taken.headers if name == "x-request-id"), ""),
        at=taken.at,
        environment=call.line.environment,
        model=model,
        package=choice.target.package,
        digest=digest,
        arm=arm,
        protocol=protocol,
        status=taken.status,
        outcome=call.outcome,
        ms=round(taken.seconds * 1000, 3),
        rows=batch.rows,
        inputs=_inputs(batch, left_out := [item.name for item in choice.package.decoder.fields if item.sensitive]),
        answer=[] if answer is None else v1.predictions(answer),
        left_out=left_out,
    )


def _inputs(batch: Batch, left_out: list[str]) -> dict[str, list[Any]]:
    return {name: values.tolist() for name, values in batch.columns.items() if name not in left_out}
