"""After the reply: count its outcome, then whatever else was switched on; no request waits for any of it."""

from __future__ import annotations

from collections.abc import Callable

from serving.gateway.messages import Reply, Request
from serving.metrics.recorder import Recorder

# Sees every request with its reply; must neither wait nor raise.
Observer = Callable[[Request, Reply], None]
# Why a request was turned away, where the reply does not say it itself.
KINDS = {
    400: "request",
    401: "key",
    403: "right",
    404: "unknown",
    405: "method",
    408: "slow",
    413: "size",
    415: "form",
    429: "rate",
    500: "internal",
    503: "unavailable",
}


def kind_of(reply: Reply) -> str:
    """Return in one word why this reply is an error; empty for one that is none."""
    if reply.call is not None:
        return "" if reply.call.outcome == "done" else reply.call.outcome
    return "" if reply.status < 400 else KINDS.get(reply.status, "other")


class After:
    """The one hook of both doors. `observers` are set before the first request."""

    def __init__(self, recorder: Recorder, observers: tuple[Observer, ...] = ()) -> None:
        self._recorder, self.observers = recorder, observers

    def reply(self, request: Request, reply: Reply) -> None:
        """Close the count of a reply that was handed over, or failed to be."""
        if reply.call is not None:
            self._recorder.finish(reply.call)
        for observe in self.observers:
            observe(request, reply)
