"""One prediction under way, from the package that was picked for it to its reply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from serving.contract import ContractError
from serving.gateway.batcher import Busy, Waiting
from serving.gateway.messages import Reply, Request
from serving.gateway.ways import Way
from serving.gateway.world import Choice
from serving.metrics.histogram import number_bucket, probability_bucket
from serving.metrics.recorder import REFUSED, Call
from serving.runtimes import Answer, ModelError, ModelFailed

EXCEPTION, BAD_ANSWER, BUSY = "exception", "answer", "busy"
# (model, package number, class of exception), for the log.
Failures = Counter[tuple[str, int, str]]


class Prediction(Waiting):
    """What was picked, the open count, and `then`, which takes the reply, exactly once."""

    __slots__ = ("asked", "choice", "failures", "then", "way")
    asked: Any

    def __init__(
        self, way: Way, choice: Choice, call: Call, failures: Failures, then: Callable[[Reply], object]
    ) -> None:
        super().__init__(call)
        self.way, self.choice, self.failures, self.then = way, choice, failures, then
        choice.package.busy += 1

    def ask(self, request: Request) -> None:
        """Read the request and ask the package."""
        package = self.choice.package
        try:
            package.check(self.call)
            self.batch, self.asked = self.way.door.parse(package, request)
            package.ask(self)
        except Exception as failure:
            self.found(failure)

    async def ask_beside(self, request: Request) -> None:
        """Read a request that would hold up the event loop in a thread, and ask the package."""
        package, call = self.choice.package, self.call
        try:
            package.check(call)
            self.batch, self.asked = await package.read(request, self.way.door.parse, call.left())
            package.ask(self)
        except Exception as failure:
            self.found(failure)

    def found(self, found: Answer | Exception) -> None:
        """Take the answer, or why there is none; the count stays open until the reply has been handed over."""
        if self.choice.kept:
            self._keep(found)
        reply = self._refusal(found) if isinstance(found, Exception) else self._reply(found)
        self.choice.package.busy -= 1
        reply.call, reply.shared = self.call, self.choice.headers
        self.then(reply)

    def _keep(self, found: Answer | Exception) -> None:
        """Hold on to what capture or a shadow may want; a request that was not read has nothing to keep."""
        if hasattr(self, "batch"):
            self.call.kept = self.choice, self.batch, found if isinstance(found, Answer) else None

    def _reply(self, answer: Answer) -> Reply:
        call, choice, way = self.call, self.choice, self.way
        try:
            call.rows, call.score = self.batch.rows, score(answer)
            return way.door.encode(choice.target, way.place.model, choice.package, answer, self.asked)
        except Exception as failure:
            return self._refusal(failure)

    def _refusal(self, failure: Exception) -> Reply:
        """Note what became of the call instead of an answer, and say it in the form of its protocol."""
        call, door = self.call, self.way.door
        if isinstance(failure, ContractError):
            call.outcome = REFUSED
            return door.refuse(failure)
        if isinstance(failure, Busy):
            call.outcome = BUSY
            words = "More requests wait for this model than it can answer in time; try again."
            return door.error(503, words, [("retry-after", str(failure.seconds))])
        if isinstance(failure, TimeoutError):
            call.outcome = call.late
            return door.error(504, f"The model did not answer within {call.deadline:g} s.")
        # A model may raise anything; it is an error of its arm, and the client learns no more than that.
        return self._failed(failure)

    def _failed(self, failure: Exception) -> Reply:
        self.call.outcome = BAD_ANSWER if isinstance(failure, ModelError) else EXCEPTION
        name = str(failure) if isinstance(failure, ModelFailed) else type(failure).__name__
        self.failures[self.way.place.model, self.choice.target.package, name] += 1
        words = str(failure) if isinstance(failure, ModelError) else "The model failed on this request."
        return self.way.door.error(500, words)


def score(answer: Answer) -> int | None:
    """Return the bucket of the first row's score: one per request, so that rows of one caller do not count as many."""
    rows = answer.plain()
    if not rows:
        return None
    first = rows[0]
    if answer.classes is not None:
        return probability_bucket(first[1] if len(first) == 2 else max(first))
    return number_bucket(first[0] if type(first) is list else first)
