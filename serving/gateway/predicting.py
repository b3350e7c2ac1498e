"""Predictions: pick the package, let its own decoder read the request, ask it, encode the answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial

from serving.contract import ContractError
from serving.gateway.batcher import Busy
from serving.gateway.messages import Problem, Reply, Request
from serving.gateway.prediction import Failures, Prediction
from serving.gateway.unpacking import Unpacker
from serving.gateway.ways import Way, choose
from serving.gateway.world import Choice
from serving.metrics.recorder import LATE, Call, Recorder
from serving.routing import pick

DEADLINE = "x-deadline-ms"
DIGITS = 9


class Predictor:
    """Answers predictions. `failures` are counted for the log."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder, self._unpacker = recorder, Unpacker()
        self.failures = Failures()

    def begin(self, request: Request, way: Way, then: Callable[[Reply], object]) -> None:
        """Give `then` the reply to a plain request on a plain way; raises Problem before a package is picked."""
        choice = pick(way.choices, random.random()) if way.choices else choose(way, None, None)  # noqa: S311 - no secret
        call = self._recorder.start(choice.line, request.began, way.found.route.deadline)
        Prediction(way, choice, call, self.failures, then).ask(request)

    async def predict(self, request: Request, way: Way, pin: str | None) -> Reply:
        """Return the reply of one prediction, its count still open; raises Problem before a package is picked."""
        if request.coding:
            await self._unpacker.unpack(request)
        key = sticky_header(request)
        if key is None and pin is None and way.found.route.sticky:
            key = await sticky_field(request, way, way.found.route.sticky)
        choice = choose(way, pin, key)
        call = self._start(request, way, choice)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        prediction = Prediction(way, choice, call, self.failures, partial(_resolve, future))
        if way.door.inline(request):
            prediction.ask(request)
        else:
            await prediction.ask_beside(request)
        return await future

    def _start(self, request: Request, way: Way, choice: Choice) -> Call:
        """Open the count; a caller who waits for less than the route allows has that deadline; raises Problem."""
        given = request.headers.get(DEADLINE)
        wait = None if given is None else milliseconds(given)
        call = self._recorder.start(choice.line, request.began, way.found.route.deadline)
        if wait is not None and wait < call.deadline:
            call.deadline, call.late = wait, LATE
        return call


def _resolve(future: asyncio.Future[Reply], reply: Reply) -> None:
    if not future.done():
        future.set_result(reply)


def milliseconds(text: str) -> float:
    """Return the seconds that a caller waits, who says it in milliseconds; raises Problem 400."""
    if not (text.isascii() and text.isdecimal() and int(text[:DIGITS]) > 0 and len(text) <= DIGITS):
        raise Problem(400, "X-Deadline-Ms must be a whole number of milliseconds from 1, such as 250.")
    return int(text) / 1000


def sticky_header(request: Request) -> bytes | None:
    given = request.headers.get("x-route-key")
    return None if given is None else given.encode("latin-1", "replace")


async def sticky_field(request: Request, way: Way, name: str) -> bytes | None:
    """The field of the first row, read with stable's decoder; a request that it refuses is left to chance."""
    stable = way.found.route.stable
    if stable is None:
        return None
    package = way.found.packages[stable.digest]
    try:
        if way.door.inline(request):
            batch, _ = way.door.parse(package, request)
        else:
            batch, _ = await package.read(request, way.door.parse, way.found.route.deadline)
    except (ContractError, Busy, TimeoutError):
        return None
    return repr(batch.columns[name][:1].tolist()).encode() if name in batch.columns else None
