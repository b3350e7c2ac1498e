"""After the reply: count its outcome, then whatever else was switched on; no request waits for any of it."""

from __future__ import annotations

from collections.abc import Callable

from serving.gateway import addresses
from serving.gateway.messages import Reply, Request
from serving.gateway.protocols import PROTOCOLS
from serving.gateway.world import Live
from serving.metrics.recorder import Call, Recorder
from serving.metrics.series import Line

# Sees every request with its reply; must neither wait nor raise.
Observer = Callable[[Request, Reply], None]
# Sees a request whose rows were kept; the same holds for it.
Keeper = Callable[[Request, Reply, Call], None]
MOST_LINES = 4096
PROBES = frozenset({"live", "ready", "model-ready", "alive", "ping", "metrics"})
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
    return "" if reply.status < 400 else reply.kind or KINDS.get(reply.status, "other")


class After:
    """The one hook of both doors. `observers` are set before the first request."""

    def __init__(
        self, recorder: Recorder, live: Live, observers: tuple[Observer, ...] = (), keepers: tuple[Keeper, ...] = ()
    ) -> None:
        self._recorder, self._live, self.observers, self._keepers = recorder, live, observers, keepers
        self._lines: dict[tuple[str, str, str], Line] = {}

    def reply(self, request: Request, reply: Reply) -> None:
        """Close the count of a reply that was handed over, or failed to be."""
        if reply.call is not None:
            self._recorder.finish(reply.call)
            if reply.call.kept is not None:
                for keep in self._keepers:
                    keep(request, reply, reply.call)
        elif reply.status >= 400:
            self._turn_away(request, reply)
        for observe in self.observers:
            observe(request, reply)

    def _turn_away(self, request: Request, reply: Reply) -> None:
        if (line := self._line(request.path)) is not None:
            self._recorder.turn_away(line, f"{reply.status} {kind_of(reply)}")

    def _line(self, path: str) -> Line | None:
        """Where a refusal is counted: by names that exist, so that strangers cannot make more; None for a probe."""
        place, world = addresses.read(path), self._live.world
        if place is None:
            return self._known("", "", "")
        if place.verb in PROBES:
            return None
        environment = place.environment or world.default or ""
        live = world.tables.get(environment)
        model = place.model if live is not None and place.model in live.routes else ""
        protocol = place.protocol if place.protocol in PROTOCOLS else ""
        return self._known(environment if environment in world.served else "", model, protocol)

    def _known(self, environment: str, model: str, protocol: str) -> Line:
        name = (environment, model, protocol)
        if name not in self._lines:
            if len(self._lines) >= MOST_LINES:
                self._lines.clear()
            self._lines[name] = Line(environment, (model, 0, "", "", "rest", protocol))
        return self._lines[name]
