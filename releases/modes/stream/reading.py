"""What pages and REST say about streams: how far behind they are, how fast, and what was set aside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import redis
from django.utils import timezone

from releases import broker as redis_of
from releases.models import Environment, MLModel
from serving.streams import broker
from serving.streams.names import Letter, Names

MOST_LETTERS = 100


@dataclass(frozen=True)
class Stream:
    """One model's stream in one environment. `lag` in seconds is how long the oldest record has waited.

    `pace` in records a second is that of the last full ten seconds; `limit` is the latency that is accepted.
    """

    environment: Environment
    model: MLModel
    waiting: int
    lag: float
    pace: float
    answered: int
    dead: int
    doubled: int
    worked_on: bool

    @property
    def limit(self) -> float:
        return self.model.stream_seconds

    @property
    def is_late(self) -> bool:
        return self.lag > self.limit

    def get_absolute_url(self) -> str:
        return f"/streams/{self.environment.name}/{self.model.name}/"


@dataclass(frozen=True)
class Seen:
    """All streams, and how many consumers are alive; `away`: Redis cannot be asked."""

    streams: list[Stream]
    consumers: int
    away: bool = False


def every(environment: str = "", model: str = "") -> Seen:
    """Return every stream that has had a record, or those of one environment or model."""
    client = redis_of.client()
    environments = {each.name: each for each in Environment.objects.all()}
    models = {each.name: each for each in MLModel.objects.all()}
    try:
        found = [
            _stream(client, names, environments[names.environment], models[names.model])
            for names in broker.known(client)
            if names.environment in environments
            and names.model in models
            and environment in ("", names.environment)
            and model in ("", names.model)
        ]
        return Seen(found, len(broker.alive(client)))
    except redis.RedisError:
        return Seen([], 0, away=True)


def late(client: redis.Redis) -> list[Stream]:
    """Return the streams that are late. Where nothing waits no database is asked. Raises RedisError."""
    waiting = [names for names in broker.known(client) if broker.depth(client, names).records]
    if not waiting:
        return []
    environments = Environment.objects.in_bulk({names.environment for names in waiting}, field_name="name")
    models = MLModel.objects.in_bulk({names.model for names in waiting}, field_name="name")
    known = [names for names in waiting if names.environment in environments and names.model in models]
    found = (_stream(client, names, environments[names.environment], models[names.model]) for names in known)
    return [stream for stream in found if stream.is_late]


def _stream(client: redis.Redis, names: Names, environment: Environment, model: MLModel) -> Stream:
    depth, counts = broker.depth(client, names), broker.counts(client, names)
    return Stream(
        environment=environment,
        model=model,
        waiting=depth.records,
        lag=depth.seconds,
        pace=broker.pace(client, names),
        answered=counts.get("answered", 0),
        dead=counts.get("dead", 0),
        doubled=counts.get("doubled", 0),
        worked_on=broker.leased(client, names) > 0,
    )


@dataclass(frozen=True)
class SetAside:
    """A dead letter: what it is called, when it came, why it was set aside, after how many tries."""

    entry: str
    id: str
    at: datetime
    reason: str
    tries: int


def letters(environment: Environment, model: MLModel) -> list[SetAside]:
    """Return the newest dead letters, without their rows, which are callers' data; none while Redis is away."""
    try:
        found = broker.letters(redis_of.client(), Names(environment.name, model.name), MOST_LETTERS)
    except redis.RedisError:
        return []
    return [_set_aside(entry, letter) for entry, letter in found]


def _set_aside(entry: str, letter: Letter) -> SetAside:
    at = datetime.fromtimestamp(letter.at, timezone.get_current_timezone())
    return SetAside(entry, letter.id, at, letter.reason, letter.tries)
