"""One call for the requests that wait for the same package: none waits on a timer, and each fails alone (D24)."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from serving.contract import Batch, join
from serving.metrics.recorder import Call
from serving.runtimes import Answer, ModelDied

# A call on the event loop holds up everybody else for as long as it takes, one in the worker thread only its own model.
TICK_ROWS, FLIGHT_ROWS = 64, 64
MOST_WAITING = 512
# How long a flight may look out for the callers of the last one: a part of what it takes, and never more seconds.
GATHER_PART, GATHER_SECONDS = 0.1, 0.0005
log = logging.getLogger("slipway.gateway")
# A flight during which the whole process stood still says little about the next one.
SMOOTH, MOST_STEP = 0.2, 10

Model = Callable[[Batch], Answer]


class Busy(Exception):
    """So many requests wait for the model that this one would come too late; `seconds` is when to try again."""

    def __init__(self, seconds: float) -> None:
        super().__init__("too many requests wait for this model")
        self.seconds = max(1, math.ceil(seconds))


class Waiting(ABC):
    """One request that waits for its model, since `at` (monotonic); `found` takes its answer or its failure, once."""

    __slots__ = ("at", "batch", "call", "open", "timer")
    batch: Batch

    def __init__(self, call: Call) -> None:
        self.call, self.at, self.open = call, 0.0, True
        self.timer: asyncio.TimerHandle | None = None

    def give(self, found: Answer | Exception) -> None:
        """Hand over what became of it; what comes second, after a deadline, is dropped."""
        if self.timer is not None:
            self.timer.cancel()
        if self.open:
            self.open = False
            self.found(found)

    @abstractmethod
    def found(self, found: Answer | Exception) -> None:
        """Take the answer, or why there is none."""


def take(queue: deque[Waiting], rows: int) -> list[Waiting]:
    """Take from the queue, oldest first, what fits into so many rows, and one request at least; skip who has gone."""
    group: list[Waiting] = []
    while queue and (not group or rows >= queue[0].batch.rows):
        waiting = queue.popleft()
        if waiting.open:
            group.append(waiting)
            rows -= waiting.batch.rows
    return group


def answers(model: Model, batches: Sequence[Batch]) -> list[Answer | Exception]:
    """Ask once for all; when that fails ask for each alone, so that only those fail that the model cannot answer.

    What ended the model's process is not sent to it again.
    """
    try:
        return list(_parts(model(join(batches)), batches))
    except ModelDied as death:
        return [death] * len(batches)
    except Exception as error:
        return [error] if len(batches) == 1 else [_alone(model, batch) for batch in batches]


def _alone(model: Model, batch: Batch) -> Answer | Exception:
    try:
        return model(batch)
    except Exception as error:
        return error


def _parts(answer: Answer, batches: Sequence[Batch]) -> Sequence[Answer]:
    if len(batches) == 1:
        return [answer]
    found, start = [], 0
    for batch in batches:
        found.append(answer.part(start, start + batch.rows))
        start += batch.rows
    return found


def settle(group: Sequence[Waiting], found: Sequence[Answer | Exception], began: float, ended: float) -> None:
    """Give every request its own answer or failure, and note how long it waited and how long the model took."""
    seconds = ended - began
    for waiting, answer in zip(group, found, strict=True):
        waiting.call.queued, waiting.call.computed = began - waiting.at, seconds
        try:
            waiting.give(answer)
        except Exception:
            # Those who shared the call must have their answers all the same.
            log.exception("An answer could not be handed over.")


class Ticks:
    """For a cheap model: what arrives in one turn of the event loop shares one call on the loop, of so many `rows`."""

    def __init__(self, model: Model) -> None:
        self.rows, self._model, self._queue = TICK_ROWS, model, deque[Waiting]()

    def __len__(self) -> int:
        return len(self._queue)

    def ask(self, waiting: Waiting) -> None:
        """Give it its answer, later; raises Busy."""
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._tick)
        elif len(self._queue) >= MOST_WAITING:
            raise Busy(1)
        waiting.at = time.monotonic()
        self._queue.append(waiting)

    def _tick(self) -> None:
        group = take(self._queue, self.rows)
        if self._queue:
            asyncio.get_running_loop().call_soon(self._tick)
        if group:
            began = time.monotonic()
            found = answers(self._model, [waiting.batch for waiting in group])
            settle(group, found, began, time.monotonic())


class Flights:
    """For a costly model: while one call runs in the worker thread the next batch forms."""

    def __init__(self, model: Model, worker: ThreadPoolExecutor) -> None:
        self._model, self._worker, self._queue = model, worker, deque[Waiting]()
        self._flying = False
        self._seconds = 0.0
        # The event loop whose turns look out for the callers of the last flight; a test has several.
        self._lookout: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._queue)

    def ask(self, waiting: Waiting, left: float) -> None:
        """Give it its answer, a TimeoutError after `left` seconds; raises Busy when it would come too late."""
        self.check(left)
        loop = asyncio.get_running_loop()
        waiting.at = time.monotonic()
        waiting.timer = loop.call_later(max(0.0, left), _expire, waiting)
        self._queue.append(waiting)
        if not self._flying and self._lookout is not loop:
            # What else arrives in this turn of the loop comes along.
            self._flying = True
            loop.call_soon(self._start, loop)

    def check(self, left: float) -> None:
        """Raise Busy when a request that came now would wait longer than `left` seconds, or the queue is full."""
        wait = self._seconds * (self._flying + len(self._queue) / FLIGHT_ROWS)
        if len(self._queue) >= MOST_WAITING or wait > max(0.0, left):
            raise Busy(wait)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        group = take(self._queue, FLIGHT_ROWS)
        self._flying = bool(group)
        if group:
            self._worker.submit(self._fly, loop, group)

    def _fly(self, loop: asyncio.AbstractEventLoop, group: list[Waiting]) -> None:
        began = time.monotonic()
        found = answers(self._model, [waiting.batch for waiting in group])
        loop.call_soon_threadsafe(self._land, loop, group, found, began, time.monotonic())

    def _land(
        self,
        loop: asyncio.AbstractEventLoop,
        group: list[Waiting],
        found: list[Answer | Exception],
        began: float,
        ended: float,
    ) -> None:
        seconds = min(ended - began, MOST_STEP * self._seconds) if self._seconds else ended - began
        self._seconds += SMOOTH * (seconds - self._seconds)
        whole = min(FLIGHT_ROWS, len(group) + len(self._queue))
        if len(self._queue) >= whole:
            # The next flight leaves first: the thread computes while the loop writes the answers of this one.
            self._start(loop)
            settle(group, found, began, ended)
        else:
            self._flying, self._lookout = False, loop
            until = time.monotonic() + min(GATHER_SECONDS, GATHER_PART * self._seconds)
            settle(group, found, began, ended)
            self._gather(loop, whole, until)

    def _gather(self, loop: asyncio.AbstractEventLoop, whole: int, until: float) -> None:
        """Leave when whoever was just answered is back; each turn of the loop looks, for a small part of a flight.

        Otherwise those who came during the flight and those who were in it would take turns for ever, in flights that
        are half empty and cost as much as a full one.
        """
        if len(self._queue) >= whole or time.monotonic() >= until:
            self._lookout = None
            self._start(loop)
        else:
            loop.call_soon(self._gather, loop, whole, until)


def _expire(waiting: Waiting) -> None:
    waiting.give(TimeoutError())
