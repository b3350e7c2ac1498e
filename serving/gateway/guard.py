"""What stands before the predictions of a caller with limits, or with origins of pages that may call."""

from __future__ import annotations

import math
from dataclasses import dataclass

from serving.gateway import cors
from serving.gateway.limits import Bucket, Limiter, Refusal
from serving.gateway.messages import Header, Problem
from serving.routing import Key


@dataclass(frozen=True, slots=True)
class Guard:
    """Either may be missing: `limiter`, or a key with origins. `rate` is the key's, with the header that says it."""

    limiter: Limiter | None
    key: Key | None
    rate: tuple[Bucket, Header] | None
    pages: bool

    def enter(self, now: float) -> None:
        """Let a request in, which calls `leave` at its end; raises Problem 429 for one over a limit."""
        refusal = self.limiter.enter(now) if self.limiter is not None else None
        if refusal is not None:
            raise Problem(429, refusal.words, _over(refusal), refusal.kind)

    def leave(self) -> None:
        if self.limiter is not None:
            self.limiter.leave()

    def headers(self, origin: str | None) -> list[Header]:
        """Return what every answer to this caller carries: what is left of the key's rate, and who may read it."""
        found = cors.headers(self.key, origin) if self.pages else []
        if self.rate is not None:
            bucket, named = self.rate
            found += [named, ("ratelimit", f'"key";r={bucket.left};t=1')]
        return found


def policy(name: str, limit: float) -> Header:
    """Return the header that names a limit a second."""
    return "ratelimit-policy", f'"{name}";q={limit:g};w=1'


def _over(refusal: Refusal) -> list[Header]:
    seconds = max(1, math.ceil(refusal.wait))
    found = [("retry-after", str(seconds))]
    if refusal.policy is not None and refusal.policy[0] != "key":
        name, limit = refusal.policy
        found += [policy(name, limit), ("ratelimit", f'"{name}";r=0;t={seconds}')]
    return found


def guard(limiter: Limiter | None, key: Key | None) -> Guard | None:
    """Return the guard of a caller, None for one that needs none."""
    origins = key is not None and bool(key.origins)
    if limiter is None and not origins:
        return None
    rate = None if limiter is None else limiter.rate
    return Guard(limiter, key, None if rate is None else (rate, policy("key", rate.limit)), origins)
