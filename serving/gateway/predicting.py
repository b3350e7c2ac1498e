"""One prediction: pick the package, read the request with its own decoder, ask it, encode the answer."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from dataclasses import dataclass

from serving.contract import ContractError
from serving.gateway.addresses import Place
from serving.gateway.batcher import Busy
from serving.gateway.callers import Trace
from serving.gateway.guard import Guard
from serving.gateway.messages import Problem, Reply, Request
from serving.gateway.protocols import Door
from serving.gateway.unpacking import Unpacker
from serving.gateway.world import Choice, LiveRoute, LiveTable
from serving.metrics.histogram import number_bucket, probability_bucket
from serving.metrics.recorder import LATE, REFUSED, Call, Recorder
from serving.routing import Key, Target
from serving.runtimes import Answer, ModelError, ModelFailed

# The arm of a request that named its package: it was not chosen by the weights, so no judge may count it.
PINNED = "pinned"
DEADLINE = "x-deadline-ms"
EXCEPTION, BAD_ANSWER, BUSY = "exception", "answer", "busy"
LATER = ("retry-after", "5")
DIGITS = 9


@dataclass(frozen=True, slots=True)
class Way:
    """What an address and a key come to while the route tables stay as they are; `guard` is None for most."""

    place: Place
    door: Door
    live: LiveTable
    found: LiveRoute
    key: Key | None
    trace: Trace
    guard: Guard | None


class Predictor:
    """Answers predictions. `failures` counts (model, package number, class of exception), for the log."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder, self._unpacker = recorder, Unpacker()
        self.failures: Counter[tuple[str, int, str]] = Counter()

    async def predict(self, request: Request, way: Way, pin: str | None) -> Reply:
        """Return the reply of one prediction, its count still open; raises Problem before a package is picked."""
        if request.coding:
            await self._unpacker.unpack(request)
        key = sticky_header(request)
        if key is None and pin is None and way.found.route.sticky:
            key = await sticky_field(request, way, way.found.route.sticky)
        choice = choose(way, pin, key)
        call, door, package = self._start(request, way, choice), way.door, choice.package
        package.busy += 1
        try:
            package.check(call)
            if door.inline(request):
                batch, asked = door.parse(package, request)
            else:
                batch, asked = await package.read(request, door.parse, call.left())
            answer = await package.ask(batch, call)
            call.rows, call.score = batch.rows, score(answer)
            reply = door.encode(choice.target, way.place.model, package, answer, asked)
        except Exception as failure:
            reply = self._refusal(failure, way, choice.target, call)
        finally:
            package.busy -= 1
        reply.call = call
        reply.headers += choice.headers
        return reply

    def _start(self, request: Request, way: Way, choice: Choice) -> Call:
        """Open the count; a caller who waits for less than the route allows has that deadline; raises Problem."""
        given = request.headers.get(DEADLINE)
        wait = None if given is None else milliseconds(given)
        call = self._recorder.start(choice.line, request.began, way.found.route.deadline)
        if wait is not None and wait < call.deadline:
            call.deadline, call.late = wait, LATE
        return call

    def _refusal(self, failure: Exception, way: Way, target: Target, call: Call) -> Reply:
        """Note what became of the call instead of an answer, and say it in the form of its protocol."""
        if isinstance(failure, ContractError):
            call.outcome = REFUSED
            return way.door.refuse(failure)
        if isinstance(failure, Busy):
            call.outcome = BUSY
            words = "More requests wait for this model than it can answer in time; try again."
            return way.door.error(503, words, [("retry-after", str(failure.seconds))])
        if isinstance(failure, TimeoutError):
            call.outcome = call.late
            return way.door.error(504, f"The model did not answer within {call.deadline:g} s.")
        # A model may raise anything; it is an error of its arm, and the client learns no more than that.
        return self._failed(failure, way, target, call)

    def _failed(self, failure: Exception, way: Way, target: Target, call: Call) -> Reply:
        call.outcome = BAD_ANSWER if isinstance(failure, ModelError) else EXCEPTION
        name = str(failure) if isinstance(failure, ModelFailed) else type(failure).__name__
        self.failures[way.place.model, target.package, name] += 1
        words = str(failure) if isinstance(failure, ModelError) else "The model failed on this request."
        return way.door.error(500, words)


def milliseconds(text: str) -> float:
    """Return the seconds that a caller waits, who says it in milliseconds; raises Problem 400."""
    if not (text.isascii() and text.isdecimal() and int(text[:DIGITS]) > 0 and len(text) <= DIGITS):
        raise Problem(400, "X-Deadline-Ms must be a whole number of milliseconds from 1, such as 250.")
    return int(text) / 1000


def choose(way: Way, pin: str | None, key: bytes | None) -> Choice:
    """Return the pinned target, else the one that the sticky key or chance picks; raises Problem."""
    found, place = way.found, way.place
    if pin is not None:
        target, arm = pinned(found, place.model, pin), PINNED
    elif found.lost:
        raise Problem(503, f"This gateway cannot load {place.model} at the moment; try again.", [LATER], "lost")
    elif found.route.off:
        raise Problem(503, f"{place.model} is switched off at the moment.", [LATER], "off")
    else:
        target, arm = found.route.pick(chance(place.model, key))
    return found.choice(way.live.table.environment, target, arm, place.protocol)


def pinned(found: LiveRoute, model: str, pin: str) -> Target:
    """Return the target of a package number or digest; raises Problem 404 when it is not loaded here."""
    target = found.named.get(pin)
    if target is None:
        loaded = ", ".join(str(item.package) for item in found.route.targets)
        raise Problem(404, f"That package of {model} is not loaded here; loaded are: {loaded or 'none'}.")
    return target


def chance(model: str, key: bytes | None) -> float:
    """Return a number in [0, 1): the same for the same sticky key, else random."""
    if key is None:
        return random.random()  # noqa: S311 - shares of traffic, no secret
    return int.from_bytes(hashlib.blake2b(model.encode() + b"\0" + key, digest_size=6).digest()) / 2**48


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


def score(answer: Answer) -> int | None:
    """Return the bucket of the first row's score: one per request, so that rows of one caller do not count as many."""
    if answer.values is not None:
        first = answer.plain()[0]
        return number_bucket(first[0] if answer.values.ndim > 1 else first)
    if answer.probabilities is None:
        return None
    row = answer.plain()[0]
    return probability_bucket(row[1] if len(row) == 2 else max(row))
