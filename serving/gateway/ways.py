"""Where an address and a key lead, and which package of the route answers."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

from serving.gateway.addresses import Place
from serving.gateway.callers import Trace
from serving.gateway.guard import Guard
from serving.gateway.messages import Problem
from serving.gateway.protocols import Door
from serving.gateway.world import Choice, LiveRoute, LiveTable
from serving.routing import Key, Target, pick

# The arm of a request that named its package: it was not chosen by the weights, so no judge may count it.
PINNED = "pinned"
LATER = ("retry-after", "5")


@dataclass(frozen=True, slots=True)
class Way:
    """What an address and a key come to while the route tables stay as they are; `guard` is None for most.

    `choices` are those of chance. `plain`: neither address nor route asks for more than any package of the route.
    """

    place: Place
    door: Door
    live: LiveTable
    found: LiveRoute
    key: Key | None
    trace: Trace
    guard: Guard | None
    choices: tuple[tuple[float, Choice], ...]
    plain: bool


def choose(way: Way, pin: str | None, key: bytes | None) -> Choice:
    """Return the pinned target, else the one that the sticky key or chance picks; raises Problem."""
    place = way.place
    if pin is not None:
        return way.found.choice(way.live.table.environment, pinned(way.found, place.model, pin), PINNED, place.protocol)
    if way.choices:
        return pick(way.choices, chance(place.model, key))
    if way.found.lost:
        raise Problem(503, f"This gateway cannot load {place.model} at the moment; try again.", [LATER], "lost")
    raise Problem(503, f"{place.model} is switched off at the moment.", [LATER], "off")


def pinned(found: LiveRoute, model: str, pin: str) -> Target:
    """Return the target of a package number or digest; raises Problem 404 when it is not loaded here."""
    target = found.named.get(pin)
    if target is None:
        loaded = ", ".join(str(item.package) for item in found.route.targets)
        raise Problem(404, f"That package of {model} is not loaded here; loaded are: {loaded or 'none'}.")
    return target


def chance(model: str, key: bytes | None) -> float:
    """Return a number in [0, 1): the same for the same sticky key, else random."""
    if key is None:
        return random.random()  # noqa: S311 - shares of traffic, no secret
    return int.from_bytes(hashlib.blake2b(model.encode() + b"\0" + key, digest_size=6).digest()) / 2**48
