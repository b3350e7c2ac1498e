"""One prediction: pick the package, read the request with its own decoder, ask it, encode the answer."""

from __future__ import annotations

import hashlib
import random
import time
from collections import Counter

from serving.contract import Batch, ContractError
from serving.gateway.addresses import Place
from serving.gateway.messages import Problem, Reply, Request
from serving.gateway.pool import Package
from serving.gateway.protocols import PROTOCOLS
from serving.gateway.world import LiveRoute, LiveTable
from serving.metrics.histogram import number_bucket, probability_bucket
from serving.metrics.recorder import REFUSED, TIMEOUT, Call, Recorder
from serving.routing import Target
from serving.runtimes import Answer, ModelError

# The arm of a request that named its package: it was not chosen by the weights, so no judge may count it.
PINNED = "pinned"
EXCEPTION, BAD_ANSWER = "exception", "answer"


class Predictor:
    """Answers predictions. `failures` counts (model, package number, class of exception), for the log."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.failures: Counter[tuple[str, int, str]] = Counter()

    async def predict(
        self, request: Request, place: Place, live: LiveTable, found: LiveRoute, pin: str | None
    ) -> Reply:
        """Return the reply of one prediction, its count still open; raises Problem before a package is picked."""
        target, arm = await choose(request, place, found, pin)
        package = found.packages[target.digest]
        key = (place.model, found.generation, arm, target.digest, "rest", place.protocol)
        call = self._recorder.start(live.table.environment, key, request.began, found.route.deadline)
        package.busy += 1
        try:
            reply = await self._answer(request, place, target, package, call)
        finally:
            package.busy -= 1
        reply.call = call
        reply.headers += [("x-package", str(target.package)), ("x-package-digest", target.digest)]
        return reply

    async def _answer(self, request: Request, place: Place, target: Target, package: Package, call: Call) -> Reply:
        protocol = PROTOCOLS[place.protocol]
        try:
            batch, asked = await package.read(request, protocol.parse, left(call.began, call.deadline))
            answer = await ask(package, batch, call)
            call.score = score(answer)
            return protocol.encode(target, place.model, package, answer, asked)
        except ContractError as problem:
            call.outcome = REFUSED
            return protocol.refuse(problem)
        except TimeoutError:
            call.outcome = TIMEOUT
            return protocol.error(504, f"The model did not answer within {call.deadline:g} s.")
        except Exception as failure:
            # A model may raise anything; it is an error of its arm, and the client learns no more than that.
            return self._failed(failure, place, target, call)

    def _failed(self, failure: Exception, place: Place, target: Target, call: Call) -> Reply:
        call.outcome = BAD_ANSWER if isinstance(failure, ModelError) else EXCEPTION
        self.failures[place.model, target.package, type(failure).__name__] += 1
        words = str(failure) if isinstance(failure, ModelError) else "The model failed on this request."
        return PROTOCOLS[place.protocol].error(500, words)


async def ask(package: Package, batch: Batch, call: Call) -> Answer:
    """Ask a cheap package on the event loop, a costly one in its own thread; raises what the model raises."""
    if package.inline(batch.rows):
        return package.call(batch)
    return await package.in_worker(batch, left(call.began, call.deadline))


def left(began: float, deadline: float) -> float:
    """Return the seconds until the deadline of what began then (monotonic)."""
    return began + deadline - time.monotonic()


async def choose(request: Request, place: Place, found: LiveRoute, pin: str | None) -> tuple[Target, str]:
    """Return the pinned target, else the one that chance or the sticky key picks; raises Problem."""
    if pin is not None:
        return pinned(found, place.model, pin), PINNED
    if found.lost:
        raise Problem(503, f"This gateway cannot load {place.model} at the moment; try again.", [("retry-after", "5")])
    if found.route.off:
        raise Problem(503, f"{place.model} is switched off at the moment.", [("retry-after", "5")])
    return found.route.pick(await chance(request, place, found))


def pinned(found: LiveRoute, model: str, pin: str) -> Target:
    """Return the target of a package number or digest; raises Problem 404 when it is not loaded here."""
    target = found.named.get(pin)
    if target is None:
        loaded = ", ".join(str(item.package) for item in found.route.targets)
        raise Problem(404, f"That package of {model} is not loaded here; loaded are: {loaded or 'none'}.")
    return target


async def chance(request: Request, place: Place, found: LiveRoute) -> float:
    """Return a number in [0, 1): the same for the same sticky key, else random."""
    given = request.headers.get("x-route-key")
    key = None if given is None else given.encode("latin-1", "replace")
    if key is None and found.route.sticky:
        key = await _sticky_field(request, place, found, found.route.sticky)
    if key is None:
        return random.random()  # noqa: S311 - shares of traffic, no secret
    text = place.model.encode() + b"\0" + key
    return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest()) / 2**48


async def _sticky_field(request: Request, place: Place, found: LiveRoute, name: str) -> bytes | None:
    """The field of the first row, read with stable's decoder; a request that it refuses is left to chance."""
    stable = found.route.stable
    if stable is None:
        return None
    package, parse = found.packages[stable.digest], PROTOCOLS[place.protocol].parse
    try:
        batch, _ = await package.read(request, parse, left(request.began, found.route.deadline))
    except (ContractError, TimeoutError):
        return None
    return repr(batch.columns[name][:1].tolist()).encode() if name in batch.columns else None


def score(answer: Answer) -> int | None:
    """Return the bucket of the first row's score: one per request, so that rows of one caller do not count as many."""
    if answer.values is not None:
        return number_bucket(float(answer.values.flat[0]))
    if answer.probabilities is None:
        return None
    row = answer.probabilities[0]
    return probability_bucket(float(row[1] if len(row) == 2 else row.max()))
