"""Spans for OpenTelemetry: of every request whose caller samples its trace, sent to a collector once a second.

OTLP over HTTP as JSON (https://opentelemetry.io/docs/specs/otlp/, 1.x), names by the HTTP semantic conventions (1.27).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, build_opener
from urllib.request import Request as Post

import msgspec

from serving.gateway import addresses, tracing
from serving.gateway.after import kind_of
from serving.gateway.config import Config
from serving.gateway.messages import Reply, Request
from serving.metrics.recorder import Call

PATH = "/v1/traces"
PAUSE_SECONDS, TIMEOUT_SECONDS = 1.0, 5.0
MOST_WAITING, AT_ONCE, LONGEST = 4096, 512, 256
SERVER, ERROR = 2, 2
# What a collector may take later (OTLP 1.x, "Retryable Response Codes").
AGAIN = frozenset({429, 502, 503, 504})
log = logging.getLogger("slipway.gateway")


@dataclass(frozen=True, slots=True)
class Done:
    """What is kept of a request until its span is made: no input, no key, no header. `end` is in epoch seconds."""

    parent: tracing.Parent
    span: str
    method: str
    path: str
    status: int
    kind: str
    package: str
    end: float
    seconds: float
    call: Call | None


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would carry the collector's credentials to another address."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Spans:
    """Sees every request after its reply; `run` sends. What the collector does not take in time is dropped, counted."""

    def __init__(
        self, endpoint: str, headers: Mapping[str, str], name: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._url, self._name, self._clock = endpoint.rstrip("/") + PATH, name, clock
        self._headers = {**headers, "Content-Type": "application/json"}
        self._opener = build_opener(_NoRedirect)
        self._waiting: deque[Done] = deque()
        self._failing = ""
        self.dropped = 0

    def __call__(self, request: Request, reply: Reply) -> None:
        headers = request.headers
        parent = tracing.read(headers.get("traceparent"), headers.get("tracestate"))
        if parent is None or not parent.sampled:
            return
        if len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            return
        answered = dict(reply.headers)
        own = tracing.read(answered.get("traceresponse"))
        if own is not None:
            self._waiting.append(
                Done(
                    parent=parent,
                    span=own.span,
                    method=request.method,
                    path=request.path[:LONGEST],
                    status=reply.status,
                    kind=kind_of(reply),
                    package=answered.get("x-package", ""),
                    end=self._clock(),
                    seconds=time.monotonic() - request.began,
                    call=reply.call,
                )
            )

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set, and then once more."""
        while not stop.wait(PAUSE_SECONDS):
            self.flush()
        self.flush()

    def flush(self) -> None:
        """Send all that waits; what the collector does not take stays for the next time, as far as there is room."""
        while self._waiting:
            done = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            try:
                self._send(encode(self._name, done))
            except HTTPError as error:
                if error.code in AGAIN:
                    self._keep(done, error.reason)
                    return
                # It would refuse the same spans for ever, and with them all that come after.
                self.dropped += len(done)
                self._say(f"refused, {error.code} {error.reason}")
            except (OSError, HTTPException) as error:
                self._keep(done, str(getattr(error, "reason", error)))
                return
            else:
                self._failing = ""

    def _send(self, data: bytes) -> None:
        post = Post(self._url, data, self._headers)  # noqa: S310 - the scheme was checked with the settings
        with self._opener.open(post, timeout=TIMEOUT_SECONDS) as answer:
            answer.read()

    def _keep(self, done: list[Done], why: str) -> None:
        room = max(0, MOST_WAITING - len(self._waiting))
        self.dropped += max(0, len(done) - room)
        self._waiting.extendleft(reversed(done[:room]))
        self._say(why)

    def _say(self, why: str) -> None:
        if why != self._failing:
            self._failing = why
            log.warning("Spans cannot be sent to %s: %s; %d at most wait.", self._url, why, MOST_WAITING)


def spans_of(config: Config, clock: Callable[[], float]) -> Spans | None:
    """Return who sends the spans of this gateway; None where no collector is named."""
    return Spans(config.otlp, dict(config.otlp_headers), config.name, clock) if config.otlp else None


def encode(name: str, done: Iterable[Done]) -> bytes:
    """Return the body of an ExportTraceServiceRequest; 64-bit numbers are texts in it, ids are hex digits."""
    resource = {"service.name": "slipway-gateway", "service.instance.id": name}
    spans = {"scope": {"name": "slipway"}, "spans": [_span(each) for each in done]}
    return msgspec.json.encode(
        {"resourceSpans": [{"resource": {"attributes": _attributes(resource)}, "scopeSpans": [spans]}]}
    )


def _span(done: Done) -> dict[str, Any]:
    route = _route(done)
    found: dict[str, Any] = {
        "http.request.method": done.method,
        "url.path": done.path,
        "http.route": route,
        "http.response.status_code": done.status,
        "error.type": done.kind,
        **_prediction(done),
    }
    return {
        "traceId": done.parent.trace,
        "spanId": done.span,
        "parentSpanId": done.parent.span,
        "traceState": done.parent.state,
        "flags": done.parent.flags,
        "name": f"{done.method} {route}".strip(),
        "kind": SERVER,
        "startTimeUnixNano": str(int((done.end - done.seconds) * 1e9)),
        "endTimeUnixNano": str(int(done.end * 1e9)),
        "attributes": _attributes({key: value for key, value in found.items() if value != ""}),
        # By the conventions a server's span is an error for what the server did wrong, not for what the client did.
        "status": {"code": ERROR} if done.status >= 500 else {},
    }


def _route(done: Done) -> str:
    """The address with placeholders, so that spans can be grouped; empty for one that leads nowhere."""
    place = addresses.read(done.path)
    if place is None:
        return ""
    named = {place.environment: "{environment}", place.model: "{model}", place.version: "{version}"}
    parts = [part.partition(":") for part in done.path.split("/")]
    return "/".join((named.get(name, name) if name else "") + colon + verb for name, colon, verb in parts)


def _prediction(done: Done) -> dict[str, Any]:
    if done.call is None:
        return {}
    model, _, arm, digest, _, protocol = done.call.line.key
    return {
        "slipway.environment": done.call.line.environment,
        "slipway.model": model,
        "slipway.package": done.package,
        "slipway.digest": digest,
        "slipway.arm": arm,
        "slipway.protocol": protocol,
        "slipway.rows": done.call.rows,
        "slipway.queue_seconds": done.call.queued,
        "slipway.model_seconds": done.call.computed,
    }


def _attributes(named: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in named.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": str(value)}
