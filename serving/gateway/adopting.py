"""Make a published table live as far as its packages can be loaded: one that cannot costs its own route only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from serving.gateway.pool import Package
from serving.gateway.world import LiveRoute, LiveTable
from serving.routing import Route, RouteTable, Target

# Loads a target, those of weight 0 too; None when it cannot be loaded.
Load = Callable[[Target], Package | None]
Packages = Mapping[str, Package]


def build(table: RouteTable, load: Load, earlier: Callable[[str], LiveRoute | None], adopted: int) -> LiveTable:
    """Return the table with what could be loaded; `earlier` gives a model's last route that could be served, if any.

    `adopted` is the generation to report instead of the table's own while a package of it is missing that matters.
    """
    found = {target.digest: load(target) for target in table.targets()}
    loaded = {digest: package for digest, package in found.items() if package is not None}
    routes = {
        name: whole(route, loaded, table.generation) or earlier(name) or _lost(route, loaded, table.generation)
        for name, route in table.routes.items()
    }
    complete = all(target.digest in loaded or _spare(target) for target in table.targets())
    return LiveTable(table, routes, table.generation if complete else adopted)


def whole(route: Route, loaded: Packages, generation: int) -> LiveRoute | None:
    """Return the route without the targets of weight 0 that are not loaded; None when one that takes traffic is not."""
    if any(target.weight > 0 and target.digest not in loaded for target in route.targets):
        return None
    left = tuple(target for target in route.targets if target.digest in loaded)
    return _live(replace(route, targets=left), loaded, generation)


def hopeless(live: LiveTable) -> bool:
    """Whether the table has routes and none of them can be served."""
    return bool(live.routes) and all(route.lost for route in live.routes.values())


def kept(live: LiveTable) -> RouteTable:
    """Return the table to start again with: as published where it was adopted, else what is served in its stead."""
    if live.adopted == live.table.generation:
        return live.table
    routes = {name: found.route for name, found in live.routes.items()}
    return replace(live.table, generation=live.adopted, routes=routes)


def failures(live: LiveTable, packages: Mapping[str, str]) -> str | None:
    """Return sentences on what could not be loaded, by the states of the packages; None when all could."""
    said = [
        _sentence(live.routes[name], target, words.removeprefix("error: "))
        for name, route in live.table.routes.items()
        for target in route.targets
        if (words := packages[target.digest]).startswith("error: ")
    ]
    if not said:
        return None
    start = [] if live.adopted == live.table.generation else [f"Generation {live.table.generation} is not adopted."]
    return " ".join([*start, *said[:3]])


def _sentence(live: LiveRoute, target: Target, words: str) -> str:
    what = f"Package {target.package} ({target.digest[:19]}…) of {live.route.model}"
    if target.weight == 0:
        return f"{what} is left out, it cannot be loaded: {words}"
    end = "the model cannot be served" if live.lost else "the model stays with what it served before"
    return f"{what} cannot be loaded, {end}: {words}"


def _lost(route: Route, loaded: Packages, generation: int) -> LiveRoute:
    left = tuple(replace(target, weight=0.0) for target in route.targets if target.digest in loaded)
    return replace(_live(replace(route, targets=left), loaded, generation), lost=True)


def _live(route: Route, loaded: Packages, generation: int) -> LiveRoute:
    return LiveRoute(route, {target.digest: loaded[target.digest] for target in route.targets}, generation)


def _spare(target: Target) -> bool:
    """The way back is wanted, and nobody waits for it; a candidate at weight 0 is being prepared."""
    return target.weight == 0 and target.arm == "previous"
