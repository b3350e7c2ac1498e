"""A line for every request that failed and for a share of the others; no input, no key, no header is in it.

What is kept of a request is little, and taken after its reply; the line is made and written by the log's own thread.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any

from serving.gateway import addresses, keys, tracing
from serving.gateway.after import kind_of
from serving.gateway.messages import Problem, Reply, Request
from serving.gateway.world import Live, LiveTable
from serving.gateway.writing import Said, Writer
from serving.metrics.recorder import Call
from serving.routing import NAME

# So many lines a second for refusals of one sort: strangers can cause them, and must not fill a disk.
MOST_REFUSALS = 20
UNAVAILABLE = 503
DIGEST = len("sha256:") + 12


@dataclass(frozen=True, slots=True)
class Seen:
    """What is kept of a request until its line is made. `span` is the answer's `traceresponse`."""

    path: str
    authorization: str | None
    parent: tracing.Parent | None
    status: int
    kind: str
    seconds: float
    call: Call | None
    answered: dict[str, str]


class RequestLog:
    """Sees every request after its reply. `share` of those without an error are logged, from 0 (none) to 1."""

    def __init__(self, writer: Writer, live: Live, share: float = 0.0) -> None:
        self._writer, self._live, self._share = writer, live, share
        self._refusals: Counter[bool] = Counter()

    def __call__(self, request: Request, reply: Reply) -> None:
        if reply.status < 400:
            if self._share and random.random() < self._share:  # noqa: S311 - a sample, no secret
                self._put(request, reply)
        elif self._may(reply.status):
            self._put(request, reply)

    def _may(self, status: int) -> bool:
        """What broke is always logged; what was turned away, by rule (4xx) or by load (503), so often a second."""
        if status > 499 and status != UNAVAILABLE:
            return True
        sort = status == UNAVAILABLE
        self._refusals[sort] += 1
        return self._refusals[sort] <= MOST_REFUSALS

    def sweep(self) -> None:
        """Once a second: say how many refusals were left out, and begin to count afresh."""
        left_out = sum(max(0, count - MOST_REFUSALS) for count in self._refusals.values())
        self._refusals.clear()
        if left_out:
            self._writer.put(partial(_left_out, left_out))

    def _put(self, request: Request, reply: Reply) -> None:
        asked = request.headers
        parent = tracing.read(asked.get("traceparent"), asked.get("tracestate"))
        seconds = time.monotonic() - request.began
        seen = Seen(
            request.path,
            asked.get("authorization"),
            parent,
            reply.status,
            kind_of(reply),
            seconds,
            reply.call,
            dict(reply.headers),
        )
        self._writer.put(partial(self._said, seen))

    def _said(self, seen: Seen) -> Said:
        """Return the line; called by the log's thread."""
        place = _place(seen, self._live)
        table = self._live.world.tables.get(str(place.get("environment", "")))
        found = {
            "message": "request",
            "status": seen.status,
            "kind": seen.kind,
            **place,
            "ms": round(seen.seconds * 1000, 3),
            "key": _prefix(table, seen.authorization),
            "request_id": seen.answered.get("x-request-id", ""),
            **_trace(seen),
        }
        level = "INFO" if seen.status < 500 else "WARNING"
        return level, {name: value for name, value in found.items() if value != ""}


def _place(seen: Seen, live: Live) -> dict[str, Any]:
    """Return where it led; names that a stranger made up only where they could be names."""
    if seen.call is not None:
        model, _, arm, package, _, protocol = seen.call.line.key
        number = int(seen.answered.get("x-package") or 0)
        where = {"environment": seen.call.line.environment, "protocol": protocol, "model": model}
        return where | {"package": number, "digest": package[:DIGEST], "arm": arm}
    place = addresses.read(seen.path)
    if place is None:
        return {}
    environment = place.environment or live.world.default or ""
    return {
        "environment": environment if NAME.match(environment) else "",
        "protocol": place.protocol,
        "model": place.model if NAME.match(place.model) else "",
    }


def _prefix(table: LiveTable | None, authorization: str | None) -> str:
    """Return the beginning of a key that is known here, as its page shows it; of any other text nothing."""
    if table is None or authorization is None:
        return ""
    try:
        key = keys.identify(table, authorization, 0.0)
    except Problem:
        return ""
    return key.prefix if key else ""


def _trace(seen: Seen) -> dict[str, Any]:
    if seen.parent is None:
        return {}
    span = tracing.read(seen.answered.get("traceresponse"))
    return {
        "trace_id": seen.parent.trace,
        "span_id": span.span if span else "",
        "parent_id": seen.parent.span,
        "tracestate": seen.parent.state,
    }


def _left_out(count: int) -> Said:
    return "WARNING", {
        "message": f"{count} more requests were refused in this second; they have no lines of their own."
    }
