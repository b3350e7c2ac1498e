"""How much a caller may ask: buckets of tokens, places for calls in flight, and one gateway's share of each limit.

Pure: the time is handed in. All gateways of an environment share a limit by use, and each grants its own share alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# What may be asked at once: one request, and so many seconds' worth of the share.
BURST_SECONDS = 0.4
# Of a limit that is used up, a gateway that is not asked keeps so much for the first caller that comes.
SPARE = 0.02
# With fewer requests a second than this, one second says little about use, and several are taken together.
SMOOTH = 10


class Bucket:
    """Requests a second, at this gateway: one token each, filled at `share` (0 to 1) of `limit`."""

    __slots__ = ("_at", "_most", "_rate", "_since", "_tokens", "asked", "limit", "share", "use")

    def __init__(self, limit: float, share: float, now: float) -> None:
        self.asked, self.use = 0, 0.0
        self._at = self._since = now
        self._set(limit, share)
        self._tokens = self._most

    def _set(self, limit: float, share: float) -> None:
        self.limit, self.share, self._rate = limit, share, limit * share
        self._most = 1.0 + BURST_SECONDS * self._rate

    @property
    def left(self) -> int:
        """How many requests it would grant now."""
        return int(self._tokens)

    def wait(self, now: float) -> float:
        """Count a wish; return the seconds until it can be granted, 0.0 for at once: then `take` it."""
        self.asked += 1
        self._fill(now)
        return 0.0 if self._tokens >= 1.0 else (1.0 - self._tokens) / self._rate

    def take(self) -> None:
        """Spend the token that `wait` has found."""
        self._tokens -= 1.0

    def resize(self, limit: float, share: float, now: float) -> None:
        """Go on with another limit or share; what is in it stays, as far as it fits."""
        self._fill(now)
        self._set(limit, share)
        self._tokens = min(self._tokens, self._most)

    def measure(self, now: float) -> float:
        """Return how many requests a second are asked here, granted or not; called about once a second."""
        rate = self.asked / max(now - self._since, 0.1)
        self.use += min(1.0, self.limit / SMOOTH) * (rate - self.use)
        self.asked, self._since = 0, now
        return self.use

    def _fill(self, now: float) -> None:
        """A moment that was counted already adds nothing."""
        if now > self._at:
            filled = self._tokens + (now - self._at) * self._rate
            self._tokens = filled if filled < self._most else self._most
            self._at = now


class Places:
    """Calls in flight, at this gateway: it grants `allowed` of all gateways' `limit`."""

    __slots__ = ("_most", "_refused", "allowed", "limit", "running")

    def __init__(self, limit: int, allowed: int) -> None:
        self.limit, self.allowed, self.running = limit, allowed, 0
        self._most = self._refused = 0

    def enter(self) -> bool:
        """Take a place if one is free; the caller gives it back with `leave`."""
        if self.running >= self.allowed:
            self._refused += 1
            return False
        self.running += 1
        self._most = max(self._most, self.running)
        return True

    def leave(self) -> None:
        self.running -= 1

    def measure(self) -> float:
        """Return how many places were wanted here at once since the last time."""
        wanted = min(self.limit, self._most + self._refused)
        self._most, self._refused = self.running, 0
        return float(wanted)


@dataclass(frozen=True)
class Refusal:
    """Why a request is not answered now, in words; `wait` in seconds; `policy` names the rate that it is over."""

    words: str
    wait: float
    kind: str
    policy: tuple[str, float] | None = None


@dataclass(slots=True)
class Tally:
    """How many requests were over a limit."""

    refused: int = 0


@dataclass(frozen=True, slots=True)
class Limiter:
    """All the limits that one caller's requests must pass: of the key, and of its environment."""

    environment: str
    rate: Bucket | None
    places: Places | None
    environment_rate: Bucket | None
    tally: Tally

    def enter(self, now: float) -> Refusal | None:
        """Let a request in, which calls `leave` at its end, or say why not; a refused one costs nothing."""
        rate, everybody = self.rate, self.environment_rate
        # The key's own limits come first: a caller that is over them must not use up the environment's.
        if rate is not None and (wait := rate.wait(now)):
            return self._refuse(_too_fast("This API key", "key", rate.limit, wait))
        if everybody is not None and (wait := everybody.wait(now)):
            return self._refuse(_too_fast(self.environment, "environment", everybody.limit, wait))
        if self.places is not None and not self.places.enter():
            words = f"This API key has as many requests in flight as it may have ({self.places.limit}); try again."
            return self._refuse(Refusal(words, 1.0, "concurrency"))
        if rate is not None:
            rate.take()
        if everybody is not None:
            everybody.take()
        return None

    def leave(self) -> None:
        """Give back what a request that is let in has held."""
        if self.places is not None:
            self.places.leave()

    def _refuse(self, refusal: Refusal) -> Refusal:
        self.tally.refused += 1
        return refusal


def _too_fast(who: str, policy: str, limit: float, wait: float) -> Refusal:
    unit = "request" if limit == 1 else "requests"
    return Refusal(f"{who} is over its limit of {limit:g} {unit} a second; try again.", wait, "rate", (policy, limit))


def shares(limit: float, uses: Sequence[float]) -> list[float]:
    """Return each gateway's share of a limit, by what each is asked; they add up to 1.

    Below the limit each has its use and an equal part of the rest; above it they share by use.
    """
    extra = max(SPARE * limit, limit - sum(uses)) / len(uses)
    whole = sum(uses) + extra * len(uses)
    return [(use + extra) / whole for use in uses]


def places(limit: int, uses: Sequence[float]) -> list[int]:
    """Return how many of `limit` places each gateway grants: at least one each if they suffice, the rest by use.

    Equal for all who ask with the same uses in the same order; they add up to the limit.
    """
    given = [1 if limit >= len(uses) else 0] * len(uses)
    rest = limit - sum(given)
    wanted = [rest * share for share in shares(limit, uses)]
    given = [have + int(want) for have, want in zip(given, wanted, strict=True)]
    by_remainder = sorted(range(len(uses)), key=lambda i: (int(wanted[i]) - wanted[i], i))
    for i in by_remainder[: limit - sum(given)]:
        given[i] += 1
    return given
