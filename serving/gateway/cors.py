"""Which pages of other origins may call: what a preflight is answered, and what stands on the answer itself.

An origin belongs to a key, so a page gets nothing out of a key that was not issued for it. There is no wildcard, and
no cookie is ever asked for.
"""

from __future__ import annotations

from serving.gateway.messages import Header, Headers
from serving.gateway.world import LiveTable
from serving.routing import Key

VARY = ("vary", "Origin")
# What a script may send and read beyond what every script may.
SENT = "authorization, content-type, inference-header-content-length, traceparent, tracestate, x-deadline-ms, "
SENT += "x-package, x-request-id, x-route-key"
READ = "inference-header-content-length, ratelimit, ratelimit-policy, retry-after, traceresponse, x-package, "
READ += "x-package-digest, x-request-id"
MAX_AGE = "600"


def headers(key: Key | None, origin: str | None) -> list[Header]:
    """Return what an answer to this caller carries; nothing for a caller without origins."""
    if key is None or not key.origins:
        return []
    if origin not in key.origins:
        return [VARY]
    return [VARY, ("access-control-allow-origin", origin), ("access-control-expose-headers", READ)]


def preflight(live: LiveTable | None, method: str, sent: Headers, now: float) -> list[Header]:
    """Return the answer to a browser's question whether a page may call; it carries no key yet.

    Any key of the environment that is valid and has this origin will do: the answer itself goes by the caller's own.
    """
    origin = sent.get("origin")
    if origin is None or live is None or live.origins.get(origin, 0.0) <= now:
        return [VARY]
    return [
        ("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        ("access-control-allow-origin", origin),
        ("access-control-allow-methods", method),
        ("access-control-allow-headers", SENT),
        ("access-control-max-age", MAX_AGE),
    ]
