"""What the gateways say of themselves: who is alive, and who has adopted which table."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import redis

from releases import broker
from serving import exchange
from serving.exchange import EnvironmentState, Heartbeat

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Adoption:
    """How far the gateways of one environment are with one generation. `known` is False when Redis is away."""

    gateways: int
    adopted: int
    errors: tuple[str, ...] = ()
    known: bool = True

    @property
    def complete(self) -> bool:
        return 0 < self.gateways == self.adopted


def alive() -> list[Heartbeat] | None:
    """Return the live gateways, or None when Redis is away and nobody can know."""
    try:
        return exchange.heartbeats(broker.client())
    except redis.RedisError as error:
        log.warning("Redis is away, the gateways cannot be seen: %s", error)
        return None


def adoption(environment: str, generation: int, beats: list[Heartbeat] | None) -> Adoption:
    """Count the live gateways of the environment and those that serve at least this generation."""
    if beats is None:
        return Adoption(0, 0, known=False)
    states = [beat.environments[environment] for beat in beats if environment in beat.environments]
    done = [state for state in states if state.generation >= generation]
    return Adoption(len(states), len(done), tuple(state.error for state in states if state.error))


def load_error(environment: str, digest: str, beats: list[Heartbeat] | None) -> str:
    """Return why a gateway could not load the package, or an empty string."""
    states = [beat.environments[environment] for beat in beats or [] if environment in beat.environments]
    return next((error for error in (_error(state, digest) for state in states) if error), "")


def _error(state: EnvironmentState, digest: str) -> str:
    word = state.packages.get(digest, "")
    return word.removeprefix("error:").strip() if word.startswith("error") else ""
