"""Which parts of Slipway are away, since when, and what does not happen because of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

import redis
from django.conf import settings
from django.utils import timezone

from releases import pulse
from releases.models import BatchJob
from releases.modes.batch import reading as batches
from releases.modes.stream import reading
from serving import exchange

TIMEOUT = 0.25  # seconds: a page never waits longer for a lost Redis, and asks again only after PAUSE
PAUSE = 2.0

PARTS = {
    pulse.BEAT: ("Beat", "Nothing is being judged or moved: releases stand where they are."),
    "quick": ("The worker for quick work", "Releases move only when beat's next look finds a worker."),
    "long": ("The worker for long work", "Uploads and suites wait at the door; releases go on."),
    "load": (
        "The worker that measures",
        "Load and stress tests and rehearsals wait; releases go on until they need one.",
    ),
    "batch": ("The worker for batches", "Files wait, and go on where they were."),
}
STARTED, GRACE = timezone.now(), 60.0  # all come up together: nobody who has not come yet is missed in the first minute
BROKER = ("Redis", "Predictions go on from the gateways' last tables; no release moves and nothing is counted.")


@dataclass(frozen=True)
class Away:
    """One part that is away, or `says` what ails it.

    `since` is None when it has not been seen at all; `url` is where to look.
    """

    what: str
    since: datetime | None
    name: str
    detail: str
    url: str = ""
    says: str = ""

    @property
    def text(self) -> str:
        if self.says:
            return self.says
        return f"{self.name} is away" if self.since else f"{self.name} has not been seen yet"

    @property
    def words(self) -> str:
        """The whole sentence, such as `Beat is away since 14:02. Nothing is being judged or moved …`."""
        since = f" since {timezone.localtime(self.since):%H:%M}" if self.since else ""
        return f"{self.text}{since}. {self.detail}"


@dataclass
class _Outage:
    """What this process remembers of a lost Redis: when it was first missed, and when it was last asked."""

    since: datetime | None = None
    asked: datetime | None = None


_outage = _Outage()


def away(now: datetime) -> list[Away]:
    """Return what is away, most important first; takes a few milliseconds, and never waits for a lost Redis."""
    if _outage.since and _outage.asked and (now - _outage.asked).total_seconds() < PAUSE:
        return [_lost_redis(_outage.since)]
    try:
        found = _look(_client(settings.REDIS_URL), now)
    except redis.RedisError:
        _outage.since, _outage.asked = _outage.since or now, now
        return [_lost_redis(_outage.since)]
    _outage.since = None
    return found


def late() -> list[Away]:
    """Return the streams whose oldest record has waited for longer than its model accepts; none while Redis is away."""
    if _outage.since:
        return []
    try:
        return [_late(stream) for stream in reading.late(_client(settings.REDIS_URL))]
    except redis.RedisError:
        return []


def missed(now: datetime) -> list[Away]:
    """Return the scheduled batches of the last day whose file did not come; none while Redis is away."""
    if _outage.since:
        return []
    try:
        at = pulse.last(_client(settings.REDIS_URL), (pulse.MISSED,))[pulse.MISSED]
    except redis.RedisError:
        return []
    if at is None or now.timestamp() - at > batches.LOUD.total_seconds():
        return []
    return [
        Away(f"batch {job.pk}", job.due_at, str(job), job.words, job.get_absolute_url(), _missed(job))
        for job in batches.missed(now)
    ]


def _missed(job: BatchJob) -> str:
    return f"{job.schedule.name if job.schedule else 'A batch'} of {job.model.name} was missed"


def _late(stream: reading.Stream) -> Away:
    model, environment = stream.model.name, stream.environment.name
    detail = f"Its oldest record has waited for {stream.lag:.0f} s; {stream.limit:g} s are accepted."
    says = f"The stream of {model} in {environment} is late"
    return Away(f"stream {environment} {model}", None, model, detail, stream.get_absolute_url(), says)


def _look(client: redis.Redis, now: datetime) -> list[Away]:
    stamps = pulse.last(client, (pulse.BEAT, *pulse.QUEUES))
    silent = [name for name, at in stamps.items() if at is None or now.timestamp() - at > pulse.AWAY]
    beats = exchange.heartbeats(client)
    alive = {beat.name for beat in beats}
    gateways = [gateway.name for gateway in settings.GATEWAYS if gateway.name not in alive]
    seen = _last_seen(client, gateways) if gateways else {}
    found = [Away(name, _moment(stamps[name]), *PARTS[name]) for name in silent]
    found += [_gateway(name, _moment(seen.get(name))) for name in gateways]
    settled = (now - STARTED).total_seconds() > GRACE
    missed = [part for part in found if settled or (part.since and part.since > STARTED)]
    return missed + [ailing for beat in beats for ailing in _ailing(beat)]


def _gateway(name: str, since: datetime | None) -> Away:
    served = next(gateway.environments for gateway in settings.GATEWAYS if gateway.name == name)
    where = "the other environments" if "*" in served else ", ".join(served)
    return Away(f"gateway {name}", since, f"The gateway {name}", f"Nothing answers predictions for {where}.")


def _ailing(beat: exchange.Heartbeat) -> list[Away]:
    """A gateway that lives and cannot do as it is told: a table it refuses, a package it has left out."""
    return [
        Away(f"{beat.name} {name}", None, name, state.error, f"/environments/{name}/", f"{name} needs attention")
        for name, state in beat.environments.items()
        if state.error
    ]


def _last_seen(client: redis.Redis, names: Iterable[str]) -> dict[str, float]:
    """Return the newest heartbeat of each gateway (epoch seconds) within the last hour."""
    rows = cast("list[tuple[bytes, float]]", client.zrange(exchange.GATEWAYS, 0, -1, withscores=True))
    found: dict[str, float] = {}
    for name in names:
        start = exchange.heartbeat_key(name, "").encode()
        if times := [at for key, at in rows if key.startswith(start)]:
            found[name] = max(times)
    return found


def _lost_redis(since: datetime) -> Away:
    return Away("redis", since, *BROKER)


def _moment(at: float | None) -> datetime | None:
    return datetime.fromtimestamp(at, UTC) if at else None


@lru_cache(maxsize=4)
def _client(url: str) -> Any:
    return redis.Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
