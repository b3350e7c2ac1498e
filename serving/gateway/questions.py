"""Answers to what is asked of a gateway besides predictions: whether it is ready, and what it serves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from serving.gateway import keys
from serving.gateway.addresses import Place
from serving.gateway.messages import Problem, Reply, value
from serving.gateway.protocols import PROTOCOLS, mlflow, openapi
from serving.gateway.ways import LATER, pinned
from serving.gateway.world import LiveRoute, LiveTable, World
from serving.routing import Key

VERSION = "0.1.0"
RETRY = ("retry-after", "1")
EXTENSIONS = ["binary_tensor_data"]


def table(place: Place, world: World) -> LiveTable:
    """Return the environment's table; raises Problem 404 where it is not served, 503 while it is not loaded."""
    environment = place.environment or world.default
    live = world.tables.get(environment or "")
    if live is not None:
        return live
    if not world.ready and not world.served:
        raise Problem(503, "The gateway is starting; try again in a second.", [RETRY], "loading")
    if environment in world.waiting:
        raise Problem(503, f"What was released to {environment} is not loaded here yet; try again.", [LATER], "loading")
    if environment in world.served:
        raise Problem(404, f"Nothing has been released to {environment} yet.")
    here = ", ".join(world.served) or "none yet"
    raise Problem(404, f"This gateway does not serve that environment; it serves: {here}.")


def model(place: Place, live: LiveTable, key: Key | None) -> LiveRoute:
    if not keys.may_use(key, place.model):
        raise Problem(403, "This API key is not for this model.")
    found = live.routes.get(place.model)
    if found is None:
        raise Problem(404, f"There is no model of this name in {live.table.environment}.")
    return found


def server(place: Place, world: World) -> Reply:
    if place.environment is not None and place.environment not in world.served:
        raise Problem(404, f"This gateway does not serve that environment; it serves: {', '.join(world.served)}.")
    if place.verb == "server":
        return value({"name": "slipway", "version": VERSION, "extensions": EXTENSIONS})
    if place.verb == "alive":
        return value({"status": "alive"})
    ready = world.ready and place.environment not in world.waiting
    if place.verb == "live":
        return value({"live": True, "ready": ready})
    said: dict[str, Any] = {"live": True, "ready": True} | _cut_off(world)
    if not ready:
        names = ", ".join(sorted(world.waiting))
        words = f"What was released to {names} is not loaded here yet." if names else "The gateway is starting."
        raise Problem(503, " ".join([words, *_cut_off(world).values()]), [RETRY])
    return value(said)


def _cut_off(world: World) -> dict[str, str]:
    """A gateway without Redis answers as before, and says that it may not know of the newest changes."""
    if world.cut_off is None:
        return {}
    since = datetime.fromtimestamp(world.cut_off, UTC).isoformat(timespec="seconds")
    return {"warning": f"Redis is away since {since}: routes, keys and limits are as they were then."}


def describe(place: Place, live: LiveTable, found: LiveRoute) -> Reply:
    target = pinned(found, place.model, place.version) if place.version is not None else None
    if place.verb == "openapi":
        return openapi.document(place, live, found, target)
    if place.verb == "version":
        return mlflow.version()
    if place.verb != "model-ready":
        return PROTOCOLS[place.protocol].model(found, target)
    if target is None and (found.lost or found.route.off):
        raise Problem(
            503, f"{place.model} is {'not loaded here' if found.lost else 'switched off'} at the moment.", [LATER]
        )
    return value({"name": place.model, "ready": True})
