"""Who calls this gateway: the limits of each key and environment, and which keys were used of late.

Only the event loop's thread works on it, so it needs no lock; what leaves it are copies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from serving.gateway import limits
from serving.gateway.limits import Bucket, Limiter, Places, Tally
from serving.gateway.world import LiveTable
from serving.routing import Key

EVERYBODY = "*"


@dataclass(frozen=True)
class Use:
    """What of a limit is asked at this gateway: requests a second, or (`places`) calls in flight at once."""

    limit: float
    use: float
    places: bool = False


# By environment, then by the name of the limit.
Uses = dict[str, dict[str, Use]]
Shares = Mapping[str, Mapping[str, float]]


@dataclass(slots=True)
class Trace:
    """Whether a key was used since the last look."""

    fresh: bool = False


@dataclass
class _Environment:
    """One environment's meters, by the name of a key's limits or `EVERYBODY`; traces by the hash of a key."""

    table: LiveTable
    buckets: dict[str, Bucket] = field(default_factory=dict)
    places: dict[str, Places] = field(default_factory=dict)
    traces: dict[str, Trace] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)


class Callers:
    """`gateways` says how many gateways serve an environment, this one included, as far as is known."""

    def __init__(
        self, gateways: Callable[[str], int] = lambda _: 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._gateways, self._clock = gateways, clock
        self._environments: dict[str, _Environment] = {}
        self._nobody = Trace()

    def trace(self, live: LiveTable, key: Key | None) -> Trace:
        """Return where the use of a key is marked."""
        if key is None or key.internal:
            return self._nobody
        return self._environment(live).traces.setdefault(key.hash, Trace())

    def limiter(self, live: LiveTable, key: Key | None) -> Limiter | None:
        """Return the limits that this caller's requests must pass; None when there are none."""
        most = live.table.limits.get("requests_per_second")
        if key is None:
            key = NOBODY
        if key.internal or not (most or key.requests_per_second or key.concurrent_requests):
            return None
        environment, name = self._environment(live), str(key.row or key.hash)
        rate = self._bucket(environment, name, key.requests_per_second)
        places = self._places(environment, name, key.concurrent_requests)
        everybody = self._bucket(environment, EVERYBODY, most)
        return Limiter(live.table.environment, rate, places, everybody, environment.tally)

    def measure(self) -> Uses:
        """Return what was asked of each limit; called about once a second."""
        now = self._clock()
        return {
            name: {f"rate {each}": Use(bucket.limit, bucket.measure(now)) for each, bucket in found.buckets.items()}
            | {f"places {each}": Use(held.limit, held.measure(), True) for each, held in found.places.items()}
            for name, found in self._environments.items()
        }

    def share(self, shares: Shares) -> None:
        """Take over this gateway's part of each limit; what is not named keeps its own."""
        now = self._clock()
        for name, found in self._environments.items():
            given = shares.get(name, {})
            for each, bucket in found.buckets.items():
                bucket.resize(bucket.limit, given.get(f"rate {each}", bucket.share), now)
            for each, held in found.places.items():
                held.allowed = min(held.limit, int(given.get(f"places {each}", held.allowed)))

    def used(self) -> list[str]:
        """Return the hashes of the keys that were used since the last call."""
        found = []
        for environment in self._environments.values():
            for name, trace in environment.traces.items():
                if trace.fresh:
                    trace.fresh = False
                    found.append(name)
        return found

    def throttled(self) -> dict[str, int]:
        """Return how many requests were over a limit since the start, by environment."""
        return {name: found.tally.refused for name, found in self._environments.items()}

    def _environment(self, live: LiveTable) -> _Environment:
        name = live.table.environment
        found = self._environments.get(name)
        if found is None:
            found = self._environments[name] = _Environment(live)
        elif found.table is not live:
            _forget(found, live)
        return found

    def _bucket(self, environment: _Environment, name: str, limit: int | None) -> Bucket | None:
        if limit is None:
            return None
        now = self._clock()
        bucket = environment.buckets.get(name)
        if bucket is None:
            share = 1 / self._gateways(environment.table.table.environment)
            bucket = environment.buckets[name] = Bucket(limit, share, now)
        elif bucket.limit != limit:
            bucket.resize(limit, bucket.share, now)
        return bucket

    def _places(self, environment: _Environment, name: str, limit: int | None) -> Places | None:
        if limit is None:
            return None
        held = environment.places.get(name)
        if held is None:
            equal = [0.0] * self._gateways(environment.table.table.environment)
            held = environment.places[name] = Places(limit, limits.places(limit, equal)[0])
        elif held.limit != limit:
            held.limit, held.allowed = limit, max(1, round(held.allowed * limit / held.limit))
        return held


NOBODY = Key(hash="", prefix="", models=(), pin=False, expires=None)


def _forget(found: _Environment, live: LiveTable) -> None:
    """A new table: keep what belongs to its keys, and nothing for those that are gone."""
    found.table = live
    names = {EVERYBODY, ""} | {str(key.row or key.hash) for key in live.table.keys}
    hashes = {key.hash for key in live.table.keys}
    for held in (found.buckets, found.places):
        for name in [name for name in held if name not in names]:
            del held[name]
    for name in [name for name in found.traces if name not in hashes]:
        del found.traces[name]
